//! A chain with an escrow, in memory: blocks, a mempool, holds at heights; it checks certificates as the contracts do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use aes_attestor::Secp256k1;
use aes_chains::*;
use aes_protocol::*;
use async_trait::async_trait;
use tokio::sync::watch;

/// Deployment-wide: what certificates are checked against, and what time it is everywhere.
pub struct Common {
    pub domain: Domain,
    pub set: AttestorSet,
    pub now: AtomicU64,
}

impl Common {
    pub fn now(&self) -> u64 {
        self.now.load(SeqCst)
    }
    pub fn verify(&self, statement: Statement, certificate: &Certificate) -> Result<(), String> {
        certificate.verify(&statement, &self.domain, &self.set, &Secp256k1).map_err(|error| error.to_string())
    }
}

pub struct MemoryChain {
    id: ChainId,
    /// blocks between soft and final
    lag: u64,
    common: Arc<Common>,
    ticks: watch::Sender<u64>,
    facts: Mutex<Facts>,
    pub down: AtomicBool,
    pub no_gas: AtomicBool,
    /// transactions wait until their fee is raised
    pub congested: AtomicBool,
    /// who asks for evidence is shown another block than whoever asked before
    pub forked: AtomicBool,
    /// the node takes transactions, and its answers get lost
    pub loses_answers: AtomicBool,
    /// a defect in the adapter
    pub broken: AtomicBool,
    /// the node takes its time with every transaction it is handed
    pub slow: watch::Sender<bool>,
    /// handed to a node that takes its time
    pub waiting: AtomicUsize,
}

#[derive(Default)]
struct Facts {
    /// the time of each block
    blocks: Vec<u64>,
    /// at which block finality stands still
    stuck: Option<u64>,
    holds: BTreeMap<(Hash32, Hash32), Record>,
    mempool: Vec<(TxId, EscrowMessage, bool)>,
    outcomes: BTreeMap<String, Outcome>,
    refuse_prepare: Option<String>,
    /// a settlement is in a block, and no leg of it is paid
    refuse_payment: Option<String>,
    /// what the node says of transactions makes no sense
    nonsense: bool,
    /// whose holds the node cannot show
    unreadable: Option<Hash32>,
    /// how often evidence was asked for
    asked: u64,
    /// how often each execution was looked for at finality
    looked: BTreeMap<Hash32, usize>,
    /// as they were handed over
    sent: Vec<EscrowMessage>,
    bumped: usize,
}

struct Record {
    deadline: u64,
    held: Option<u64>,
    settled: Option<(u64, HoldStatus)>,
}

impl MemoryChain {
    pub fn new(id: &str, lag: u64, common: Arc<Common>) -> Arc<Self> {
        let chain = Self {
            id: id.parse().unwrap(),
            lag,
            ticks: watch::Sender::new(0),
            facts: Mutex::default(),
            down: AtomicBool::new(false),
            no_gas: AtomicBool::new(false),
            congested: AtomicBool::new(false),
            forked: AtomicBool::new(false),
            loses_answers: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            slow: watch::Sender::new(false),
            waiting: AtomicUsize::new(0),
            common,
        };
        (0..=lag).for_each(|_| chain.mine());
        Arc::new(chain)
    }

    pub fn mine(&self) {
        let mut facts = self.facts.lock().unwrap();
        facts.blocks.push(self.common.now());
        let height = facts.blocks.len() as u64 - 1;
        let congested = self.congested.load(SeqCst);
        let (now, later) = std::mem::take(&mut facts.mempool).into_iter().partition(|(_, _, paid)| *paid || !congested);
        facts.mempool = later;
        let now: Vec<(TxId, EscrowMessage, bool)> = now;
        for (tx, message, _) in now {
            let outcome = match self.apply(&mut facts, &message, height) {
                Ok(unpaid) => Outcome::Included { height, time: self.common.now(), unpaid },
                Err(cause) => Outcome::Failed { height, cause },
            };
            facts.outcomes.insert(tx.0, outcome);
        }
        drop(facts);
        self.ticks.send_replace(height);
    }

    fn apply(&self, facts: &mut Facts, message: &EscrowMessage, height: u64) -> Result<Vec<Unpaid>, String> {
        let mut unpaid = Vec::new();
        match message {
            EscrowMessage::PrepareReserve { execution_id, deadline, leg, manifest_root, path, certificate } => {
                let statement = Statement::Opened {
                    execution_id: *execution_id,
                    manifest_root: *manifest_root,
                    deadline: *deadline,
                };
                self.common.verify(statement, certificate)?;
                if !verify_path(&leg.hash(), path, manifest_root) {
                    return Err("the leg is not in the manifest".into());
                }
                self.prepare(facts, *execution_id, leg, *deadline, height)?;
            }
            EscrowMessage::Settle { decision, certificate, items } => {
                for SettlementItem { execution_id, path, legs } in items {
                    let leaf = DecisionLeaf { execution_id: *execution_id, decision: *decision };
                    self.common.verify(Statement::Decided { decisions_root: leaf.root(path) }, certificate)?;
                    for leg in legs {
                        match &facts.refuse_payment {
                            Some(cause) => unpaid.push(Unpaid {
                                execution_id: *execution_id,
                                leg_hash: leg.hash(),
                                cause: cause.clone(),
                            }),
                            None => self.settle(facts, *execution_id, leg, *decision, height)?,
                        }
                    }
                }
            }
            other => return Err(format!("not a relayer's message: {other:?}")),
        }
        Ok(unpaid)
    }

    fn prepare(&self, facts: &mut Facts, id: Hash32, leg: &Leg, deadline: u64, height: u64) -> Result<(), String> {
        if let Some(cause) = &facts.refuse_prepare {
            return Err(cause.clone());
        }
        if self.common.now() >= deadline {
            return Err("the deadline has passed".into());
        }
        let record =
            facts.holds.entry((id, leg.hash())).or_insert(Record { deadline, held: Some(height), settled: None });
        if record.settled.is_some() {
            return Err("settled already".into());
        }
        Ok(())
    }

    fn settle(&self, facts: &mut Facts, id: Hash32, leg: &Leg, decision: Decision, height: u64) -> Result<(), String> {
        let status = match decision {
            Decision::Commit => HoldStatus::Finalized,
            Decision::Abort => HoldStatus::Released,
        };
        let record = match facts.holds.entry((id, leg.hash())) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(_) if decision == Decision::Commit => {
                return Err("nothing held".into())
            }
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Record { deadline: 0, held: None, settled: None })
            }
        };
        match record.settled {
            None => record.settled = Some((height, status)),
            Some((_, as_before)) if as_before == status => {}
            Some(_) => return Err("settled otherwise".into()),
        }
        Ok(())
    }

    /// As the depositor would.
    pub fn deposit(&self, id: Hash32, leg: &Leg, deadline: u64) {
        let mut facts = self.facts.lock().unwrap();
        let height = facts.blocks.len() as u64;
        self.prepare(&mut facts, id, leg, deadline, height).unwrap();
        drop(facts);
        self.mine();
    }

    pub fn refuse_prepare(&self, cause: &str) {
        self.facts.lock().unwrap().refuse_prepare = Some(cause.into());
    }
    pub fn refuse_payment(&self, cause: Option<&str>) {
        self.facts.lock().unwrap().refuse_payment = cause.map(Into::into);
    }
    /// Blocks go on, and nothing more becomes final; or it does again.
    pub fn stop_finality(&self, stopped: bool) {
        let mut facts = self.facts.lock().unwrap();
        facts.stuck = stopped.then(|| self.at(&facts, Depth::Final));
    }
    pub fn talk_nonsense(&self, nonsense: bool) {
        self.facts.lock().unwrap().nonsense = nonsense;
    }
    pub fn hide(&self, execution_id: Option<Hash32>) {
        self.facts.lock().unwrap().unreadable = execution_id;
    }
    pub fn sent(&self) -> Vec<EscrowMessage> {
        self.facts.lock().unwrap().sent.clone()
    }
    /// How often each of these was looked for at finality, at least. Looks follow each other, so a second question
    /// means that what the first look saw is known.
    pub fn looked(&self, ids: &[Hash32]) -> usize {
        let facts = self.facts.lock().unwrap();
        ids.iter().map(|id| facts.looked.get(id).copied().unwrap_or(0)).min().unwrap_or(0)
    }
    pub fn bumped(&self) -> usize {
        self.facts.lock().unwrap().bumped
    }
    pub fn failures(&self) -> Vec<String> {
        let facts = self.facts.lock().unwrap();
        let failure = |outcome: &Outcome| match outcome {
            Outcome::Failed { cause, .. } => Some(cause.clone()),
            _ => None,
        };
        facts.outcomes.values().filter_map(failure).collect()
    }
    /// Whether it is a tombstone, where settled.
    pub fn status(&self, id: Hash32, leg: &Leg) -> Option<HoldStatus> {
        let facts = self.facts.lock().unwrap();
        let record = facts.holds.get(&(id, leg.hash()))?;
        Some(record.settled.map_or(HoldStatus::Held, |(_, status)| status))
    }

    fn up(&self) -> Result<(), ChainError> {
        if self.down.load(SeqCst) {
            return Err(ChainError::Unreachable { chain: self.id.clone(), cause: "connection refused".into() });
        }
        Ok(())
    }

    fn at(&self, facts: &Facts, depth: Depth) -> u64 {
        let newest = facts.blocks.len() as u64 - 1;
        match depth {
            Depth::Soft => newest,
            Depth::Final => facts.stuck.unwrap_or(newest - self.lag),
        }
    }

    fn block_hash(&self, height: u64) -> Hash32 {
        keccak(format!("{} {height}", self.id).as_bytes())
    }
}

#[async_trait]
impl Chain for MemoryChain {
    fn id(&self) -> &ChainId {
        &self.id
    }
    fn name(&self) -> &str {
        self.id.reference()
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.subscribe()
    }
    async fn check_contract(&self) -> Result<(), ChainError> {
        self.up()
    }
    async fn head(&self, depth: Depth) -> Result<Head, ChainError> {
        self.up()?;
        assert!(!self.broken.load(SeqCst), "a defect, on purpose");
        let facts = self.facts.lock().unwrap();
        let height = self.at(&facts, depth);
        Ok(Head { height, hash: self.block_hash(height), time: facts.blocks[height as usize] })
    }
    async fn hold(&self, execution_id: &Hash32, leg: &Leg, depth: Depth) -> Result<Option<Hold>, ChainError> {
        self.up()?;
        let mut facts = self.facts.lock().unwrap();
        if facts.unreadable == Some(*execution_id) {
            return Err(ChainError::BadAnswer { chain: self.id.clone(), cause: "no hold but a poem".into() });
        }
        if depth == Depth::Final {
            *facts.looked.entry(*execution_id).or_default() += 1;
        }
        let head = self.at(&facts, depth);
        let Some(record) = facts.holds.get(&(*execution_id, leg.hash())) else { return Ok(None) };
        let settled = record.settled.filter(|(height, _)| *height <= head);
        let held = record.held.filter(|height| *height <= head);
        let hold =
            |status| Hold { status, deadline: record.deadline, held_at: held, settled_at: settled.map(|(at, _)| at) };
        Ok(settled.map(|(_, status)| hold(status)).or(held.map(|_| hold(HoldStatus::Held))))
    }
    async fn evidence(&self, execution_id: &Hash32, leg: &Leg, deadline: u64) -> Result<Option<Evidence>, ChainError> {
        let hold = self.hold(execution_id, leg, Depth::Final).await?;
        let mut facts = self.facts.lock().unwrap();
        facts.asked += 1;
        let (status, height, tx) = match hold {
            Some(hold) => match (hold.status, hold.held_at, hold.settled_at) {
                (HoldStatus::Held, Some(at), _) => (LegStatus::Held, at, true),
                (HoldStatus::Finalized, _, Some(at)) => (LegStatus::Finalized, at, true),
                (HoldStatus::Released, Some(_), Some(at)) => (LegStatus::Released, at, true),
                (_, _, Some(at)) => (LegStatus::Absent, at, true),
                _ => return Ok(None),
            },
            None => match facts.blocks.iter().position(|time| *time >= deadline) {
                Some(height) if height as u64 <= self.at(&facts, Depth::Final) => {
                    (LegStatus::Absent, height as u64, false)
                }
                _ => return Ok(None),
            },
        };
        let word = |text: &str| if tx { keccak(text.as_bytes()) } else { Hash32::default() };
        let branch = if self.forked.load(SeqCst) { facts.asked } else { 0 };
        Ok(Some(Evidence {
            leg_hash: leg.hash(),
            status,
            chain: self.id.clone(),
            height,
            block_hash: self.block_hash(height + 1_000 * branch),
            tx_id: word("tx"),
            event_hash: word("event"),
            time: facts.blocks[height as usize],
        }))
    }
    async fn alz_balance(&self, _: &Bytes) -> Result<u128, ChainError> {
        Ok(0)
    }
    async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        let balance = u128::from(!self.no_gas.load(SeqCst));
        Ok(GasAccount { address: "relayer".into(), account: Bytes::default(), balance, denom: "gas".into() })
    }
    async fn submit(&self, message: &EscrowMessage) -> Result<TxId, ChainError> {
        self.up()?;
        self.waiting.fetch_add(1, SeqCst);
        self.slow.subscribe().wait_for(|slow| !slow).await.unwrap();
        self.waiting.fetch_sub(1, SeqCst);
        let mut facts = self.facts.lock().unwrap();
        let chain = self.id.clone();
        if self.no_gas.load(SeqCst) {
            let (address, balance, needed) = ("relayer".into(), "0".into(), "1".into());
            return Err(ChainError::InsufficientGas { chain, address, balance, needed });
        }
        if let (EscrowMessage::PrepareReserve { .. }, Some(cause)) = (message, &facts.refuse_prepare) {
            return Err(ChainError::Refused { chain, cause: cause.clone() });
        }
        facts.sent.push(message.clone());
        let tx = TxId(format!("tx-{}", facts.sent.len()));
        facts.mempool.push((tx.clone(), message.clone(), false));
        facts.outcomes.insert(tx.0.clone(), Outcome::Pending);
        if self.loses_answers.load(SeqCst) {
            return Err(ChainError::Unreachable { chain, cause: "connection reset".into() });
        }
        Ok(tx)
    }
    async fn estimate(&self, _: &EscrowMessage) -> Result<u128, ChainError> {
        Ok(1)
    }
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        self.up()?;
        if self.facts.lock().unwrap().nonsense {
            return Err(ChainError::BadAnswer { chain: self.id.clone(), cause: "no receipt but a poem".into() });
        }
        Ok(self.facts.lock().unwrap().outcomes.get(&tx.0).cloned().unwrap_or(Outcome::Unknown))
    }
    async fn bump(&self, tx: &TxId) -> Result<Option<TxId>, ChainError> {
        let mut facts = self.facts.lock().unwrap();
        let Some(entry) = facts.mempool.iter_mut().find(|(waiting, _, _)| waiting == tx) else { return Ok(None) };
        entry.0 = TxId(format!("{}-bumped", tx.0));
        entry.2 = true;
        let new = entry.0.clone();
        facts.outcomes.remove(&tx.0);
        facts.outcomes.insert(new.0.clone(), Outcome::Pending);
        facts.bumped += 1;
        Ok(Some(new))
    }
}
