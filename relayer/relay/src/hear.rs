//! The shortest way from a decision to its settlement: the home chain announces it with the block, and nothing is asked
//! before the attestors are. Only a hint: the attestors read the record for themselves, and what is missed here the next
//! look finds.

use std::sync::Arc;

use aes_chains::Announced;
use aes_plan::State;
use aes_protocol::Decision;
use futures::stream::StreamExt;

use crate::board::DecisionSeen;
use crate::look::{advance, decided};
use crate::Parts;

pub async fn decisions(parts: Arc<Parts>) {
    let mut announced = parts.home.announced();
    while let Some(Announced { heard_at, decisions }) = announced.next().await {
        let seen = DecisionSeen { tick_at: parts.clock.at(heard_at), seen_at: parts.clock.now() };
        // a block under one lock, so that a round sees all of it and its executions share a certificate
        let news: Vec<_> = {
            let mut board = parts.board();
            let went_on = |(id, decision)| {
                let state = match decision {
                    Decision::Commit => State::Committed,
                    Decision::Abort => State::Aborted,
                };
                Some((id, advance(&mut board, &id, state, seen)?, state))
            };
            decisions.into_iter().filter_map(went_on).collect()
        };
        // first to work, then to paper
        parts.plan.notify_one();
        for (id, number, state) in news {
            decided(&parts, &id, number, state);
        }
    }
}
