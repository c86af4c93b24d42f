//! A depositor's own hold: the deposit is built and signed, the pre-signatures of both settlements go to the home chain,
//! and only when they are there the deposit is given to the node. Until then nothing has left the wallet.

use std::time::{Duration, Instant};

use aes_bitcoin::{CoinError, DepositError, Draft, HoldScript, Outcome, Presigned, RefundDelay, CARRIER, DEPOSIT_VOUT};
use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::{Hash32, Leg};
use bitcoin::{Amount, FeeRate, OutPoint, Transaction, Txid};

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
    pub(super) async fn prepare(&self, execution_id: &Hash32, deadline: u64, leg: &Leg) -> Result<Txid, ChainError> {
        let tip = self.height(Depth::Soft)?;
        if let Some(found) = self.find(execution_id, leg, tip).await? {
            return Ok(found.hold.outpoint.txid);
        }
        let wallet = self.wallet()?;
        if leg.from.0 != wallet.script().as_bytes() {
            let (from, own) = (&leg.from, wallet.address(self.network));
            return Err(self.node.refused(format!("leg {} is from {from}; the key here is of {own}", leg.index)));
        }
        let script = self.deposit_script(execution_id, deadline, leg, tip).await?;
        let rate = self.fees.rate(&self.node).await?;
        let (draft, _picked) = self.draft_deposit(wallet, &script, leg.amount.u128(), rate).await?;
        let presigned = self.presign(wallet, &script, draft.tx.compute_txid())?;
        self.attach(execution_id, leg, &presigned).await?;
        let deposit = signed(wallet, draft).map_err(|error| self.node.refused(error))?;
        let txid = deposit.compute_txid();
        self.send(deposit, Kind::Other).await?;
        Ok(txid)
    }

    async fn deposit_script(
        &self,
        execution_id: &Hash32,
        deadline: u64,
        leg: &Leg,
        tip: u64,
    ) -> Result<HoldScript, ChainError> {
        self.check_own(leg)?;
        if leg.amount.u128() > self.terms.max_leg {
            let (amount, most) = (leg.amount, self.terms.max_leg);
            return Err(self.node.refused(format!("{amount} base units are over the largest leg, {most}")));
        }
        let escrow = self.sets.escrow().await?;
        let current = escrow.sets.current().ok_or_else(|| self.node.refused("there is no attestor set yet"))?;
        let now = self.following.follower.index(|index| index.median_time_past(tip))?;
        let now = now.ok_or_else(|| self.node.bad_answer("the chain has no median time yet"))?;
        let refund = RefundDelay::until(now, deadline.saturating_add(self.terms.escape_delay));
        let refund = refund.ok_or_else(|| {
            self.node
                .refused("the deadline and the escape delay are over 388 days away, more than Bitcoin's CSV can say")
        })?;
        let script = escrow.account_hold(execution_id, leg, current.set_id(), self.wallet()?.key(), refund);
        script.map_err(|error| self.node.refused(error.to_string()))
    }

    async fn draft_deposit<'a>(
        &self,
        wallet: &'a Wallet,
        script: &HoldScript,
        amount: u128,
        rate: FeeRate,
    ) -> Result<(Draft, Picked<'a>), ChainError> {
        let fee = rate.fee_vb(DEPOSIT_VBYTES).unwrap_or(Amount::MAX_MONEY);
        let mut wanted = [script.sats(), CARRIER, fee]
            .into_iter()
            .fold(Amount::ZERO, |sum, next| sum.checked_add(next).unwrap_or(Amount::MAX_MONEY));
        for _ in 0..TRIES {
            let picked = wallet.pick(&self.node, &self.following.follower, amount, wanted).await?;
            match script.deposit(&picked.coins, wallet.script().as_bytes(), rate) {
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

    fn presign(&self, wallet: &Wallet, script: &HoldScript, deposit: Txid) -> Result<Presigned, ChainError> {
        let refused = |error: String| self.node.refused(error);
        let aes_bitcoin::Source::Account { depositor, refund } = script.source() else {
            return Err(refused("a reserve-sourced leg has no depositor".into()));
        };
        let outpoint = OutPoint { txid: deposit, vout: DEPOSIT_VOUT };
        let hold = script.clone().at(outpoint);
        let sign = |outcome| {
            let settlement = hold.settlement(outcome).map_err(|error| refused(error.to_string()))?;
            Ok::<_, ChainError>(wallet.sign(settlement.sighash()))
        };
        let (finalize, release) = (sign(Outcome::Finalize)?, sign(Outcome::Release)?);
        let set_id = script.keys().set_id();
        Ok(Presigned { set_id, depositor, refund, outpoint, finalize, release })
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
                let cause = format!("the attachment {id} is in no block yet; nothing was deposited, prepare again");
                return Err(ChainError::Unreachable { chain: home.clone(), cause });
            }
        }
    }

    /// The depositor alone, once the refund delay has passed.
    pub(super) async fn escape(&self, execution_id: &Hash32, leg: &Leg) -> Result<Txid, ChainError> {
        let refused = |error: DepositError| self.node.refused(error.to_string());
        let found = self.find(execution_id, leg, self.height(Depth::Soft)?).await?;
        let found = found.ok_or_else(|| self.node.refused("nothing is held"))?;
        if let Some((by, _)) = found.seen.spent {
            return Err(self.node.refused(format!("the hold has ended already, by {by}")));
        }
        let escape = found.hold.escape(&leg.from.0, self.fees.rate(&self.node).await?).map_err(refused)?;
        let tx = escape.finish(&self.wallet()?.sign(escape.sighash())).map_err(refused)?;
        let txid = tx.compute_txid();
        self.send(tx, Kind::Other).await?;
        Ok(txid)
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
