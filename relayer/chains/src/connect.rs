//! From the config and the manifest to an adapter for each chain: the one place that knows all kinds of chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use aes_config::{Config, ConfigError, Manifest, ManifestError};
use aes_protocol::{ChainId, ChainKind};

use crate::chain::Chain;
use crate::cosmos::{AccountTextError, CosmosChain, CosmosClient, CosmosHome, SetupError};
use crate::error::ChainError;
use crate::evm::EvmChain;
use crate::home::Home;

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Coordinator(#[from] AccountTextError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("chain {0}: this release has no adapter for Bitcoin; leave it out of the config")]
    NoAdapter(ChainId),
}

pub type Chains = BTreeMap<ChainId, Arc<dyn Chain>>;

/// The home chain and every chain of the manifest. An escrow on the home chain shares its client, and so its sequence.
pub async fn connect(config: &Config, manifest: &Manifest) -> Result<(Arc<dyn Home>, Chains), ConnectError> {
    let home_id = &manifest.domain.home_chain;
    let client = CosmosClient::new(home_id, config.chain(home_id)?)?;
    let home = CosmosHome::new(client.clone(), &manifest.coordinator)?;
    let mut chains = Chains::new();
    for (id, entry) in &manifest.chains {
        let chain: Arc<dyn Chain> = if id == home_id {
            Arc::new(CosmosChain::new(client.clone(), entry))
        } else {
            connect_chain(config, manifest, id).await?
        };
        chains.insert(id.clone(), chain);
    }
    Ok((Arc::new(home), chains))
}

/// One chain by itself.
pub async fn connect_chain(config: &Config, manifest: &Manifest, id: &ChainId) -> Result<Arc<dyn Chain>, ConnectError> {
    let (settings, entry) = (config.chain(id)?, manifest.chain(id)?);
    Ok(match id.kind() {
        ChainKind::Cosmos => Arc::new(CosmosChain::new(CosmosClient::new(id, settings)?, entry)),
        ChainKind::Evm => EvmChain::connect(id.clone(), settings, entry).await?,
        ChainKind::Bitcoin => return Err(ConnectError::NoAdapter(id.clone())),
    })
}
