//! That a transaction is in a block. Three old traps: an inner node of the tree, 64 bytes, passed off as a transaction;
//! a 64-byte transaction passed off as an inner node; and a tree with its last hashes doubled (CVE-2012-2459).

use aes_protocol::Bytes;
use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::merkle_tree::PartialMerkleTree;
use bitcoin::Transaction;
use cosmwasm_schema::cw_serde;

use crate::ProofError;

/// The size of two hashes side by side.
const INNER_NODE: usize = 64;

/// A transaction with its way to the block's Merkle root.
#[cw_serde]
#[derive(Eq)]
pub struct Included {
    /// the block's partial Merkle tree (BIP-37) that matches the coinbase and the transaction
    pub merkle: Bytes,
    /// the coinbase transaction: its depth in the tree is the real one, so no inner node can pass for a transaction
    pub coinbase: Bytes,
    pub transaction: Bytes,
}

impl Included {
    /// The transaction, when it is in that block.
    pub fn verify(&self, header: &Header) -> Result<Transaction, ProofError> {
        let coinbase = read("coinbase", &self.coinbase)?;
        if !coinbase.is_coinbase() {
            return Err(ProofError::mismatch("coinbase", "it spends outputs"));
        }
        let transaction = read("transaction", &self.transaction)?;
        let tree: PartialMerkleTree =
            deserialize(self.merkle.as_slice()).map_err(|error| ProofError::malformed("merkle", error))?;
        let (mut matches, mut places) = (Vec::new(), Vec::new());
        // It refuses a tree whose two children are the same.
        let root =
            tree.extract_matches(&mut matches, &mut places).map_err(|error| ProofError::mismatch("merkle", error))?;
        if root != header.merkle_root {
            return Err(ProofError::mismatch("merkle", "the branch leads to another root than the block's"));
        }
        // With the coinbase as first leaf the tree has the depth of the block's own: below it is no room for another
        // leaf, and a coinbase cannot be two hashes.
        let shown = [coinbase.compute_txid(), transaction.compute_txid()];
        match (matches.as_slice(), places.as_slice()) {
            (matches, [0, _]) if *matches == shown => Ok(transaction),
            _ => Err(ProofError::mismatch("merkle", "it does not show the coinbase and then the transaction")),
        }
    }
}

pub(super) fn read(what: &'static str, bytes: &Bytes) -> Result<Transaction, ProofError> {
    let transaction: Transaction = deserialize(bytes.as_slice()).map_err(|error| ProofError::malformed(what, error))?;
    if transaction.base_size() == INNER_NODE {
        return Err(ProofError::mismatch(what, "64 bytes could as well be an inner node of the tree"));
    }
    Ok(transaction)
}
