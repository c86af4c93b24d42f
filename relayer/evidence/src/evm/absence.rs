//! A leg that was never held and has no tombstone: the hold's slot is empty in a block at or after the deadline, and
//! from the deadline on the escrow takes no hold. A hold is never deleted, so an empty slot was empty before, too.

use aes_protocol::{keccak, Bytes, Hash32};
use alloy_primitives::B256;
use alloy_rlp::Decodable;
use alloy_trie::TrieAccount;

use super::header::Header;
use super::trie;
use crate::{ProofError, Subject};

/// The storage slot of a leg's hold, as `Holds.sol` chooses it: the account that is shown must have that code.
pub fn hold_slot(execution_id: &Hash32, leg_hash: &Hash32) -> Hash32 {
    keccak(&[execution_id.0, leg_hash.0].concat())
}

/// That `block` is the first one at or after the deadline.
pub(super) fn since_before(block: &Header, parent: &Bytes, deadline: u64) -> Result<(), ProofError> {
    let parent = Header::read(parent)?;
    block.check_parent(&parent)?;
    if parent.time < deadline && block.time >= deadline {
        return Ok(());
    }
    let cause = format!("block {} ({}) is not the first one at or after {deadline}", block.number, block.time);
    Err(ProofError::mismatch("deadline", cause))
}

/// The escrow's code hash, when its slot for the leg is empty. No account, or one without code, would have nothing in
/// any slot and so prove nothing.
pub(super) fn empty_slot(
    state: &Header,
    subject: &Subject,
    escrow: [u8; 20],
    account: &[Bytes],
    slot: &[Bytes],
) -> Result<Hash32, ProofError> {
    let account = self::account(state.state_root, &keccak(&escrow).0, account)?;
    if account.code_hash == alloy_trie::KECCAK_EMPTY {
        return Err(ProofError::mismatch("account", "there is no contract"));
    }
    let key = keccak(&hold_slot(subject.execution_id, &subject.leg.hash()).0);
    trie::nothing("slot", account.storage_root, &key.0, slot)?;
    Ok(Hash32(account.code_hash.0))
}

pub(super) fn account(state_root: B256, key: &[u8], nodes: &[Bytes]) -> Result<TrieAccount, ProofError> {
    let account = trie::value("account", state_root, key, nodes)?;
    TrieAccount::decode(&mut account.as_slice()).map_err(|error| ProofError::malformed("account", error))
}
