//! The chain and its mempool: unspent outputs, fees with a floor, replacement (BIP-125), packages, and reorgs by a branch
//! with more work.

use std::collections::{BTreeMap, BTreeSet};

use aes_bitcoin::{Escrow, Etched};
use aes_chains::bitcoin::NodeError;
use aes_config::{Anchor, BitcoinEscrow, ManifestChain};
use aes_protocol::ChainId;
use bitcoin::block::Header;
use bitcoin::constants::genesis_block;
use bitcoin::{Amount, Block, BlockHash, Network, OutPoint, Transaction, TxOut, Txid};

use super::blocks::{anybody, block, check_scripts, is_final, median_time};
use crate::dice::Dice;

/// sat a virtual byte
pub const CALM_FLOOR: u64 = 1;
/// All sats there are: no block makes new ones.
pub const SATS: Amount = Amount::from_sat(100_000_000_000);

#[derive(Clone)]
pub struct Unspent {
    pub output: TxOut,
    height: u64,
}

#[derive(Clone)]
struct Waiting {
    tx: Transaction,
    fee: u64,
    vsize: u64,
}

/// What everybody is told of the deployment.
#[derive(Clone)]
pub struct Deployed {
    pub escrow: Escrow,
    pub etched: Etched,
    pub entry: ManifestChain,
    pub terms: BitcoinEscrow,
    pub anchor: Anchor,
}

pub struct BitcoinLedger {
    pub id: ChainId,
    /// blocks from which on one is final
    pub depth: u64,
    pub blocks: Vec<(BlockHash, Block)>,
    headers: Vec<Header>,
    unspent: BTreeMap<OutPoint, Unspent>,
    /// in the order they came
    mempool: Vec<Waiting>,
    /// sat a virtual byte, below which nothing is taken or mined
    pub floor: u64,
}

/// As Bitcoin Core says it.
fn refusal(code: i64, message: impl Into<String>) -> NodeError {
    NodeError { code, message: message.into() }
}

fn outpoints(tx: &Transaction) -> impl Iterator<Item = (OutPoint, &TxOut)> {
    let txid = tx.compute_txid();
    (0..).zip(&tx.output).map(move |(vout, output)| (OutPoint { txid, vout }, output))
}

impl BitcoinLedger {
    /// With all sats in one output that anybody spends.
    pub fn new(id: ChainId, depth: u64) -> (Self, OutPoint) {
        let genesis = genesis_block(Network::Regtest);
        let all = OutPoint { txid: genesis.txdata[0].compute_txid(), vout: 0 };
        let mut ledger = Self {
            id,
            depth,
            headers: vec![genesis.header],
            blocks: vec![(genesis.block_hash(), genesis)],
            unspent: BTreeMap::new(),
            mempool: Vec::new(),
            floor: CALM_FLOOR,
        };
        ledger.spread();
        (ledger, all)
    }

    pub fn height(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    pub fn block(&self, hash: &BlockHash) -> Option<&Block> {
        self.blocks.iter().rev().find(|(other, _)| other == hash).map(|(_, block)| block)
    }

    pub fn was_mined(&self, txid: &Txid) -> bool {
        self.blocks.iter().any(|(_, block)| block.txdata.iter().any(|tx| tx.compute_txid() == *txid))
    }

    pub fn waiting(&self, txid: &Txid) -> Option<&Transaction> {
        self.mempool.iter().map(|waiting| &waiting.tx).find(|tx| tx.compute_txid() == *txid)
    }

    /// With what the mempool makes, without what it spends.
    pub fn unspent(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let is_spent = |waiting: &Waiting| waiting.tx.input.iter().any(|input| input.previous_output == *outpoint);
        if self.mempool.iter().any(is_spent) {
            return None;
        }
        self.output(outpoint, &self.mempool).map(|(output, _)| output)
    }

    /// Nothing waits for a block.
    pub fn is_quiet(&self) -> bool {
        self.mempool.is_empty()
    }

    /// All the sats that are somewhere.
    pub fn sats(&self) -> Amount {
        self.unspent.values().map(|unspent| unspent.output.value).sum()
    }

    fn output<'a>(&'a self, outpoint: &OutPoint, mempool: &'a [Waiting]) -> Option<(&'a TxOut, u64)> {
        if let Some(Unspent { output, height }) = self.unspent.get(outpoint) {
            return Some((output, *height));
        }
        let parent = mempool.iter().find(|waiting| waiting.tx.compute_txid() == outpoint.txid)?;
        Some((parent.tx.output.get(outpoint.vout as usize)?, self.height() + 1))
    }

    /// In the words of a node: why it does not take the transaction, or whether it makes another one go.
    pub fn take(&mut self, tx: &Transaction) -> Result<bool, NodeError> {
        self.take_over(self.floor, tx)
    }

    /// A parent and its child that pays for both (BIP-331).
    pub fn take_package(&mut self, parent: &Transaction, child: &Transaction) -> Result<(), NodeError> {
        let before = self.mempool.clone();
        let mut both = || {
            self.take_over(0, parent)?;
            self.take_over(0, child)?;
            let ids = [parent.compute_txid(), child.compute_txid()];
            let package: Vec<&Waiting> =
                self.mempool.iter().filter(|waiting| ids.contains(&waiting.tx.compute_txid())).collect();
            match pays(&package, self.floor) {
                true => Ok(()),
                false => Err(refusal(-26, "package mempool min fee not met")),
            }
        };
        let taken = both();
        if taken.is_err() {
            self.mempool = before;
        }
        taken
    }

    fn take_over(&mut self, floor: u64, tx: &Transaction) -> Result<bool, NodeError> {
        if self.waiting(&tx.compute_txid()).is_some() {
            return Ok(false);
        }
        if outpoints(tx).any(|(outpoint, _)| self.unspent.contains_key(&outpoint)) {
            return Err(refusal(-27, "Transaction outputs already in utxo set"));
        }
        let (stay, go): (Vec<Waiting>, Vec<Waiting>) = {
            let rivals = self.rivals(tx);
            self.mempool.iter().cloned().partition(|waiting| !rivals.contains(&waiting.tx.compute_txid()))
        };
        let spent: Option<Vec<(TxOut, u64)>> = tx
            .input
            .iter()
            .map(|input| self.output(&input.previous_output, &stay).map(|(output, height)| (output.clone(), height)))
            .collect();
        let (prevouts, heights): (Vec<TxOut>, Vec<u64>) =
            spent.ok_or_else(|| refusal(-25, "bad-txns-inputs-missingorspent"))?.into_iter().unzip();
        let sum = |outputs: &[TxOut]| outputs.iter().map(|output| output.value.to_sat()).sum::<u64>();
        let fee = sum(&prevouts).checked_sub(sum(&tx.output)).ok_or_else(|| refusal(-26, "bad-txns-in-belowout"))?;
        let waiting = Waiting { fee, vsize: tx.vsize() as u64, tx: tx.clone() };
        if fee < floor * waiting.vsize {
            return Err(refusal(-26, format!("mempool min fee not met, {fee} < {}", floor * waiting.vsize)));
        }
        if !is_final(tx, &heights, &self.headers) {
            return Err(refusal(-26, "non-BIP68-final"));
        }
        replaces(&waiting, &go)?;
        check_scripts(tx, &prevouts).map_err(|cause| refusal(-26, cause))?;
        let replaced = !go.is_empty();
        self.mempool = stay;
        self.mempool.push(waiting);
        Ok(replaced)
    }

    /// What spends the same, and all that rests on it.
    fn rivals(&self, tx: &Transaction) -> BTreeSet<Txid> {
        let spends: BTreeSet<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
        let mut rivals = BTreeSet::new();
        // parents come before their children
        for Waiting { tx, .. } in &self.mempool {
            let rests = |outpoint: &OutPoint| spends.contains(outpoint) || rivals.contains(&outpoint.txid);
            if tx.input.iter().any(|input| rests(&input.previous_output)) {
                rivals.insert(tx.compute_txid());
            }
        }
        rivals
    }

    /// What the next block takes: each transaction that pays the floor, alone or with its parents.
    fn chosen(&self) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::new();
        for place in 0..self.mempool.len() {
            let mut package = BTreeSet::from([place]);
            for ancestor in (0..place).rev() {
                let txid = self.mempool[ancestor].tx.compute_txid();
                let is_parent = |child: &usize| {
                    self.mempool[*child].tx.input.iter().any(|input| input.previous_output.txid == txid)
                };
                if !chosen.contains(&ancestor) && package.iter().any(is_parent) {
                    package.insert(ancestor);
                }
            }
            let waiting: Vec<&Waiting> = package.iter().map(|place| &self.mempool[*place]).collect();
            if !chosen.contains(&place) && pays(&waiting, self.floor) && waiting.iter().all(|one| self.is_ripe(one)) {
                chosen.extend(package);
            }
        }
        chosen
    }

    fn is_ripe(&self, waiting: &Waiting) -> bool {
        let height = |input: &bitcoin::TxIn| Some(self.output(&input.previous_output, &self.mempool)?.1);
        let heights: Option<Vec<u64>> = waiting.tx.input.iter().map(height).collect();
        heights.is_some_and(|heights| is_final(&waiting.tx, &heights, &self.headers))
    }

    /// The next block; how many transactions it has.
    pub fn mine(&mut self, time: u64, dice: &mut Dice) -> usize {
        let chosen = self.chosen();
        let txs: Vec<Waiting> = chosen.iter().map(|place| self.mempool[*place].clone()).collect();
        let mut place = 0..;
        self.mempool.retain(|_| place.next().is_none_or(|place| !chosen.contains(&place)));
        self.add(time, txs, dice);
        chosen.len()
    }

    fn add(&mut self, time: u64, txs: Vec<Waiting>, dice: &mut Dice) {
        let fees = Amount::from_sat(txs.iter().map(|waiting| waiting.fee).sum());
        let txs: Vec<Transaction> = txs.into_iter().map(|waiting| waiting.tx).collect();
        let parent = self.headers.last().expect("a genesis block");
        // a header's time may go back, the median may not
        let time = time.max(median_time(&self.headers) + 1);
        let next = block(parent, self.height() + 1, time, txs, fees, dice.number(0..1 << 40));
        self.headers.push(next.header);
        self.connect(&next, self.height() + 1);
        self.blocks.push((next.block_hash(), next));
    }

    fn connect(&mut self, block: &Block, height: u64) {
        for tx in &block.txdata {
            for input in &tx.input {
                self.unspent.remove(&input.previous_output);
            }
            let fresh = outpoints(tx).filter(|(_, output)| !output.script_pubkey.is_op_return());
            self.unspent.extend(fresh.map(|(at, output)| (at, Unspent { output: output.clone(), height })));
        }
    }

    /// The unspent outputs anew, from the first block on.
    fn spread(&mut self) {
        let all = OutPoint { txid: self.blocks[0].1.txdata[0].compute_txid(), vout: 0 };
        let output = TxOut { value: SATS, script_pubkey: anybody() };
        self.unspent = BTreeMap::from([(all, Unspent { output, height: 0 })]);
        let blocks = std::mem::take(&mut self.blocks);
        for (height, (_, block)) in (0..).zip(&blocks).skip(1) {
            self.connect(block, height);
        }
        self.blocks = blocks;
    }

    /// Another branch with one block more takes the place of at most `most` blocks, none of which is final; how many.
    pub fn reorg(&mut self, most: u64, time: u64, dice: &mut Dice) -> u64 {
        let gone = most.min(self.depth - 1);
        let keep = self.blocks.len() - gone as usize;
        let dropped = self.blocks.split_off(keep);
        self.headers.truncate(keep);
        self.spread();
        let mut again: Vec<Transaction> =
            dropped.into_iter().flat_map(|(_, block)| block.txdata.into_iter().skip(1)).collect();
        again.retain(|_| !dice.chance(0.1));
        again.extend(std::mem::take(&mut self.mempool).into_iter().map(|waiting| waiting.tx));
        for tx in again {
            // what the new branch has no place for is gone
            let _ = self.take_over(0, &tx);
        }
        for _ in 0..=gone {
            if dice.chance(0.5) {
                self.mine(time, dice);
            } else {
                self.add(time, Vec::new(), dice);
            }
        }
        gone
    }
}

fn pays(package: &[&Waiting], floor: u64) -> bool {
    let fee: u64 = package.iter().map(|waiting| waiting.fee).sum();
    let vsize: u64 = package.iter().map(|waiting| waiting.vsize).sum();
    fee >= floor * vsize
}

/// BIP-125, as far as a replacement of ours can meet it: the signal, a better rate, and the fees of all that goes with 1 sat/vB more.
fn replaces(new: &Waiting, old: &[Waiting]) -> Result<(), NodeError> {
    if old.iter().any(|waiting| !waiting.tx.is_explicitly_rbf()) {
        return Err(refusal(-26, "txn-mempool-conflict"));
    }
    let is_better = |waiting: &Waiting| new.fee * waiting.vsize > waiting.fee * new.vsize;
    let paid: u64 = old.iter().map(|waiting| waiting.fee).sum();
    let is_enough = old.is_empty() || new.fee >= paid + new.vsize;
    match is_enough && old.iter().all(is_better) {
        true => Ok(()),
        false => Err(refusal(-26, "insufficient fee, rejecting replacement")),
    }
}
