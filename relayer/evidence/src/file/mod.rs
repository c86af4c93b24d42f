//! The proof file: one execution, what the home chain stores about it, and each leg's proofs, in one JSON that a reader
//! checks without a network. `docs/proofs.md` describes it for who writes a verifier of their own.

mod anchors;
mod certificate;
mod report;
mod verify;

use aes_protocol::{Certificate, ChainId, Decision, Evidence, Execution, Hash32, Leg};
use cosmwasm_schema::cw_serde;
use serde::de::DeserializeOwned;

use crate::bitcoin::BitcoinProof;
use crate::cosmos::{CosmosProof, RecordProof};
use crate::evm::EvmProof;
use crate::ProofError;
pub use anchors::{Anchor, Anchors, Basis};
#[cfg(feature = "build")]
pub(crate) use certificate::verify as verify_certificate;
pub use report::{CertificateReport, Finding, HomeReport, LegReport, PhaseReport, Report, Verdict};

#[cw_serde]
pub struct ProofFile {
    /// 1
    pub version: u32,
    /// its hash is the execution's id
    pub execution: Execution,
    /// in their order; the root over their hashes is the execution's `manifest_root`
    pub legs: Vec<LegProofs>,
    /// set once decided
    pub decision: Option<Decision>,
    /// over the `held` leaves, where the execution was prepared
    pub prepared: Option<Certified>,
    /// over the `settled` leaves, where the settlement is recorded
    pub settled: Option<Certified>,
    /// the coordinator's record under the home chain's app hash
    pub home: Option<RecordProof>,
}

#[cw_serde]
pub struct LegProofs {
    pub leg: Leg,
    /// that it was held
    pub held: Option<Shown>,
    /// how it ended
    pub settled: Option<Shown>,
}

#[cw_serde]
pub struct Shown {
    pub leaf: Evidence,
    pub proof: NativeProof,
}

#[cw_serde]
pub enum NativeProof {
    Evm(EvmProof),
    Cosmos(CosmosProof),
    Bitcoin(BitcoinProof),
}

/// What the attestors signed of one moment.
#[cw_serde]
pub struct Certified {
    pub evidence_root: Hash32,
    /// missing where the home chain's node keeps no index of old transactions
    pub certificate: Option<Certificate>,
}

impl ProofFile {
    pub const VERSION: u32 = 1;
}

/// A proof file or an anchors file. An unknown field is refused: whoever wrote it may have meant what is passed over.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, ProofError> {
    let wrong = |cause: &dyn ToString| ProofError::malformed("file", cause.to_string());
    let mut unknown = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let file = serde_ignored::deserialize(&mut deserializer, |path| unknown = Some(path.to_string()));
    let file = file.and_then(|file| deserializer.end().map(|()| file)).map_err(|error| wrong(&error))?;
    match unknown {
        Some(field) => Err(wrong(&format!("the field {field} is unknown"))),
        None => Ok(file),
    }
}

impl LegProofs {
    pub fn chain(&self) -> &ChainId {
        &self.leg.chain
    }
}
