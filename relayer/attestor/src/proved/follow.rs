//! Follows one chain's headers with the Tendermint light client, block by block, in a thread of its own: it blocks while
//! it fetches. What it believes rests on the anchor and on what two thirds of the validators signed since, on no node.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aes_chains::cosmos::words_of;
use aes_evidence::cosmos::{hash32, Hop};
use aes_protocol::Hash32;
use tendermint::block::Height;
use tendermint::validator::Set;
use tendermint_light_client::components::clock::{Clock, SystemClock};
use tendermint_light_client::components::io::{AtHeight, Io, IoError};
use tendermint_light_client::components::scheduler::basic_bisecting_schedule;
use tendermint_light_client::contracts::is_within_trust_period;
use tendermint_light_client::errors::ErrorDetail;
use tendermint_light_client::light_client::LightClient;
use tendermint_light_client::state::State;
use tendermint_light_client::store::memory::MemoryStore;
use tendermint_light_client::store::LightStore;
use tendermint_light_client::types::{LightBlock, Status, TrustThreshold};
use tendermint_light_client::verifier::errors::VerificationErrorDetail;
use tendermint_light_client::verifier::options::Options;
use tendermint_light_client::verifier::ProdVerifier;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

use super::chain::{Followed, Stop};
use super::endpoints::{hop_of, Endpoint, FetchError};
use super::headers::Believed;

/// Headers that come in one step and are filled in between; after a longer way only the newest counts.
const LONGEST_GAP: u64 = 1_000;
/// A tick may be missed; so often it is looked anyway.
const AT_LEAST: Duration = Duration::from_secs(1);
/// So far a header's time may be ahead of this machine's clock.
const CLOCK_DRIFT: Duration = Duration::from_secs(10);
/// So often the newest believed header goes to disk.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Where following starts, and how long a header's validators are believed.
pub(super) struct Start {
    pub anchor: (u64, Hash32),
    pub trusting_period: Duration,
    /// the newest believed header, kept across restarts
    pub file: PathBuf,
}

/// Until the chain is dropped or following it has stopped for good. `runtime` is this thread's own: what it fetches must not
/// end in the middle when the process's ends.
pub(super) fn run(chain: Weak<Followed>, start: Start, ticks: watch::Receiver<u64>, runtime: Runtime) {
    let witnesses = chain.upgrade().map(|followed| followed.witnesses.clone());
    follow(chain, start, ticks, runtime.handle());
    // What is being asked of a witness has its answer before the runtime goes.
    if let Some(witnesses) = witnesses {
        drop(runtime.block_on(witnesses.acquire()));
    }
}

fn follow(chain: Weak<Followed>, start: Start, mut ticks: watch::Receiver<u64>, handle: &Handle) {
    let mut follower: Option<Follower> = None;
    while let Some(followed) = chain.upgrade() {
        if followed.stopped().is_some() {
            return;
        }
        match &mut follower {
            None => match Follower::begin(&followed, &start, handle) {
                Ok(begun) => follower = begun,
                Err(stop) => followed.stop(stop),
            },
            Some(follower) => {
                if let Err(stop) = follower.step(&followed, &start) {
                    followed.stop(stop);
                }
            }
        }
        drop(followed);
        let waited = handle.block_on(async { tokio::time::timeout(AT_LEAST, ticks.changed()).await });
        if matches!(waited, Ok(Err(_))) {
            return;
        }
    }
}

struct Follower {
    handle: Handle,
    root: LightBlock,
    saved: Option<std::time::Instant>,
}

impl Follower {
    /// From the file where it is newer than the anchor. `None`: no endpoint has given the anchor's header yet.
    fn begin(followed: &Arc<Followed>, start: &Start, handle: &Handle) -> Result<Option<Self>, Stop> {
        let (height, hash) = start.anchor;
        let kept = read(start, followed).filter(|kept| kept.height().value() >= height);
        let root = match kept {
            Some(kept) => Some(kept),
            None => anchor(followed, height, &hash, handle)?,
        };
        let Some(root) = root else { return Ok(None) };
        if !is_within_trust_period(&root, start.trusting_period, SystemClock.now()) {
            return Err(Stop::Expired { height: root.height().value() });
        }
        Ok(Some(Self { handle: handle.clone(), root, saved: None }))
    }

    /// Whatever new header an endpoint gives that can be verified.
    fn step(&mut self, followed: &Arc<Followed>, start: &Start) -> Result<(), Stop> {
        let mut ahead = None;
        for endpoint in followed.endpoints.alive() {
            let client = Client { endpoint: &endpoint, handle: &self.handle, start, root: &self.root };
            let block = match client.verify(None) {
                Ok(block) => block,
                Err(Failure::Silent) => continue,
                Err(Failure::Lie(lie)) => {
                    followed.endpoints.liars.caught(&endpoint.name, &lie);
                    continue;
                }
                Err(Failure::FromTheFuture(time)) => {
                    ahead = Some(format!(
                        "{} gives a block of {time}, more than {} s ahead of this machine's clock; set the clock (NTP)",
                        endpoint.name,
                        CLOCK_DRIFT.as_secs()
                    ));
                    continue;
                }
                Err(Failure::Expired) => return Err(Stop::Expired { height: self.root.height().value() }),
            };
            if block.height() <= self.root.height() {
                // the chain stands still, or this endpoint is behind
                if followed.knows_nothing() {
                    followed.extend(&self.root, vec![])?;
                }
                continue;
            }
            followed.troubled(None);
            followed.endpoints.answered(&endpoint);
            let gap = block.height().value().saturating_sub(self.root.height().value());
            let between = if gap > LONGEST_GAP {
                vec![]
            } else {
                let lowest = self.root.height().value().saturating_add(1);
                self.handle.block_on(followed.parents(&block.signed_header.header, lowest))
            };
            followed.extend(&block, between)?;
            let before = std::mem::replace(&mut self.root, block);
            self.save(followed, start);
            self.ask_witnesses(followed, before, endpoint, start);
            return Ok(());
        }
        followed.troubled(ahead);
        Ok(())
    }

    /// The other endpoints say what they have at this height, in the background: a slow one must not hold up the rest.
    fn ask_witnesses(&self, followed: &Arc<Followed>, before: LightBlock, primary: Arc<Endpoint>, start: &Start) {
        let Ok(turn) = followed.witnesses.clone().try_acquire_owned() else { return };
        let (followed, block, handle) = (followed.clone(), self.root.clone(), self.handle.clone());
        let start = Start { anchor: start.anchor, trusting_period: start.trusting_period, file: start.file.clone() };
        self.handle.spawn_blocking(move || {
            let others = followed.endpoints.alive().into_iter().filter(|other| !Arc::ptr_eq(other, &primary));
            for witness in others {
                let client = Client { endpoint: &witness, handle: &handle, start: &start, root: &before };
                match client.verify(Some(block.height())) {
                    Ok(other) if other.signed_header.header.hash() != block.signed_header.header.hash() => {
                        followed.stop(Stop::Fork {
                            height: block.height().value(),
                            endpoints: [primary.name.clone(), witness.name.clone()],
                        });
                    }
                    Err(Failure::Lie(lie)) => followed.endpoints.liars.caught(&witness.name, &lie),
                    // silent or behind: it says nothing against the block
                    Ok(_) | Err(Failure::Silent | Failure::FromTheFuture(_) | Failure::Expired) => {}
                }
            }
            drop(turn);
        });
    }

    /// A file that cannot be written costs only the way from the anchor at the next start.
    fn save(&mut self, followed: &Followed, start: &Start) {
        if self.saved.is_some_and(|saved| saved.elapsed() < SAVE_EVERY) {
            return;
        }
        let write = || -> std::io::Result<()> {
            let beside = start.file.with_extension("new");
            std::fs::write(&beside, serde_json::to_vec(&hop_of(&self.root))?)?;
            std::fs::rename(&beside, &start.file)
        };
        if let Err(error) = write() {
            tracing::warn!(chain = %followed.chain, file = %start.file.display(), %error, "believed header not kept");
        }
        self.saved = Some(std::time::Instant::now());
    }
}

/// What was kept is believed like the anchor: it is this attestor's own file, as its journal is.
fn read(start: &Start, followed: &Followed) -> Option<LightBlock> {
    let bytes = std::fs::read(&start.file).ok()?;
    let read = || -> Result<LightBlock, String> {
        let hop: Hop = serde_json::from_slice(&bytes).map_err(|cause| cause.to_string())?;
        let block = hop.block().map_err(|cause| cause.to_string())?;
        let next = hop.next_validators().map_err(|cause| cause.to_string())?.ok_or("no next validators")?;
        if block.signed_header.header.chain_id.as_str() != followed.chain.reference() {
            return Err("it is of another chain".into());
        }
        let peer = tendermint_light_client::types::PeerId::new([0; 20]);
        Ok(LightBlock::new(block.signed_header, block.validator_set, next, peer))
    };
    let warn = |cause: &String| {
        tracing::warn!(chain = %followed.chain, file = %start.file.display(), cause, "kept header not used");
    };
    read().inspect_err(warn).ok()
}

fn anchor(followed: &Followed, height: u64, hash: &Hash32, handle: &Handle) -> Result<Option<LightBlock>, Stop> {
    let at = Height::try_from(height).map_err(|cause| Stop::Broken(format!("anchor height {height}: {cause}")))?;
    for endpoint in followed.endpoints.alive() {
        match handle.block_on(endpoint.light_block(Some(at), &[])) {
            Ok(block) if hash32(block.signed_header.header.hash()).as_ref() == Ok(hash) => return Ok(Some(block)),
            Ok(block) => {
                let got = block.signed_header.header.hash();
                followed
                    .endpoints
                    .liars
                    .caught(&endpoint.name, &format!("header {height} has hash {got}, the anchor says {hash}"));
            }
            Err(FetchError::Lie(lie)) => followed.endpoints.liars.caught(&endpoint.name, &lie),
            Err(FetchError::Rpc(error)) => {
                tracing::debug!(chain = %followed.chain, endpoint = endpoint.name, "no anchor from there: {}", words_of(&error));
            }
        }
    }
    Ok(None)
}

/// The light client on one endpoint, from one believed block.
struct Client<'a> {
    endpoint: &'a Arc<Endpoint>,
    handle: &'a Handle,
    start: &'a Start,
    root: &'a LightBlock,
}

enum Failure {
    /// no answer, or it is behind
    Silent,
    Lie(String),
    /// by this machine's clock, which may be the one that is wrong; the block's time
    FromTheFuture(tendermint::Time),
    Expired,
}

/// Fetches for the light client. The same block twice is fetched once, and known validators not at all.
struct Fetch {
    endpoint: Arc<Endpoint>,
    handle: Handle,
    known: Vec<Set>,
    lie: Arc<std::sync::Mutex<Option<String>>>,
    newest: std::sync::Mutex<Option<LightBlock>>,
}

impl Io for Fetch {
    fn fetch_light_block(&self, height: AtHeight) -> Result<LightBlock, IoError> {
        let height = match height {
            AtHeight::At(height) => Some(height),
            AtHeight::Highest => None,
        };
        let mut newest = self.newest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(block) = newest.as_ref().filter(|block| Some(block.height()) == height) {
            return Ok(block.clone());
        }
        match self.handle.block_on(self.endpoint.light_block(height, &self.known)) {
            Ok(block) => {
                if height.is_none() {
                    *newest = Some(block.clone());
                }
                Ok(block)
            }
            Err(FetchError::Rpc(error)) => Err(IoError::from_rpc(error)),
            Err(FetchError::Lie(lie)) => {
                *self.lie.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(lie);
                Err(IoError::invalid_height())
            }
        }
    }
}

impl Client<'_> {
    /// The endpoint's newest block, or the one of a height, as far as the root leads there. Each try begins at the root
    /// alone: what one endpoint could not show must not stand in the way of the next.
    fn verify(&self, height: Option<Height>) -> Result<LightBlock, Failure> {
        let lie = Arc::default();
        let io = Fetch {
            endpoint: self.endpoint.clone(),
            handle: self.handle.clone(),
            known: vec![self.root.validators.clone(), self.root.next_validators.clone()],
            lie: Arc::clone(&lie),
            newest: std::sync::Mutex::default(),
        };
        let options = Options {
            trust_threshold: TrustThreshold::ONE_THIRD,
            trusting_period: self.start.trusting_period,
            clock_drift: CLOCK_DRIFT,
        };
        let peer = self.endpoint.peer;
        let scheduler = basic_bisecting_schedule;
        let mut client = LightClient::new(peer, options, SystemClock, scheduler, ProdVerifier::default(), io);
        let mut store = MemoryStore::new();
        store.insert(self.root.clone(), Status::Trusted);
        let mut state = State::new(store);
        let verified = match height {
            Some(height) => client.verify_to_target(height, &mut state),
            None => client.verify_to_highest(&mut state),
        };
        verified.map_err(|error| {
            if let Some(lie) = lie.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
                return Failure::Lie(lie);
            }
            match error.detail() {
                ErrorDetail::InvalidLightBlock(cause) => match &cause.source {
                    VerificationErrorDetail::HeaderFromTheFuture(future) => Failure::FromTheFuture(future.header_time),
                    source => Failure::Lie(format!("a light block that is not valid: {source}")),
                },
                ErrorDetail::TrustedStateOutsideTrustingPeriod(_) => Failure::Expired,
                _ => Failure::Silent,
            }
        })
    }
}

impl Followed {
    fn extend(&self, block: &LightBlock, between: Vec<Believed>) -> Result<(), Stop> {
        let signed = Believed::of(&block.signed_header.header).map_err(|cause| Stop::Broken(cause.to_string()))?;
        self.publish(signed, between);
        Ok(())
    }
}
