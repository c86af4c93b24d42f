//! An attestor's half: what a relayer proposes is rebuilt from this node's own view, so that what is signed is never taken
//! from the wire.

use std::sync::Arc;
use std::time::Duration;

use aes_bitcoin::{AttestorKeys, Payer, VaultCoin, VaultSpend};
use aes_protocol::{AttestorSet, Decision, Hash32, Leg};
use async_trait::async_trait;
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, TapSighash};

use super::cosign::{payer_is_bounded, Cosignable, Cosigners, Purpose, SigningRequest, ToSign};
use super::evidence::written_tx;
use super::vault::is_a_rearrangement;
use super::BitcoinChain;
use crate::chain::{Depth, HoldStatus};
use crate::error::ChainError;

/// How much later than a relayer's this node may come by a block.
const AHEAD: Duration = Duration::from_secs(1);

#[async_trait]
impl Cosignable for BitcoinChain {
    fn set_cosigners(&self, cosigners: Arc<dyn Cosigners>) {
        if self.cosigners.set(cosigners).is_err() {
            tracing::warn!(chain = %self.node.id, "attestors were given twice; the first ones stay");
        }
        self.keep_vault();
    }

    async fn to_sign(&self, request: &SigningRequest, decision: Option<Decision>) -> Result<ToSign, ChainError> {
        self.following.follower.wait_until_read().await;
        match request {
            SigningRequest::Settlement { execution_id, leg, hold } => {
                let decision = decision.ok_or_else(|| self.node.refused(format!("{execution_id} is not decided")))?;
                self.settlement_to_sign(execution_id, *leg, *hold, decision).await
            }
            SigningRequest::Reserve { execution_id, leg, coins, payer } => {
                self.reserve_to_sign(execution_id, *leg, coins, payer).await
            }
            SigningRequest::Rearrange { coins, amounts, payer } => {
                let amounts: Vec<u128> = amounts.iter().map(|amount| amount.0).collect();
                self.rearrange_to_sign(coins, &amounts, payer).await
            }
        }
    }

    fn is_gone(&self, outpoint: &OutPoint) -> Result<bool, ChainError> {
        let last = self.height(Depth::Final)?;
        self.following.follower.index(|index| index.spent_at(outpoint).is_some_and(|height| height <= last))
    }

    fn check_set(&self, set: &AttestorSet) -> Result<(), ChainError> {
        AttestorKeys::new(set).map(drop).map_err(|error| self.node.refused(error.to_string()))
    }
}

impl BitcoinChain {
    async fn settlement_to_sign(
        &self,
        execution_id: &Hash32,
        leg: u8,
        hold: OutPoint,
        decision: Decision,
    ) -> Result<ToSign, ChainError> {
        let leg = self.leg_of(execution_id, leg).await?;
        let found = self.find(execution_id, &leg, self.height(Depth::Soft)?).await?;
        let found = found.ok_or_else(|| self.node.refused(format!("leg {}: nothing is held", leg.index)))?;
        if found.hold.outpoint != hold {
            let own = found.hold.outpoint;
            return Err(self.node.refused(format!("leg {}: its hold is {own}, not {hold}", leg.index)));
        }
        if self.status(&found).await? != Some(HoldStatus::Held) {
            return Err(self.node.refused(format!("leg {}: its hold {hold} has ended", leg.index)));
        }
        let settlement = self.settlement_of(&found, decision)?;
        Ok(ToSign {
            purpose: Purpose::Settle(decision),
            keys: keys_of(found.hold.script.keys()),
            inputs: vec![(hold, digest(settlement.sighash()))],
            txid: written_tx(&settlement.txid()),
        })
    }

    async fn reserve_to_sign(
        &self,
        execution_id: &Hash32,
        leg: u8,
        coins: &[OutPoint],
        payer: &Payer,
    ) -> Result<ToSign, ChainError> {
        let leg = self.leg_of(execution_id, leg).await?;
        if leg.amount.u128() > self.terms.max_leg {
            let (amount, most) = (leg.amount, self.terms.max_leg);
            return Err(self.node.refused(format!("leg {}: {amount} is over the largest leg, {most}", leg.index)));
        }
        if self.find(execution_id, &leg, self.height(Depth::Soft)?).await?.is_some() {
            return Err(self.node.refused(format!("leg {} is held already", leg.index)));
        }
        let escrow = self.sets.escrow().await?;
        let script = self.reserve_script(&escrow, execution_id, &leg)?;
        let coins = self.own_vault_coins(coins).await?;
        self.check_payer(payer)?;
        let spend = escrow.move_to_hold(&script, &coins, payer);
        let spend = spend.map_err(|error| self.node.refused(error.to_string()))?;
        self.vault_spend_to_sign(Purpose::Reserve, &spend)
    }

    async fn rearrange_to_sign(
        &self,
        coins: &[OutPoint],
        amounts: &[u128],
        payer: &Payer,
    ) -> Result<ToSign, ChainError> {
        let escrow = self.sets.escrow().await?;
        let to = self.current_set(&escrow)?;
        let coins = self.own_vault_coins(coins).await?;
        if !is_a_rearrangement(&coins, amounts, to) {
            return Err(self
                .node
                .refused("vault outputs are moved to a next set, split evenly or joined, and nothing else"));
        }
        self.check_payer(payer)?;
        let spend = escrow.rearrange_vault(&coins, amounts, to, payer);
        let spend = spend.map_err(|error| self.node.refused(error.to_string()))?;
        self.vault_spend_to_sign(Purpose::Rearrange, &spend)
    }

    fn vault_spend_to_sign(&self, purpose: Purpose, spend: &VaultSpend) -> Result<ToSign, ChainError> {
        let digests = spend.sighashes().map_err(|error| self.node.refused(error.to_string()))?;
        Ok(ToSign {
            purpose,
            keys: keys_of(spend.keys()),
            inputs: spend.spends().zip(digests.into_iter().map(digest)).collect(),
            txid: written_tx(&spend.unsigned().compute_txid()),
        })
    }

    async fn leg_of(&self, execution_id: &Hash32, leg: u8) -> Result<Leg, ChainError> {
        let record = self.record(execution_id).await?;
        let record = record.ok_or_else(|| self.node.refused(format!("no execution {execution_id}")))?;
        let entry = record.legs.get(usize::from(leg));
        let entry = entry.ok_or_else(|| self.node.refused(format!("execution {execution_id} has no leg {leg}")))?;
        Ok(entry.leg.clone())
    }

    /// The relayer's node may be a block ahead of this one: what is not here yet is waited for, once.
    async fn own_vault_coins(&self, wanted: &[OutPoint]) -> Result<Vec<VaultCoin>, ChainError> {
        let mut ticks = self.following.follower.ticks();
        if let Ok(coins) = self.known_vault_coins(wanted).await {
            return Ok(coins);
        }
        // either way the next look tells
        let _ = tokio::time::timeout(AHEAD, ticks.changed()).await;
        self.known_vault_coins(wanted).await
    }

    async fn known_vault_coins(&self, wanted: &[OutPoint]) -> Result<Vec<VaultCoin>, ChainError> {
        let escrow = self.sets.escrow().await?;
        let coins = self.vault_coins(&escrow)?;
        let own = |outpoint: &OutPoint| coins.iter().find(|coin| coin.outpoint == *outpoint).copied();
        let missing = |outpoint: &OutPoint| self.node.refused(format!("{outpoint} is no unspent vault output here"));
        wanted.iter().map(|outpoint| own(outpoint).ok_or_else(|| missing(outpoint))).collect()
    }

    /// Bounded, and without ALZ: what it says of its outputs is in every digest, and so need not be believed.
    fn check_payer(&self, payer: &Payer) -> Result<(), ChainError> {
        payer_is_bounded(payer, self.fees.ceiling).map_err(|cause| self.node.refused(cause))?;
        let with_alz = |index: &super::index::Index| {
            payer.coins.iter().find(|coin| index.ledger().holding(&coin.outpoint).is_some()).map(|coin| coin.outpoint)
        };
        match self.following.follower.index(with_alz)? {
            Some(outpoint) => Err(self.node.refused(format!("{outpoint} holds ALZ: it cannot pay fees"))),
            None => Ok(()),
        }
    }
}

fn keys_of(keys: &AttestorKeys) -> Vec<Hash32> {
    keys.keys().iter().map(|key| Hash32(key.serialize())).collect()
}

fn digest(sighash: TapSighash) -> Hash32 {
    Hash32(sighash.to_byte_array())
}
