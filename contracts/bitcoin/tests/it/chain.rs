//! Blocks for the ledger: only parents, ids and outputs count there.

use aes_bitcoin::{Ledger, Tip};
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, CompactTarget, OutPoint, Transaction, TxMerkleNode, TxOut};

use crate::support::{etched, templates, RUNE};

pub fn block(parent: BlockHash, nonce: u32, txdata: Vec<Transaction>) -> Block {
    let header = Header {
        version: Version::TWO,
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce,
    };
    Block { header, txdata }
}

pub fn spend(inputs: &[OutPoint], output: Vec<TxOut>) -> Transaction {
    let input = inputs.iter().map(|at| bitcoin::TxIn { previous_output: *at, ..Default::default() }).collect();
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input,
        output,
    }
}

/// Where a block's first transaction goes, which spends nothing.
fn coinbase() -> Transaction {
    spend(&[OutPoint::null()], vec![])
}

pub fn mine(ledger: &mut Ledger, txs: Vec<Transaction>) {
    let all = std::iter::once(coinbase()).chain(txs).collect();
    let tip = ledger.tip();
    ledger.apply(&block(tip.hash, tip.height as u32, all)).unwrap();
}

/// A ledger after the block with the etching, and the vault's output with the whole supply.
pub fn etched_ledger() -> (Ledger, OutPoint) {
    let reveal = templates(2, 3).remove("etch_reveal").unwrap().tx;
    let before = Tip { height: RUNE.block - 1, hash: BlockHash::all_zeros() };
    let mut ledger = Ledger::new(etched(&reveal), before);
    let vault = OutPoint { txid: reveal.compute_txid(), vout: 0 };
    mine(&mut ledger, vec![reveal]);
    (ledger, vault)
}
