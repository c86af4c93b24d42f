//! Bitcoin: a transaction, its Merkle branch in a block, and headers from a trusted checkpoint through that block to a
//! tip with enough work above it. Which transaction ends or makes a leg's hold is a rule that the caller brings.

mod headers;
mod transaction;

use aes_protocol::{Bytes, Evidence, Hash32, LegStatus};
use alloy_primitives::U256;
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use bitcoin::Transaction;
use cosmwasm_schema::cw_serde;

use crate::subject::Block;
use crate::{ProofError, Subject};
pub use aes_bitcoin::Checkpoint;
pub use headers::{HEADER_LENGTH, MAX_HEADERS};

/// A leg's proof on Bitcoin.
#[cw_serde]
#[derive(Eq)]
pub struct BitcoinProof {
    /// 80 bytes each: from the block after the checkpoint to the tip
    pub headers: Bytes,
    /// which of them has the transaction
    pub block: u32,
    /// the block's partial Merkle tree (BIP-37) that matches the coinbase and the transaction
    pub merkle: Bytes,
    /// the coinbase transaction: its depth in the tree is the real one, so no inner node can pass for a transaction
    pub coinbase: Bytes,
    pub transaction: Bytes,
}

/// What is trusted of a Bitcoin network.
#[cw_serde]
#[derive(Eq)]
pub struct BitcoinAnchors {
    pub checkpoint: Checkpoint,
    /// expected hashes (256 bits, big-endian) from the transaction's block to the tip: what a forger would have to pay for
    pub minimum_work: Hash32,
}

/// What a transaction says of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub status: LegStatus,
    pub event_hash: Hash32,
}

/// Whether a transaction makes or ends a leg's hold: the rules of the escrow's scripts.
pub trait LegRule {
    fn read(&self, subject: &Subject, transaction: &Transaction) -> Result<Seen, ProofError>;
}

impl<F: Fn(&Subject, &Transaction) -> Result<Seen, ProofError>> LegRule for F {
    fn read(&self, subject: &Subject, transaction: &Transaction) -> Result<Seen, ProofError> {
        self(subject, transaction)
    }
}

impl BitcoinProof {
    /// The leaf that is proved, when the headers start at the checkpoint and bear enough work.
    pub fn verify(
        &self,
        subject: &Subject,
        anchors: &BitcoinAnchors,
        rule: &impl LegRule,
    ) -> Result<Evidence, ProofError> {
        let mined = headers::follow(&subject.leg.chain, &anchors.checkpoint, self.headers.as_slice(), self.block)?;
        let txid = transaction::mined(&mined.header, &self.merkle, &self.coinbase, &self.transaction)?;
        let transaction: Transaction =
            deserialize(self.transaction.as_slice()).map_err(|error| ProofError::malformed("transaction", error))?;
        let seen = rule.read(subject, &transaction)?;
        let minimum = U256::from_be_bytes(anchors.minimum_work.0);
        if mined.work < minimum {
            let what = format!("block {}: {} expected hashes on it, {minimum} wanted; it", mined.height, mined.work);
            return Err(ProofError::NotAnchored { what });
        }
        let block = Block {
            height: mined.height,
            hash: written(mined.header.block_hash().to_byte_array()),
            time: mined.header.time.into(),
        };
        Ok(subject.leaf(seen.status, block, written(txid.to_byte_array()), seen.event_hash))
    }
}

/// A hash as explorers and leaves write it: the last byte first.
fn written(mut bytes: [u8; 32]) -> Hash32 {
    bytes.reverse();
    Hash32(bytes)
}
