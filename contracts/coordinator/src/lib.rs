//! The coordinator: the one record on the home chain that decides each execution once, commit or rollback.

pub mod contract;
mod error;
mod events;
mod execute;
pub mod msg;
mod query;
pub mod state;

pub use error::ContractError;
pub use query::execution;
