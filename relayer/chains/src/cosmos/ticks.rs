//! The newest height, as soon as the chain has it: pushed over a WebSocket, polled while there is none.
//! A pushed event is only a hint to look; what is there is always read by query.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tendermint_rpc::client::CompatMode;
use tendermint_rpc::event::EventData;
use tendermint_rpc::query::EventType;
use tendermint_rpc::{Client, SubscriptionClient, WebSocketClient, WebSocketClientUrl};
use tokio::sync::watch;
use tokio::time::timeout;

use super::endpoints::Endpoints;

/// No block for so long, and the connection counts as dead.
const STALL: Duration = Duration::from_secs(15);
/// Polls between two tries to be pushed again.
const POLLS: u32 = 10;

pub(super) struct Ticks {
    pub endpoints: Arc<Endpoints>,
    pub urls: Vec<WebSocketClientUrl>,
    pub poll: Duration,
}

impl Ticks {
    /// Ends when nobody holds a receiver any more.
    pub fn start(self) -> watch::Receiver<u64> {
        let (sender, receiver) = watch::channel(0);
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = self.run(&sender) => {}
            }
        });
        receiver
    }

    async fn run(&self, sender: &watch::Sender<u64>) {
        loop {
            for url in &self.urls {
                if let Err(cause) = follow(url, sender).await {
                    tracing::debug!(%url, %cause, "no blocks pushed; polling");
                }
                self.poll(sender).await;
            }
        }
    }

    async fn poll(&self, sender: &watch::Sender<u64>) {
        for _ in 0..POLLS {
            if let Ok(Ok(status)) = self.endpoints.ask(|client| async move { client.status().await }).await {
                raise(sender, status.sync_info.latest_block_height.value());
            }
            tokio::time::sleep(self.poll).await;
        }
    }
}

/// Returns when the connection is of no more use, with the reason.
async fn follow(url: &WebSocketClientUrl, sender: &watch::Sender<u64>) -> Result<(), String> {
    let connect = WebSocketClient::builder(url.clone()).compat_mode(CompatMode::V0_38).build();
    let (client, driver) = timeout(STALL, connect).await.map_err(|_| "no connection")?.map_err(|e| e.to_string())?;
    tokio::select! {
        ended = driver.run() => ended.map_err(|error| error.to_string()),
        ended = listen(&client, sender) => ended,
    }
}

async fn listen(client: &WebSocketClient, sender: &watch::Sender<u64>) -> Result<(), String> {
    let mut events = client.subscribe(EventType::NewBlock.into()).await.map_err(|error| error.to_string())?;
    while let Some(event) = timeout(STALL, events.next()).await.map_err(|_| "no block for too long")? {
        if let EventData::NewBlock { block: Some(block), .. } = event.map_err(|error| error.to_string())?.data {
            raise(sender, block.header.height.value());
        }
    }
    Err("the node ended the subscription".into())
}

fn raise(sender: &watch::Sender<u64>, height: u64) {
    sender.send_if_modified(|newest| {
        let newer = height > *newest;
        *newest = height.max(*newest);
        newer
    });
}
