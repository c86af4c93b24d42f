//! From a stored hold to the leaf that attestors sign a root over. Everything in it is in the hold or in a header.

use aes_escrow::msg::{Hold, HoldStatus, Moment};
use aes_protocol::{keccak, Evidence, Hash32, LegStatus};

use crate::subject::Block;
use crate::{ProofError, Subject};

/// The key under which the escrow keeps a leg's hold, as `contracts/escrow/src/state.rs` promises it.
pub fn hold_key(subject: &Subject) -> Vec<u8> {
    [&[0, 5][..], b"holds", &[0, 32], &subject.execution_id.0, &subject.leg.hash().0].concat()
}

/// What a hold says of itself, without the hash of the block it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub status: LegStatus,
    pub moment: Moment,
    pub event_hash: Hash32,
}

impl Told {
    /// How it was held, whatever became of it since: the hash is of the hold as it was first stored.
    pub fn held(bytes: &[u8], subject: &Subject) -> Result<Self, ProofError> {
        let hold = read(bytes)?;
        if hold.deadline != subject.deadline {
            let cause = format!("it has deadline {}, the execution {}", hold.deadline, subject.deadline);
            return Err(ProofError::mismatch("hold", cause));
        }
        let Some(moment) = hold.held_at else {
            return Err(ProofError::mismatch("hold", "nothing was ever held: it is a tombstone"));
        };
        let first = Hold { status: HoldStatus::Held, settled_at: None, failure: None, ..hold };
        let first = serde_json::to_vec(&first).map_err(|cause| ProofError::malformed("hold", cause))?;
        Ok(Self { status: LegStatus::Held, moment, event_hash: keccak(&first) })
    }

    /// How it ended; a settled hold never changes again.
    pub fn ended(bytes: &[u8]) -> Result<Self, ProofError> {
        let hold = read(bytes)?;
        let status = match (hold.status, hold.held_at) {
            (HoldStatus::Held, _) => return Err(ProofError::mismatch("hold", "it is still held")),
            (HoldStatus::Finalized, _) => LegStatus::Finalized,
            (HoldStatus::Released, None) => LegStatus::Absent,
            (HoldStatus::Released, Some(_)) => LegStatus::Released,
            (HoldStatus::Escaped, _) => LegStatus::Escaped,
        };
        let moment = hold.settled_at.ok_or_else(|| ProofError::malformed("hold", "it ended at no time"))?;
        Ok(Self { status, moment, event_hash: keccak(bytes) })
    }

    pub fn leaf(self, subject: &Subject, block_hash: Hash32) -> Evidence {
        let block = Block { height: self.moment.height, hash: block_hash, time: self.moment.time };
        subject.leaf(self.status, block, self.moment.tx_hash, self.event_hash)
    }
}

fn read(bytes: &[u8]) -> Result<Hold, ProofError> {
    serde_json::from_slice(bytes).map_err(|cause| ProofError::malformed("hold", cause))
}
