//! A depositor's own hold: the deposit is built, kept on disk and signed, the pre-signatures of both settlements go to the
//! home chain, and only when they are there the deposit is given to the node.

use std::collections::BTreeSet;
use std::time::Duration;

use aes_bitcoin::{
    CoinError, DepositError, Draft, Escape, Escrow, Hold, HoldScript, Outcome, Presigned, RefundDelay, CARRIER,
};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse};
use aes_protocol::{Bytes, Hash32, Leg};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Amount, FeeRate, OutPoint, Transaction, Txid};
use tokio::time::Instant;

use super::deposits::{Deposit, SignedDeposit};
use super::sent::Kind;
use super::wallet::{total, Picked, Wallet};
use super::BitcoinChain;
use crate::chain::{Depth, Outcome as TxOutcome, TxId};
use crate::error::ChainError;

/// How long the home chain may take to have the pre-signatures in a block.
const ATTACHED_WITHIN: Duration = Duration::from_secs(60);
const TRIES: usize = 5;
/// Of a deposit, besides what each input adds.
const DEPOSIT_VBYTES: u64 = 250;

impl BitcoinChain {
    /// Goes on with the deposit that is on disk, if there is one; a wallet elsewhere has signed that before.
    pub(super) async fn prepare(&self, execution_id: &Hash32, deadline: u64, leg: &Leg) -> Result<Txid, ChainError> {
        if let Some(found) = self.find(execution_id, leg, self.height(Depth::Soft)?).await? {
            return Ok(found.hold.outpoint.txid);
        }
        let mut deposit = self.deposit(execution_id, deadline, leg).await?;
        if deposit.signed.is_none() {
            let wallet = self.wallet.as_ref();
            let wallet =
                wallet.ok_or_else(|| self.node.refused("its wallet is elsewhere: `aes prepare --psbt DIR`"))?;
            deposit.signed = Some(self.signed_here(wallet, &deposit)?);
            self.keep_deposit(&deposit)?;
        }
        self.attach_and_send(&deposit).await
    }

    /// The one on disk, unless it can never be made any more; else a new one.
    pub(super) async fn deposit(&self, execution_id: &Hash32, deadline: u64, leg: &Leg) -> Result<Deposit, ChainError> {
        let key = self.depositors_key(leg)?;
        let attached = self.attached(execution_id, leg).await?;
        if let Some(deposit) = self.stored(execution_id, leg.index)? {
            let is_attached = attached.is_some() && attached == deposit.presigned().map(|presigned| presigned.encode());
            if is_attached || (attached.is_none() && self.can_be_made(&deposit).await?) {
                return Ok(deposit);
            }
        }
        if attached.is_some() {
            return Err(self.node.refused(format!(
                "leg {}: the pre-signatures at the coordinator are of a deposit that is not in {}; send that one from where \
                 it was signed, or roll the execution back",
                leg.index,
                self.deposits.path().display()
            )));
        }
        let escrow = self.sets.escrow().await?;
        let script = self.deposit_script(&escrow, execution_id, deadline, leg, key).await?;
        let rate = self.fees.rate(&self.node).await?;
        let (draft, _picked) = self.draft_deposit(&script, leg.amount.u128(), rate).await?;
        let deposit = Deposit::new(&escrow, &script, deadline, draft);
        let deposit = deposit.ok_or_else(|| self.node.refused("a reserve-sourced leg has no depositor"))?;
        self.keep_deposit(&deposit)?;
        Ok(deposit)
    }

    fn depositors_key(&self, leg: &Leg) -> Result<XOnlyPublicKey, ChainError> {
        let (key, script) = self.depositor()?;
        if leg.from.0 != script.as_bytes() {
            let (from, own) = (&leg.from, self.purse()?.address(self.network));
            return Err(self.node.refused(format!("leg {} is from {from}; the key here is of {own}", leg.index)));
        }
        Ok(key)
    }

    pub(super) fn stored(&self, execution_id: &Hash32, leg: u8) -> Result<Option<Deposit>, ChainError> {
        self.deposits.get(execution_id, leg).map_err(|error| self.disk(&error))
    }

    pub(super) fn keep_deposit(&self, deposit: &Deposit) -> Result<(), ChainError> {
        self.deposits.put(deposit).map_err(|error| self.disk(&error))
    }

    /// Coins of this account that drafts on disk are to spend.
    pub(super) fn promised(&self) -> Result<BTreeSet<OutPoint>, ChainError> {
        let now = self.following.follower.index(|index| index.median_time_past(index.tip().height))?;
        self.deposits.promised(now.unwrap_or_default()).map_err(|error| self.disk(&error))
    }

    fn disk(&self, error: &std::io::Error) -> ChainError {
        self.node.refused(format!("{}: {error}; look at the disk", self.deposits.path().display()))
    }

    /// As the coordinator has it now.
    async fn attached(&self, execution_id: &Hash32, leg: &Leg) -> Result<Option<Bytes>, ChainError> {
        let execution = self.home.execution(execution_id).await?;
        Ok(execution.and_then(|ExecutionResponse { legs, .. }| legs.into_iter().nth(leg.index.into())?.presigned))
    }

    async fn can_be_made(&self, deposit: &Deposit) -> Result<bool, ChainError> {
        if self.node.transaction(deposit.outpoint().txid).await?.is_some() {
            return Ok(true);
        }
        for coin in deposit.inputs() {
            if !self.node.is_unspent(coin).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn deposit_script(
        &self,
        escrow: &Escrow,
        execution_id: &Hash32,
        deadline: u64,
        leg: &Leg,
        key: XOnlyPublicKey,
    ) -> Result<HoldScript, ChainError> {
        self.check_own(leg)?;
        if leg.amount.u128() > self.terms.max_leg {
            let (amount, most) = (leg.amount, self.terms.max_leg);
            return Err(self.node.refused(format!("{amount} base units are over the largest leg, {most}")));
        }
        let current = self.current_set(escrow)?;
        let now = self.following.follower.index(|index| index.median_time_past(index.tip().height))?;
        let now = now.ok_or_else(|| self.node.bad_answer("the chain has no median time yet"))?;
        let refund = RefundDelay::until(now, deadline.saturating_add(self.terms.escape_delay));
        let refund = refund.ok_or_else(|| {
            self.node
                .refused("the deadline and the escape delay are over 388 days away, more than Bitcoin's CSV can say")
        })?;
        let script = escrow.account_hold(execution_id, leg, current, key, refund);
        script.map_err(|error| self.node.refused(error.to_string()))
    }

    async fn draft_deposit(
        &self,
        script: &HoldScript,
        amount: u128,
        rate: FeeRate,
    ) -> Result<(Draft, Picked<'_>), ChainError> {
        let change = self.purse()?.script();
        let fee = rate.fee_vb(DEPOSIT_VBYTES).unwrap_or(Amount::MAX_MONEY);
        let mut wanted = [script.sats(), CARRIER, fee]
            .into_iter()
            .fold(Amount::ZERO, |sum, next| sum.checked_add(next).unwrap_or(Amount::MAX_MONEY));
        for _ in 0..TRIES {
            let picked = self.pick(amount, wanted).await?;
            match script.deposit(&picked.coins, change.as_bytes(), rate) {
                Ok(draft) => return Ok((draft, picked)),
                Err(DepositError::Coin(CoinError::TooFewSats { missing, .. })) => {
                    if total(&picked.coins) < wanted {
                        return Err(self.too_few_sats(wanted)?);
                    }
                    wanted = wanted.checked_add(missing).unwrap_or(Amount::MAX_MONEY);
                }
                Err(error) => return Err(self.node.refused(error.to_string())),
            }
        }
        Err(self.too_few_sats(wanted)?)
    }

    fn signed_here(&self, wallet: &Wallet, deposit: &Deposit) -> Result<SignedDeposit, ChainError> {
        let refused = |error: String| self.node.refused(error);
        let hold = deposit.hold().map_err(|error| refused(error.to_string()))?;
        let sign = |outcome| {
            let settlement = hold.settlement(outcome).map_err(|error| refused(error.to_string()))?;
            Ok::<_, ChainError>(wallet.sign(settlement.sighash()))
        };
        let tx = signed(wallet, deposit.draft.clone()).map_err(refused)?;
        Ok(SignedDeposit { tx, finalize: sign(Outcome::Finalize)?, release: sign(Outcome::Release)? })
    }

    async fn attach_and_send(&self, deposit: &Deposit) -> Result<Txid, ChainError> {
        let Deposit { execution_id, leg, signed, .. } = deposit;
        let (Some(SignedDeposit { tx, .. }), Some(presigned)) = (signed, deposit.presigned()) else {
            return Err(self.node.refused(format!("leg {}: its deposit is not signed", leg.index)));
        };
        if self.attached(execution_id, leg).await?.is_none() {
            self.attach(execution_id, leg, &presigned).await?;
        }
        self.send(tx.clone(), Kind::Other).await?;
        Ok(tx.compute_txid())
    }

    /// Returns once the home chain has it in a block.
    async fn attach(&self, execution_id: &Hash32, leg: &Leg, presigned: &Presigned) -> Result<(), ChainError> {
        let message = ExecuteMsg::Attach { execution_id: *execution_id, leg: leg.index, presigned: presigned.encode() };
        let mut ticks = self.home.ticks();
        let tx = self.home.send(&message).await?;
        let until = Instant::now() + ATTACHED_WITHIN;
        let home = &self.home.domain().home_chain;
        loop {
            match self.home.outcome(&tx).await? {
                TxOutcome::Included { .. } => return Ok(()),
                TxOutcome::Failed { cause, .. } => {
                    return Err(ChainError::Refused { chain: home.clone(), cause: format!("attach: {cause}") })
                }
                TxOutcome::Pending | TxOutcome::Unknown => {}
            }
            let TxId(id) = &tx;
            let left = until.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, ticks.changed()).await.map_or(true, |ticked| ticked.is_err()) {
                let cause =
                    format!("the attachment {id} is in no block; nothing was deposited, prepare goes on with it");
                return Err(ChainError::Later { chain: home.clone(), cause });
            }
        }
    }

    /// The depositor alone, once the refund delay has passed.
    pub(super) async fn escape(&self, execution_id: &Hash32, leg: &Leg) -> Result<Txid, ChainError> {
        let escape = self.drafted_escape(execution_id, leg).await?;
        self.finish_escape(&escape, &self.wallet()?.sign(escape.sighash())).await
    }

    pub(super) async fn drafted_escape(&self, execution_id: &Hash32, leg: &Leg) -> Result<Escape, ChainError> {
        let (hold, value) = self.own_hold(execution_id, leg).await?;
        let rate = self.fees.rate(&self.node).await?;
        hold.escape(value, &leg.from.0, rate).map_err(|error| self.node.refused(error.to_string()))
    }

    pub(super) async fn finish_escape(
        &self,
        escape: &Escape,
        signature: &bitcoin::secp256k1::schnorr::Signature,
    ) -> Result<Txid, ChainError> {
        let tx = escape.finish(signature).map_err(|error| self.node.refused(error.to_string()))?;
        let txid = tx.compute_txid();
        self.send(tx, Kind::Other).await?;
        Ok(txid)
    }

    /// From the disk, without asking the home chain; else from what was attached there. Whether it counts as the leg's hold
    /// does not matter to who takes it back; nor how many sats it has, which are given beside it.
    pub(super) async fn own_hold(&self, execution_id: &Hash32, leg: &Leg) -> Result<(Hold, Amount), ChainError> {
        let refused = |error: String| self.node.refused(error);
        self.depositors_key(leg)?;
        let hold = match self.stored(execution_id, leg.index)? {
            Some(deposit) => deposit.hold().map_err(|error| refused(error.to_string()))?,
            None => {
                let attached = self.attached(execution_id, leg).await?;
                let attached = attached.ok_or_else(|| refused("nothing is held".into()))?;
                let escrow = self.sets.escrow().await?;
                let hold = Presigned::decode(&attached.0).and_then(|known| known.hold(&escrow, execution_id, leg));
                hold.map_err(|error| refused(error.to_string()))?
            }
        };
        let seen = self.following.follower.index(|index| index.seen(&hold.outpoint, index.tip().height))?;
        if let Some((by, _)) = seen.and_then(|seen| seen.spent) {
            return Err(refused(format!("the hold has ended already, by {by}")));
        }
        let outpoint = hold.outpoint;
        match self.node.unspent(outpoint).await? {
            None => {
                Err(refused(format!("nothing is held: {outpoint} is not in the chain, or a transaction spends it")))
            }
            Some(output) if output.script_pubkey != *hold.script.script_pubkey() => {
                Err(refused(format!("nothing is held: {outpoint} pays to another script than this leg's hold")))
            }
            Some(output) => Ok((hold, output.value)),
        }
    }
}

fn signed(wallet: &Wallet, draft: Draft) -> Result<Transaction, String> {
    let witnesses = wallet.witnesses(&draft, 0)?;
    let mut tx = draft.tx;
    for (input, witness) in tx.input.iter_mut().zip(witnesses) {
        input.witness = witness;
    }
    Ok(tx)
}
