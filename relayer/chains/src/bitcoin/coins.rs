//! The outputs of this process's own account, as the blocks show them: what pays fees, and what a depositor's ALZ sits in.
//! Nodes without a wallet (btcd has none) are asked for nothing but blocks.

use std::collections::BTreeMap;

use bitcoin::{Block, OutPoint, ScriptBuf, TxOut, Txid};
use serde::{Deserialize, Serialize};

/// A coinbase can be spent this many blocks later.
const MATURITY: u64 = 100;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OwnOutput {
    pub output: TxOut,
    pub height: u64,
    pub coinbase: bool,
    pub spent: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OwnCoins {
    script: Option<ScriptBuf>,
    outputs: BTreeMap<OutPoint, OwnOutput>,
}

impl OwnCoins {
    pub fn of(script: Option<ScriptBuf>) -> Self {
        Self { script, outputs: BTreeMap::new() }
    }

    pub fn script(&self) -> Option<&ScriptBuf> {
        self.script.as_ref()
    }

    /// The transactions of the block that paid to or from it.
    pub fn apply(&mut self, block: &Block, height: u64) -> Vec<Txid> {
        let Some(script) = &self.script else { return Vec::new() };
        let mut touched = Vec::new();
        for tx in &block.txdata {
            let mut touches = false;
            for input in &tx.input {
                if let Some(spent) = self.outputs.get_mut(&input.previous_output) {
                    spent.spent = Some(height);
                    touches = true;
                }
            }
            if tx.output.iter().any(|output| output.script_pubkey == *script) {
                touches = true;
                let (txid, coinbase) = (tx.compute_txid(), tx.is_coinbase());
                for (vout, output) in (0u32..).zip(&tx.output).filter(|(_, output)| output.script_pubkey == *script) {
                    let own = OwnOutput { output: output.clone(), height, coinbase, spent: None };
                    self.outputs.insert(OutPoint { txid, vout }, own);
                }
            }
            if touches {
                touched.push(tx.compute_txid());
            }
        }
        touched
    }

    /// As if no block above `tip` had been.
    pub fn undo_above(&mut self, tip: u64) {
        self.outputs.retain(|_, own| own.height <= tip);
        for own in self.outputs.values_mut() {
            own.spent = own.spent.filter(|height| *height <= tip);
        }
    }

    /// What was spent in a block that can no longer be undone is of no use to anybody.
    pub fn forget_spent_up_to(&mut self, height: u64) {
        self.outputs.retain(|_, own| own.spent.is_none_or(|spent| spent > height));
    }

    pub fn spent_at(&self, outpoint: &OutPoint) -> Option<u64> {
        self.outputs.get(outpoint)?.spent
    }

    /// Unspent in the chain, and spendable in a block on top of `tip`.
    pub fn spendable(&self, tip: u64) -> impl Iterator<Item = (OutPoint, &TxOut)> {
        let ripe = move |own: &OwnOutput| !own.coinbase || tip.saturating_add(1) >= own.height.saturating_add(MATURITY);
        let unspent = self.outputs.iter().filter(move |(_, own)| own.spent.is_none() && ripe(own));
        unspent.map(|(outpoint, own)| (*outpoint, &own.output))
    }
}
