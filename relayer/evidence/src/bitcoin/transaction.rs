//! That a transaction is in a block. Three old traps: an inner node of the tree, 64 bytes, passed off as a transaction;
//! a 64-byte transaction passed off as an inner node; and a tree with its last hashes doubled (CVE-2012-2459).

use aes_protocol::Bytes;
use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::merkle_tree::PartialMerkleTree;
use bitcoin::{Transaction, Txid};

use crate::ProofError;

/// The size of two hashes side by side.
const INNER_NODE: usize = 64;

pub(super) fn mined(
    header: &Header,
    merkle: &Bytes,
    coinbase: &Bytes,
    transaction: &Bytes,
) -> Result<Txid, ProofError> {
    let coinbase = read("coinbase", coinbase)?;
    if !coinbase.is_coinbase() {
        return Err(ProofError::mismatch("coinbase", "it spends outputs"));
    }
    let txid = read("transaction", transaction)?.compute_txid();
    let tree: PartialMerkleTree =
        deserialize(merkle.as_slice()).map_err(|error| ProofError::malformed("merkle", error))?;
    let (mut matches, mut places) = (Vec::new(), Vec::new());
    // It refuses a tree whose two children are the same.
    let root =
        tree.extract_matches(&mut matches, &mut places).map_err(|error| ProofError::mismatch("merkle", error))?;
    if root != header.merkle_root {
        return Err(ProofError::mismatch("merkle", "the branch leads to another root than the block's"));
    }
    // With the coinbase as first leaf the tree has the depth of the block's own: below it is no room for another leaf,
    // and a coinbase cannot be two hashes.
    match (matches.as_slice(), places.as_slice()) {
        ([first, second], [0, _]) if *first == coinbase.compute_txid() && *second == txid => Ok(txid),
        _ => Err(ProofError::mismatch("merkle", "it does not show the coinbase and then the transaction")),
    }
}

fn read(what: &'static str, bytes: &Bytes) -> Result<Transaction, ProofError> {
    let transaction: Transaction = deserialize(bytes.as_slice()).map_err(|error| ProofError::malformed(what, error))?;
    if transaction.base_size() == INNER_NODE {
        return Err(ProofError::mismatch(what, "64 bytes could as well be an inner node of the tree"));
    }
    Ok(transaction)
}
