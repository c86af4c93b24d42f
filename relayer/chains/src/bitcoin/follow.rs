//! Follows the chain block by block into the index, back and forth where it reorganizes, and keeps the index on disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use aes_bitcoin::{Etched, LedgerError, Tip};
use aes_telemetry::{fault, Fault};
use bitcoin::{BlockHash, ScriptBuf};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::index::{Index, MEDIAN_OF};
use super::node::Node;
use crate::error::ChainError;

/// Blocks between two writes of the index while it is still behind.
const WRITE_EVERY: u64 = 500;
/// Between two writes once it is not: what is not written is read again after a restart.
const WRITE_AFTER: Duration = Duration::from_secs(10);
/// Without word from the node for so many looks, what is known of the chain is not told any more.
const SILENCE: u32 = 20;
/// How long a first question waits for the chain to be read: a command that has just been started asks at once.
const FIRST: Duration = Duration::from_secs(8);
/// A reorg that goes on under our feet: looked at again later.
const TRIES: usize = 10;

/// Where the following starts and what it follows.
#[derive(Debug, Clone)]
pub struct Followed {
    pub etched: Etched,
    /// the first block that is read
    pub first: u64,
    pub own: Option<ScriptBuf>,
    pub file: PathBuf,
    /// blocks from which on something is final: a reorg deeper than that is said loudly
    pub depth: u64,
    pub poll: Duration,
}

struct State {
    index: Option<Index>,
    written: Option<Instant>,
    /// when the index was last known to be at the node's tip; before that, why it is not
    current: Result<Instant, String>,
}

pub struct Follower {
    node: Arc<Node>,
    followed: Followed,
    state: RwLock<State>,
    tick: watch::Sender<u64>,
    /// the chain was read to its end once
    read: watch::Sender<bool>,
}

/// Ends the following when dropped.
pub struct Following {
    pub follower: Arc<Follower>,
    task: AbortHandle,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    pub fn start(node: Arc<Node>, followed: Followed) -> Following {
        let waiting = State { index: None, written: None, current: Err("the chain is not read yet".into()) };
        let follower = Arc::new(Self {
            node,
            followed,
            state: RwLock::new(waiting),
            tick: watch::Sender::new(0),
            read: watch::Sender::new(false),
        });
        let task = tokio::spawn({
            let follower = follower.clone();
            async move { follower.run().await }
        });
        Following { follower, task: task.abort_handle() }
    }

    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.tick.subscribe()
    }

    /// What is known, unless it is old: then the node does not answer, or there is much to read yet.
    pub fn index<T>(&self, look: impl FnOnce(&Index) -> T) -> Result<T, ChainError> {
        let state = self.state();
        let longest = self.followed.poll.saturating_mul(SILENCE).max(Duration::from_secs(10));
        let cause = match (&state.index, &state.current) {
            (Some(index), Ok(at)) if at.elapsed() < longest => return Ok(look(index)),
            (_, Ok(at)) => format!("no word from a node for {} s", at.elapsed().as_secs()),
            (_, Err(cause)) => cause.clone(),
        };
        Err(ChainError::Unreachable { chain: self.node.id.clone(), cause })
    }

    /// Returns when the chain was read to its end once, or not within `FIRST`: `index` says why.
    pub async fn wait_until_read(&self) {
        let mut read = self.read.subscribe();
        let until = read.wait_for(|read| *read);
        // either way `index` tells
        let _ = tokio::time::timeout(FIRST, until).await;
    }

    async fn run(&self) {
        let mut every = tokio::time::interval(self.followed.poll);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            match self.look().await {
                Ok(()) => {}
                Err(error) => {
                    let cause = match error {
                        ChainError::Unreachable { cause, .. } => cause,
                        other => other.to_string(),
                    };
                    let mut state = self.state_mut();
                    if state.current.as_ref().err() != Some(&cause) {
                        tracing::warn!(chain = %self.node.id, "not following: {cause}");
                    }
                    if state.current.is_err() || state.index.is_none() {
                        state.current = Err(cause);
                    }
                }
            }
        }
    }

    async fn look(&self) -> Result<(), ChainError> {
        if self.state().index.is_none() {
            let index = match self.read_file() {
                Some(index) => index,
                None => self.new_index().await?,
            };
            self.state_mut().index = Some(index);
        }
        let before = self.tip();
        let mut written = before.map_or(0, |tip| tip.height);
        for _ in 0..TRIES {
            let node_tip = self.node.tip().await?;
            if self.tip().is_some_and(|tip| tip.hash == node_tip) {
                self.state_mut().current = Ok(Instant::now());
                self.read.send_replace(true);
                let tip = self.tip();
                if tip != before {
                    let written = self.state().written;
                    if written.is_none_or(|at| at.elapsed() >= WRITE_AFTER) {
                        self.write_file();
                    }
                    self.tick.send_replace(tip.map_or(0, |tip| tip.height));
                }
                return Ok(());
            }
            self.go_back_to_the_nodes_chain().await?;
            self.go_forward(&mut written).await?;
        }
        Ok(())
    }

    async fn go_back_to_the_nodes_chain(&self) -> Result<(), ChainError> {
        let from = self.tip();
        while let Some(tip) = self.tip() {
            if self.node.hash_at(tip.height).await? == Some(tip.hash) {
                self.say_reorg(from, tip);
                return Ok(());
            }
            let undone = match self.state_mut().index.as_mut() {
                Some(index) => index.undo(),
                None => return Ok(()),
            };
            if let Err(LedgerError::TooDeep) = undone {
                fault!(Fault::DeepReorg, chain = %self.node.id, "a reorg deeper than can be undone: reading the chain anew");
                let index = self.new_index().await?;
                self.state_mut().index = Some(index);
                return Ok(());
            }
        }
        Ok(())
    }

    fn say_reorg(&self, from: Option<Tip>, to: Tip) {
        let Some(gone) = from.map(|from| from.height.saturating_sub(to.height)).filter(|gone| *gone > 0) else {
            return;
        };
        if gone < self.followed.depth {
            tracing::warn!(chain = %self.node.id, blocks = gone, "a reorg: went back to height {}", to.height);
        } else {
            fault!(
                Fault::DeepReorg,
                chain = %self.node.id,
                blocks = gone,
                "a reorg deeper than finality ({} blocks): pause the coordinator and look at the executions since height {}",
                self.followed.depth,
                to.height
            );
        }
    }

    async fn go_forward(&self, written: &mut u64) -> Result<(), ChainError> {
        while let Some(tip) = self.tip() {
            let next = tip.height.saturating_add(1);
            let Some(hash) = self.node.hash_at(next).await? else { return Ok(()) };
            let Some(block) = self.node.block(hash).await? else { return Ok(()) };
            let applied = match self.state_mut().index.as_mut() {
                Some(index) => index.apply(&block),
                None => return Ok(()),
            };
            match applied {
                Ok(()) => {}
                // a reorg between the two questions
                Err(LedgerError::NotNext { .. }) => return Ok(()),
                Err(other) => return Err(self.node.bad_answer(other.to_string())),
            }
            if next.saturating_sub(*written) >= WRITE_EVERY {
                *written = next;
                self.write_file();
                let top = self.node.height().await?;
                let mut state = self.state_mut();
                if state.current.is_err() {
                    state.current = Err(format!("reading the chain: block {next} of {top}"));
                }
            }
        }
        Ok(())
    }

    async fn new_index(&self) -> Result<Index, ChainError> {
        let Followed { etched, first, own, .. } = &self.followed;
        let before = first.saturating_sub(1);
        let oldest = before.saturating_sub(u64::try_from(MEDIAN_OF).unwrap_or_default());
        let mut times = Vec::new();
        let mut start = None;
        for height in oldest..=before {
            let hash = self.hash_at(height).await?;
            let header = self.node.header(hash).await?;
            times.push(header.time);
            start = Some(Tip { height, hash });
        }
        let start = start.ok_or_else(|| self.node.bad_answer(format!("no block {before}")))?;
        Ok(Index::new(*etched, start, times, own.clone()))
    }

    pub async fn hash_at(&self, height: u64) -> Result<BlockHash, ChainError> {
        let hash = self.node.hash_at(height).await?;
        hash.ok_or_else(|| self.node.bad_answer(format!("no block at height {height}: is the node still syncing?")))
    }

    fn read_file(&self) -> Option<Index> {
        let Followed { etched, first, own, file, .. } = &self.followed;
        let bytes = std::fs::read(file).ok()?;
        let index = Index::read(&bytes, etched, first.saturating_sub(1), own.as_ref());
        if index.is_none() {
            tracing::info!(file = %file.display(), "the index is of another deployment, account or release: reading the chain anew");
        }
        index
    }

    /// Whole or not at all. Where it cannot be written, the next start reads more blocks.
    fn write_file(&self) {
        self.state_mut().written = Some(Instant::now());
        let write = || -> std::io::Result<()> {
            let bytes = match &self.state().index {
                Some(index) => serde_json::to_vec(index)?,
                None => return Ok(()),
            };
            let beside: &Path = &self.followed.file.with_extension("new");
            std::fs::write(beside, bytes)?;
            std::fs::rename(beside, &self.followed.file)
        };
        if let Err(error) = write() {
            tracing::warn!(file = %self.followed.file.display(), %error, "the index is not written; look at the disk");
        }
    }

    fn tip(&self) -> Option<Tip> {
        self.state().index.as_ref().map(Index::tip)
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
