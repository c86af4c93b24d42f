//! The vault's ALZ into the hold of a reserve-sourced leg. The relayer proposes which vault outputs and who pays; each
//! attestor rebuilds the transaction and signs it, or says why not.

use std::collections::BTreeSet;

use aes_bitcoin::{
    choose_coins, AttestorKeys, CoinError, Escrow, HoldScript, Payer, VaultCoin, VaultError, VaultSpend, CARRIER,
};
use aes_protocol::{Hash32, Leg};
use bitcoin::{Amount, FeeRate, OutPoint, Txid};

use super::claims::{Claim, LegId};
use super::cosign::{BaseUnits, SigningRequest};
use super::gather::NotSigned;
use super::node::Broadcast;
use super::sent::{Kind, Sent};
use super::wallet::{total, Picked};
use super::BitcoinChain;
use crate::chain::Depth;
use crate::error::ChainError;

/// Of a vault transaction, besides what each input and output adds.
const BASE_VBYTES: u64 = 250;
const INPUT_VBYTES: u64 = 150;
const OUTPUT_VBYTES: u64 = 60;
/// Tries to find sats for a fee that grows with the coins that pay it; and vault outputs that attestors have not signed away.
const TRIES: usize = 5;

impl BitcoinChain {
    pub(super) async fn prepare_reserve(&self, execution_id: &Hash32, leg: &Leg) -> Result<Txid, ChainError> {
        if let Some(found) = self.find(execution_id, leg, self.height(Depth::Soft)?).await? {
            return Ok(found.hold.outpoint.txid);
        }
        let amount = leg.amount.u128();
        if amount > self.terms.max_leg {
            return Err(self
                .node
                .refused(format!("{amount} base units are over the largest leg, {}", self.terms.max_leg)));
        }
        let escrow = self.sets.escrow().await?;
        let hold = self.reserve_script(&escrow, execution_id, leg)?;
        let id = (*execution_id, leg.index);
        let mut elsewhere = BTreeSet::new();
        for _ in 0..TRIES {
            let claim = self.claim(&escrow, &id, amount, &elsewhere).await?;
            let NotSigned { error, partly, pinned, reserved } =
                match self.move_to_hold(execution_id, leg, &escrow, &hold, claim.coins.clone()).await {
                    Ok(txid) => {
                        self.claims.unpin(&id);
                        return Ok(txid);
                    }
                    Err(not_signed) => not_signed,
                };
            let first = claim.coins.first().map(|coin| coin.outpoint).filter(|_| partly);
            // signed for before, by another relayer or before this one lost its disk
            let news = !pinned.is_subset(&self.claims.pinned(&id)) || !reserved.is_subset(&elsewhere);
            self.claims.pin(id, pinned.into_iter().chain(first));
            // signed away for other legs, whose transactions are not here
            elsewhere.extend(reserved);
            if !news {
                return Err(error);
            }
        }
        Err(self.node.later("attestors have signed away whatever was chosen; others are chosen with the next block"))
    }

    /// One chooses after the other, so that two moves never choose the same output.
    async fn claim(
        &self,
        escrow: &Escrow,
        leg: &LegId,
        amount: u128,
        elsewhere: &BTreeSet<OutPoint>,
    ) -> Result<Claim<'_>, ChainError> {
        let _choosing = self.choosing.lock().await;
        let mut taken = self.taken(Some(leg));
        taken.extend(elsewhere);
        let pinned = self.pinned_vault_coins(escrow, leg).await?;
        let coins = match pinned.first() {
            Some(first) => self.vault_coins_with(escrow, amount, first.set_id, pinned, taken)?,
            None => self.free_vault_coins(escrow, amount, taken).await?,
        };
        Ok(self.claims.claim(coins))
    }

    /// What transactions of ours spend, sent or being made, or are to spend for other legs.
    pub(super) fn taken(&self, leg: Option<&LegId>) -> BTreeSet<OutPoint> {
        let mut taken = self.sent.spends();
        taken.extend(self.claims.taken(leg));
        taken
    }

    async fn move_to_hold(
        &self,
        execution_id: &Hash32,
        leg: &Leg,
        escrow: &Escrow,
        hold: &HoldScript,
        coins: Vec<VaultCoin>,
    ) -> Result<Txid, NotSigned> {
        let rate = self.fees.rate(&self.node).await?;
        let build = |payer: &Payer| escrow.move_to_hold(hold, &coins, payer);
        let (spend, payer, _picked) = self.with_payer(coins.len(), 2, hold.sats(), rate, build).await?;
        self.send_reserve(execution_id, leg, coins, spend, payer).await
    }

    pub(super) fn reserve_script(
        &self,
        escrow: &Escrow,
        execution_id: &Hash32,
        leg: &Leg,
    ) -> Result<HoldScript, ChainError> {
        let script = self.scripts.reserve(escrow, execution_id, leg, self.current_set(escrow)?);
        script.map_err(|error| self.node.refused(error.to_string()))
    }

    /// Of one set, as its attestors sign all of them or none; the oldest set's first, so that rotations end.
    async fn free_vault_coins(
        &self,
        escrow: &Escrow,
        amount: u128,
        mut taken: BTreeSet<OutPoint>,
    ) -> Result<Vec<VaultCoin>, ChainError> {
        let all = self.vault_coins(escrow)?;
        for keys in escrow.sets.iter() {
            let of_set: Vec<VaultCoin> = all.iter().filter(|coin| coin.set_id == keys.set_id()).copied().collect();
            while let Some(chosen) = choose_coins(&of_set, amount, &taken) {
                let spent = self.spent_on_the_way(&chosen).await?;
                if spent.is_empty() {
                    return Ok(chosen);
                }
                taken.extend(spent);
            }
        }
        let there = all.iter().map(|coin| coin.alz).fold(0, u128::saturating_add);
        if there < amount {
            return Err(self.node.refused(format!("the vault has {there} base units, the leg takes {amount}")));
        }
        Err(self
            .node
            .later("the vault's outputs are all in transactions on their way; the next block frees the change"))
    }

    /// To which attestors have pinned the leg: all moves for a leg spend the same output. Where it is spent in the chain by
    /// something else, attestors pin the leg anew once that is final.
    async fn pinned_vault_coins(&self, escrow: &Escrow, leg: &LegId) -> Result<Vec<VaultCoin>, ChainError> {
        let pinned = self.claims.pinned(leg);
        if pinned.is_empty() {
            return Ok(Vec::new());
        }
        let mut coins = self.vault_coins(escrow)?;
        coins.retain(|coin| pinned.contains(&coin.outpoint));
        match self.spent_on_the_way(&coins).await?.first() {
            Some(outpoint) => {
                Err(self.node.later(format!("the leg's hold may be on its way: a transaction spends {outpoint}")))
            }
            None => Ok(coins),
        }
    }

    /// Those that a transaction in the mempool spends.
    pub(super) async fn spent_on_the_way(&self, coins: &[VaultCoin]) -> Result<BTreeSet<OutPoint>, ChainError> {
        let mut spent = BTreeSet::new();
        for coin in coins {
            if !self.node.is_unspent(coin.outpoint).await? {
                spent.insert(coin.outpoint);
            }
        }
        Ok(spent)
    }

    /// Those of one set, all of them: attestors that signed for different ones all sign a move that spends each; and more where they
    /// are too few.
    fn vault_coins_with(
        &self,
        escrow: &Escrow,
        amount: u128,
        set_id: u64,
        mut coins: Vec<VaultCoin>,
        mut taken: BTreeSet<OutPoint>,
    ) -> Result<Vec<VaultCoin>, ChainError> {
        let of_set = |coin: &VaultCoin| coin.set_id == set_id;
        coins.retain(of_set);
        let missing = amount.saturating_sub(coins.iter().map(|coin| coin.alz).fold(0, u128::saturating_add));
        if missing == 0 {
            return Ok(coins);
        }
        taken.extend(coins.iter().map(|coin| coin.outpoint));
        let all: Vec<VaultCoin> = self.vault_coins(escrow)?.into_iter().filter(of_set).collect();
        let more = choose_coins(&all, missing, &taken);
        coins.extend(more.ok_or_else(|| self.node.later("the other vault outputs are in transactions on their way"))?);
        Ok(coins)
    }

    /// In the chain, unspent there, and without another rune beside the ALZ.
    pub(super) fn vault_coins(&self, escrow: &Escrow) -> Result<Vec<VaultCoin>, ChainError> {
        let vaults = escrow.vaults().map_err(|error| self.node.refused(error.to_string()))?;
        self.following.follower.index(|index| {
            let ledger = index.ledger();
            let mut coins = ledger.vault_coins(&vaults);
            coins.retain(|coin| ledger.holding(&coin.outpoint).is_some_and(|holding| !holding.mixed));
            coins
        })
    }

    /// Coins of this process's account that no transaction here has been promised.
    pub(super) async fn pick(&self, alz: u128, sats: Amount) -> Result<Picked<'_>, ChainError> {
        let promised = self.promised()?;
        self.purse()?.pick(&self.node, &self.following.follower, &promised, alz, sats).await
    }

    /// Builds with coins of this process's account that pay what is missing.
    pub(super) async fn with_payer(
        &self,
        inputs: usize,
        outputs: usize,
        sats: Amount,
        rate: FeeRate,
        build: impl Fn(&Payer) -> Result<VaultSpend, VaultError>,
    ) -> Result<(VaultSpend, Payer, Picked<'_>), ChainError> {
        let wallet = self.wallet()?;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let vbytes = BASE_VBYTES
            .saturating_add(INPUT_VBYTES.saturating_mul(count(inputs)))
            .saturating_add(OUTPUT_VBYTES.saturating_mul(count(outputs)));
        let carriers = CARRIER.checked_mul(count(outputs)).unwrap_or(Amount::MAX_MONEY);
        let fee = rate.fee_vb(vbytes).unwrap_or(Amount::MAX_MONEY);
        let mut wanted = [sats, carriers, fee]
            .into_iter()
            .fold(Amount::ZERO, |sum, next| sum.checked_add(next).unwrap_or(Amount::MAX_MONEY));
        for _ in 0..TRIES {
            let picked = self.pick(0, wanted).await?;
            let payer = Payer { coins: picked.coins.clone(), change: wallet.script().clone(), rate };
            match build(&payer) {
                Ok(spend) => return Ok((spend, payer, picked)),
                Err(VaultError::Coin(CoinError::TooFewSats { missing, .. })) => {
                    if total(&payer.coins) < wanted {
                        return Err(self.too_few_sats(wanted)?);
                    }
                    wanted = wanted.checked_add(missing).unwrap_or(Amount::MAX_MONEY);
                }
                Err(error) => return Err(self.node.refused(error.to_string())),
            }
        }
        Err(self.too_few_sats(wanted)?)
    }

    pub(super) async fn send_reserve(
        &self,
        execution_id: &Hash32,
        leg: &Leg,
        coins: Vec<VaultCoin>,
        spend: VaultSpend,
        payer: Payer,
    ) -> Result<Txid, NotSigned> {
        let request = SigningRequest::Reserve {
            execution_id: *execution_id,
            leg: leg.index,
            coins: coins.iter().map(|coin| coin.outpoint).collect(),
            payer: payer.clone(),
        };
        let kind = Kind::Reserve { execution_id: *execution_id, leg: Box::new(leg.clone()), coins, payer };
        self.sign_and_send(&request, &spend, kind).await
    }

    /// Attestors for the vault's inputs, this account for its own. What they signed and the node did not take pins the leg, too.
    async fn sign_and_send(&self, request: &SigningRequest, spend: &VaultSpend, kind: Kind) -> Result<Txid, NotSigned> {
        let refused = |error: VaultError| self.node.refused(error.to_string());
        let digests = spend.sighashes().map_err(refused)?;
        let signed = self.gather(request, spend.keys(), &digests).await?;
        let witnesses =
            self.wallet()?.witnesses(spend.draft(), digests.len()).map_err(|error| self.node.refused(error))?;
        let tx = spend.finish(&signed, &witnesses).map_err(refused)?;
        let txid = tx.compute_txid();
        let height = self.height(Depth::Soft)?;
        match self.node.broadcast(&tx).await? {
            Broadcast::Taken | Broadcast::Mined => {
                self.sent.keep(Sent { tx, kind, height });
                Ok(txid)
            }
            // Another relayer's transaction or a reorg was faster: the next look shows what is free.
            Broadcast::InputsMissing(cause) | Broadcast::FeeTooLow(cause) | Broadcast::Rejected(cause) => {
                let error = self.node.later(format!("transaction {txid} was not taken: {cause}"));
                Err(NotSigned { partly: true, ..error.into() })
            }
        }
    }

    /// The vault's ALZ of one set in other outputs, in the current set's vault: a split, a join, or a rotation.
    pub(super) async fn rearrange(&self, coins: Vec<VaultCoin>, amounts: Vec<u128>) -> Result<Txid, ChainError> {
        let escrow = self.sets.escrow().await?;
        let to = self.current_set(&escrow)?;
        let rate = self.fees.rate(&self.node).await?;
        let build = |payer: &Payer| escrow.rearrange_vault(&coins, &amounts, to, payer);
        let (spend, payer, _picked) = self.with_payer(coins.len(), amounts.len(), Amount::ZERO, rate, build).await?;
        self.send_rearrangement(coins, amounts, spend, payer).await
    }

    pub(super) async fn send_rearrangement(
        &self,
        coins: Vec<VaultCoin>,
        amounts: Vec<u128>,
        spend: VaultSpend,
        payer: Payer,
    ) -> Result<Txid, ChainError> {
        let amounts: Vec<BaseUnits> = amounts.into_iter().map(BaseUnits).collect();
        let request = SigningRequest::Rearrange {
            coins: coins.iter().map(|coin| coin.outpoint).collect(),
            amounts: amounts.clone(),
            payer: payer.clone(),
        };
        let kind = Kind::Rearrange { coins, amounts, payer };
        let sent = self.sign_and_send(&request, &spend, kind).await;
        sent.map_err(|not_signed| not_signed.error)
    }

    pub(super) fn current_set(&self, escrow: &Escrow) -> Result<u64, ChainError> {
        let current = escrow.sets.current().map(AttestorKeys::set_id);
        current.ok_or_else(|| self.node.refused("there is no attestor set yet"))
    }

    /// What the account has, in the words of an error. Where it has enough and the coins are only on their way, it is no
    /// cause to give an execution up.
    pub(super) fn too_few_sats(&self, needed: Amount) -> Result<ChainError, ChainError> {
        let purse = self.purse()?;
        let balance = self.following.follower.index(|index| purse.balance(index))?;
        if balance >= needed {
            return Ok(self.node.later(format!("{needed} are needed, and the coins worth {balance} are on their way")));
        }
        Ok(ChainError::InsufficientGas {
            chain: self.node.id.clone(),
            address: purse.address(self.network),
            balance: format!("{} sat in the chain", balance.to_sat()),
            needed: format!("{} sat", needed.to_sat()),
        })
    }
}
