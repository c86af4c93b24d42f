//! What an operator asks a running relayer: `GET /metrics` and `GET /v1/health`.

use std::collections::BTreeMap;
use std::future::{pending, Future};
use std::sync::Arc;
use std::time::Duration;

use aes_config::HttpConfig;
use aes_http::{serve, ServeError, Server};
use aes_plan::Standing;
use aes_protocol::ChainId;
use aes_telemetry::{metrics, Page};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::board::{label, Place};
use crate::{Parts, Relay};

/// For a node that is asked for a balance while somebody waits for the page.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// every chain answers and takes new executions
    pub healthy: bool,
    /// the last look at the home chain was answered
    pub home_reachable: bool,
    pub chains: BTreeMap<ChainId, ChainHealth>,
    /// that have not ended, by state
    pub executions: BTreeMap<String, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHealth {
    pub reachable: bool,
    pub standing: String,
    pub final_height: u64,
    /// seconds since a newer final block was seen
    pub final_age: u64,
}

impl Relay {
    /// Serves for as long as it is polled.
    pub fn operator_api(
        &self,
        listener: TcpListener,
        bounds: &HttpConfig,
    ) -> Result<impl Future<Output = Result<(), ServeError>> + Send + 'static, ServeError> {
        let address = listener.local_addr()?;
        let server = Server::new(self.operator_router(), address, bounds)?;
        tracing::info!(%address, "metrics and health");
        Ok(serve(server, listener, pending()))
    }

    pub fn operator_router(&self) -> Router {
        Router::new().route("/metrics", get(page)).route("/v1/health", get(health)).with_state(self.0.clone())
    }
}

/// A body says nothing here; it is read, and so held to its bounds.
async fn health(State(parts): State<Arc<Parts>>, _body: Bytes) -> (StatusCode, Json<Health>) {
    let health = parts.health();
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

async fn page(State(parts): State<Arc<Parts>>, _body: Bytes) -> Page {
    parts.measure();
    join_all(parts.chains.values().map(|chain| async {
        // one that does not answer keeps what it said last
        if let Ok(Ok(gas)) = tokio::time::timeout(PATIENCE, chain.gas_account()).await {
            metrics().gas_balance.set([chain.id().as_str(), &gas.denom], gas.balance as f64);
        }
    }))
    .await;
    metrics().page()
}

impl Parts {
    fn health(&self) -> Health {
        let now = Instant::now();
        let board = self.board();
        let of_chain = |(id, known): (&ChainId, &crate::standing::Known)| {
            let standing = match known.standing(now) {
                Standing::Sound => "sound",
                Standing::Stalled => "stalled",
                Standing::Disputed => "disputed",
            };
            let final_age = now.saturating_duration_since(known.moved).as_secs();
            let (reachable, final_height) = (known.reachable, known.final_height);
            (id.clone(), ChainHealth { reachable, standing: standing.into(), final_height, final_age })
        };
        let chains: BTreeMap<_, _> = board.chains.iter().map(of_chain).collect();
        let mut executions = BTreeMap::new();
        for tracked in board.executions.values() {
            *executions.entry(label(tracked.state).to_owned()).or_default() += 1;
        }
        let sound = |chain: &ChainHealth| chain.reachable && chain.standing == "sound";
        let home_reachable = board.home_reachable;
        Health { healthy: home_reachable && chains.values().all(sound), home_reachable, chains, executions }
    }

    /// What the board shows, into the metrics.
    fn measure(&self) {
        let Health { chains, executions, .. } = self.health();
        for (id, chain) in &chains {
            let id = [id.as_str()];
            metrics().reachable.set(id, f64::from(chain.reachable));
            metrics().halted.set(id, f64::from(chain.standing != "sound"));
            metrics().final_age.set(id, chain.final_age as f64);
        }
        let board = self.board();
        let home_time = board.home_time.unwrap_or_default();
        for state in ["open", "committed", "aborted"] {
            let of_state = board.executions.values().filter(|tracked| label(tracked.state) == state);
            let oldest = of_state.map(|tracked| home_time.saturating_sub(tracked.opened_at)).max();
            metrics().executions.set([state], executions.get(state).copied().unwrap_or_default() as f64);
            metrics().oldest.set([state], oldest.unwrap_or_default() as f64);
        }
        let home = &self.home.domain().home_chain;
        for id in self.chains.keys().chain([home]) {
            let there = board.flights.values().filter(|flight| match &flight.place {
                Place::Escrow(chain) => chain == id,
                Place::Coordinator => id == home,
            });
            metrics().in_flight.set([id.as_str()], there.count() as f64);
        }
    }
}
