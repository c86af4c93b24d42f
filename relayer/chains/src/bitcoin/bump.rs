//! A vault transaction that blocks pass by is made again with a higher fee, in place of the last one (BIP-125).

use aes_bitcoin::{CoinError, Escrow, HoldScript, Payer, VaultCoin, VaultError, VaultSpend, CARRIER, RELAY_FEE_RATE};
use aes_protocol::{Hash32, Leg};
use bitcoin::{FeeRate, Transaction, Txid};

use super::sent::Kind;
use super::wallet::Picked;
use super::BitcoinChain;
use crate::chain::Depth;
use crate::error::ChainError;

impl BitcoinChain {
    pub(super) async fn bump_reserve(
        &self,
        sent: &Transaction,
        execution_id: &Hash32,
        leg: &Leg,
        coins: &[VaultCoin],
        payer: &Payer,
    ) -> Result<Option<Txid>, ChainError> {
        let Some(rate) = self.dearer(payer.rate).await? else { return Ok(None) };
        let escrow = self.sets.escrow().await?;
        let hold = self.hold_made_by(&escrow, execution_id, leg, sent)?;
        let build = |payer: &Payer| escrow.move_to_hold(&hold, coins, payer);
        let (spend, payer, picked) = self.made_again(payer, rate, build).await?;
        let bumped = self.send_reserve(execution_id, leg, coins.to_vec(), spend, payer).await;
        // the coins are its own until the node has it
        drop(picked);
        bumped.map(Some).map_err(|not_signed| not_signed.error)
    }

    /// No leg waits for a split or a join, but one may wait for what it spends.
    pub(super) async fn bump_rearrangements(&self) -> Result<(), ChainError> {
        let tip = self.height(Depth::Soft)?;
        for (txid, sent) in self.sent.all() {
            let Kind::Rearrange { coins, amounts, payer } = &sent.kind else { continue };
            // the first block may have been on its way when it was handed over
            let is_passed_by = sent.height.saturating_add(1) < tip;
            if !is_passed_by || self.following.follower.index(|index| index.height_of(&txid))?.is_some() {
                continue;
            }
            let Some(rate) = self.dearer(payer.rate).await? else { continue };
            let escrow = self.sets.escrow().await?;
            let to = self.current_set(&escrow)?;
            let amounts: Vec<u128> = amounts.iter().map(|amount| amount.0).collect();
            let build = |payer: &Payer| escrow.rearrange_vault(coins, &amounts, to, payer);
            let (spend, payer, picked) = self.made_again(payer, rate, build).await?;
            self.send_rearrangement(coins.clone(), amounts.clone(), spend, payer).await?;
            drop(picked);
            self.sent.forget(&txid);
        }
        Ok(())
    }

    /// The estimate, or half as much again as was paid, and what a replacement pays at least: for its own size beside what it
    /// replaces. `None` where that is more than may be paid.
    async fn dearer(&self, paid: FeeRate) -> Result<Option<FeeRate>, ChainError> {
        let paid = paid.to_sat_per_kwu();
        let least = FeeRate::from_sat_per_kwu(paid.saturating_add(RELAY_FEE_RATE.to_sat_per_kwu()));
        let half_more = FeeRate::from_sat_per_kwu(paid.saturating_mul(3) / 2);
        let rate = self.fees.rate(&self.node).await?.max(half_more).max(least).min(self.fees.ceiling);
        Ok((rate >= least).then_some(rate))
    }

    /// With the payer's coins of before, or where they are too few for it, with one more.
    async fn made_again(
        &self,
        payer: &Payer,
        rate: FeeRate,
        build: impl Fn(&Payer) -> Result<VaultSpend, VaultError>,
    ) -> Result<(VaultSpend, Payer, Option<Picked<'_>>), ChainError> {
        let mut payer = Payer { rate, ..payer.clone() };
        let mut picked = None;
        let spend = match build(&payer) {
            Err(VaultError::Coin(CoinError::TooFewSats { missing, .. })) => {
                let more = self.pick(0, missing.checked_add(CARRIER).unwrap_or(missing)).await?;
                payer.coins.extend(more.coins.iter().cloned());
                picked = Some(more);
                build(&payer)
            }
            built => built,
        };
        Ok((spend.map_err(|error| self.node.refused(error.to_string()))?, payer, picked))
    }

    /// Under the set's keys for which it was made: a rotation may have come since.
    fn hold_made_by(
        &self,
        escrow: &Escrow,
        execution_id: &Hash32,
        leg: &Leg,
        sent: &Transaction,
    ) -> Result<HoldScript, ChainError> {
        for keys in escrow.sets.iter() {
            let script = self.scripts.reserve(escrow, execution_id, leg, keys.set_id());
            let script = script.map_err(|error| self.node.refused(error.to_string()))?;
            if sent.output.iter().any(|output| output.script_pubkey == *script.script_pubkey()) {
                return Ok(script);
            }
        }
        Err(self.node.refused(format!("{} makes no hold of leg {}", sent.compute_txid(), leg.index)))
    }
}
