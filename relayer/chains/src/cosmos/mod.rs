//! CosmWasm chains over CometBFT: the escrow there, and the home chain's coordinator.
//!
//! cosmrs builds and signs, tendermint-rpc carries. They are of two tendermint versions, so only bytes cross.

mod account;
mod announce;
mod client;
mod deploy;
mod endpoints;
mod escrow;
mod evidence;
mod fee;
mod home;
mod proved;
mod refusal;
mod signer;
mod state;
mod ticks;
mod transactions;

pub use account::{account_of, bech32_of, AccountTextError};
pub use client::{CosmosClient, SetupError};
pub use deploy::Coin;
pub use endpoints::{rpc_client, rpc_failure, words_of};
pub use escrow::CosmosChain;
pub use home::CosmosHome;
pub use proved::Prover;
