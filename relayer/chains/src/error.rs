//! What can go wrong with a chain, by what the caller should do about it.

use aes_protocol::ChainId;

#[derive(Debug, Clone, thiserror::Error)]
pub enum ChainError {
    /// try again later: no endpoint answered
    #[error("{chain}: no endpoint answered ({cause}); check the rpc list and the node")]
    Unreachable { chain: ChainId, cause: String },
    /// a node answered something that cannot be right
    #[error("{chain}: a node answered nonsense: {cause}")]
    BadAnswer { chain: ChainId, cause: String },
    /// the fee account is empty: fill it
    #[error("{chain}: insufficient gas: {address} has {balance}, the transaction needs {needed}; fill it")]
    InsufficientGas { chain: ChainId, address: String, balance: String, needed: String },
    /// the contract says no, and will say no again
    #[error("{chain}: refused: {cause}")]
    Refused { chain: ChainId, cause: String },
    /// try again later: something else must come first, e.g. a block
    #[error("{chain}: not yet: {cause}")]
    Later { chain: ChainId, cause: String },
    /// no key for this chain in the config: this process only looks
    #[error("{chain}: no key in the config to sign transactions with; give chains.\"{chain}\".key")]
    NoKey { chain: ChainId },
}
