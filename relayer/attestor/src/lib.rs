//! An attestor: it looks at every chain with its own nodes, writes what it is about to sign to its journal, and signs.
//! Beside it what a relayer needs to ask attestors: one client each, and a quorum over several.

mod attestor;
mod bitcoin;
mod client;
mod health;
mod journal;
mod proved;
mod quorum;
mod record;
mod refusal;
mod server;
mod signer;
mod start;
mod wire;

pub use attestor::Attestor;
pub use bitcoin::{AttestorCosigners, BitcoinSigner, CosignBody};
pub use client::{AttestRefusal, AttestorClient, Wire};
pub use health::{Health, NodeHealth};
pub use journal::approve;
pub use proved::{Followed, Proved, ProvedError, Witnessed};
pub use quorum::{Certified, Quorum, QuorumError};
pub use record::check_execution;
pub use refusal::{Code, Problem};
pub use server::router;
pub use signer::{Secp256k1, Signer};
pub use start::StartError;
pub use wire::{Answer, AttestBody, Identity, Request, MAX_DECISIONS};
