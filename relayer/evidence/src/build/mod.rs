//! Builders: they ask nodes for the parts of a proof, put it together and believe none of it. What they made is worth
//! something only once a verifier has taken it.

mod bitcoin;
mod certificates;
mod cosmos;
mod evm;
mod file;
mod trie;

use aes_chains::ChainError;
use aes_config::{ConfigError, ManifestError};
use aes_protocol::{ChainId, Hash32};

use crate::ProofError;
pub use bitcoin::BitcoinProofBuilder;
pub use cosmos::CosmosProofBuilder;
pub use evm::EvmProofBuilder;
pub use file::{FileBuilder, LegBuilder};

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// what the coordinator has taken in its last block is provable one header later
    #[error("no header proves yet that the coordinator knows execution {0}; try again after the next block")]
    NoRecord(Hash32),
    #[error("{chain} has no header {height} yet, which proves the state before it; try again after the next block")]
    NoHeader { chain: ChainId, height: u64 },
    #[error("leg {leg}: {cause}")]
    Leg { leg: u8, cause: Box<BuildError> },
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// a node of a chain, or of a time, that this release does not know is no liar
    #[error("{0}; this release cannot read that, look for a newer one")]
    NotUnderstood(String),
    /// what no honest node gives: the parts are not of one chain
    #[error("what the node gave contradicts itself: {0}")]
    Contradiction(String),
    /// the parts do not make the proof they should
    #[error("what the nodes gave makes no proof of the leg: {0}")]
    Proof(#[from] ProofError),
}

impl BuildError {
    /// It will be there after the next block.
    pub fn is_early(&self) -> bool {
        match self {
            Self::NoRecord(_) | Self::NoHeader { .. } => true,
            Self::Leg { cause, .. } => cause.is_early(),
            _ => false,
        }
    }
}
