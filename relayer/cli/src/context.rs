//! What most commands start from: the config, the manifest, and a connection to each chain.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aes_chains::{connect, Chain, ChainError, Home, Outcome, TxId};
use aes_config::{Config, Manifest};
use aes_coordinator::msg::ExecutionResponse;
use aes_protocol::{ChainId, Hash32};
use anyhow::{anyhow, bail, Context as _, Result};
use tokio::sync::watch;

pub struct Context {
    pub config: Config,
    pub manifest: Manifest,
    pub home: Arc<dyn Home>,
    pub chains: BTreeMap<ChainId, Arc<dyn Chain>>,
}

impl Context {
    pub async fn open(config: &Path) -> Result<Self> {
        let config = Config::load(config)?;
        let manifest = Manifest::load(&config.manifest)?;
        let (home, chains) = connect(&config, &manifest)?;
        Ok(Self { config, manifest, home, chains })
    }

    pub fn chain(&self, id: &ChainId) -> Result<&Arc<dyn Chain>> {
        self.chains.get(id).ok_or_else(|| anyhow!("the deployment has no chain {id}"))
    }

    pub async fn execution(&self, id: &Hash32) -> Result<ExecutionResponse> {
        let found = self.home.execution(id).await?;
        found.ok_or_else(|| anyhow!("the coordinator knows no execution {id}; `aes list` shows those it has"))
    }
}

/// How long a command waits for its own transaction before it says that it may still come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Until the home chain has taken the transaction.
pub async fn wait_home(home: &dyn Home, tx: &TxId) -> Result<u64> {
    wait(home.ticks(), tx, || home.outcome(tx)).await
}

/// Until the chain has taken the transaction.
pub async fn wait_chain(chain: &dyn Chain, tx: &TxId) -> Result<u64> {
    wait(chain.ticks(), tx, || chain.outcome(tx)).await
}

async fn wait<F>(mut ticks: watch::Receiver<u64>, tx: &TxId, outcome: impl Fn() -> F) -> Result<u64>
where
    F: std::future::Future<Output = Result<Outcome, ChainError>>,
{
    let waiting = async {
        loop {
            match outcome().await? {
                Outcome::Included { height, .. } => return Ok(height),
                Outcome::Failed { height, cause } => bail!("transaction {} failed in block {height}: {cause}", tx.0),
                Outcome::Pending | Outcome::Unknown => {
                    ticks.changed().await.context("the chain's block watcher stopped")?
                }
            }
        }
    };
    let late = || anyhow!("transaction {} is not in a block after {} s; it may still come", tx.0, PATIENCE.as_secs());
    tokio::time::timeout(PATIENCE, waiting).await.map_err(|_| late())?
}
