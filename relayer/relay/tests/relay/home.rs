//! The home chain with its coordinator, in memory: it decides once, by the protocol's rules.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use aes_authority::{AdminResponse, SetResponse};
use aes_chains::*;
use aes_coordinator::msg::*;
use aes_coordinator::state::Record;
use aes_protocol::*;
use async_trait::async_trait;
use cosmwasm_std::Addr;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::chain::Common;

pub struct Coordinator {
    pub common: Arc<Common>,
    ticks: watch::Sender<u64>,
    announced: broadcast::Sender<Vec<(Hash32, Decision)>>,
    /// its blocks announce nothing: what was decided is only seen by looking
    pub mute: AtomicBool,
    /// its lists are not answered: what was decided is only heard
    pub listless: AtomicBool,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    records: BTreeMap<Hash32, ExecutionResponse>,
    mempool: Vec<(TxId, String, ExecuteMsg)>,
    outcomes: BTreeMap<String, Outcome>,
    sent: usize,
    height: u64,
    /// decided in the block that is being made
    decided: Vec<(Hash32, Decision)>,
}

impl Coordinator {
    pub fn new(common: Arc<Common>) -> Arc<Self> {
        Arc::new(Self {
            common,
            ticks: watch::Sender::new(0),
            announced: broadcast::Sender::new(16),
            mute: AtomicBool::new(false),
            listless: AtomicBool::new(false),
            facts: Mutex::default(),
        })
    }

    pub fn open(&self, opener: &str, relayer: Option<&str>, legs: &[Leg], deadline: u64) -> Hash32 {
        let mut facts = self.facts.lock().unwrap();
        let account = |text: &str| Bytes(bech32::decode(text).unwrap().1);
        let number = facts.records.len() as u64 + 1;
        let execution = Execution {
            home_chain: self.common.domain.home_chain.clone(),
            coordinator: self.common.domain.coordinator.clone(),
            opener: account(opener),
            salt: keccak(&number.to_be_bytes()),
            manifest_root: manifest_root(legs).unwrap(),
            deadline,
            relayer: relayer.map(account).unwrap_or_default(),
        };
        let leg = |leg: &Leg| LegResponse {
            leg: leg.clone(),
            leg_hash: leg.hash(),
            held: None,
            settled: None,
            result: LegResult::Pending,
            presigned: None,
        };
        let record = ExecutionResponse {
            execution_id: execution.execution_id(),
            number,
            state: State::Open,
            opener: opener.into(),
            relayer: relayer.map(Into::into),
            salt: execution.salt,
            manifest_root: execution.manifest_root,
            deadline,
            opened_at: self.common.now(),
            decision: None,
            decided_at: None,
            settled_at: None,
            reason: None,
            prepared_root: None,
            settled_root: None,
            legs: legs.iter().map(leg).collect(),
        };
        facts.records.insert(record.execution_id, record);
        execution.execution_id()
    }

    pub fn record(&self, id: Hash32) -> ExecutionResponse {
        self.facts.lock().unwrap().records[&id].clone()
    }

    /// As the opener would, all in one block.
    pub fn cancel(&self, ids: &[Hash32]) {
        let mut guard = self.facts.lock().unwrap();
        let facts = &mut *guard;
        for id in ids {
            let record = facts.records.get_mut(id).unwrap();
            assert_eq!(record.state, State::Open);
            self.abort(record, &RollbackReason::Cancelled {});
            facts.decided.push((*id, Decision::Abort));
        }
        self.end_block(guard);
    }

    /// The block is there before anybody hears of it.
    fn end_block(&self, mut facts: MutexGuard<'_, Facts>) {
        facts.height += 1;
        let (height, decided) = (facts.height, std::mem::take(&mut facts.decided));
        drop(facts);
        if !decided.is_empty() && !self.mute.load(SeqCst) {
            // without listeners nobody misses it
            let _ = self.announced.send(decided);
        }
        self.ticks.send_replace(height);
    }

    fn abort(&self, record: &mut ExecutionResponse, reason: &RollbackReason) {
        record.state = State::Aborted;
        record.decision = Some(Decision::Abort);
        record.reason = Some(reason.clone());
        record.decided_at = Some(self.common.now());
    }

    pub fn mine(&self) {
        let mut facts = self.facts.lock().unwrap();
        let height = facts.height + 1;
        for (tx, sender, message) in std::mem::take(&mut facts.mempool) {
            let outcome = match self.apply(&mut facts, &sender, &message) {
                Ok(()) => Outcome::Included { height, time: self.common.now(), unpaid: Vec::new() },
                Err(cause) => Outcome::Failed { height, cause },
            };
            facts.outcomes.insert(tx.0, outcome);
        }
        self.end_block(facts);
    }

    fn apply(&self, facts: &mut Facts, sender: &str, message: &ExecuteMsg) -> Result<(), String> {
        let now = self.common.now();
        match message {
            ExecuteMsg::Commit { execution_id, evidence, certificate } => {
                let record = facts.records.get_mut(execution_id).ok_or("unknown")?;
                let root = self.check(record, evidence, &[LegStatus::Held])?;
                self.common
                    .verify(Statement::Prepared { execution_id: *execution_id, evidence_root: root }, certificate)?;
                match record.state {
                    State::Open if now < record.deadline => record.state = State::Committed,
                    State::Committed | State::Finalized => return Ok(()),
                    _ => return Err("too late to commit".into()),
                }
                record.decision = Some(Decision::Commit);
                facts.decided.push((*execution_id, Decision::Commit));
            }
            ExecuteMsg::Rollback { execution_id, reason } => {
                let record = facts.records.get_mut(execution_id).ok_or("unknown")?;
                let may = record.opener == sender || record.relayer.as_deref() == Some(sender);
                let late = now >= record.deadline && matches!(reason, RollbackReason::DeadlinePassed {});
                match record.state {
                    State::Open if may || late => {
                        self.abort(record, reason);
                        facts.decided.push((*execution_id, Decision::Abort));
                    }
                    State::Aborted | State::RolledBack => {}
                    _ => return Err("not allowed to roll back".into()),
                }
            }
            ExecuteMsg::Record { execution_id, evidence, certificate } => {
                let record = facts.records.get_mut(execution_id).ok_or("unknown")?;
                let (ends, end): (&[LegStatus], _) = match record.state {
                    State::Open => return Err("not decided".into()),
                    State::Committed | State::Finalized => {
                        (&[LegStatus::Finalized, LegStatus::Escaped], State::Finalized)
                    }
                    State::Aborted | State::RolledBack => {
                        (&[LegStatus::Released, LegStatus::Absent, LegStatus::Escaped], State::RolledBack)
                    }
                };
                let root = self.check(record, evidence, ends)?;
                let decision = record.decision.unwrap();
                let statement = Statement::Settled { execution_id: *execution_id, decision, evidence_root: root };
                self.common.verify(statement, certificate)?;
                record.state = end;
                for (leg, evidence) in record.legs.iter_mut().zip(evidence) {
                    leg.result = match evidence.status {
                        LegStatus::Finalized => LegResult::Finalized,
                        LegStatus::Released => LegResult::Reverted,
                        LegStatus::Absent => LegResult::NotPrepared,
                        LegStatus::Held | LegStatus::Escaped => LegResult::Escaped,
                    };
                }
            }
            other => return Err(format!("not a relayer's message: {other:?}")),
        }
        Ok(())
    }

    fn check(&self, record: &ExecutionResponse, evidence: &[Evidence], ends: &[LegStatus]) -> Result<Hash32, String> {
        let hashes: Vec<Hash32> = evidence.iter().map(|leaf| leaf.leg_hash).collect();
        if hashes != record.legs.iter().map(|leg| leg.leg_hash).collect::<Vec<_>>() {
            return Err("evidence is not in the order of the legs".into());
        }
        if !evidence.iter().all(|leaf| ends.contains(&leaf.status)) {
            return Err("a leg is not in the status it takes".into());
        }
        evidence_root(evidence).ok_or("no evidence".into())
    }

    pub fn failures(&self) -> Vec<String> {
        let facts = self.facts.lock().unwrap();
        let failure = |outcome: &Outcome| match outcome {
            Outcome::Failed { cause, .. } => Some(cause.clone()),
            _ => None,
        };
        facts.outcomes.values().filter_map(failure).collect()
    }
}

/// The coordinator as one account uses it.
pub struct Node {
    pub coordinator: Arc<Coordinator>,
    pub account: String,
}

#[async_trait]
impl Home for Node {
    fn domain(&self) -> &Domain {
        &self.coordinator.common.domain
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        self.coordinator.ticks.subscribe()
    }
    fn announced(&self) -> BoxStream<'static, Announced> {
        let heard = stream::unfold(self.coordinator.announced.subscribe(), |mut blocks| async move {
            let decisions = blocks.recv().await.ok()?;
            Some((Announced { heard_at: Instant::now(), decisions }, blocks))
        });
        heard.boxed()
    }
    async fn time(&self) -> Result<u64, ChainError> {
        Ok(self.coordinator.common.now.load(SeqCst))
    }
    async fn config(&self) -> Result<ConfigResponse, ChainError> {
        let domain = self.domain().clone();
        Ok(ConfigResponse {
            authority: AdminResponse { admin: self.account.clone(), pending_admin: None, paused: false },
            home_chain: domain.home_chain,
            coordinator: domain.coordinator,
            conservation: Conservation::Off,
            settings: Settings { max_horizon: 3600, set_grace: 3600 },
            current_set: self.coordinator.common.set.id,
            equivocated: false,
        })
    }
    async fn execution(&self, execution_id: &Hash32) -> Result<Option<ExecutionResponse>, ChainError> {
        Ok(self.coordinator.facts.lock().unwrap().records.get(execution_id).cloned())
    }
    async fn record(&self, execution_id: &Hash32) -> Result<Option<Record>, ChainError> {
        Ok(self.execution(execution_id).await?.map(|record| Record {
            number: record.number,
            state: record.state,
            opener: Addr::unchecked(record.opener),
            relayer: record.relayer.map(Addr::unchecked),
            salt: record.salt,
            manifest_root: record.manifest_root,
            deadline: record.deadline,
            leg_count: record.legs.len() as u32,
            opened_at: record.opened_at,
            decision: record.decision,
            decided_at: record.decided_at,
            settled_at: record.settled_at,
            reason: record.reason,
            prepared_root: record.prepared_root,
            settled_root: record.settled_root,
        }))
    }
    async fn executions(&self, state: State, start_after: Option<u64>) -> Result<Vec<ExecutionSummary>, ChainError> {
        if self.coordinator.listless.load(SeqCst) {
            let chain = self.domain().home_chain.clone();
            return Err(ChainError::Unreachable { chain, cause: "no lists".into() });
        }
        let facts = self.coordinator.facts.lock().unwrap();
        let mut records: Vec<&ExecutionResponse> = facts.records.values().collect();
        records.sort_by_key(|record| record.number);
        let later = records.iter().filter(|record| record.state == state && Some(record.number) > start_after);
        let summary = |record: &&ExecutionResponse| ExecutionSummary {
            execution_id: record.execution_id,
            number: record.number,
            state: record.state,
            opener: record.opener.clone(),
            deadline: record.deadline,
            opened_at: record.opened_at,
            leg_count: record.legs.len() as u32,
        };
        Ok(later.take(30).map(summary).collect())
    }
    async fn attestor_set(&self, _: Option<u64>) -> Result<SetResponse, ChainError> {
        Ok(SetResponse { set: self.coordinator.common.set.clone(), current: true, expires_at: None })
    }
    async fn send(&self, message: &ExecuteMsg) -> Result<TxId, ChainError> {
        let mut facts = self.coordinator.facts.lock().unwrap();
        facts.sent += 1;
        let tx = TxId(format!("HOME-{}", facts.sent));
        facts.mempool.push((tx.clone(), self.account.clone(), message.clone()));
        facts.outcomes.insert(tx.0.clone(), Outcome::Pending);
        Ok(tx)
    }
    async fn estimate(&self, _: &ExecuteMsg) -> Result<u128, ChainError> {
        Ok(1)
    }
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        Ok(self.coordinator.facts.lock().unwrap().outcomes.get(&tx.0).cloned().unwrap_or(Outcome::Unknown))
    }
}
