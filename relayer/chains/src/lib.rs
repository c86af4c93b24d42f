//! One adapter a kind of chain: observe, submit. An adapter is thin: it knows its chain, not the protocol's rules.
//! A new kind of chain is a new folder here and one arm in `connect.rs`; nothing outside changes.

pub mod bitcoin;
mod chain;
mod connect;
pub mod cosmos;
mod error;
pub mod evm;
mod home;
mod http;
mod liars;
mod ticks;

pub use chain::{
    Chain, Depth, EscrowMessage, GasAccount, Head, Hold, HoldStatus, Outcome, SettlementItem, TxId, Unpaid,
};
pub use connect::{connect, connect_chain, connect_with, Chains, ConnectError};
pub use error::ChainError;
pub use home::{Announced, Home};
pub use liars::{by_host, FollowHealth, Liars};
pub use ticks::Ticks;
