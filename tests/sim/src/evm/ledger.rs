//! One EVM chain: blocks at intervals, a mempool with nonces and fees, final blocks some way behind the newest, and reorgs
//! above them. Each block keeps its state, so every height can be asked.

use std::sync::Arc;

use aes_chains::{Head, Ticks};
use aes_protocol::{keccak, ChainId, Hash32};
use revm::primitives::{Address, Bytes, Log};

use super::abi;
use super::vm::{self, Call, Done, Env, State};
use crate::dice::Dice;

pub const CALM_FEE: u64 = 10;

#[derive(Clone, Debug)]
pub struct Tx {
    pub id: Hash32,
    pub from: Address,
    pub to: Address,
    pub nonce: u64,
    pub data: Bytes,
    pub gas: u64,
    pub max_fee: u128,
}

#[derive(Clone)]
pub struct Receipt {
    pub failure: Option<String>,
    pub gas: u64,
    pub logs: Vec<Log>,
}

pub struct Block {
    pub head: Head,
    pub state: Arc<State>,
    pub txs: Vec<(Tx, Receipt)>,
}

pub struct EvmLedger {
    pub id: ChainId,
    pub number: u64,
    pub escrow: Address,
    pub token: Address,
    pub blocks: Vec<Block>,
    pub finalized: u64,
    pub finality_stopped: bool,
    lag: u64,
    pub mempool: Vec<Tx>,
    pub base_fee: u64,
    pub ticks: Ticks,
}

impl EvmLedger {
    pub fn new(id: ChainId, number: u64, lag: u64, state: State, time: u64) -> Self {
        let head = Head { height: 0, hash: keccak(id.as_str().as_bytes()), time };
        Self {
            id,
            number,
            escrow: Address::ZERO,
            token: Address::ZERO,
            blocks: vec![Block { head, state: Arc::new(state), txs: Vec::new() }],
            finalized: 0,
            finality_stopped: false,
            lag,
            mempool: Vec::new(),
            base_fee: CALM_FEE,
            ticks: Ticks::default(),
        }
    }

    pub fn newest(&self) -> &Block {
        self.blocks.last().expect("a genesis block")
    }

    /// As a node that is `back` blocks behind sees it.
    pub fn block_at(&self, back: u64, is_final: bool) -> &Block {
        let height = if is_final { self.finalized } else { self.newest().head.height }.saturating_sub(back);
        &self.blocks[height as usize]
    }

    fn env(&self, head: &Head) -> Env {
        Env { chain: self.number, height: head.height, time: head.time, base_fee: self.base_fee }
    }

    pub fn call(&self, block: &Block, from: Address, to: Address, data: Bytes) -> Result<Done, String> {
        vm::call(&block.state, &self.env(&block.head), from, to, data)
    }

    /// Reads what cannot be refused.
    pub fn view(&self, block: &Block, to: Address, data: Vec<u8>) -> Result<Bytes, String> {
        match self.call(block, Address::ZERO, to, data.into())? {
            Done::Ok { output, .. } => Ok(output),
            Done::Reverted { data, .. } => Err(abi::revert_text(&data)),
            Done::OutOfGas => Err("out of gas".into()),
        }
    }

    pub fn pending_nonce(&self, account: Address) -> u64 {
        let mut nonce = vm::nonce(&self.newest().state, account);
        while self.mempool.iter().any(|tx| tx.from == account && tx.nonce == nonce) {
            nonce += 1;
        }
        nonce
    }

    /// In the words of a node: why it does not take the transaction, or whether another one makes room for it.
    pub fn take(&mut self, tx: Tx) -> Result<bool, &'static str> {
        if tx.nonce < vm::nonce(&self.newest().state, tx.from) {
            return Err("nonce too low");
        }
        match self.mempool.iter_mut().find(|other| other.from == tx.from && other.nonce == tx.nonce) {
            None => {
                self.mempool.push(tx);
                Ok(false)
            }
            Some(same) if same.id == tx.id => Err("already known"),
            Some(same) if tx.max_fee * 10 < same.max_fee * 11 => Err("replacement transaction underpriced"),
            Some(same) => {
                *same = tx;
                Ok(true)
            }
        }
    }

    /// With its block and receipt, where it is in one; else it waits in the mempool.
    pub fn find(&self, id: &Hash32, back: u64) -> Option<(&Tx, Option<(&Block, &Receipt)>)> {
        let seen = self.blocks.len().saturating_sub(back as usize);
        let mut in_blocks =
            self.blocks[..seen].iter().rev().flat_map(|block| block.txs.iter().map(move |tx| (block, tx)));
        let mined = in_blocks.find(|(_, (tx, _))| tx.id == *id);
        let waits = || self.mempool.iter().find(|tx| tx.id == *id);
        mined.map(|(block, (tx, receipt))| (tx, Some((block, receipt)))).or_else(|| Some((waits()?, None)))
    }

    /// The next block: of each account what its nonce allows, of all what pays the fee, the accounts in any order.
    pub fn mine(&mut self, time: u64, dice: &mut Dice) {
        let parent = self.newest();
        let mut head =
            Head { height: parent.head.height + 1, hash: Hash32::default(), time: time.max(parent.head.time + 1) };
        head.hash = keccak(&[&parent.head.hash.0[..], &head.time.to_be_bytes(), &dice.bytes()].concat());
        let env = self.env(&head);
        let mut state = parent.state.clone();
        let mut txs = Vec::new();
        let mut waiting = std::mem::take(&mut self.mempool);
        dice.shuffle(&mut waiting);
        while let Some(next) = waiting
            .iter()
            .position(|tx| tx.max_fee >= u128::from(self.base_fee) && tx.nonce == vm::nonce(&state, tx.from))
        {
            let tx = waiting.remove(next);
            let call = Call {
                from: tx.from,
                to: Some(tx.to),
                data: tx.data.clone(),
                nonce: tx.nonce,
                gas: tx.gas,
                max_fee: tx.max_fee,
            };
            let receipt = match vm::transact(Arc::make_mut(&mut state), &env, &call) {
                Ok(Done::Ok { logs, gas, .. }) => Receipt { failure: None, gas, logs },
                Ok(Done::Reverted { data, gas }) => {
                    Receipt { failure: Some(abi::revert_text(&data)), gas, logs: Vec::new() }
                }
                Ok(Done::OutOfGas) => Receipt { failure: Some("out of gas".into()), gas: tx.gas, logs: Vec::new() },
                // no block can take it as it is
                Err(_) => continue,
            };
            txs.push((tx, receipt));
        }
        waiting.retain(|tx| tx.nonce >= vm::nonce(&state, tx.from));
        self.mempool = waiting;
        self.blocks.push(Block { head, state, txs });
        if !self.finality_stopped {
            self.finalized = self.finalized.max(head.height.saturating_sub(self.lag));
        }
        self.ticks.tell(head.height);
    }

    /// Takes off what is above the newest final block, at most `depth` blocks; how many it were.
    pub fn reorg(&mut self, depth: u64, dice: &mut Dice) -> u64 {
        let keep = (self.finalized + 1).max((self.blocks.len() as u64).saturating_sub(depth));
        let dropped = self.blocks.split_off(keep as usize);
        for (tx, _) in dropped.iter().flat_map(|block| &block.txs) {
            if !dice.chance(0.1) {
                self.mempool.push(tx.clone());
            }
        }
        self.ticks.tell(self.newest().head.height);
        dropped.len() as u64
    }
}
