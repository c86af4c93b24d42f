//! Executions that were just seen as `Opened` asks: open, with every deposit held. A relayer asks for that statement and at
//! once for the signatures of each reserve-sourced leg; the statement is for ever, so the look may stand for a moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aes_protocol::Hash32;
use tokio::time::Instant;

const STANDS_FOR: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(crate) struct Opened(Mutex<HashMap<Hash32, Instant>>);

impl Opened {
    pub(crate) fn note(&self, execution_id: Hash32) {
        let mut seen = self.seen();
        seen.retain(|_, at| at.elapsed() < STANDS_FOR);
        seen.insert(execution_id, Instant::now());
    }

    pub(crate) fn is_fresh(&self, execution_id: &Hash32) -> bool {
        self.seen().get(execution_id).is_some_and(|at| at.elapsed() < STANDS_FOR)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Hash32, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_stands_for_a_moment() {
        let (opened, id) = (Opened::default(), Hash32([1; 32]));
        assert!(!opened.is_fresh(&id));
        opened.note(id);
        tokio::time::advance(STANDS_FOR / 2).await;
        assert!(opened.is_fresh(&id) && !opened.is_fresh(&Hash32([2; 32])));
        tokio::time::advance(STANDS_FOR).await;
        assert!(!opened.is_fresh(&id));
    }
}
