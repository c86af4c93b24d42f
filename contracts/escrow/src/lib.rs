//! The escrow on a CosmWasm chain: holds ALZ pending until the coordinator's decision, certified, reaches it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::arithmetic_side_effects))]

mod asset;
mod books;
pub mod contract;
mod error;
mod events;
mod execute;
mod limits;
pub mod msg;
mod query;
mod state;

pub use error::ContractError;
