//! Bad days by the hundred thousand: the real planner, relay loop, attestors and stores, with the real contracts, in one
//! process on virtual time. Only the wire, the blocks and the time are made here. A seed is a run, the same every time.

mod attestors;
mod bitcoin;
mod chains;
mod check;
mod cosmos;
mod dice;
mod disk;
mod evm;
mod fault;
mod keys;
mod lie;
mod links;
mod others;
mod panics;
mod relayers;
mod run;
mod timeline;
mod users;
mod wire;
mod world;

pub use fault::{Fault, Fired};
pub use run::{run, Broken, Report};
pub use timeline::Timeline;
