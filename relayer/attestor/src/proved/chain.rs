//! A CometBFT chain of which no node is believed: the headers that `follow.rs` believes, and why there are no newer ones.

use std::sync::{Arc, Mutex as Lock, OnceLock, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use aes_chains::{ChainError, FollowHealth, Head};
use aes_protocol::ChainId;
use aes_telemetry::{fault, Fault};
use tendermint::block::{Header, Height};
use tendermint_rpc::Client;
use tokio::sync::{watch, Mutex, Semaphore};

use super::endpoints::{Endpoint, Endpoints};
use super::headers::{is_parent, Believed, Headers, FURTHEST_BACK};

/// For a header that is not there yet; a request has twice that.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a node gives of `blockchain` at once.
const PAGE: u64 = 20;

/// Why nothing of this chain is believed any more, until an operator has looked.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Stop {
    #[error(
        "two blocks of height {height}, both signed by the validators, one at {} and one at {}: the chain has forked, \
         nothing of it is signed; look at both",
        endpoints[0], endpoints[1]
    )]
    Fork { height: u64, endpoints: [String; 2] },
    #[error(
        "the newest believed header, {height}, is older than the trusting period; give a newer `anchor` of this chain \
         in the config, from a source you trust"
    )]
    Expired { height: u64 },
    #[error("{0}; give another `anchor` of this chain in the config")]
    Broken(String),
}

/// A chain whose headers are followed.
pub struct Followed {
    pub(super) chain: ChainId,
    pub(super) endpoints: Endpoints,
    /// one round of questions to the others at a time
    pub(super) witnesses: Arc<Semaphore>,
    headers: RwLock<Headers>,
    newest: watch::Sender<Option<Head>>,
    stopped: OnceLock<Stop>,
    /// why the newest header that an endpoint gives cannot be judged
    trouble: Lock<Option<String>>,
    /// who looks further back does it for all
    looking_back: Mutex<()>,
}

impl Followed {
    pub(super) fn new(chain: ChainId, endpoints: Endpoints) -> Self {
        Self {
            chain,
            endpoints,
            witnesses: Arc::new(Semaphore::new(1)),
            headers: RwLock::default(),
            newest: watch::Sender::new(None),
            stopped: OnceLock::new(),
            trouble: Lock::default(),
            looking_back: Mutex::default(),
        }
    }

    pub fn health(&self) -> FollowHealth {
        let newest = *self.newest.borrow();
        FollowHealth {
            height: newest.map(|head| head.height),
            time: newest.map(|head| head.time),
            endpoints: self.endpoints.alive().len(),
            liars: self.endpoints.liars.all(),
            trouble: self.trouble(),
            stopped: self.stopped().map(ToString::to_string),
        }
    }

    pub(super) fn stopped(&self) -> Option<&Stop> {
        self.stopped.get()
    }

    pub(super) fn stop(&self, stop: Stop) {
        fault!(Fault::Stopped, chain = %self.chain, %stop, "nothing of this chain is signed any more");
        self.stopped.get_or_init(|| stop);
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn troubled(&self, why: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = why.as_ref().filter(|_| trouble.is_none()) {
            tracing::error!(chain = %self.chain, "no newer header is believed: {why}");
        }
        *trouble = why;
    }

    pub(super) fn knows_nothing(&self) -> bool {
        self.newest.borrow().is_none()
    }

    pub(super) fn publish(&self, signed: Believed, between: Vec<Believed>) {
        let head = signed.head;
        self.headers_mut().extend(signed, between);
        self.newest.send_replace(Some(head));
    }

    fn headers_mut(&self) -> RwLockWriteGuard<'_, Headers> {
        // headers go in whole, one by one
        self.headers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn believed(&self, height: u64) -> Option<Believed> {
        self.headers.read().unwrap_or_else(PoisonError::into_inner).at(height).cloned()
    }

    pub(super) fn unreachable(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Unreachable { chain: self.chain.clone(), cause: cause.into() }
    }

    fn bad_answer(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.chain.clone(), cause: cause.into() }
    }

    /// The newest header once it has this height: the state after a block is proved by the header of the next.
    pub(super) async fn reach(&self, height: u64) -> Result<Head, ChainError> {
        let mut newest = self.newest.subscribe();
        let reached = newest.wait_for(|newest| newest.is_some_and(|head| head.height >= height));
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        if let Some(stop) = self.stopped() {
            return Err(self.bad_answer(stop.to_string()));
        }
        match reached {
            Ok(Ok(head)) => head.ok_or_else(|| self.unreachable("no header yet")),
            _ if self.endpoints.alive().is_empty() => Err(self.unreachable("every endpoint was caught lying")),
            _ => {
                let late = format!("header {height} has not come within {} s", PATIENCE.as_secs());
                Err(self.unreachable(self.trouble().map_or(late.clone(), |why| format!("{late}: {why}"))))
            }
        }
    }

    pub(super) async fn header(&self, height: u64) -> Result<Believed, ChainError> {
        let newest = self.reach(height.max(1)).await?;
        if let Some(believed) = self.believed(height) {
            return Ok(believed);
        }
        if height == 0 || newest.height.saturating_sub(height) > FURTHEST_BACK {
            let cause = format!("block {height} is more than {FURTHEST_BACK} blocks back, too far to be followed");
            return Err(self.bad_answer(cause));
        }
        let _turn = self.looking_back.lock().await;
        self.look_back(height).await?;
        self.believed(height).ok_or_else(|| self.unreachable(format!("no endpoint gave header {height}")))
    }

    /// Down by the parents' hashes from the oldest header.
    async fn look_back(&self, height: u64) -> Result<(), ChainError> {
        for endpoint in self.endpoints.alive() {
            loop {
                let oldest = self.headers.read().unwrap_or_else(PoisonError::into_inner).oldest().cloned();
                let Some(oldest) = oldest.filter(|oldest| oldest.head.height > height) else { return Ok(()) };
                let Some(page) = self.page(&endpoint, oldest.head.height.saturating_sub(1), height).await else {
                    break;
                };
                let mut headers = self.headers_mut();
                // a header that has come meanwhile is no lie
                let same = headers.oldest() == Some(&oldest);
                if same && !page.into_iter().all(|header| headers.extend_down(header)) {
                    drop(headers);
                    self.endpoints.liars.caught(&endpoint.name, "a header that is not its child's parent");
                    break;
                }
            }
        }
        Ok(())
    }

    /// The headers below a signed one, down to `lowest`, newest first; as many as an endpoint gives.
    pub(super) async fn parents(&self, signed: &Header, lowest: u64) -> Vec<Believed> {
        let Ok(mut child) = Believed::of(signed) else { return vec![] };
        let mut found = Vec::new();
        for endpoint in self.endpoints.alive() {
            while child.head.height > lowest {
                let Some(page) = self.page(&endpoint, child.head.height.saturating_sub(1), lowest).await else { break };
                for header in page {
                    if !is_parent(&header, &child) {
                        self.endpoints.liars.caught(&endpoint.name, "a header that is not its child's parent");
                        return found;
                    }
                    found.push(header.clone());
                    child = header;
                }
            }
        }
        found
    }

    /// Headers from `top` down, not below `lowest`, as the endpoint gives them; at least one.
    async fn page(&self, endpoint: &Endpoint, top: u64, lowest: u64) -> Option<Vec<Believed>> {
        let bottom = lowest.max(top.saturating_sub(PAGE.saturating_sub(1)));
        let (bottom, top) = (Height::try_from(bottom).ok()?, Height::try_from(top).ok()?);
        let answer = endpoint.rpc.blockchain(bottom, top).await;
        let log = |error: &tendermint_rpc::Error| {
            tracing::debug!(chain = %self.chain, endpoint = endpoint.name, %error, "no headers from there");
        };
        let mut metas = answer.inspect_err(log).ok()?.block_metas;
        metas.sort_by_key(|meta| std::cmp::Reverse(meta.header.height));
        // A node that is behind gives what it has below: no lie, and no help.
        metas.first().filter(|newest| newest.header.height >= top)?;
        let page: Vec<_> = metas.iter().filter_map(|meta| Believed::of(&meta.header).ok()).collect();
        (!page.is_empty()).then_some(page)
    }
}
