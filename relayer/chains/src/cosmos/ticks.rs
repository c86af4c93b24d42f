//! The newest height, as soon as the chain has it: pushed over a WebSocket, polled while there is none. What is pushed,
//! a block's events too, is only a hint; what is there is always read by query.

use std::sync::Arc;
use std::time::Duration;

use aes_config::Endpoint;
use aes_protocol::ChainId;
use futures::StreamExt;
use tendermint_rpc::client::CompatMode;
use tendermint_rpc::event::EventData;
use tendermint_rpc::query::EventType;
use tendermint_rpc::{Client, SubscriptionClient, WebSocketClient, WebSocketClientUrl};
use tokio::sync::{broadcast, watch};
use tokio::time::{timeout, Instant};

use super::announce::{BlockEvents, BLOCKS};
use super::endpoints::{words_of, Endpoints};

/// No block for so long, and the connection counts as dead.
const STALL: Duration = Duration::from_secs(15);
/// Polls between two tries to be pushed again.
const POLLS: u32 = 10;

pub(super) struct Ticks {
    pub chain: ChainId,
    pub endpoints: Arc<Endpoints>,
    pub pushing: Vec<Endpoint>,
    pub poll: Duration,
}

/// Where what is new is told.
struct Told {
    height: watch::Sender<u64>,
    events: broadcast::Sender<Arc<BlockEvents>>,
}

impl Ticks {
    /// Ends when nobody holds a receiver of heights any more.
    pub fn start(self) -> (watch::Receiver<u64>, broadcast::Sender<Arc<BlockEvents>>) {
        let (height, heights) = watch::channel(0);
        let events = broadcast::Sender::new(BLOCKS);
        let told = Told { height, events: events.clone() };
        tokio::spawn(async move {
            tokio::select! {
                () = told.height.closed() => {}
                () = self.run(&told) => {}
            }
        });
        (heights, events)
    }

    async fn run(&self, told: &Told) {
        loop {
            for endpoint in &self.pushing {
                if let Err(cause) = self.follow(endpoint, told).await {
                    tracing::debug!(%endpoint, %cause, "no blocks pushed; polling");
                }
                self.poll(told).await;
            }
        }
    }

    async fn poll(&self, told: &Told) {
        for _ in 0..POLLS {
            if let Ok(Ok(status)) = self.endpoints.ask(|client| async move { client.status().await }).await {
                told.raise(status.sync_info.latest_block_height.value());
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    /// Returns when the connection is of no more use, with the reason.
    async fn follow(&self, endpoint: &Endpoint, told: &Told) -> Result<(), String> {
        // CometBFT serves both at one address
        let url = format!("{}/websocket", endpoint.expose().as_str().replacen("http", "ws", 1).trim_end_matches('/'));
        let url: WebSocketClientUrl = url.parse().map_err(|error| words_of(&error))?;
        let connect = WebSocketClient::builder(url).compat_mode(CompatMode::V0_38).build();
        let (client, driver) =
            timeout(STALL, connect).await.map_err(|_| "no connection")?.map_err(|error| words_of(&error))?;
        tokio::select! {
            ended = driver.run() => ended.map_err(|error| words_of(&error)),
            ended = self.listen(&client, told) => ended,
        }
    }

    async fn listen(&self, client: &WebSocketClient, told: &Told) -> Result<(), String> {
        let mut events = client.subscribe(EventType::NewBlock.into()).await.map_err(|error| words_of(&error))?;
        while let Some(event) = timeout(STALL, events.next()).await.map_err(|_| "no block for too long")? {
            let heard_at = Instant::now();
            let data = event.map_err(|error| words_of(&error))?.data;
            let EventData::NewBlock { block: Some(block), result_finalize_block, .. } = data else { continue };
            let network = block.header.chain_id.as_str();
            if network != self.chain.reference() {
                return Err(format!("a block of chain '{network}'"));
            }
            if let Some(results) = result_finalize_block.filter(|_| told.events.receiver_count() > 0) {
                // an error means that the last listener has just gone
                let _ = told.events.send(Arc::new(BlockEvents::of(results, heard_at)));
            }
            told.raise(block.header.height.value());
        }
        Err("the node ended the subscription".into())
    }
}

impl Told {
    fn raise(&self, height: u64) {
        self.height.send_if_modified(|newest| {
            let newer = height > *newest;
            *newest = height.max(*newest);
            newer
        });
    }
}
