//! A deployment: a home chain and three chains in memory, three real attestors (2 of 3) over HTTP, real relayers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::time::Duration;

use aes_attestor::{Attestor, AttestorClient, Signer};
use aes_chains::{Chain, HoldStatus};
use aes_config::{HttpConfig, RelayConfig, SecretKey};
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_protocol::{Attestor as Member, AttestorSet, Bytes, ChainId, Domain, Function, Hash32, Leg};
use aes_relay::{Event, Relay, RelayError, What};
use aes_store::Store;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::chain::{Common, MemoryChain};
use crate::home::{Coordinator, Node};

pub const POLYGON: &str = "eip155:80002";
pub const ALLIANZA: &str = "cosmos:allianza-1";
pub const ETHEREUM: &str = "eip155:11155111";
pub const DEADLINE: u64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub common: Arc<Common>,
    pub coordinator: Arc<Coordinator>,
    pub chains: BTreeMap<ChainId, Arc<MemoryChain>>,
    attestors: Vec<AttestorClient>,
    folder: tempfile::TempDir,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

pub struct Running {
    pub events: broadcast::Receiver<Event>,
    operator: Router,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RelayError>>,
}

impl Running {
    /// What an operator is answered.
    pub async fn ask(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.operator.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Every event up to this one.
    pub async fn events_until(&mut self, is_it: impl Fn(&What) -> bool) -> Vec<What> {
        let mut seen = Vec::new();
        let waiting = async {
            loop {
                seen.push(self.events.recv().await.unwrap().what);
                if seen.last().is_some_and(&is_it) {
                    return;
                }
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(came.is_ok(), "waited for an event, there were {seen:?}");
        seen
    }

    /// How it ends without being asked to.
    pub async fn breaks_off(self) -> RelayError {
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("ends");
        drop(self.stop);
        ended.unwrap().unwrap_err()
    }

    pub async fn stop(self) {
        self.begin_stop().ended().await;
    }

    pub fn begin_stop(self) -> Stopping {
        self.stop.send(()).unwrap();
        Stopping(self.task)
    }
}

pub struct Stopping(JoinHandle<Result<(), RelayError>>);

impl Stopping {
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    pub async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.0).await.expect("shuts down").unwrap().unwrap();
    }
}

pub fn account(n: u8) -> String {
    bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("wasm").unwrap(), &[n; 20]).unwrap()
}

impl World {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<SecretKey> = (0..3).map(|_| SecretKey::generate()).collect();
        let signer = |key: &SecretKey| Bytes::from(Signer::new(key).unwrap().address().as_slice());
        let member = |key| Member { signer: signer(key), bitcoin_key: Hash32::default() };
        let mut members: Vec<Member> = keys.iter().map(member).collect();
        members.sort_by(|a, b| a.signer.cmp(&b.signer));
        let domain = Domain { home_chain: ALLIANZA.parse().unwrap(), coordinator: vec![3; 32].into() };
        let set = AttestorSet { id: 1, threshold: 2, attestors: members };
        let common = Arc::new(Common { domain, set, now: AtomicU64::new(1_000) });

        let chain = |id, lag| (id_of(id), MemoryChain::new(id, lag, common.clone()));
        let chains = BTreeMap::from([chain(POLYGON, 2), chain(ALLIANZA, 0), chain(ETHEREUM, 2)]);
        let coordinator = Coordinator::new(common.clone());
        let mut world = Self { common, coordinator, chains, attestors: Vec::new(), folder, tasks: Vec::new() };
        for (n, key) in keys.iter().enumerate() {
            let journal = world.folder.path().join(format!("journal-{n}"));
            let attestor = Attestor::new(world.node(""), world.adapters(), key, &journal).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            world.attestors.push(AttestorClient::new(&url.parse().unwrap()).unwrap());
            let serve = async move {
                Arc::new(attestor).serve(listener, &HttpConfig::default(), std::future::pending()).await.unwrap();
            };
            world.tasks.push(tokio::spawn(serve));
        }
        let (coordinator, chains) = (world.coordinator.clone(), world.chains.clone());
        world.tasks.push(tokio::spawn(async move {
            let mut blocks = tokio::time::interval(Duration::from_millis(20));
            loop {
                blocks.tick().await;
                coordinator.mine();
                chains.values().for_each(|chain| chain.mine());
            }
        }));
        world
    }

    fn node(&self, account: &str) -> Arc<Node> {
        Arc::new(Node { coordinator: self.coordinator.clone(), account: account.into() })
    }

    fn adapters(&self) -> BTreeMap<ChainId, Arc<dyn Chain>> {
        self.chains.iter().map(|(id, chain)| (id.clone(), chain.clone() as Arc<dyn Chain>)).collect()
    }

    pub fn file(&self, database: &str) -> PathBuf {
        self.folder.path().join(database)
    }

    pub fn store(&self, database: &str) -> Store {
        Store::open(&self.file(database)).unwrap()
    }

    pub fn relayer(&self, account: &str, database: &str, bump_after: u64) -> Running {
        self.relayer_that(account, database, |config| config.bump_after = bump_after)
    }

    pub fn relayer_that(&self, account: &str, database: &str, differs: impl FnOnce(&mut RelayConfig)) -> Running {
        let relay = self.relay(account, database, differs);
        let (events, operator) = (relay.subscribe(), relay.operator_router());
        let (stop, stopped) = oneshot::channel();
        let run = relay.run(async {
            let _ = stopped.await;
        });
        Running { events, operator, stop, task: tokio::spawn(run) }
    }

    /// One that does not run yet.
    pub fn relay(&self, account: &str, database: &str, differs: impl FnOnce(&mut RelayConfig)) -> Relay {
        let mut config = RelayConfig {
            database: database.into(),
            attestors: Vec::new(),
            bump_after: 30,
            stalled_after: BTreeMap::new(),
            listen: None,
            http: HttpConfig::default(),
        };
        differs(&mut config);
        let (node, store) = (self.node(account), self.store(database));
        Relay::new(node, account.into(), self.adapters(), self.attestors.clone(), store, &config)
    }

    pub fn chain(&self, id: &str) -> &MemoryChain {
        &self.chains[&id_of(id)]
    }

    pub fn deposit(&self, id: Hash32) {
        for leg in self.coordinator.record(id).legs.into_iter().map(|entry| entry.leg) {
            if leg.function.is_account_sourced() {
                self.chains[&leg.chain].deposit(id, &leg, DEADLINE);
            }
        }
    }

    /// The first leg only, so that nothing is committed.
    pub fn deposit_first(&self, id: Hash32) {
        let leg = &self.coordinator.record(id).legs[0].leg;
        self.chains[&leg.chain].deposit(id, leg, DEADLINE);
    }

    pub fn status(&self, id: Hash32) -> Vec<Option<HoldStatus>> {
        let legs = self.coordinator.record(id).legs;
        legs.iter().map(|entry| self.chains[&entry.leg.chain].status(id, &entry.leg)).collect()
    }

    pub fn pass_deadline(&self) {
        self.common.now.store(DEADLINE, SeqCst);
    }

    /// Bounded: what does not come in time fails the test, with what was seen last.
    pub async fn until<T: std::fmt::Debug>(&self, what: &str, look: impl Fn() -> T, is_so: impl Fn(&T) -> bool) -> T {
        let mut blocks = self.chain(ALLIANZA).ticks();
        let waiting = async {
            while !is_so(&look()) {
                blocks.changed().await.unwrap();
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        let seen = look();
        assert!(came.is_ok(), "waited for {what}, there is {seen:?}");
        seen
    }

    pub async fn until_state(&self, id: Hash32, state: State) -> ExecutionResponse {
        let coordinator = &self.coordinator;
        self.until(&format!("{state:?}"), || coordinator.record(id), |record| record.state == state).await
    }

    /// Nothing that was sent came to nothing.
    pub fn assert_no_failures(&self) {
        assert_eq!(self.coordinator.failures(), Vec::<String>::new());
        for chain in self.chains.values() {
            assert_eq!(chain.failures(), Vec::<String>::new(), "{}", chain.id());
        }
    }
}

fn id_of(text: &str) -> ChainId {
    text.parse().unwrap()
}

/// The paper's example: lock on Polygon, unlock on Allianza, mint on Ethereum.
pub fn paper() -> Vec<Leg> {
    legs(&[(POLYGON, Function::Lock), (ALLIANZA, Function::Unlock), (ETHEREUM, Function::Mint)])
}

pub fn legs(wanted: &[(&str, Function)]) -> Vec<Leg> {
    let leg = |(index, (chain, function)): (u8, &(&str, Function))| {
        let account = |present: bool| if present { vec![7; 20].into() } else { Bytes::default() };
        Leg {
            index,
            chain: id_of(chain),
            escrow: vec![9; 20].into(),
            function: *function,
            from: account(function.is_account_sourced()),
            to: account(function.has_recipient()),
            amount: 100u128.into(),
        }
    };
    (0u8..).zip(wanted).map(leg).collect()
}
