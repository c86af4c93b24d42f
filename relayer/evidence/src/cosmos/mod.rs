//! CosmWasm chains: headers that the validators signed, and ICS-23 under the `app_hash` of one of them: of a leg's hold
//! at its escrow, or of an execution's record at the coordinator. The state after block `h` stands in header `h + 1`.

mod leaf;
mod light;
mod record;
mod store;

use aes_protocol::{Bytes, Evidence, Hash32, LegStatus};
use cosmwasm_schema::cw_serde;

use crate::subject::Block;
use crate::{ProofError, Subject};
pub use leaf::{hold_key, Told};
pub use light::{hash32, seconds, CosmosAnchors, Headers, Hop, Run, MAX_HOPS, MAX_PARENTS, MAX_RUNS};
pub use record::{record_key, HomeRecord, RecordPart, RecordProof, Stored};
pub use store::{store_key, ModuleRoot};

/// A leg's proof on a CosmWasm chain.
#[cw_serde]
#[derive(Eq)]
pub struct CosmosProof {
    pub runs: Vec<Run>,
    /// height of the block after which the state is shown
    pub height: u64,
    /// protobuf `cosmos.ics23.v1.CommitmentProof` of the wasm module's root under the app hash
    pub multistore: Bytes,
    /// protobuf `cosmos.ics23.v1.CommitmentProof` of the hold, or of its absence, under the module's root
    pub iavl: Bytes,
    pub shown: CosmosShown,
}

#[cw_serde]
#[derive(Eq)]
pub enum CosmosShown {
    /// that it was held; `hold` as it is stored, which tells that also after it has ended
    Held { hold: Bytes },
    /// how it ended
    Ended { hold: Bytes },
    /// nothing was held when the first block at or after the deadline was made, of this height: the escrow, which
    /// never deletes a hold, takes none from there on
    Absence { first: u64 },
}

impl CosmosProof {
    /// The leaf that is proved, when the anchors lead to its headers.
    pub fn verify(&self, subject: &Subject, anchors: &CosmosAnchors) -> Result<Evidence, ProofError> {
        let headers = Headers::verify(&subject.leg.chain, &self.runs, anchors)?;
        let root = ModuleRoot::verify(headers.app_hash(self.height)?, &self.multistore)?;
        let value = match &self.shown {
            CosmosShown::Held { hold } | CosmosShown::Ended { hold } => Some(hold.as_slice()),
            CosmosShown::Absence { .. } => None,
        };
        root.check(subject.leg.escrow.as_slice(), &hold_key(subject), value, &self.iavl)?;
        let told = match &self.shown {
            CosmosShown::Held { hold } => Told::held(hold.as_slice(), subject)?,
            CosmosShown::Ended { hold } => Told::ended(hold.as_slice())?,
            CosmosShown::Absence { first } => return never_held(&headers, *first, self.height, subject),
        };
        Ok(told.leaf(subject, headers.hash(told.moment.height)?))
    }
}

/// `state`: the height after which nothing is stored.
fn never_held(headers: &Headers, first: u64, state: u64, subject: &Subject) -> Result<Evidence, ProofError> {
    let before = headers.at(first.saturating_sub(1))?;
    let header = headers.at(first)?;
    let (before, time) = (seconds(before)?, seconds(header)?);
    if before >= subject.deadline || time < subject.deadline {
        let cause = format!("block {first} is not the first at or after the deadline {}", subject.deadline);
        return Err(ProofError::mismatch("absence", cause));
    }
    if state.saturating_add(1) < first {
        let cause = format!("it is of the state after block {state}, in which a hold could still come");
        return Err(ProofError::mismatch("absence", cause));
    }
    let block = Block { height: first, hash: headers.hash(first)?, time };
    Ok(subject.leaf(LegStatus::Absent, block, Hash32::default(), Hash32::default()))
}
