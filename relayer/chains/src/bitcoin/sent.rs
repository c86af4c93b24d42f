//! Transactions of this process that are in no block yet: handed over again when the node has lost them, and what is needed
//! to raise their fees. Intent only: after a restart they are made anew from the chains.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_bitcoin::{Coin, Payer, Settlement, VaultCoin};
use aes_protocol::{Hash32, Leg};
use bitcoin::{Amount, FeeRate, OutPoint, Transaction, Txid};

use super::index::Index;
use super::node::Broadcast;
use super::BitcoinChain;
use crate::chain::{Depth, Outcome};
use crate::error::ChainError;

/// The child that pays for a settlement.
#[derive(Debug, Clone)]
pub struct Child {
    /// what both pay together
    pub target: FeeRate,
    pub fee: Amount,
    pub coins: Vec<Coin>,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Settlement {
        settlement: Box<Settlement>,
        child: Option<Child>,
    },
    /// vault outputs into a leg's hold
    Reserve {
        execution_id: Hash32,
        leg: Box<Leg>,
        coins: Vec<VaultCoin>,
        payer: Payer,
    },
    /// nobody waits for it
    Other,
}

#[derive(Debug, Clone)]
pub struct Sent {
    pub tx: Transaction,
    pub kind: Kind,
    /// the chain's, when it was handed over: a later block passed it by
    pub height: u64,
}

#[derive(Default)]
pub struct SentBook(Mutex<BTreeMap<Txid, Sent>>);

impl SentBook {
    pub fn keep(&self, txid: Txid, sent: Sent) {
        self.book().insert(txid, sent);
    }

    pub fn get(&self, txid: &Txid) -> Option<Sent> {
        self.book().get(txid).cloned()
    }

    pub fn all(&self) -> Vec<(Txid, Sent)> {
        self.book().iter().map(|(txid, sent)| (*txid, sent.clone())).collect()
    }

    pub fn forget(&self, txid: &Txid) {
        self.book().remove(txid);
    }

    /// A child paid for it at this height.
    pub fn bumped(&self, txid: &Txid, paid: Child, height: u64) {
        if let Some(sent) = self.book().get_mut(txid) {
            sent.height = height;
            if let Kind::Settlement { child, .. } = &mut sent.kind {
                *child = Some(paid);
            }
        }
    }

    /// What transactions of ours spend already, a hold's settlement left out.
    pub fn spends(&self) -> BTreeSet<OutPoint> {
        let book = self.book();
        let spent = book.values().filter(|sent| !matches!(sent.kind, Kind::Settlement { .. }));
        spent.flat_map(|sent| sent.tx.input.iter().map(|input| input.previous_output)).collect()
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<Txid, Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BitcoinChain {
    /// With each block: what is in it is forgotten, what a node has lost is handed over again.
    pub(super) fn keep_sent(&self) {
        if self.wallet.is_none() {
            return;
        }
        let (chain, mut ticks) = (self.own.clone(), self.following.follower.ticks());
        let task = tokio::spawn(async move {
            while ticks.changed().await.is_ok() {
                let Some(chain) = chain.upgrade() else { return };
                if let Err(error) = chain.hand_over_again().await {
                    tracing::debug!("{error}; handed over again at the next block");
                }
            }
        });
        // the first and only one
        let _ = self.keeper.set(task.abort_handle());
    }

    async fn hand_over_again(&self) -> Result<(), ChainError> {
        let last = self.height(Depth::Final)?;
        for (txid, sent) in self.sent.all() {
            match self.following.follower.index(|index| index.height_of(&txid))? {
                // until then a reorg can take it out again
                Some(height) if height <= last => self.sent.forget(&txid),
                Some(_) => {}
                None => match self.node.broadcast(&sent.tx).await? {
                    Broadcast::Taken | Broadcast::Mined => {}
                    Broadcast::InputsMissing(cause) | Broadcast::Rejected(cause) => {
                        tracing::info!(%txid, "not taken any more: {cause}");
                        self.sent.forget(&txid);
                    }
                },
            }
        }
        Ok(())
    }

    pub(super) async fn outcome_of(&self, txid: Txid) -> Result<Outcome, ChainError> {
        let seen = |index: &Index| {
            let height = index.height_of(&txid)?;
            Some((height, index.time_of(height).unwrap_or_default()))
        };
        if let Some((height, time)) = self.following.follower.index(seen)? {
            return Ok(Outcome::Included { height, time });
        }
        let known = self.sent.get(&txid).is_some() || self.node.transaction(txid).await?.is_some();
        Ok(if known { Outcome::Pending } else { Outcome::Unknown })
    }

    pub(super) async fn bump_one(&self, txid: Txid) -> Result<Option<Txid>, ChainError> {
        let height = self.height(Depth::Soft)?;
        // A higher fee helps where a block has passed it by.
        let Some(sent) = self.sent.get(&txid).filter(|sent| sent.height < height) else { return Ok(None) };
        match sent.kind {
            Kind::Settlement { settlement, child } => {
                if let Some(child) = self.bump_settlement(&settlement, child).await? {
                    tracing::info!(%txid, "a child raises its fee to {} sat/kwu", child.target.to_sat_per_kwu());
                    self.sent.bumped(&txid, child, height);
                }
                Ok(None)
            }
            Kind::Reserve { execution_id, leg, coins, payer } => {
                let bumped = self.bump_reserve(&execution_id, &leg, &coins, &payer).await?;
                if bumped.is_some() {
                    self.sent.forget(&txid);
                }
                Ok(bumped)
            }
            Kind::Other => Ok(None),
        }
    }
}
