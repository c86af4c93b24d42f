//! Transactions of this process that are not final yet, on disk: handed over again when the node has lost them, with what is
//! needed to raise their fees. A restart goes on where it was; a lost disk plans them anew from the chains.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_bitcoin::{Coin, Payer, VaultCoin};
use aes_protocol::{Decision, Hash32, Leg};
use bitcoin::{Amount, FeeRate, OutPoint, Transaction, Txid};
use serde::{Deserialize, Serialize};

use super::cosign::BaseUnits;
use super::folder::Folder;
use super::index::Index;
use super::BitcoinChain;
use crate::chain::{Depth, Outcome};
use crate::error::ChainError;

/// The child that pays for a settlement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Child {
    pub tx: Transaction,
    /// what both pay together
    pub target: FeeRate,
    pub fee: Amount,
    pub coins: Vec<Coin>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Settlement {
        execution_id: Hash32,
        leg: Box<Leg>,
        decision: Decision,
        child: Option<Child>,
    },
    /// vault outputs into a leg's hold
    Reserve {
        execution_id: Hash32,
        leg: Box<Leg>,
        coins: Vec<VaultCoin>,
        payer: Payer,
    },
    /// vault outputs into others, which no leg waits for
    Rearrange {
        coins: Vec<VaultCoin>,
        amounts: Vec<BaseUnits>,
        payer: Payer,
    },
    /// a depositor's own
    Other,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sent {
    pub tx: Transaction,
    pub kind: Kind,
    /// the chain's, when it was handed over: a later block passed it by
    pub height: u64,
}

pub struct SentBook {
    known: Mutex<BTreeMap<Txid, Sent>>,
    folder: Folder<Sent>,
}

impl SentBook {
    pub fn beside(index: &Path) -> io::Result<Self> {
        let folder: Folder<Sent> = Folder::beside(index, "sent");
        let known = folder.all()?.into_iter().map(|sent| (sent.tx.compute_txid(), sent)).collect();
        Ok(Self { known: Mutex::new(known), folder })
    }

    pub fn keep(&self, sent: Sent) {
        let txid = sent.tx.compute_txid();
        if let Err(error) = self.folder.put(&txid.to_string(), &sent) {
            let folder = self.folder.path().display();
            tracing::warn!(%folder, %error, "{txid} is followed until this process ends only; look at the disk");
        }
        self.book().insert(txid, sent);
    }

    pub fn get(&self, txid: &Txid) -> Option<Sent> {
        self.book().get(txid).cloned()
    }

    pub fn all(&self) -> Vec<(Txid, Sent)> {
        self.book().iter().map(|(txid, sent)| (*txid, sent.clone())).collect()
    }

    pub fn forget(&self, txid: &Txid) {
        if let Err(error) = self.folder.remove(&txid.to_string()) {
            tracing::debug!(%txid, %error, "forgotten again at the next start");
        }
        self.book().remove(txid);
    }

    /// What transactions of ours spend already, a hold's settlement left out.
    pub fn spends(&self) -> BTreeSet<OutPoint> {
        let book = self.book();
        let spent = book.values().filter(|sent| !matches!(sent.kind, Kind::Settlement { .. }));
        spent.flat_map(|sent| sent.tx.input.iter().map(|input| input.previous_output)).collect()
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<Txid, Sent>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a transaction that is in no block: another one, in a block that is final, spends what it spends.
fn is_over(index: &Index, tx: &Transaction, last: u64) -> bool {
    tx.input.iter().any(|input| index.spent_at(&input.previous_output).is_some_and(|height| height <= last))
}

impl BitcoinChain {
    /// With each block: what is in it is forgotten, what a node has lost is handed over again.
    pub(super) fn keep_sent(&self) {
        if self.purse().is_err() {
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
        for (txid, Sent { tx, kind, .. }) in self.sent.all() {
            let seen = |index: &Index| (index.height_of(&txid), is_over(index, &tx, last));
            match self.following.follower.index(seen)? {
                // until then a reorg can take it out again
                (Some(height), _) if height <= last => self.sent.forget(&txid),
                (Some(_), _) => {}
                (None, true) => self.sent.forget(&txid),
                (None, false) => {
                    let child = match &kind {
                        Kind::Settlement { child: Some(child), .. } => Some(&child.tx),
                        _ => None,
                    };
                    // refused today, a reorg or a falling floor may make it welcome again
                    let said = self.broadcast(&tx, child).await?;
                    tracing::debug!(%txid, ?said, "handed over again");
                }
            }
        }
        Ok(())
    }

    /// In a block, or on its way. Anything else is unknown, and planned anew: nobody else here could raise its fee.
    pub(super) async fn outcome_of(&self, txid: Txid) -> Result<Outcome, ChainError> {
        let seen = |index: &Index| {
            let height = index.height_of(&txid)?;
            Some((height, index.time_of(height).unwrap_or_default()))
        };
        if let Some((height, time)) = self.following.follower.index(seen)? {
            return Ok(Outcome::Included { height, time, unpaid: Vec::new() });
        }
        Ok(if self.sent.get(&txid).is_some() { Outcome::Pending } else { Outcome::Unknown })
    }

    pub(super) async fn bump_one(&self, txid: Txid) -> Result<Option<Txid>, ChainError> {
        let height = self.height(Depth::Soft)?;
        // A higher fee helps where a block has passed it by.
        let Some(sent) = self.sent.get(&txid).filter(|sent| sent.height < height) else { return Ok(None) };
        match &sent.kind {
            Kind::Settlement { .. } => {
                self.bump_settlement(sent, height).await?;
                Ok(None)
            }
            Kind::Reserve { execution_id, leg, coins, payer } => {
                let bumped = self.bump_reserve(&sent.tx, execution_id, leg, coins, payer).await?;
                if bumped.is_some() {
                    self.sent.forget(&txid);
                }
                Ok(bumped)
            }
            Kind::Rearrange { .. } | Kind::Other => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::absolute::LockTime;
    use bitcoin::hashes::Hash;
    use bitcoin::transaction::Version;
    use bitcoin::TxIn;

    use super::*;

    fn sent(number: u8) -> Sent {
        let previous_output = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 };
        let input = vec![TxIn { previous_output, ..TxIn::default() }];
        let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output: Vec::new() };
        Sent { tx, kind: Kind::Other, height: 7 }
    }

    #[test]
    fn a_restart_knows_what_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("bitcoin.json");
        let book = SentBook::beside(&index).unwrap();
        let (kept, gone) = (sent(1), sent(2));
        book.keep(kept.clone());
        book.keep(gone.clone());
        book.forget(&gone.tx.compute_txid());

        let again = SentBook::beside(&index).unwrap();
        let known = again.get(&kept.tx.compute_txid()).unwrap();
        assert_eq!((known.tx, known.height), (kept.tx.clone(), 7));
        assert!(again.get(&gone.tx.compute_txid()).is_none());
        assert_eq!(again.spends(), BTreeSet::from([kept.tx.input[0].previous_output]));
    }
}
