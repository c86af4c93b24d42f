//! Merkle-Patricia proofs, and the RLP lists they end in.

use aes_protocol::Bytes;
use alloy_primitives::B256;
use alloy_rlp::{Decodable, Header, PayloadView};
use alloy_trie::nodes::TrieNode;
use alloy_trie::proof::verify_proof;
use alloy_trie::Nibbles;

use crate::ProofError;

/// More than a key's 64 nibbles and its leaf is no path.
const MAX_NODES: usize = 65;

/// The value at `key` under `root`. Such values (transactions, receipts, accounts) have more than 32 bytes, so the last
/// node is always a leaf of its own.
pub(super) fn value(what: &'static str, root: B256, key: &[u8], nodes: &[Bytes]) -> Result<Vec<u8>, ProofError> {
    let last = nodes.last().ok_or_else(|| ProofError::malformed(what, "no trie nodes"))?;
    let node = TrieNode::decode(&mut last.as_slice()).map_err(|error| ProofError::malformed(what, error))?;
    let TrieNode::Leaf(leaf) = node else { return Err(ProofError::malformed(what, "the last trie node is no leaf")) };
    check(what, root, key, Some(leaf.value.clone()), nodes)?;
    Ok(leaf.value)
}

/// That `root` has nothing at `key`.
pub(super) fn nothing(what: &'static str, root: B256, key: &[u8], nodes: &[Bytes]) -> Result<(), ProofError> {
    check(what, root, key, None, nodes)
}

fn check(
    what: &'static str,
    root: B256,
    key: &[u8],
    value: Option<Vec<u8>>,
    nodes: &[Bytes],
) -> Result<(), ProofError> {
    if nodes.len() > MAX_NODES {
        return Err(ProofError::malformed(what, format!("more than {MAX_NODES} trie nodes")));
    }
    let nodes: Vec<alloy_primitives::Bytes> =
        nodes.iter().map(|node| alloy_primitives::Bytes::copy_from_slice(node.as_slice())).collect();
    verify_proof(root, Nibbles::unpack(key), value, &nodes).map_err(|error| ProofError::mismatch(what, error))
}

/// The items of one RLP list that is all there is, each still in RLP.
pub(super) fn list<'a>(what: &'static str, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, ProofError> {
    let mut rest = bytes;
    match Header::decode_raw(&mut rest).map_err(|error| ProofError::malformed(what, error))? {
        PayloadView::List(items) if rest.is_empty() => Ok(items),
        PayloadView::List(_) => Err(ProofError::malformed(what, "bytes behind the RLP list")),
        PayloadView::String(_) => Err(ProofError::malformed(what, "no RLP list")),
    }
}
