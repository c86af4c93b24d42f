//! Proofs of what became of a leg, each in its own chain, and verifiers that take bytes and trusted anchors only.
//! A verifier does no I/O and shares no code with the builders, which ask nodes and may be lied to.
//!
//! Every kind answers with the same normalized [`aes_protocol::Evidence`] leaf that attestors sign a root over.

pub mod bitcoin;
#[cfg(feature = "build")]
pub mod build;
pub mod cosmos;
mod error;
pub mod evm;
pub mod file;
mod subject;

pub use error::ProofError;
pub use subject::Subject;
