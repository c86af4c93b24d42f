//! Holds that appear after their execution has ended. Nothing on Bitcoin refuses a late deposit, so whoever was given back
//! nothing because nothing was there is given it back when it is: the decision that ended the execution holds for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aes_bitcoin::Presigned;
use aes_coordinator::msg::State;
use aes_protocol::{Decision, Hash32, Leg};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::BitcoinChain;
use crate::chain::{Depth, SettlementItem};
use crate::error::ChainError;

/// Between two looks: nobody waits for it.
const EVERY: Duration = Duration::from_secs(15);
/// Between two looks at all executions that ever were rolled back: one that was opened early may end late.
const ALL_EVERY: Duration = Duration::from_secs(3600);

#[derive(Default)]
pub struct Late(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    looked_at: Option<Instant>,
    all_read_at: Option<Instant>,
    /// of the last execution that is known, in the order in which they were opened
    cursor: Option<u64>,
    known: BTreeSet<Hash32>,
    /// legs of rolled back executions whose hold may still appear
    legs: BTreeMap<(Hash32, u8), Leg>,
}

impl BitcoinChain {
    pub(super) async fn release_late(&self) -> Result<(), ChainError> {
        let mut watched = self.late.0.lock().await;
        if watched.looked_at.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        watched.looked_at = Some(Instant::now());
        self.take_in_rolled_back(&mut watched).await?;
        let (tip, last) = (self.height(Depth::Soft)?, self.height(Depth::Final)?);
        let mut over = Vec::new();
        let mut items = Vec::new();
        for ((execution_id, index), leg) in &watched.legs {
            let Some(found) = self.find(execution_id, leg, tip).await? else { continue };
            match found.seen.spent {
                Some((_, height)) if height <= last => over.push((*execution_id, *index)),
                Some(_) => {}
                None => items.push(SettlementItem {
                    execution_id: *execution_id,
                    path: Vec::new(),
                    legs: vec![leg.clone()],
                }),
            }
        }
        for key in over {
            watched.legs.remove(&key);
        }
        if items.is_empty() {
            return Ok(());
        }
        let released = self.settle(Decision::Abort, &items).await?;
        tracing::info!(chain = %self.node.id, "{} late holds are given back: {released:?}", items.len());
        Ok(())
    }

    /// Those after the last one known; once in a while all of them.
    async fn take_in_rolled_back(&self, watched: &mut Watched) -> Result<(), ChainError> {
        if watched.all_read_at.is_none_or(|at| at.elapsed() >= ALL_EVERY) {
            (watched.all_read_at, watched.cursor) = (Some(Instant::now()), None);
        }
        loop {
            let page = self.home.executions(State::RolledBack, watched.cursor).await?;
            let Some(end) = page.last().map(|summary| summary.number) else { return Ok(()) };
            for id in page.iter().map(|summary| summary.execution_id) {
                if watched.known.contains(&id) {
                    continue;
                }
                let Some(record) = self.record(&id).await? else { continue };
                for entry in record.legs.iter().filter(|entry| entry.leg.chain == self.node.id) {
                    // without the depositor's word there is nothing that attestors could sign
                    let attached = entry.presigned.as_ref().is_some_and(|bytes| Presigned::decode(&bytes.0).is_ok());
                    if attached || !entry.leg.function.is_account_sourced() {
                        watched.legs.insert((id, entry.leg.index), entry.leg.clone());
                    }
                }
                watched.known.insert(id);
            }
            watched.cursor = Some(end);
        }
    }
}
