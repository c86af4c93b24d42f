//! The protocol as a model, small enough to look at every state it can come to: the coordinator, the escrows, attestors of
//! which some lie, relayers of which some follow the real planner (`aes_plan::plan`) and some send whatever they like,
//! users who withhold and race, chains that delay, lose and reorganize. Time is a few moments: before the deadline, after
//! it, and after the escape delay, by each chain's own clock.

mod attestor;
mod coordinator;
mod escrow;
mod guard;
mod message;
mod model;
mod property;
mod relayer;
mod report;
mod scenario;
mod world;

pub use guard::{Case, Guard, CASES};
pub use model::Step;
pub use property::Promise;
pub use report::{explore, look_without, Explored, Noticed};
pub use scenario::Scenario;
