//! Chains as facts in memory, and attestors that look at them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use aes_attestor::{AttestRefusal, Attestor, AttestorClient, Code, Problem, Request, Signer, StartError};
use aes_authority::SetResponse;
use aes_chains::{
    Announced, Chain, ChainError, Depth, EscrowMessage, GasAccount, Head, Hold, HoldStatus, Home, Outcome, TxId,
};
use aes_config::{HttpConfig, SecretKey};
use aes_coordinator::msg::{
    ConfigResponse, ExecuteMsg, ExecutionResponse, ExecutionSummary, LegResponse, LegResult, State,
};
use aes_coordinator::state::Record;
use aes_protocol::{
    keccak, manifest_root, AttestorSet, Bytes, ChainId, Domain, Evidence, Execution, Function, Hash32, Leg, LegStatus,
};
use async_trait::async_trait;
use cosmwasm_std::Addr;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch, Notify};
use tokio::task::JoinHandle;

pub const POLYGON: &str = "eip155:80002";
pub const ALLIANZA: &str = "cosmos:allianza-1";
pub const DEADLINE: u64 = 2_000;

/// What one attestor's nodes show it.
#[derive(Clone)]
pub struct Facts {
    pub time: u64,
    pub set: AttestorSet,
    pub executions: BTreeMap<Hash32, ExecutionResponse>,
    /// by leg hash
    pub holds: BTreeMap<Hash32, Hold>,
    pub evidence: BTreeMap<Hash32, Evidence>,
    pub unreachable: BTreeSet<ChainId>,
    /// these never answer
    pub silent: BTreeSet<ChainId>,
    /// whose final blocks a reorg took back
    pub shaken: BTreeSet<ChainId>,
    /// the coordinator says commit and abort in turns
    pub fickle: bool,
}

pub struct World {
    facts: Mutex<Facts>,
    domain: Domain,
    ticks: watch::Sender<u64>,
    /// told when a silent chain is asked
    pub asked: Notify,
}

impl World {
    /// Two chains, and the set as it is.
    pub fn new(set: &AttestorSet) -> Arc<Self> {
        let facts = Facts {
            time: 1_000,
            set: set.clone(),
            executions: BTreeMap::new(),
            holds: BTreeMap::new(),
            evidence: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            silent: BTreeSet::new(),
            shaken: BTreeSet::new(),
            fickle: false,
        };
        Self::of(facts)
    }

    pub fn of(facts: Facts) -> Arc<Self> {
        Arc::new(Self {
            facts: Mutex::new(facts),
            domain: domain(),
            ticks: watch::Sender::new(1),
            asked: Notify::new(),
        })
    }

    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    /// Opens lock on Polygon, unlock on Allianza; nothing is held yet.
    pub fn open(&self, salt: u8) -> Hash32 {
        let record = record(salt);
        let id = record.execution_id;
        self.facts().executions.insert(id, record);
        id
    }

    /// Opens and holds both legs, at finality.
    pub fn prepare(&self, salt: u8) -> Hash32 {
        let id = self.open(salt);
        self.every_leg(&id, LegStatus::Held);
        id
    }

    pub fn legs(&self, id: &Hash32) -> Vec<Leg> {
        self.facts().executions[id].legs.iter().map(|entry| entry.leg.clone()).collect()
    }

    pub fn decide(&self, id: &Hash32, state: State) {
        self.facts().executions.get_mut(id).unwrap().state = state;
    }

    pub fn every_leg(&self, id: &Hash32, status: LegStatus) {
        for leg in self.legs(id) {
            self.leg(&leg, status);
        }
    }

    pub fn leg(&self, leg: &Leg, status: LegStatus) {
        let mut facts = self.facts();
        if status == LegStatus::Held {
            let hold = Hold { status: HoldStatus::Held, deadline: DEADLINE, held_at: Some(1_000), settled_at: None };
            facts.holds.insert(leg.hash(), hold);
        }
        let evidence = Evidence {
            leg_hash: leg.hash(),
            status,
            chain: leg.chain.clone(),
            height: 7,
            block_hash: keccak(b"block"),
            tx_id: keccak(b"tx"),
            event_hash: keccak(b"event"),
            time: 1_000,
        };
        facts.evidence.insert(leg.hash(), evidence);
    }

    async fn answer_of(&self, chain: &ChainId) -> Result<(), ChainError> {
        let (silent, unreachable) = {
            let facts = self.facts();
            (facts.silent.contains(chain), facts.unreachable.contains(chain))
        };
        if silent {
            self.asked.notify_one();
            std::future::pending::<()>().await;
        }
        if unreachable {
            return Err(ChainError::Unreachable { chain: chain.clone(), cause: "connection refused".into() });
        }
        Ok(())
    }

    fn only_looks<T>(&self) -> Result<T, ChainError> {
        Err(ChainError::NoKey { chain: self.domain.home_chain.clone() })
    }
}

pub struct TestHome(pub Arc<World>);

#[async_trait]
impl Home for TestHome {
    fn domain(&self) -> &Domain {
        &self.0.domain
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        self.0.ticks.subscribe()
    }
    async fn time(&self) -> Result<u64, ChainError> {
        self.0.answer_of(&self.0.domain.home_chain).await?;
        Ok(self.0.facts().time)
    }
    async fn execution(&self, execution_id: &Hash32) -> Result<Option<ExecutionResponse>, ChainError> {
        self.0.answer_of(&self.0.domain.home_chain).await?;
        let mut facts = self.0.facts();
        let fickle = facts.fickle;
        let record = facts.executions.get_mut(execution_id);
        Ok(record.map(|record| {
            if fickle {
                record.state = if record.state == State::Aborted { State::Committed } else { State::Aborted };
            }
            record.clone()
        }))
    }
    async fn record(&self, execution_id: &Hash32) -> Result<Option<Record>, ChainError> {
        Ok(self.execution(execution_id).await?.map(stored))
    }
    fn announced(&self) -> BoxStream<'static, Announced> {
        stream::pending().boxed()
    }
    async fn attestor_set(&self, _: Option<u64>) -> Result<SetResponse, ChainError> {
        self.0.answer_of(&self.0.domain.home_chain).await?;
        Ok(SetResponse { set: self.0.facts().set.clone(), current: true, expires_at: None })
    }
    async fn config(&self) -> Result<ConfigResponse, ChainError> {
        self.0.only_looks()
    }
    async fn executions(&self, _: State, _: Option<u64>) -> Result<Vec<ExecutionSummary>, ChainError> {
        self.0.only_looks()
    }
    async fn send(&self, _: &ExecuteMsg) -> Result<TxId, ChainError> {
        self.0.only_looks()
    }
    async fn estimate(&self, _: &ExecuteMsg) -> Result<u128, ChainError> {
        self.0.only_looks()
    }
    async fn outcome(&self, _: &TxId) -> Result<Outcome, ChainError> {
        self.0.only_looks()
    }
}

/// As the coordinator stores it, without the legs.
fn stored(record: ExecutionResponse) -> Record {
    Record {
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
    }
}

struct TestChain {
    world: Arc<World>,
    id: ChainId,
}

#[async_trait]
impl Chain for TestChain {
    fn id(&self) -> &ChainId {
        &self.id
    }
    fn name(&self) -> &str {
        self.id.reference()
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        self.world.ticks.subscribe()
    }
    async fn head(&self, _: Depth) -> Result<Head, ChainError> {
        self.world.answer_of(&self.id).await?;
        Ok(Head { height: 7, hash: keccak(b"block"), time: self.world.facts().time })
    }
    async fn hold(&self, _: &Hash32, leg: &Leg, _: Depth) -> Result<Option<Hold>, ChainError> {
        self.world.answer_of(&self.id).await?;
        Ok(self.world.facts().holds.get(&leg.hash()).copied())
    }
    async fn evidence(&self, _: &Hash32, leg: &Leg, _: u64) -> Result<Option<Evidence>, ChainError> {
        self.world.answer_of(&self.id).await?;
        Ok(self.world.facts().evidence.get(&leg.hash()).cloned())
    }
    fn check_finality(&self) -> Result<(), ChainError> {
        let cause = "what was final is not".to_string();
        let shaken = self.world.facts().shaken.contains(&self.id);
        if shaken {
            Err(ChainError::BadAnswer { chain: self.id.clone(), cause })
        } else {
            Ok(())
        }
    }
    async fn check_contract(&self) -> Result<(), ChainError> {
        self.world.only_looks()
    }
    async fn alz_balance(&self, _: &Bytes) -> Result<u128, ChainError> {
        self.world.only_looks()
    }
    async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        self.world.only_looks()
    }
    async fn submit(&self, _: &EscrowMessage) -> Result<TxId, ChainError> {
        self.world.only_looks()
    }
    async fn estimate(&self, _: &EscrowMessage) -> Result<u128, ChainError> {
        self.world.only_looks()
    }
    async fn outcome(&self, _: &TxId) -> Result<Outcome, ChainError> {
        self.world.only_looks()
    }
    async fn bump(&self, _: &TxId) -> Result<Option<TxId>, ChainError> {
        self.world.only_looks()
    }
}

pub fn chain(id: &str) -> ChainId {
    id.parse().unwrap()
}

pub fn domain() -> Domain {
    Domain { home_chain: chain(ALLIANZA), coordinator: vec![3; 32].into() }
}

fn record(salt: u8) -> ExecutionResponse {
    let (opener, depositor, recipient) = (vec![1; 20], vec![2; 20], vec![5; 20]);
    let leg = |index, on: &str, escrow: Vec<u8>, function, from: Vec<u8>, to: Vec<u8>| Leg {
        index,
        chain: chain(on),
        escrow: escrow.into(),
        function,
        from: from.into(),
        to: to.into(),
        amount: (100 + u128::from(salt)).into(),
    };
    let legs = vec![
        leg(0, POLYGON, vec![9; 20], Function::Lock, depositor, vec![]),
        leg(1, ALLIANZA, vec![8; 32], Function::Unlock, vec![], recipient),
    ];
    let execution = Execution {
        home_chain: domain().home_chain,
        coordinator: domain().coordinator,
        opener: opener.clone().into(),
        salt: Hash32([salt; 32]),
        manifest_root: manifest_root(&legs).unwrap(),
        deadline: DEADLINE,
        relayer: Bytes::default(),
    };
    let prefix = bech32::Hrp::parse("wasm").unwrap();
    let pending = |leg: &Leg| LegResponse {
        leg: leg.clone(),
        leg_hash: leg.hash(),
        held: None,
        settled: None,
        result: LegResult::Pending,
        presigned: None,
    };
    ExecutionResponse {
        execution_id: execution.execution_id(),
        number: salt.into(),
        state: State::Open,
        opener: bech32::encode::<bech32::Bech32>(prefix, &opener).unwrap(),
        relayer: None,
        salt: execution.salt,
        manifest_root: execution.manifest_root,
        deadline: DEADLINE,
        opened_at: 900,
        decision: None,
        decided_at: None,
        settled_at: None,
        reason: None,
        prepared_root: None,
        settled_root: None,
        legs: legs.iter().map(pending).collect(),
    }
}

pub fn key(number: u8) -> SecretKey {
    SecretKey::new(&[number; 32], "test").unwrap()
}

pub fn signer(number: u8) -> Bytes {
    Signer::new(&key(number)).unwrap().address().to_vec().into()
}

/// Of the keys with these numbers.
pub fn set(id: u64, threshold: u8, numbers: &[u8]) -> AttestorSet {
    let attestor = |number: &u8| aes_protocol::Attestor { signer: signer(*number), bitcoin_key: Hash32::default() };
    let mut attestors: Vec<_> = numbers.iter().map(attestor).collect();
    attestors.sort_by(|a, b| a.signer.cmp(&b.signer));
    AttestorSet { id, threshold, attestors }
}

pub fn attestor(world: &Arc<World>, number: u8, journal: &Path) -> Result<Attestor, StartError> {
    let chains = [POLYGON, ALLIANZA].map(|id| {
        let chain: Arc<dyn Chain> = Arc::new(TestChain { world: world.clone(), id: chain(id) });
        (chain.id().clone(), chain)
    });
    Attestor::new(Arc::new(TestHome(world.clone())), chains.into(), &key(number), journal)
}

/// An attestor that runs, with a journal in a folder of its own.
pub struct Running {
    pub client: AttestorClient,
    pub journal: PathBuf,
    folder: tempfile::TempDir,
    number: u8,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), StartError>>,
}

impl Running {
    pub async fn start(world: &Arc<World>, number: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, world, number).await
    }

    async fn start_in(folder: tempfile::TempDir, world: &Arc<World>, number: u8) -> Self {
        let journal = folder.path().join("journal.sqlite");
        let attestor = Arc::new(attestor(world, number, &journal).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client =
            AttestorClient::new(&format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            attestor.serve(listener, &HttpConfig::default(), stopped).await
        });
        Self { client, journal, folder, number, stop, served }
    }

    /// Ends when the server has, and its journal is closed.
    pub async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        self.folder
    }

    pub async fn restart(self, world: &Arc<World>) -> Self {
        let number = self.number;
        Self::start_in(self.stop().await, world, number).await
    }

    /// In a table of its journal.
    pub fn rows(&self, table: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        rusqlite::Connection::open(&self.journal).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    pub async fn problem(&self, request: &Request) -> Problem {
        match self.client.attest(request).await {
            Err(AttestRefusal::Refused { problem, .. }) => *problem,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    pub async fn code(&self, request: &Request) -> Code {
        self.problem(request).await.code
    }
}

pub fn opened(execution_id: Hash32) -> Request {
    Request::Opened { execution_id }
}
pub fn prepared(execution_id: Hash32) -> Request {
    Request::Prepared { execution_id }
}
pub fn decided(execution_ids: &[Hash32]) -> Request {
    Request::Decided { execution_ids: execution_ids.to_vec() }
}
pub fn settled(execution_id: Hash32) -> Request {
    Request::Settled { execution_id }
}
