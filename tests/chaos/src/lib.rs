//! `aes relay` and `aes attest` as processes on real nodes, killed, cut off, lied to, while users open executions. What
//! is asked at the end: did each end all or none, and is every base unit where the outcomes say?

mod alone;
mod fault;
mod fleet;
mod run;
mod step;
mod storm;
mod tally;
mod users;
mod wish;

pub use alone::strike_alone;
pub use fault::Fired;
pub use fleet::{Fleet, Part};
pub use run::{run, Options, Report};
pub use step::{Step, STEPS};
pub use tally::Tally;
