//! The escrow's event: the receipt of a transaction that succeeded, at its place in the block, and in it a log of the
//! escrow's own that speaks of this execution and this leg and of nothing else.

use aes_protocol::{keccak, Bytes, Evidence, Hash32, Leg, LegStatus};
use alloy_primitives::{Log, B256};
use alloy_rlp::Decodable;

use super::header::Header;
use super::trie::{self, list};
use crate::{ProofError, Subject};

pub(super) const PREPARED: &str = "Prepared(bytes32,bytes32,bytes26)";
pub(super) const FINALIZED: &str = "Finalized(bytes32,bytes32)";
pub(super) const RELEASED: &str = "Released(bytes32,bytes32,bool)";
pub(super) const ESCAPED: &str = "Escaped(bytes32,bytes32)";

pub(super) struct Place<'a> {
    pub block: &'a Header,
    pub transaction_index: u64,
    pub log: u32,
}

impl Place<'_> {
    pub fn leaf(
        &self,
        subject: &Subject,
        escrow: [u8; 20],
        transaction: &[Bytes],
        receipt: &[Bytes],
    ) -> Result<Evidence, ProofError> {
        // Both tries have the transaction's index as their key: that binds the receipt to the transaction.
        let key = alloy_rlp::encode(self.transaction_index);
        let transaction = trie::value("transaction", self.block.transactions_root, &key, transaction)?;
        let receipt = trie::value("receipt", self.block.receipts_root, &key, receipt)?;
        let log = log_at(&receipt, self.log)?;
        if log.address.0 .0 != escrow {
            let cause = format!("{} logged it, the leg's escrow is {}", log.address, subject.leg.escrow);
            return Err(ProofError::mismatch("log", cause));
        }
        let status = status(subject, &log)?;
        Ok(subject.leaf(status, self.block.block(), keccak(&transaction), event_hash(&log)))
    }
}

pub(super) fn log_at(receipt: &[u8], place: u32) -> Result<Log, ProofError> {
    // EIP-2718: a byte below 0x80 is the type, a list is a legacy receipt. Every type begins with the same four
    // fields: status, gas, bloom, logs.
    let fields = match receipt.split_first() {
        Some((kind, payload)) if *kind < 0x80 => list("receipt", payload)?,
        _ => list("receipt", receipt)?,
    };
    let [status, _, _, logs, ..] = fields.as_slice() else {
        return Err(ProofError::malformed("receipt", "fewer than four fields"));
    };
    match status {
        [1] => {}
        [0x80] => return Err(ProofError::mismatch("receipt", "the transaction failed")),
        _ => return Err(ProofError::mismatch("receipt", "it has no status: from before Byzantium")),
    }
    let mut logs = *logs;
    let logs = Vec::<Log>::decode(&mut logs).map_err(|error| ProofError::malformed("logs", error))?;
    let log = usize::try_from(place).ok().and_then(|at| logs.into_iter().nth(at));
    log.ok_or_else(|| ProofError::mismatch("log", format!("the receipt has no log {place}")))
}

/// What became of the leg, when the log speaks of it.
fn status(subject: &Subject, log: &Log) -> Result<LegStatus, ProofError> {
    let other = |cause: &str| ProofError::mismatch("log", cause);
    let [event, execution_id, leg_hash] = log.data.topics() else {
        return Err(other("no event of an escrow"));
    };
    if execution_id.0 != subject.execution_id.0 {
        return Err(other("it speaks of another execution"));
    }
    if leg_hash.0 != subject.leg.hash().0 {
        return Err(other("it speaks of another leg"));
    }
    let is = |signature: &str| *event == B256::from(keccak(signature.as_bytes()).0);
    let data: &[u8] = &log.data.data;
    if is(PREPARED) {
        if data != terms(subject.leg, subject.deadline) {
            return Err(other("it was held with another amount or deadline"));
        }
        return Ok(LegStatus::Held);
    }
    if is(RELEASED) {
        return match data.split_last() {
            Some((1, zeros)) if *zeros == [0; 31] => Ok(LegStatus::Released),
            Some((0, zeros)) if *zeros == [0; 31] => Ok(LegStatus::Absent),
            _ => Err(other("Released does not say whether it was held")),
        };
    }
    match data {
        [] if is(FINALIZED) => Ok(LegStatus::Finalized),
        [] if is(ESCAPED) => Ok(LegStatus::Escaped),
        _ => Err(other("an event that is no end and no beginning of a hold")),
    }
}

/// The event's one word, `Terms.sol`: index (1 byte), function (1), deadline (8), amount (16), and zeros. The accounts
/// are in the leg's hash.
pub(super) fn terms(leg: &Leg, deadline: u64) -> Vec<u8> {
    let (deadline, amount) = (deadline.to_be_bytes(), leg.amount.to_be_bytes());
    [&[leg.index, leg.function.code()][..], &deadline, &amount, &[0; 6]].concat()
}

fn event_hash(log: &Log) -> Hash32 {
    let mut bytes = log.address.to_vec();
    for topic in log.data.topics() {
        bytes.extend_from_slice(topic.as_slice());
    }
    bytes.extend_from_slice(&log.data.data);
    keccak(&bytes)
}

/// The bytes of the event of the leg's own hold that its hash is over.
#[cfg(feature = "build")]
pub fn prepared_log(subject: &Subject) -> Vec<u8> {
    let topics = [keccak(PREPARED.as_bytes()).0, subject.execution_id.0, subject.leg.hash().0];
    [subject.leg.escrow.as_slice(), &topics.concat(), &terms(subject.leg, subject.deadline)].concat()
}
