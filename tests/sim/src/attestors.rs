//! The attestors: the real ones, in process, each with its journal and its own nodes; and some that sign anything.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aes_attestor::{
    router, Answer, AttestBody, Attestor, AttestorClient, BitcoinSigner, CosignBody, Request, StartError, Wire,
};
use aes_chains::bitcoin::{key_of, Cosigned, SigningRequest};
use aes_protocol::{
    decisions_tree, evidence_root, Decision, DecisionLeaf, Evidence, Hash32, Leg, LegStatus, Statement,
};
use async_trait::async_trait;
use axum::Router;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::disk::Disk;
use crate::fault::Fault;
use crate::keys::Key;
use crate::links;
use crate::wire::{Life, Seat};
use crate::world::{say, with, World};

/// As the HTTP client has it.
const PATIENCE: Duration = Duration::from_secs(12);

#[derive(Debug)]
pub struct Attesting {
    pub number: usize,
    pub key: Key,
    /// signs whatever it is asked, and more
    pub lies: bool,
    /// its operator starts it again on whatever the disk has left of its journal, against all advice
    careless: bool,
    pub disk: Mutex<Disk>,
    router: Mutex<Option<Router>>,
}

impl Attesting {
    pub fn new(number: usize, key: Key, lies: bool, careless: bool, disk: Disk) -> Arc<Self> {
        Arc::new(Self { number, key, lies, careless, disk: Mutex::new(disk), router: Mutex::default() })
    }

    fn start(&self, life: &Arc<Life>) {
        let seat = Seat::Attestor(self.number);
        let home = links::home(seat, life, "nobody");
        let chains = links::chains(seat, life, "nobody");
        let open = |disk: &Disk| {
            let signer = BitcoinSigner::new(&self.key.bitcoin(), &self.key.secret())?;
            let attestor = Attestor::without_threads(home.clone(), chains.clone(), &self.key.secret(), &disk.file())?;
            Ok::<_, StartError>(attestor.with_bitcoin(signer))
        };
        let mut disk = self.disk.lock().expect("no panic");
        let attestor = open(&disk).unwrap_or_else(|error| {
            assert!(self.careless, "attestor {}: its journal is refused: {error}", self.number);
            say(&format!("attestor {}", self.number), "its journal is refused: it gets an empty one");
            disk.lose();
            open(&disk).expect("a new journal")
        });
        *self.router.lock().expect("no panic") = Some(router(Arc::new(attestor)));
    }

    fn stop(&self) {
        *self.router.lock().expect("no panic") = None;
    }

    fn running(&self) -> Option<Router> {
        self.router.lock().expect("no panic").clone()
    }

    /// Up and down, as the dice say.
    pub async fn supervise(self: Arc<Self>) {
        let who = format!("attestor {}", self.number);
        loop {
            let dies_at = with(|world| {
                let crashes = !world.calm && world.dice.chance(world.odds.of(Fault::AttestorCrash));
                if crashes {
                    world.dice.number(5..1_500)
                } else {
                    u64::MAX
                }
            });
            let life = Life::until(dies_at);
            self.start(&life);
            tokio::select! {
                biased;
                () = life.died.notified() => {
                    with(|world| world.fired.count(Fault::AttestorCrash));
                    say(&who, "crashes");
                }
                () = self.goes_down() => {}
            }
            life.end();
            self.stop();
            let seconds = with(|world| if world.calm { 1 } else { world.dice.number(1..120) });
            sleep(Duration::from_secs(seconds)).await;
            self.restart(&who);
        }
    }

    fn restart(&self, who: &str) {
        let mut disk = self.disk.lock().expect("no panic");
        disk.empty();
        let strikes = |fault| self.careless && with(|world| world.strikes(fault, 0.5));
        if strikes(Fault::JournalLost) {
            say(who, "starts on an empty disk");
            disk.lose();
        } else if strikes(Fault::JournalTorn) {
            say(who, "starts on a journal that was not written whole");
            disk.tear(&mut with(|world| world.dice.fork()));
        } else {
            say(who, "starts again");
            disk.reboot();
        }
    }

    async fn goes_down(&self) {
        loop {
            sleep(Duration::from_secs(10)).await;
            if with(|world| world.strikes(Fault::AttestorDown, 0.1)) {
                say(&format!("attestor {}", self.number), "goes down");
                return;
            }
            if with(|world| world.strikes(Fault::AttestorDisk, 0.1)) {
                say(&format!("attestor {}", self.number), "has a full disk");
                self.disk.lock().expect("no panic").fill(&["statements", "bitcoin_signed"]);
                let seconds = with(|world| world.dice.number(5..60));
                sleep(Duration::from_secs(seconds)).await;
                self.disk.lock().expect("no panic").empty();
            }
        }
    }
}

/// One relayer's wire to one attestor: its router, without a socket.
#[derive(Debug)]
pub struct Asking {
    attestor: Arc<Attesting>,
    life: Arc<Life>,
}

impl Asking {
    pub fn client(attestor: &Arc<Attesting>, life: &Arc<Life>) -> AttestorClient {
        let url = format!("attestor {}", attestor.number);
        AttestorClient::over(Arc::new(Self { attestor: attestor.clone(), life: life.clone() }), &url)
    }
}

#[async_trait]
impl Wire for Asking {
    async fn exchange(&self, path: &str, body: Option<Vec<u8>>) -> Result<(u16, Vec<u8>), String> {
        self.life.step().await;
        sleep(Duration::from_millis(with(|world| world.dice.number(1..40)))).await;
        let nobody = || "connection refused".to_string();
        if self.attestor.lies && path == "/v1/bitcoin" {
            let asked: CosignBody = body.and_then(|body| serde_json::from_slice(&body).ok()).ok_or_else(nobody)?;
            let answer = with(|world| scrawl(world, &self.attestor.key, &asked.request));
            return Ok((200, serde_json::to_vec(&answer).map_err(|error| error.to_string())?));
        }
        if self.attestor.lies {
            let asked: AttestBody = body.and_then(|body| serde_json::from_slice(&body).ok()).ok_or_else(nobody)?;
            let answer = with(|world| lie(world, &self.attestor.key, &asked.statement)).ok_or_else(nobody)?;
            return Ok((200, serde_json::to_vec(&answer).map_err(|error| error.to_string())?));
        }
        let router = self.attestor.running().ok_or_else(nobody)?;
        let method = if body.is_some() { "POST" } else { "GET" };
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.unwrap_or_default()))
            .map_err(|error| error.to_string())?;
        let answered = timeout(PATIENCE, router.oneshot(request)).await;
        let response = answered.map_err(|_| "timed out".to_string())?;
        let Ok(response) = response;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.map_err(|error| error.to_string())?;
        self.life.step().await;
        Ok((status, body.to_vec()))
    }
}

/// Signs what is not so: the opposite decision, holds that nobody has seen, ends that have not come.
fn lie(world: &mut World, key: &Key, request: &Request) -> Option<Answer> {
    let set = links::current_set(world);
    let (mut evidence, mut decisions) = (Vec::new(), Vec::new());
    let statement = match request {
        Request::Opened { execution_id } => {
            let record = links::record(world, execution_id)?;
            let manifest_root = record.manifest_root;
            Statement::Opened { execution_id: *execution_id, manifest_root, deadline: record.deadline }
        }
        Request::Prepared { execution_id } => {
            evidence = made_up(world, execution_id, LegStatus::Held)?;
            Statement::Prepared { execution_id: *execution_id, evidence_root: evidence_root(&evidence)? }
        }
        Request::Settled { execution_id } => {
            evidence = made_up(world, execution_id, LegStatus::Finalized)?;
            let evidence_root = evidence_root(&evidence)?;
            Statement::Settled { execution_id: *execution_id, decision: Decision::Commit, evidence_root }
        }
        Request::Decided { execution_ids } => {
            let decision = if world.dice.chance(0.5) { Decision::Commit } else { Decision::Abort };
            decisions = execution_ids.iter().map(|id| DecisionLeaf { execution_id: *id, decision }).collect();
            Statement::Decided { decisions_root: decisions_tree(&decisions)?.root() }
        }
        Request::Rotated { set } => Statement::Rotated { new_set: set.id, new_set_hash: set.hash() },
    };
    world.fired.count(Fault::AttestorLies);
    let signature = key.sign(&statement.digest(&world.domain, set.id));
    let signer = key.address.to_vec().into();
    Some(Answer { statement, attestor_set: set.id, signer, signature, evidence, decisions })
}

/// Signatures of nothing that was asked, as many as are.
fn scrawl(world: &mut World, key: &Key, request: &SigningRequest) -> Cosigned {
    world.fired.count(Fault::AttestorLies);
    let inputs = match request {
        SigningRequest::Settlement { .. } => 1,
        SigningRequest::Reserve { coins, .. } | SigningRequest::Rearrange { coins, .. } => coins.len(),
    };
    let mut signature = || [world.dice.bytes(), world.dice.bytes()].concat().into();
    let signatures = (0..inputs).map(|_| signature()).collect();
    Cosigned { key: key_of(&key.bitcoin()).expect("a key"), signatures }
}

pub fn made_up(world: &mut World, id: &Hash32, status: LegStatus) -> Option<Vec<Evidence>> {
    let legs: Vec<Leg> = links::record(world, id)?.legs.into_iter().map(|entry| entry.leg).collect();
    let piece = |leg: &Leg| Evidence {
        leg_hash: leg.hash(),
        status,
        chain: leg.chain.clone(),
        height: 1,
        block_hash: Hash32([1; 32]),
        tx_id: Hash32([2; 32]),
        event_hash: Hash32([3; 32]),
        time: 1,
    };
    Some(legs.iter().map(piece).collect())
}
