//! Ending a hold as decided: the settlement was fixed when the hold was made, the attestors' signatures let it go. Where its
//! own fee is too low for the day, a child pays for both.

use aes_bitcoin::{Outcome, Settlement, CARRIER, SETTLE_FEE_RATE};
use aes_protocol::{Decision, Hash32, Leg};
use bitcoin::{Amount, FeeRate, Transaction, Txid};

use super::cosign::SigningRequest;
use super::holds::Found;
use super::node::Broadcast;
use super::sent::{Child, Kind, Sent};
use super::wallet::Picked;
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
        execution_id: &Hash32,
        leg: &Leg,
        found: &Found,
        decision: Decision,
    ) -> Result<Txid, ChainError> {
        if let Some((by, _)) = found.seen.spent {
            return Ok(by);
        }
        let settlement = self.settlement_of(found, decision)?;
        let txid = settlement.txid();
        if self.sent.get(&txid).is_some() {
            return Ok(txid);
        }
        let request =
            SigningRequest::Settlement { execution_id: *execution_id, leg: leg.index, hold: found.hold.outpoint };
        let digests = [settlement.sighash()];
        let signed = self.gather(&request, found.hold.script.keys(), &digests).await;
        let signed = signed.map_err(|not_signed| not_signed.error)?;
        let depositor = found.presigned.as_ref().map(|presigned| presigned.signature(settlement.outcome()));
        let attestors = signed.first().map(Vec::as_slice).unwrap_or_default();
        let tx = settlement.finish(depositor, attestors).map_err(|error| self.node.refused(error.to_string()))?;
        let kind =
            |child| Kind::Settlement { execution_id: *execution_id, leg: Box::new(leg.clone()), decision, child };
        match self.node.broadcast(&tx).await? {
            Broadcast::FeeTooLow(cause) => {
                let target = self.fees.rate(&self.node).await?;
                let (child, _picked) = self.child(&settlement, None, target).await?;
                tracing::info!(%txid, "{cause}: handed over with a child that pays for both");
                self.send(tx, kind(Some(child))).await?;
            }
            said => self.keep(tx, kind(None), said)?,
        }
        Ok(txid)
    }

    pub(super) fn settlement_of(&self, found: &Found, decision: Decision) -> Result<Settlement, ChainError> {
        let outcome = Outcome::from(decision);
        found.hold.settlement(outcome).map_err(|error| self.node.refused(error.to_string()))
    }

    /// Hands it to the node, and keeps it to be handed over again until it is final.
    pub(super) async fn send(&self, tx: Transaction, kind: Kind) -> Result<(), ChainError> {
        let child = match &kind {
            Kind::Settlement { child: Some(child), .. } => Some(&child.tx),
            _ => None,
        };
        let said = self.broadcast(&tx, child).await?;
        self.keep(tx, kind, said)
    }

    fn keep(&self, tx: Transaction, kind: Kind, said: Broadcast) -> Result<(), ChainError> {
        match said {
            Broadcast::Taken | Broadcast::Mined => {}
            Broadcast::InputsMissing(cause) | Broadcast::FeeTooLow(cause) | Broadcast::Rejected(cause) => {
                return Err(self.node.refused(format!("transaction {}: {cause}", tx.compute_txid())));
            }
        }
        let height = self.height(Depth::Soft)?;
        self.sent.keep(Sent { tx, kind, height });
        Ok(())
    }

    /// With its child, where it has one: after it, or beside it where it alone pays too little for the mempool.
    pub(super) async fn broadcast(
        &self,
        tx: &Transaction,
        child: Option<&Transaction>,
    ) -> Result<Broadcast, ChainError> {
        let said = self.node.broadcast(tx).await?;
        match (&said, child) {
            (Broadcast::Taken, Some(child)) => self.node.broadcast(child).await,
            (Broadcast::FeeTooLow(cause), Some(child)) => {
                let together = self.node.broadcast_with_child(tx, child).await?;
                let alone = format!("{cause}; a node that knows submitpackage would take it with its child, or wait");
                Ok(together.unwrap_or(Broadcast::FeeTooLow(alone)))
            }
            _ => Ok(said),
        }
    }

    /// A settlement that blocks pass by gets a child that pays for both, through the anchor, or a better one; not where the
    /// child it has pays as much as may be paid.
    pub(super) async fn bump_settlement(&self, sent: Sent, height: u64) -> Result<(), ChainError> {
        let Kind::Settlement { execution_id, leg, decision, child } = sent.kind else { return Ok(()) };
        let found = self.find(&execution_id, &leg, self.height(Depth::Soft)?).await?;
        let Some(found) = found.filter(|found| found.seen.spent.is_none()) else { return Ok(()) };
        let settlement = self.settlement_of(&found, decision)?;
        let last = child.as_ref().map(|child| child.target);
        // The estimate, or where it lags behind what miners want, half as much again as was paid.
        let paid = last.unwrap_or(SETTLE_FEE_RATE).to_sat_per_kwu();
        let rate = self.fees.rate(&self.node).await?;
        let target = rate.max(FeeRate::from_sat_per_kwu(paid.saturating_mul(3) / 2)).min(self.fees.ceiling);
        if last.is_some_and(|last| target <= last) {
            return Ok(());
        }
        let (child, _picked) = self.child(&settlement, child.as_ref(), target).await?;
        match self.broadcast(&sent.tx, Some(&child.tx)).await? {
            Broadcast::Taken | Broadcast::Mined => {}
            Broadcast::InputsMissing(cause) | Broadcast::FeeTooLow(cause) | Broadcast::Rejected(cause) => {
                return Err(self.node.refused(format!("the child of {}: {cause}", settlement.txid())));
            }
        }
        tracing::info!(txid = %settlement.txid(), "a child raises its fee to {} sat/kwu", target.to_sat_per_kwu());
        let kind = Kind::Settlement { execution_id, leg, decision, child: Some(child) };
        self.sent.keep(Sent { tx: sent.tx, kind, height });
        Ok(())
    }

    /// A replacement spends what the last child spent, so that only one of them can ever be in a block.
    async fn child(
        &self,
        settlement: &Settlement,
        last: Option<&Child>,
        target: FeeRate,
    ) -> Result<(Child, Option<Picked<'_>>), ChainError> {
        let wallet = self.wallet()?;
        let sats = target.fee_vb(CHILD_VBYTES).unwrap_or(Amount::MAX_MONEY).max(CARRIER * 2);
        let (coins, picked) = match last {
            Some(child) => (child.coins.clone(), None),
            None => {
                let picked = self.pick(0, sats).await?;
                (picked.coins.clone(), Some(picked))
            }
        };
        if coins.is_empty() {
            return Err(self.too_few_sats(sats)?);
        }
        let draft = settlement
            .anchor_child(&coins, wallet.script().as_bytes(), target, last.map(|child| child.fee))
            .map_err(|error| self.node.refused(error.to_string()))?;
        let witnesses = wallet.witnesses(&draft, 1).map_err(|error| self.node.refused(error))?;
        let fee = draft.fee();
        let mut tx = draft.tx;
        for (input, witness) in tx.input.iter_mut().skip(1).zip(witnesses) {
            input.witness = witness;
        }
        Ok((Child { tx, target, fee, coins }, picked))
    }
}
