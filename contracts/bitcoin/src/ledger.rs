//! Where every base unit of ALZ is. A rune's balances depend only on the ancestors of an output, so one rune is
//! followed from its etching through every block by the rules of `ordinals`, with an undo for each block of a reorg.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bitcoin::{Amount, Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use ordinals::Artifact;
use serde::{Deserialize, Serialize};

use crate::allocate::{allocate, Inputs};
use crate::escrow::Vault;
use crate::runes::{decipher, RuneId};
use crate::vault::VaultCoin;

/// Blocks that can be undone: a day's. A deeper reorg means following again from the etching.
pub const UNDO_DEPTH: usize = 144;

/// The etching of ALZ, as [`crate::Etching::check`] found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Etched {
    pub id: RuneId,
    pub txid: Txid,
    /// base units; all there will ever be
    pub premine: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    pub height: u64,
    pub hash: BlockHash,
}

/// One output with ALZ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    pub alz: u128,
    pub value: Amount,
    pub script_pubkey: ScriptBuf,
    /// a transaction on its way named another rune for this output
    pub mixed: bool,
    pub height: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
struct Undo {
    before: Tip,
    spent: Vec<(OutPoint, Holding)>,
    created: Vec<OutPoint>,
    burned: u128,
}

/// Persisted by the caller as it is, after each block.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Ledger {
    etched: Etched,
    tip: Tip,
    holdings: BTreeMap<OutPoint, Holding>,
    burned: u128,
    undo: VecDeque<Undo>,
}

/// Promise P8 on Bitcoin: these four are the premine, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Supply {
    pub vault: u128,
    pub held: u128,
    pub elsewhere: u128,
    pub burned: u128,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("block {hash} has parent {parent}, the ledger is at {}; undo to where they meet, then apply", .tip.hash)]
    NotNext { hash: BlockHash, parent: BlockHash, tip: Tip },
    #[error("ALZ's etching {txid} is not transaction {tx} of block {block}: another deployment, or a reorg took it")]
    NoEtching { txid: Txid, block: u64, tx: u32 },
    #[error("height {0} has no successor")]
    Height(u64),
    #[error("the last {UNDO_DEPTH} blocks are all undone; follow again from the etching")]
    TooDeep,
    #[error("transaction {0}: its ALZ adds up to more than the premine; the ledger's state is damaged")]
    Damaged(Txid),
}

impl Ledger {
    /// `before` is the block before the etching's, or any earlier one.
    pub fn new(etched: Etched, before: Tip) -> Self {
        Self { etched, tip: before, holdings: BTreeMap::new(), burned: 0, undo: VecDeque::new() }
    }

    pub fn etched(&self) -> &Etched {
        &self.etched
    }

    pub fn tip(&self) -> Tip {
        self.tip
    }

    pub fn holding(&self, outpoint: &OutPoint) -> Option<&Holding> {
        self.holdings.get(outpoint)
    }

    pub fn holdings(&self) -> impl Iterator<Item = (&OutPoint, &Holding)> {
        self.holdings.iter()
    }

    pub fn burned(&self) -> u128 {
        self.burned
    }

    /// Unspent vault outputs with ALZ, in the order of their outpoints.
    pub fn vault_coins(&self, vaults: &[Vault]) -> Vec<VaultCoin> {
        let of = |holding: &Holding| vaults.iter().find(|vault| *vault.script_pubkey() == holding.script_pubkey);
        let coin = |(outpoint, holding): (&OutPoint, &Holding)| {
            let set_id = of(holding)?.set_id();
            Some(VaultCoin { outpoint: *outpoint, value: holding.value, alz: holding.alz, set_id })
        };
        self.holdings.iter().filter_map(coin).collect()
    }

    /// `held`: the outputs of holds that have not ended.
    pub fn supply(&self, vaults: &[Vault], held: &BTreeSet<OutPoint>) -> Supply {
        let mut supply = Supply { burned: self.burned, ..Supply::default() };
        for (outpoint, holding) in &self.holdings {
            let place = if held.contains(outpoint) {
                &mut supply.held
            } else if vaults.iter().any(|vault| *vault.script_pubkey() == holding.script_pubkey) {
                &mut supply.vault
            } else {
                &mut supply.elsewhere
            };
            *place = place.saturating_add(holding.alz);
        }
        supply
    }

    /// The next block. On an error nothing has changed.
    pub fn apply(&mut self, block: &Block) -> Result<(), LedgerError> {
        let (hash, parent) = (block.block_hash(), block.header.prev_blockhash);
        if parent != self.tip.hash {
            return Err(LedgerError::NotNext { hash, parent, tip: self.tip });
        }
        let height = self.tip.height.checked_add(1).ok_or(LedgerError::Height(self.tip.height))?;
        let etching = self.etching_in(height, block)?;
        let mut undo = Undo { before: self.tip, spent: Vec::new(), created: Vec::new(), burned: self.burned };
        for (place, tx) in block.txdata.iter().enumerate() {
            if let Err(damaged) = self.follow(tx, etching == Some(place), height, &mut undo) {
                self.revert(undo);
                return Err(damaged);
            }
        }
        self.tip = Tip { height, hash };
        self.undo.push_back(undo);
        while self.undo.len() > UNDO_DEPTH {
            self.undo.pop_front();
        }
        Ok(())
    }

    /// What the last block spent, and the outputs with ALZ that it made; what came and went within it is in both.
    pub fn last_block(&self) -> (&[(OutPoint, Holding)], &[OutPoint]) {
        self.undo.back().map_or((&[], &[]), |undo| (&undo.spent, &undo.created))
    }

    /// Takes the last block back; the tip that is now the last.
    pub fn undo(&mut self) -> Result<Tip, LedgerError> {
        let undo = self.undo.pop_back().ok_or(LedgerError::TooDeep)?;
        self.revert(undo);
        Ok(self.tip)
    }

    fn revert(&mut self, undo: Undo) {
        // what came and went within the block is in both lists: back first, then away
        self.holdings.extend(undo.spent);
        for outpoint in undo.created {
            self.holdings.remove(&outpoint);
        }
        self.burned = undo.burned;
        self.tip = undo.before;
    }

    fn etching_in(&self, height: u64, block: &Block) -> Result<Option<usize>, LedgerError> {
        let Etched { id, txid, premine } = self.etched;
        if height != id.block {
            return Ok(None);
        }
        let place = usize::try_from(id.tx).unwrap_or(usize::MAX);
        let is_ours = |tx: &Transaction| {
            let etching = match decipher(&tx.output) {
                Some(Artifact::Runestone(stone)) => stone.etching,
                _ => None,
            };
            tx.compute_txid() == txid && etching.and_then(|etching| etching.premine) == Some(premine)
        };
        let found = block.txdata.get(place).is_some_and(is_ours);
        found.then_some(Some(place)).ok_or(LedgerError::NoEtching { txid, block: id.block, tx: id.tx })
    }

    fn follow(&mut self, tx: &Transaction, etches: bool, height: u64, undo: &mut Undo) -> Result<(), LedgerError> {
        let mut inputs = Inputs { alz: if etches { self.etched.premine } else { 0 }, mixed: false };
        let mut spends = etches;
        let txid = || tx.compute_txid();
        for input in &tx.input {
            if let Some(holding) = self.holdings.remove(&input.previous_output) {
                spends = true;
                inputs.mixed |= holding.mixed;
                let sum = inputs.alz.checked_add(holding.alz);
                undo.spent.push((input.previous_output, holding));
                inputs.alz = sum.ok_or_else(|| LedgerError::Damaged(txid()))?;
            }
        }
        if !spends {
            return Ok(());
        }
        let txid = txid();
        let allocation = allocate(self.etched.id, etches, inputs, &tx.output);
        self.burned = self.burned.checked_add(allocation.burned).ok_or(LedgerError::Damaged(txid))?;
        for ((vout, output), given) in (0u32..).zip(&tx.output).zip(allocation.outputs) {
            if given.alz == 0 {
                continue;
            }
            let outpoint = OutPoint { txid, vout };
            let holding = Holding {
                alz: given.alz,
                value: output.value,
                script_pubkey: output.script_pubkey.clone(),
                mixed: given.mixed,
                height,
            };
            undo.created.push(outpoint);
            self.holdings.insert(outpoint, holding);
        }
        Ok(())
    }
}
