//! Follows the chain of most work among all endpoints', block by block into the index, back and forth where it reorganizes,
//! and keeps both on disk.

mod endpoints;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use aes_bitcoin::{Etched, Tip};
use aes_config::Anchor;
use aes_telemetry::{fault, Fault};
use bitcoin::{BlockHash, ScriptBuf};
use tokio::sync::{watch, SetOnce};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::headers::{Branch, Headers};
use super::index::{Index, MEDIAN_OF};
use super::node::Node;
use crate::error::ChainError;
use crate::liars::FollowHealth;
use crate::ticks::Ticks;

/// Blocks between two writes of the index while it is still behind.
const WRITE_EVERY: u64 = 500;
/// Between two writes once it is not: what is not written is read again after a restart.
const WRITE_AFTER: Duration = Duration::from_secs(10);
/// Without word from the node for so many looks, what is known of the chain is not told any more.
const SILENCE: u32 = 20;
/// How long a first question waits for the chain to be read: a command that has just been started asks at once.
const FIRST: Duration = Duration::from_secs(8);
/// The headers' file is the index's with this extension.
const HEADERS: &str = "headers";

/// Where the following starts and what it follows.
#[derive(Debug, Clone)]
pub struct Followed {
    pub etched: Etched,
    /// the first block of a retarget period, which is trusted
    pub anchor: Anchor,
    /// the first block that is read
    pub first: u64,
    pub own: Option<ScriptBuf>,
    pub file: PathBuf,
    /// blocks from which on something is final: a reorg deeper than that is said loudly
    pub depth: u64,
    pub poll: Duration,
}

struct State {
    headers: Option<Headers>,
    index: Option<Index>,
    written: Option<Instant>,
    /// when the index was last known to be at the tip of most work; before that, why it is not
    current: Result<Instant, String>,
}

pub struct Follower {
    node: Arc<Node>,
    /// each host of it by itself
    nodes: Vec<(String, Node)>,
    followed: Followed,
    state: RwLock<State>,
    ticks: Ticks,
    /// the chain was read to its end once
    read: SetOnce<()>,
    stopped: OnceLock<String>,
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
        let current = Err("the chain is not read yet".into());
        let waiting = State { headers: None, index: None, written: None, current };
        let follower = Arc::new(Self {
            nodes: node.each(),
            node,
            followed,
            state: RwLock::new(waiting),
            ticks: Ticks::default(),
            read: SetOnce::new(),
            stopped: OnceLock::new(),
        });
        let task = tokio::spawn({
            let follower = follower.clone();
            async move { follower.run().await }
        });
        Following { follower, task: task.abort_handle() }
    }

    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.subscribe()
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
        // either way `index` tells
        let _ = tokio::time::timeout(FIRST, self.read.wait()).await;
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
        if self.state().headers.is_none() {
            let headers = self.first_headers().await?;
            let mut state = self.state_mut();
            state.index = self.read_file();
            state.headers = Some(headers);
        }
        let before = self.tip();
        let mut written = before.map_or(0, |tip| tip.height);
        while self.see_headers().await? {}
        if self.state().index.is_none() {
            let index = self.new_index()?;
            self.state_mut().index = Some(index);
        }
        self.go_forward(&mut written).await?;
        let tip = self.tip();
        if self.state().headers.as_ref().map(Headers::tip) != tip {
            // what was read before the last stop is ahead of every endpoint
            return Ok(());
        }
        self.state_mut().current = Ok(Instant::now());
        // once is enough
        let _ = self.read.set(());
        if tip != before {
            let written = self.state().written;
            if written.is_none_or(|at| at.elapsed() >= WRITE_AFTER) {
                self.write_files();
            }
            self.ticks.tell(tip.map_or(0, |tip| tip.height));
        }
        Ok(())
    }

    /// Where the branch has more work, the index goes back with the headers to where they part.
    fn follow(&self, branch: Branch) -> bool {
        let mut state = self.state_mut();
        let State { headers: Some(headers), index, .. } = &mut *state else { return false };
        if !headers.follow(branch) {
            return false;
        }
        let Some(known) = index else { return true };
        let from = known.tip();
        // above the headers it is only ahead: its file was written after theirs
        while headers.hash_at(known.tip().height).is_some_and(|hash| hash != known.tip().hash) {
            if known.undo().is_err() {
                *index = None;
                drop(state);
                self.stop("a reorg deeper than can be undone: the chain is read anew".into());
                return true;
            }
        }
        let to = known.tip();
        drop(state);
        self.say_reorg(from, to);
        true
    }

    fn say_reorg(&self, from: Tip, to: Tip) {
        let gone = from.height.saturating_sub(to.height);
        let (depth, height) = (self.followed.depth, to.height);
        if gone >= depth {
            self.stop(format!(
                "a reorg of {gone} blocks, deeper than finality ({depth}): pause the coordinator and look at the \
                 executions since height {height}"
            ));
        } else if gone > 0 {
            tracing::warn!(chain = %self.node.id, blocks = gone, "a reorg: went back to height {height}");
        }
    }

    /// What was final is not. Following goes on; who signs must not before somebody has looked.
    fn stop(&self, why: String) {
        fault!(Fault::DeepReorg, chain = %self.node.id, "{why}");
        self.stopped.get_or_init(|| why);
    }

    async fn go_forward(&self, written: &mut u64) -> Result<(), ChainError> {
        while let Some((next, hash, top)) = self.next() {
            let block = self.block(hash).await?;
            let applied = match self.state_mut().index.as_mut() {
                Some(index) => index.apply(&block),
                None => return Ok(()),
            };
            applied.map_err(|error| self.node.bad_answer(error.to_string()))?;
            if next.saturating_sub(*written) >= WRITE_EVERY {
                *written = next;
                self.write_files();
                let mut state = self.state_mut();
                if state.current.is_err() {
                    state.current = Err(format!("reading the chain: block {next} of {top}"));
                }
            }
        }
        Ok(())
    }

    /// The block above the index, and how high the headers go.
    fn next(&self) -> Option<(u64, BlockHash, u64)> {
        let next = self.tip()?.height.saturating_add(1);
        self.headers(|headers| Some((next, headers.hash_at(next)?, headers.tip().height)))?
    }

    fn new_index(&self) -> Result<Index, ChainError> {
        let Followed { etched, first, own, .. } = &self.followed;
        let before = first.saturating_sub(1);
        let oldest = before.saturating_sub(u64::try_from(MEDIAN_OF).unwrap_or_default());
        let times = self.headers(|headers| (oldest..=before).map(|at| Some(headers.at(at)?.time)).collect());
        let (times, hash): (Option<Vec<u32>>, _) = (times.flatten(), self.hash_at(before)?);
        let times = times.ok_or_else(|| self.node.refused(format!("the manifest's anchor is above block {oldest}")))?;
        Ok(Index::new(*etched, Tip { height: before, hash }, times, own.clone()))
    }

    pub fn hash_at(&self, height: u64) -> Result<BlockHash, ChainError> {
        let hash = self.headers(|headers| headers.hash_at(height)).flatten();
        hash.ok_or_else(|| self.node.unreachable(format!("no block {height} yet: is the node still syncing?")))
    }

    /// Why nothing of this chain is to be signed before the next start.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.get().map(String::as_str)
    }

    pub fn health(&self) -> FollowHealth {
        let newest =
            self.headers(|headers| headers.at(headers.tip().height).map(|header| (headers.tip(), header.time)));
        let newest = newest.flatten();
        FollowHealth {
            height: newest.map(|(tip, _)| tip.height),
            time: newest.map(|(_, time)| time.into()),
            endpoints: self.nodes.iter().filter(|(name, node)| !node.liars().contains(name)).count(),
            liars: self.node.liars().all(),
            trouble: self.state().current.clone().err(),
            stopped: self.stopped().map(Into::into),
        }
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

    /// Each whole or not at all. Where they cannot be written, the next start reads more.
    fn write_files(&self) {
        self.state_mut().written = Some(Instant::now());
        let file = &self.followed.file;
        let write = || -> std::io::Result<()> {
            let (headers, index) = match &*self.state() {
                State { headers: Some(headers), index: Some(index), .. } => {
                    (headers.bytes(), serde_json::to_vec(index)?)
                }
                _ => return Ok(()),
            };
            put_whole(&file.with_extension(HEADERS), headers)?;
            put_whole(file, index)
        };
        if let Err(error) = write() {
            tracing::warn!(file = %file.display(), %error, "the index is not written; look at the disk");
        }
    }

    fn headers<T>(&self, look: impl FnOnce(&Headers) -> T) -> Option<T> {
        self.state().headers.as_ref().map(look)
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

fn put_whole(file: &Path, bytes: Vec<u8>) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, file)
}
