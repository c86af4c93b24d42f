//! Whether this attestor can see every chain right now: each node is really asked.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use aes_chains::{ChainError, Depth, FollowHealth};
use aes_protocol::ChainId;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::attestor::Attestor;

/// A node that answers later than this is ill.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub healthy: bool,
    pub home: NodeHealth,
    pub chains: BTreeMap<ChainId, NodeHealth>,
    /// of the chains whose endpoints are not believed: what is followed there, and who was caught
    #[serde(default)]
    pub followed: BTreeMap<ChainId, FollowHealth>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeHealth {
    /// Unix seconds of the newest final block
    Time(u64),
    Error(String),
}

impl Attestor {
    pub(crate) async fn health(&self) -> Health {
        let chains = self.chains.iter().map(|(id, chain)| async {
            let time = async { chain.head(Depth::Final).await.map(|head| head.time) };
            (id.clone(), ask(time).await)
        });
        let (home, chains) = tokio::join!(ask(self.home.time()), join_all(chains));
        let chains: BTreeMap<_, _> = chains.into_iter().collect();
        let followed = self.followed();
        let answers = chains.values().chain([&home]).all(|node| matches!(node, NodeHealth::Time(_)));
        let healthy = answers && followed.values().all(|chain| chain.endpoints > 0 && chain.stopped.is_none());
        Health { healthy, home, chains, followed }
    }

    /// Asks no node.
    pub(crate) fn followed(&self) -> BTreeMap<ChainId, FollowHealth> {
        let followed = self.followed.iter().map(|(id, chain)| (id.clone(), chain.health()));
        let witnessed = self.witnessed.iter().map(|(id, chain)| (id.clone(), chain.health()));
        let mined = self.chains.iter().filter_map(|(id, chain)| Some((id.clone(), chain.bitcoin()?.health())));
        followed.chain(witnessed).chain(mined).collect()
    }
}

async fn ask(time: impl Future<Output = Result<u64, ChainError>>) -> NodeHealth {
    match tokio::time::timeout(PATIENCE, time).await {
        Ok(Ok(time)) => NodeHealth::Time(time),
        Ok(Err(error)) => NodeHealth::Error(error.to_string()),
        Err(_) => NodeHealth::Error(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
