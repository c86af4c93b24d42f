//! Ending a hold as decided: the settlement was fixed when the hold was made, the attestors' signatures let it go.

use aes_bitcoin::{Outcome, Settlement, CARRIER, SETTLE_FEE_RATE};
use aes_protocol::{Decision, Leg};
use bitcoin::{Amount, FeeRate, Transaction, Txid};

use super::cosign::SigningRequest;
use super::holds::Found;
use super::node::Broadcast;
use super::sent::{Child, Kind, Sent};
use super::BitcoinChain;
use crate::chain::{Depth, SettlementItem};
use crate::error::ChainError;

/// A settlement and its child together, with room.
const CHILD_VBYTES: u64 = 500;

impl BitcoinChain {
    /// Each leg's settlement is a transaction of its own; the ids of all of them.
    pub(super) async fn settle(&self, decision: Decision, items: &[SettlementItem]) -> Result<Vec<Txid>, ChainError> {
        let tip = self.height(Depth::Soft)?;
        let mut holds = Vec::new();
        for item in items {
            for leg in &item.legs {
                match self.find(&item.execution_id, leg, tip).await? {
                    Some(found) => holds.push((item.execution_id, leg, found)),
                    None => tracing::info!(execution = %item.execution_id, leg = leg.index, "nothing is held"),
                }
            }
        }
        if holds.is_empty() {
            return Err(self.node.refused("nothing is held; what appears later is settled when it is seen"));
        }
        let settle = holds.iter().map(|(id, leg, found)| self.settle_one(id, leg, found, decision));
        let mut ids = Vec::new();
        let mut failed = None;
        for settled in futures::future::join_all(settle).await {
            match settled {
                Ok(id) => ids.push(id),
                Err(error) => failed = Some(error),
            }
        }
        // Those that went are followed; the others are planned again.
        match failed {
            Some(error) if ids.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!("{error}; the others of this batch are on their way");
                Ok(ids)
            }
            None => Ok(ids),
        }
    }

    async fn settle_one(
        &self,
        execution_id: &aes_protocol::Hash32,
        leg: &Leg,
        found: &Found,
        decision: Decision,
    ) -> Result<Txid, ChainError> {
        if let Some((by, _)) = found.seen.spent {
            return Ok(by);
        }
        let settlement = self.settlement_of(found, decision)?;
        let request =
            SigningRequest::Settlement { execution_id: *execution_id, leg: leg.index, hold: found.hold.outpoint };
        let digests = [settlement.sighash()];
        let signed = self.gather(&request, found.hold.script.keys(), &digests).await?;
        let depositor = found.presigned.as_ref().map(|presigned| presigned.signature(settlement.outcome()));
        let attestors = signed.first().map(Vec::as_slice).unwrap_or_default();
        let tx = settlement.finish(depositor, attestors).map_err(|error| self.node.refused(error.to_string()))?;
        let txid = settlement.txid();
        self.send(tx, Kind::Settlement { settlement: Box::new(settlement), child: None }).await?;
        Ok(txid)
    }

    pub(super) fn settlement_of(&self, found: &Found, decision: Decision) -> Result<Settlement, ChainError> {
        let outcome = Outcome::from(decision);
        found.hold.settlement(outcome).map_err(|error| self.node.refused(error.to_string()))
    }

    /// Hands it to the node, and keeps it to be handed over again until it is in a block.
    pub(super) async fn send(&self, tx: Transaction, kind: Kind) -> Result<(), ChainError> {
        let txid = tx.compute_txid();
        match self.node.broadcast(&tx).await? {
            Broadcast::Taken | Broadcast::Mined => {}
            Broadcast::InputsMissing(cause) | Broadcast::Rejected(cause) => {
                return Err(self.node.refused(format!("transaction {txid}: {cause}")));
            }
        }
        let height = self.height(Depth::Soft)?;
        self.sent.keep(txid, Sent { tx, kind, height });
        Ok(())
    }

    /// A settlement that blocks pass by gets a child that pays for both, through the anchor. `None`: nothing passed it by,
    /// or the child it has pays enough.
    pub(super) async fn bump_settlement(
        &self,
        settlement: &Settlement,
        child: Option<Child>,
    ) -> Result<Option<Child>, ChainError> {
        let (wallet, rate) = (self.wallet()?, self.fees.rate(&self.node).await?);
        let refused = |error: aes_bitcoin::FeeError| self.node.refused(error.to_string());
        let last = child.as_ref().map(|child| child.target);
        // The estimate, or where it lags behind what miners want, half as much again as was paid.
        let paid = last.unwrap_or(SETTLE_FEE_RATE).to_sat_per_kwu();
        let target = rate.max(FeeRate::from_sat_per_kwu(paid.saturating_mul(3) / 2)).min(self.fees.ceiling);
        if last.is_some_and(|last| target <= last) {
            return Ok(None);
        }
        let replaces = child.as_ref().map(|child| child.fee);
        let sats = target.fee_vb(CHILD_VBYTES).unwrap_or(Amount::MAX_MONEY).max(CARRIER * 2);
        // A replacement spends what the child spent, so that only one of them can ever be in a block.
        let coins = match &child {
            Some(child) => child.coins.clone(),
            None => wallet.pick(&self.node, &self.following.follower, 0, sats).await?.coins.clone(),
        };
        if coins.is_empty() {
            return Err(self.too_few_sats(sats)?);
        }
        let draft = settlement.anchor_child(&coins, wallet.script().as_bytes(), target, replaces).map_err(refused)?;
        let witnesses = wallet.witnesses(&draft, 1).map_err(|error| self.node.refused(error))?;
        let fee = draft.fee();
        let mut tx = draft.tx;
        for (input, witness) in tx.input.iter_mut().skip(1).zip(witnesses) {
            input.witness = witness;
        }
        match self.node.broadcast(&tx).await? {
            Broadcast::Taken | Broadcast::Mined => Ok(Some(Child { target, fee, coins })),
            Broadcast::InputsMissing(cause) | Broadcast::Rejected(cause) => {
                Err(self.node.refused(format!("the child of {}: {cause}", settlement.txid())))
            }
        }
    }
}
