//! What every part of AES agrees on, byte for byte: ids, legs, digests, trees and certificates.
//! No I/O, no clock, no randomness; builds for wasm. Everyone depends on it, it depends on none of ours.
//! The same bytes stand in Solidity (`contracts/evm`) and in TypeScript (`tests/ts`); `tests/vectors` holds all three together.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod bytes;
mod certificate;
mod chain;
mod decision;
mod eip712;
mod evidence;
mod execution;
mod leg;
mod set;
mod tree;

pub use bytes::{Bytes, Hash32, ParseError};
pub use certificate::{address_of_public_key, Certificate, CertificateError, Recover, Statement, SIGNATURE_LENGTH};
pub use chain::{AccountError, ChainId, ChainIdError, ChainKind};
pub use decision::{decisions_tree, Decision, DecisionLeaf};
pub use eip712::{keccak, Domain};
pub use evidence::{evidence_root, Evidence, LegStatus};
pub use execution::{manifest_root, manifest_tree, validate_legs, Conservation, Execution, LegsError, MAX_LEGS};
pub use leg::{Function, Leg, LegError};
pub use set::{Attestor, AttestorSet, SetError, MAX_ATTESTORS};
pub use tree::{verify_path, Tree};
