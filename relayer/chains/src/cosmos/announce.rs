//! What a block's own events say, pushed with it. A hint: it may be missed, and it is never proof of anything; but
//! whoever waits for a decision hears of it in the moment in which it can be read, without a question.

use std::sync::Arc;

use aes_protocol::Decision;
use futures::stream::{self, BoxStream, StreamExt};
use tendermint::abci::response::FinalizeBlock;
use tendermint::abci::Event;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use super::evidence::attribute;
use crate::home::Announced;

/// Blocks kept for a listener that is slow; what it misses, a look finds.
pub(super) const BLOCKS: usize = 64;

/// The events of a block's transactions that did not fail.
pub(super) struct BlockEvents {
    pub heard_at: Instant,
    pub events: Vec<Event>,
}

impl BlockEvents {
    pub fn of(block: FinalizeBlock, heard_at: Instant) -> Self {
        let results = block.tx_results.into_iter().filter(|result| result.code.is_ok());
        Self { heard_at, events: results.flat_map(|result| result.events).collect() }
    }

    fn decisions(&self, coordinator: &str) -> Announced {
        let decision = |event: &Event| {
            let decision = match event.kind.as_str() {
                "wasm-aes-committed" => Decision::Commit,
                "wasm-aes-rolled_back" => Decision::Abort,
                _ => return None,
            };
            // x/wasm writes the address itself: no other contract can speak for the coordinator
            let ours = attribute(event, "_contract_address") == Some(coordinator)
                && attribute(event, "repeated") == Some("false");
            ours.then(|| Some((attribute(event, "execution_id")?.parse().ok()?, decision)))?
        };
        Announced { heard_at: self.heard_at, decisions: self.events.iter().filter_map(decision).collect() }
    }
}

/// One item for each block in which the coordinator decided something.
pub(super) fn decisions(blocks: Receiver<Arc<BlockEvents>>, coordinator: String) -> BoxStream<'static, Announced> {
    let heard = stream::unfold(blocks, |mut blocks| async move {
        loop {
            match blocks.recv().await {
                Ok(block) => return Some((block, blocks)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let decided = heard.map(move |block| block.decisions(&coordinator));
    decided.filter(|announced| std::future::ready(!announced.decisions.is_empty())).boxed()
}

#[cfg(test)]
mod tests {
    use aes_protocol::Hash32;
    use serde_json::json;

    use super::*;

    const COORDINATOR: &str = "wasm1coordinator";

    fn event(kind: &str, contract: &str, id: &str, repeated: &str) -> serde_json::Value {
        let attribute = |key: &str, value: &str| json!({ "key": key, "value": value, "index": true });
        json!({ "type": kind, "attributes": [
            attribute("_contract_address", contract), attribute("execution_id", id), attribute("repeated", repeated),
        ]})
    }

    #[test]
    fn only_what_the_coordinator_decided_in_a_transaction_that_held_is_announced() {
        let id = |n: u8| Hash32([n; 32]).to_string();
        let held = json!([
            event("wasm-aes-rolled_back", COORDINATOR, &id(1), "false"),
            event("wasm-aes-committed", COORDINATOR, &id(2), "false"),
            event("wasm-aes-committed", COORDINATOR, &id(3), "true"),
            event("wasm-aes-committed", "wasm1other", &id(4), "false"),
            event("wasm-aes-opened", COORDINATOR, &id(5), "false"),
            event("wasm-aes-committed", COORDINATOR, "no id", "false"),
        ]);
        let failed = json!([event("wasm-aes-committed", COORDINATOR, &id(6), "false")]);
        let result = |code: u32, events| json!({ "code": code, "events": events });
        let block = json!({
            "tx_results": [result(0, held), result(5, failed)],
            "validator_updates": [],
            "app_hash": "",
        });
        let block: FinalizeBlock = serde_json::from_value(block).unwrap();
        let events = BlockEvents::of(block, Instant::now());
        let expected = [(Hash32([1; 32]), Decision::Abort), (Hash32([2; 32]), Decision::Commit)];
        assert_eq!(events.decisions(COORDINATOR).decisions, expected);
    }
}
