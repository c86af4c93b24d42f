//! EVM chains: a header, and under its roots either the receipt with the escrow's event and the transaction that made
//! it, or the empty slot of a leg that was never held.

mod absence;
mod event;
mod header;
#[cfg(test)]
mod tests;
mod trie;

use std::collections::BTreeMap;

use aes_protocol::{Bytes, ChainKind, Evidence, Hash32};
use cosmwasm_schema::cw_serde;

use crate::{ProofError, Subject};
pub use absence::hold_slot;
#[cfg(feature = "build")]
pub(crate) use event::prepared_log;
use header::Header;

/// A finalized block within this many of the event's; a longer way belongs into the anchors.
pub const MAX_HEADERS: usize = 256;

/// A leg's proof on an EVM chain.
#[cw_serde]
#[derive(Eq)]
pub struct EvmProof {
    /// RLP: the block that the leaf speaks of, then each next one its child; the last is what must be trusted
    pub headers: Vec<Bytes>,
    pub shown: EvmShown,
}

#[cw_serde]
#[derive(Eq)]
pub enum EvmShown {
    /// the escrow's event in the first header's block
    Event {
        transaction_index: u64,
        /// trie nodes from `transactionsRoot` down to the transaction
        transaction: Vec<Bytes>,
        /// trie nodes from `receiptsRoot` down to its receipt
        receipt: Vec<Bytes>,
        /// which of the receipt's logs
        log: u32,
    },
    /// nothing was held when the first block at or after the deadline had been made: the first header's
    Absence {
        /// RLP of the block before it, which is before the deadline
        parent: Bytes,
        /// RLP of a later block, trusted by itself, where the slot is shown empty under its `stateRoot` and not under the
        /// leaf's own block's: nodes forget states, and a slot that is empty later was empty before
        state: Option<Bytes>,
        /// trie nodes from `stateRoot` down to the escrow's account
        account: Vec<Bytes>,
        /// trie nodes from its `storageRoot` towards the hold's slot
        slot: Vec<Bytes>,
    },
}

/// What is trusted of an EVM chain.
#[cw_serde]
#[derive(Default, Eq)]
pub struct EvmAnchors {
    /// hashes of final blocks
    pub blocks: Vec<Hash32>,
    /// escrow -> keccak-256 of its code; checked where a proof shows the account
    pub code_hashes: BTreeMap<Bytes, Hash32>,
}

impl EvmProof {
    /// The leaf that is proved, when the last header is a trusted block.
    pub fn verify(&self, subject: &Subject, anchors: &EvmAnchors) -> Result<Evidence, ProofError> {
        let escrow = escrow_of(subject)?;
        let headers = self.linked_headers()?;
        let block = headers.first().ok_or_else(|| ProofError::malformed("headers", "there are none"))?;
        let leaf = match &self.shown {
            EvmShown::Event { transaction_index, transaction, receipt, log } => {
                let place = event::Place { block, transaction_index: *transaction_index, log: *log };
                place.leaf(subject, escrow, transaction, receipt)?
            }
            EvmShown::Absence { parent, state, account, slot } => {
                absence::since_before(block, parent, subject.deadline)?;
                let later = state.as_ref().map(Header::read).transpose()?;
                let state = later.as_ref().unwrap_or(block);
                if state.number < block.number {
                    let cause = format!("it is of block {}, in which a hold could still come", state.number);
                    return Err(ProofError::mismatch("state", cause));
                }
                let found = absence::empty_slot(state, subject, escrow, account, slot)?;
                if let Some(pinned) = anchors.code_hashes.get(&subject.leg.escrow).filter(|pinned| **pinned != found) {
                    let cause = format!("the account has code {found}, the anchors say {pinned}");
                    return Err(ProofError::mismatch("escrow", cause));
                }
                subject.leaf(aes_protocol::LegStatus::Absent, block.block(), Hash32::default(), Hash32::default())
            }
        };
        for (hash, number) in self.rests_on()? {
            if !anchors.blocks.contains(&hash) {
                return Err(ProofError::NotAnchored {
                    what: format!("block {number} ({hash}) of {}", subject.leg.chain),
                });
            }
        }
        Ok(leaf)
    }

    /// Hash and height of the blocks that must be trusted: the last header, and the one whose state is shown.
    pub fn rests_on(&self) -> Result<Vec<(Hash32, u64)>, ProofError> {
        let last = self.headers.last().ok_or_else(|| ProofError::malformed("headers", "there are none"))?;
        let state = match &self.shown {
            EvmShown::Absence { state, .. } => state.as_ref(),
            EvmShown::Event { .. } => None,
        };
        let of = |bytes| Header::read(bytes).map(|header| (header.hash, header.number));
        std::iter::once(last).chain(state).map(of).collect()
    }

    fn linked_headers(&self) -> Result<Vec<Header>, ProofError> {
        if self.headers.len() > MAX_HEADERS {
            return Err(ProofError::malformed("headers", format!("more than {MAX_HEADERS}")));
        }
        let headers = self.headers.iter().map(Header::read).collect::<Result<Vec<_>, _>>()?;
        for (parent, child) in headers.iter().zip(headers.iter().skip(1)) {
            child.check_parent(parent)?;
        }
        Ok(headers)
    }
}

fn escrow_of(subject: &Subject) -> Result<[u8; 20], ProofError> {
    let leg = subject.leg;
    let account = <[u8; 20]>::try_from(leg.escrow.as_slice()).ok().filter(|_| leg.chain.kind() == ChainKind::Evm);
    account.ok_or_else(|| ProofError::mismatch("leg", format!("{} at {} is no EVM escrow", leg.escrow, leg.chain)))
}

/// The decoders by themselves, for fuzzing: in a proof the bytes of most are behind a hash.
#[cfg(feature = "fuzz")]
pub mod fuzzing {
    use alloy_rlp::Decodable;

    pub fn decoders(bytes: &[u8]) {
        let _ = super::header::Header::read(&bytes.into());
        let _ = (super::event::log_at(bytes, 0), super::event::log_at(bytes, 1));
        let _ = alloy_trie::TrieAccount::decode(&mut &*bytes);
        let root = alloy_primitives::B256::from(aes_protocol::keccak(bytes).0);
        let nodes = [bytes.into()];
        let _ = super::trie::value("value", root, &[0x27], &nodes);
        let _ = super::trie::nothing("nothing", root, &[0x27], &nodes);
    }
}
