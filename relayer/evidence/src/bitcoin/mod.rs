//! Bitcoin: the transaction that made or ended a leg's hold, its Merkle branch in a block, and headers from a trusted
//! checkpoint through that block to a tip with enough work above it.

mod headers;
mod hold;
mod transaction;

use aes_protocol::{AttestorSet, Bytes, Domain, Evidence, Hash32, LegStatus};
use bitcoin::hashes::Hash;
use bitcoin::Transaction;
use cosmwasm_schema::cw_serde;

use crate::{ProofError, Subject};
pub use aes_bitcoin::Checkpoint;
pub use headers::{Mined, Row, Tip, HEADER_LENGTH, MAX_HEADERS, MEDIAN_OF};
#[cfg(feature = "build")]
pub(crate) use hold::event_hash;
pub use hold::HoldTerms;
pub use transaction::Included;

/// A leg's proof on Bitcoin.
#[cw_serde]
#[derive(Eq)]
pub struct BitcoinProof {
    pub row: Row,
    pub shown: BitcoinShown,
}

#[cw_serde]
#[derive(Eq)]
pub enum BitcoinShown {
    /// the transaction that made the hold is in the row's block
    Held { made: Included, hold: HoldTerms },
    /// the one that spent it is; the one that made it must then be in the chain as well
    Ended { spent: Included, made: Bytes, hold: HoldTerms },
    /// the row's block is the first one whose median time past is at or after the deadline. That there was no hold, no
    /// block of Bitcoin can show: it remains trust in the attestors' ledgers
    Absence {},
}

/// What is trusted of a Bitcoin network.
#[cw_serde]
#[derive(Default, Eq)]
pub struct BitcoinAnchors {
    /// a row has to go through one of them, at or before the block below the leaf's
    pub checkpoints: Vec<TrustedCheckpoint>,
}

#[cw_serde]
#[derive(Eq)]
pub struct TrustedCheckpoint {
    pub checkpoint: Checkpoint,
    /// expected hashes (256 bits, big-endian) from the leaf's block to the tip: what a forger would have to pay for
    pub minimum_work: Hash32,
}

impl BitcoinProof {
    /// The leaf that is proved, when the headers go through a trusted checkpoint and bear enough work. `sets`: the attestor
    /// sets that are trusted, whose keys the hold's script is made of.
    pub fn verify(
        &self,
        subject: &Subject,
        domain: &Domain,
        anchors: &BitcoinAnchors,
        sets: &[AttestorSet],
    ) -> Result<Evidence, ProofError> {
        let mined = self.row.verify(&subject.leg.chain, anchors)?;
        let (status, transaction, hold) = match &self.shown {
            BitcoinShown::Held { made, hold } => {
                let made = made.verify(&mined.header)?;
                let hold = hold.hold(subject, domain, &made, sets)?;
                (LegStatus::Held, made, hold)
            }
            BitcoinShown::Ended { spent, made, hold } => {
                let spent = spent.verify(&mined.header)?;
                let hold = hold.hold(subject, domain, &transaction::read("transaction", made)?, sets)?;
                (hold::ended(&hold, &spent)?, spent, hold)
            }
            BitcoinShown::Absence {} => {
                mined.check_first_from(subject.deadline)?;
                let none = Hash32::default();
                return Ok(subject.leaf(LegStatus::Absent, mined.block(), none, none));
            }
        };
        Ok(subject.leaf(status, mined.block(), txid(&transaction), hold::event_hash(&hold)))
    }

    /// The sets that the hold's script is made of.
    pub fn sets(&self) -> &[AttestorSet] {
        match &self.shown {
            BitcoinShown::Held { hold, .. } | BitcoinShown::Ended { hold, .. } => &hold.sets,
            BitcoinShown::Absence {} => &[],
        }
    }
}

pub(crate) fn txid(transaction: &Transaction) -> Hash32 {
    written(transaction.compute_txid().to_byte_array())
}

/// A hash as explorers and leaves write it: the last byte first.
pub(crate) fn written(mut bytes: [u8; 32]) -> Hash32 {
    bytes.reverse();
    Hash32(bytes)
}
