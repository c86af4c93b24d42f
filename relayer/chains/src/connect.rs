//! From the config and the manifest to an adapter for each chain: the one place that knows all kinds of chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use aes_config::{Config, ConfigError, Manifest, ManifestError};
use aes_protocol::{ChainId, ChainKind};

use crate::bitcoin::{BitcoinChain, Node};
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
}

pub type Chains = BTreeMap<ChainId, Arc<dyn Chain>>;

/// The home chain and every chain of the manifest. An escrow on the home chain shares its client, and so its sequence.
/// No node is asked yet: one that is down stops nothing else.
pub fn connect(config: &Config, manifest: &Manifest) -> Result<(Arc<dyn Home>, Chains), ConnectError> {
    connect_with(config, manifest, |_, _| ())
}

/// The same, with each CosmWasm chain's client shown to who wants to give it a prover.
pub fn connect_with(
    config: &Config,
    manifest: &Manifest,
    mut made: impl FnMut(&ChainId, &CosmosClient),
) -> Result<(Arc<dyn Home>, Chains), ConnectError> {
    let home_id = &manifest.domain.home_chain;
    let client = CosmosClient::new(home_id, config.chain(home_id)?)?;
    made(home_id, &client);
    let home = CosmosHome::new(client.clone(), &manifest.coordinator)?;
    let mut chains = Chains::new();
    for (id, entry) in &manifest.chains {
        let chain: Arc<dyn Chain> = if id == home_id {
            Arc::new(CosmosChain::new(client.clone(), entry))
        } else if id.kind() == ChainKind::Cosmos {
            let client = CosmosClient::new(id, config.chain(id)?)?;
            made(id, &client);
            Arc::new(CosmosChain::new(client, entry))
        } else {
            connect_chain(config, manifest, id)?
        };
        chains.insert(id.clone(), chain);
    }
    Ok((Arc::new(home), chains))
}

/// One chain by itself.
pub fn connect_chain(config: &Config, manifest: &Manifest, id: &ChainId) -> Result<Arc<dyn Chain>, ConnectError> {
    let home_id = &manifest.domain.home_chain;
    let client = CosmosClient::new(home_id, config.chain(home_id)?)?;
    let home: Arc<dyn Home> = Arc::new(CosmosHome::new(client, &manifest.coordinator)?);
    adapter(config, manifest, id, &home)
}

fn adapter(
    config: &Config,
    manifest: &Manifest,
    id: &ChainId,
    home: &Arc<dyn Home>,
) -> Result<Arc<dyn Chain>, ConnectError> {
    let (settings, entry) = (config.chain(id)?, manifest.chain(id)?);
    Ok(match id.kind() {
        ChainKind::Cosmos => Arc::new(CosmosChain::new(CosmosClient::new(id, settings)?, entry)),
        ChainKind::Evm => EvmChain::new(id.clone(), settings, entry)?,
        ChainKind::Bitcoin => {
            let (bitcoin, anchor) = (manifest.bitcoin(id)?, manifest.anchor(id)?.clone());
            BitcoinChain::new(Node::new(id.clone(), settings)?, settings, entry, bitcoin, anchor, home.clone())?
        }
    })
}
