//! The relayer: looks at the home chain and at every chain, asks `plan` what to do, does it. Level-triggered: each look
//! is at what is, so a missed block, a restart, a second relayer and a lost database are the same case. Each chain is
//! looked at by a task of its own and each transaction is sent by one, so a sick chain stops nothing else.

mod act;
mod board;
mod certificates;
mod event;
mod flights;
mod hear;
mod look;
mod operator;
mod settle;
mod standing;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aes_attestor::{AttestorClient, AttestorCosigners};
use aes_chains::{Chain, Home};
use aes_config::RelayConfig;
use aes_protocol::ChainId;
use aes_store::{Store, StoreError};
use aes_telemetry::{fault, Fault};
use tokio::sync::{broadcast, Notify};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use board::Board;
use event::Clock;
pub use event::{Event, What};
pub use operator::{ChainHealth, Health};
use standing::Known;

/// How long transactions being sent may take to finish at shutdown. What is cut off is planned again at the next start.
const LAST_SENDS: Duration = Duration::from_secs(10);
/// Events kept for a subscriber that reads slowly.
const EVENTS: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// by a defect; whoever runs it starts it again, and nothing is lost
    #[error("a part of the relayer broke off: {0}; start it again, and report this")]
    Panicked(JoinError),
}

pub struct Relay(Arc<Parts>);

/// What all tasks share.
struct Parts {
    home: Arc<dyn Home>,
    /// who signs at the home chain, in bech32: may roll back what it opened, and where it is the named relayer
    account: String,
    chains: BTreeMap<ChainId, Arc<dyn Chain>>,
    attestors: Vec<AttestorClient>,
    store: Store,
    bump_after: Duration,
    board: Mutex<Board>,
    /// something changed: plan again
    plan: Notify,
    /// a new execution has legs there: look at once
    look: BTreeMap<ChainId, Notify>,
    clock: Clock,
    events: broadcast::Sender<Event>,
}

impl Relay {
    pub fn new(
        home: Arc<dyn Home>,
        account: String,
        chains: BTreeMap<ChainId, Arc<dyn Chain>>,
        attestors: Vec<AttestorClient>,
        store: Store,
        config: &RelayConfig,
    ) -> Self {
        for chain in chains.values() {
            if let Some(cosignable) = chain.cosignable() {
                cosignable.set_cosigners(Arc::new(AttestorCosigners::new(attestors.clone())));
            }
        }
        let known = |id: &ChainId| (id.clone(), Known::new(config.stalled_after(id)));
        let board = Board::new(chains.keys().map(known).collect());
        Self(Arc::new(Parts {
            home,
            account,
            look: chains.keys().map(|chain| (chain.clone(), Notify::new())).collect(),
            chains,
            attestors,
            store,
            bump_after: Duration::from_secs(config.bump_after),
            board: Mutex::new(board),
            plan: Notify::new(),
            clock: Clock::start(),
            events: broadcast::Sender::new(EVENTS),
        }))
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// Until `shutdown`; then finishes what is being sent.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RelayError> {
        let parts = self.0;
        parts.take_up_flights()?;
        let mut looks = JoinSet::new();
        looks.spawn(hear::decisions(parts.clone()));
        looks.spawn(look::at_home(parts.clone()));
        for chain in parts.chains.values() {
            looks.spawn(look::at_chain(parts.clone(), chain.clone()));
        }
        let mut sends = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let round = parts.board().round(Instant::now());
            act::start(&parts, round.ready, &mut sends);
            let retry = async {
                match round.retry_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // in this order, so that a simulation can do the same again
                biased;
                () = &mut shutdown => break,
                () = parts.plan.notified() => {}
                Some(ended) = looks.join_next() => unbroken(ended)?,
                () = retry => {}
            }
            while let Some(ended) = sends.try_join_next() {
                unbroken(ended)?;
            }
        }
        looks.shutdown().await;
        tracing::info!("shutting down: {} sends to finish", sends.len());
        if tokio::time::timeout(LAST_SENDS, async { while sends.join_next().await.is_some() {} }).await.is_err() {
            fault!(Fault::CutOff, "{} sends cut off; they are planned again at the next start", sends.len());
        }
        Ok(())
    }
}

/// A look that broke off would leave a blind relayer, a send that did a flight that never lands.
fn unbroken(ended: Result<(), JoinError>) -> Result<(), RelayError> {
    ended.map_err(|error| {
        fault!(Fault::Panicked, "{error}");
        RelayError::Panicked(error)
    })
}

impl Parts {
    /// Held for moments only, never over an await.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As people call it.
    fn name<'a>(&'a self, chain: &'a ChainId) -> &'a str {
        self.chains.get(chain).map_or(chain.as_str(), |chain| chain.name())
    }
}
