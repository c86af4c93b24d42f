//! Which output is a leg's hold. An account-sourced one is named by what its depositor attached at the home chain; a
//! reserve-sourced one is recognized by its script. Nothing is believed that the chain and the signatures do not show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aes_bitcoin::{Ending, Escrow, EscrowError, Hold, HoldScript, Outcome, Presigned, Sighting};
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_protocol::{ChainId, Hash32, Leg};
use bitcoin::TxOut;
use tokio::time::Instant;

use super::index::{Index, Seen};
use super::BitcoinChain;
use crate::chain::HoldStatus;
use crate::error::ChainError;

/// A record to which a depositor here may still attach is asked for anew after this.
const RECORD_FOR: Duration = Duration::from_millis(300);
/// One in which nothing but the decision is to come, which whoever acts on it reads for itself.
const UNDECIDED_FOR: Duration = Duration::from_secs(2);
/// Records kept at a time.
const RECORDS: usize = 4096;

/// A leg's hold on the chain.
#[derive(Debug, Clone)]
pub struct Found {
    pub hold: Hold,
    pub seen: Seen,
    /// of an account-sourced leg
    pub presigned: Option<Presigned>,
    pub deadline: u64,
}

#[derive(Default)]
pub struct Records(Mutex<HashMap<Hash32, (Instant, Arc<ExecutionResponse>)>>);

impl Records {
    fn known(&self, execution_id: &Hash32, chain: &ChainId) -> Option<Arc<ExecutionResponse>> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, record) = records.get(execution_id)?;
        // the legs' attachments are fixed with the decision
        let is_fixed = record.state != State::Open;
        let stands_for = if awaits_attachment(record, chain) { RECORD_FOR } else { UNDECIDED_FOR };
        (is_fixed || at.elapsed() < stands_for).then(|| record.clone())
    }

    fn keep(&self, record: &Arc<ExecutionResponse>) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= RECORDS {
            records.clear();
        }
        records.insert(record.execution_id, (Instant::now(), record.clone()));
    }
}

fn awaits_attachment(record: &ExecutionResponse, chain: &ChainId) -> bool {
    let here = record.legs.iter().filter(|entry| entry.leg.chain == *chain);
    here.filter(|entry| entry.leg.function.is_account_sourced()).any(|entry| entry.presigned.is_none())
}

/// Scripts of reserve-sourced holds: each is wanted with every block, stays what it is, and takes milliseconds to make.
#[derive(Default)]
pub struct Scripts(Mutex<HashMap<(Hash32, Hash32, u64), HoldScript>>);

impl Scripts {
    pub fn reserve(
        &self,
        escrow: &Escrow,
        execution_id: &Hash32,
        leg: &Leg,
        set_id: u64,
    ) -> Result<HoldScript, EscrowError> {
        let key = (*execution_id, leg.hash(), set_id);
        if let Some(known) = self.known().get(&key) {
            return Ok(known.clone());
        }
        let script = escrow.reserve_hold(execution_id, leg, set_id)?;
        let mut known = self.known();
        if known.len() >= RECORDS {
            known.clear();
        }
        known.insert(key, script.clone());
        Ok(script)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(Hash32, Hash32, u64), HoldScript>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BitcoinChain {
    pub(super) async fn record(&self, execution_id: &Hash32) -> Result<Option<Arc<ExecutionResponse>>, ChainError> {
        if let Some(record) = self.records.known(execution_id, &self.node.id) {
            return Ok(Some(record));
        }
        let Some(record) = self.home.execution(execution_id).await? else { return Ok(None) };
        let record = Arc::new(record);
        self.records.keep(&record);
        Ok(Some(record))
    }

    /// As the chain was when `height` was its tip.
    pub(super) async fn find(
        &self,
        execution_id: &Hash32,
        leg: &Leg,
        height: u64,
    ) -> Result<Option<Found>, ChainError> {
        self.check_own(leg)?;
        let Some(record) = self.record(execution_id).await? else { return Ok(None) };
        let entry = record.legs.get(usize::from(leg.index)).filter(|entry| entry.leg == *leg);
        let Some(entry) = entry else { return Ok(None) };
        let escrow = self.sets.escrow().await?;
        let look = Look { chain: self, escrow: &escrow, record: &record, height };
        if !leg.function.is_account_sourced() {
            return self.following.follower.index(|index| look.reserve(index, leg));
        }
        let Some(attached) = &entry.presigned else { return Ok(None) };
        let presigned = Presigned::decode(&attached.0).and_then(|presigned| {
            let hold = presigned.verify(&escrow, execution_id, leg)?;
            Ok((presigned, hold))
        });
        match presigned {
            Ok((presigned, hold)) => self.following.follower.index(|index| look.deposit(index, presigned, hold)),
            Err(error) => {
                tracing::debug!(execution = %execution_id, leg = leg.index, "what is attached is of no use: {error}");
                Ok(None)
            }
        }
    }

    pub(super) fn check_own(&self, leg: &Leg) -> Result<(), ChainError> {
        if leg.chain == self.node.id && leg.escrow == self.terms.escrow {
            return Ok(());
        }
        Err(self.node.refused(format!("leg {} is of {} and escrow {}, not of here", leg.index, leg.chain, leg.escrow)))
    }

    /// What the chain says of the hold; where it ended in a way that is neither settlement, its spender is read. `None`: in no
    /// way that AES has, which is said loudly and keeps no other leg from going on.
    pub(super) async fn status(&self, found: &Found) -> Result<Option<HoldStatus>, ChainError> {
        let Some((by, height)) = found.seen.spent else { return Ok(Some(HoldStatus::Held)) };
        for (outcome, status) in [(Outcome::Finalize, HoldStatus::Finalized), (Outcome::Release, HoldStatus::Released)]
        {
            let settlement = found.hold.settlement(outcome).map_err(|error| self.node.refused(error.to_string()))?;
            if settlement.txid() == by {
                return Ok(Some(status));
            }
        }
        let hash = self.following.follower.hash_at(height)?;
        let block = self.following.follower.block(hash).await?;
        let spend = block.txdata.iter().find(|tx| tx.compute_txid() == by);
        let spend = spend.ok_or_else(|| self.node.bad_answer(format!("block {hash} is without transaction {by}")))?;
        match found.hold.ending(spend).map_err(|error| self.node.refused(error.to_string()))? {
            Some(Ending::Escaped) => Ok(Some(HoldStatus::Escaped)),
            Some(Ending::Settled(Outcome::Finalize)) => Ok(Some(HoldStatus::Finalized)),
            Some(Ending::Settled(Outcome::Release)) => Ok(Some(HoldStatus::Released)),
            Some(Ending::Foreign) | None => {
                let (chain, hold) = (&self.node.id, found.hold.outpoint);
                tracing::error!(
                    %chain,
                    "hold {hold} was spent by {by}, which is neither of its settlements: its attestors broke their word"
                );
                Ok(None)
            }
        }
    }
}

struct Look<'a> {
    chain: &'a BitcoinChain,
    escrow: &'a Escrow,
    record: &'a ExecutionResponse,
    height: u64,
}

impl Look<'_> {
    fn deposit(&self, index: &Index, presigned: Presigned, hold: Hold) -> Option<Found> {
        let seen = index.seen(&hold.outpoint, self.height)?;
        let found = Found { hold, seen, presigned: Some(presigned), deadline: self.record.deadline };
        self.counts(index, &found).then_some(found)
    }

    /// Under whichever set's keys it is; the oldest where there are several.
    fn reserve(&self, index: &Index, leg: &Leg) -> Option<Found> {
        for keys in self.escrow.sets.iter() {
            let script = self.chain.scripts.reserve(self.escrow, &self.record.execution_id, leg, keys.set_id());
            let script = match script {
                Ok(script) => script,
                // then there never was one, which the execution's end must not wait for
                Err(error) => {
                    tracing::debug!(execution = %self.record.execution_id, leg = leg.index, "cannot be held: {error}");
                    return None;
                }
            };
            for seen in index.seen_at(script.script_pubkey(), self.height) {
                let hold = script.clone().at(seen.outpoint);
                let found = Found { hold, seen, presigned: None, deadline: self.record.deadline };
                if self.counts(index, &found) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// A hold that is not as the leg says counts for nothing, except when it is to be given back: then all that matters is
    /// that its settlement spends it.
    fn counts(&self, index: &Index, found: &Found) -> bool {
        let Seen { outpoint, holding, .. } = &found.seen;
        let output = TxOut { value: holding.value, script_pubkey: holding.script_pubkey.clone() };
        if matches!(self.record.state, State::Aborted | State::RolledBack) {
            return output == found.hold.script.output();
        }
        let leg = found.hold.script.leg();
        if self.record.state == State::Open && leg.amount.u128() > self.chain.terms.max_leg {
            tracing::debug!(execution = %self.record.execution_id, leg = leg.index, "over the largest leg: not counted");
            return false;
        }
        let before = holding.height.saturating_sub(1);
        let Some(median_time_past_before) = index.median_time_past(before) else { return false };
        let sighting = Sighting { output: &output, holding: Some(holding), median_time_past_before };
        let checked = found.hold.check(&sighting, self.record.deadline, self.chain.terms.escape_delay);
        if let Err(reason) = &checked {
            tracing::debug!(execution = %self.record.execution_id, %outpoint, "not counted as a hold: {reason}");
        }
        checked.is_ok()
    }
}
