//! Chains as an attestor looks at them: nothing is taken on a node's word that the chain itself can prove.

mod chain;
mod endpoints;
mod evm;
mod follow;
mod headers;
mod stored;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aes_chains::cosmos::CosmosClient;
use aes_chains::{by_host, connect_with, Chains, ConnectError, Home};
use aes_config::{Config, Manifest};
use aes_protocol::{ChainId, ChainKind};

pub use chain::Followed;
use endpoints::Endpoints;
pub use evm::Witnessed;
use follow::Start;

#[derive(Debug, thiserror::Error)]
pub enum ProvedError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(
        "{0}: no block to start from; run `aes deploy` again, which writes one, or give chains.\"{0}\".follow.anchor"
    )]
    NoAnchor(ChainId),
    #[error("{0}: one endpoint alone, and its word on which blocks are final would be believed; give a second one, of another host, in its rpc list, or accept that with attest.one_endpoint = true")]
    OneEndpoint(ChainId),
    #[error("{chain}: rpc: {cause}; write http://host:port")]
    Rpc { chain: ChainId, cause: String },
    #[error("{chain}: the thread that follows its headers does not start: {cause}")]
    Thread { chain: ChainId, cause: String },
}

/// The chains of the manifest, and who follows the headers of those that have them signed.
pub struct Proved {
    pub home: Arc<dyn Home>,
    pub chains: Chains,
    pub followed: BTreeMap<ChainId, Arc<Followed>>,
    pub witnessed: BTreeMap<ChainId, Arc<Witnessed>>,
}

impl Proved {
    /// Must be called inside a tokio runtime. What is believed is kept beside the `journal` across restarts.
    pub fn connect(config: &Config, manifest: &Manifest, journal: &Path) -> Result<Self, ProvedError> {
        let mut followed = BTreeMap::new();
        let mut failed = None;
        let (home, chains) =
            connect_with(config, manifest, |id, client| match follow(config, manifest, journal, id, client) {
                Ok(chain) => {
                    client.believe(chain.clone());
                    followed.insert(id.clone(), chain);
                }
                Err(error) => failed = Some(error),
            })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let mut witnessed = BTreeMap::new();
        for (id, entry) in manifest.chains.iter().filter(|(id, _)| id.kind() == ChainKind::Evm) {
            let settings = config.chain(id).map_err(ConnectError::from)?;
            let enough = enough(config, id, by_host(&settings.rpc).len())?;
            let chain = Witnessed::new(id, settings, entry, enough).map_err(ConnectError::from)?;
            witnessed.insert(id.clone(), Arc::new(chain));
        }
        Ok(Self { home, chains, followed, witnessed })
    }
}

/// How many endpoints of an EVM chain have to give a block as final: two, where there are two.
fn enough(config: &Config, id: &ChainId, endpoints: usize) -> Result<usize, ProvedError> {
    let alone = config.attest.as_ref().is_some_and(|attest| attest.one_endpoint);
    match endpoints {
        2.. => Ok(2),
        _ if !alone => Err(ProvedError::OneEndpoint(id.clone())),
        _ => {
            tracing::warn!(
                chain = %id,
                "one endpoint alone: which blocks are final there is one node's word; give a second one in its `rpc`"
            );
            Ok(1)
        }
    }
}

fn follow(
    config: &Config,
    manifest: &Manifest,
    journal: &Path,
    id: &ChainId,
    client: &CosmosClient,
) -> Result<Arc<Followed>, ProvedError> {
    let settings = config.chain(id).map_err(ConnectError::from)?;
    let anchor = settings.follow.anchor.as_ref().or_else(|| manifest.anchors.get(id));
    let anchor = anchor.ok_or_else(|| ProvedError::NoAnchor(id.clone()))?;
    let endpoints = Endpoints::new(id, &settings.rpc, Duration::from_secs(settings.timeout));
    let endpoints = endpoints.map_err(|cause| ProvedError::Rpc { chain: id.clone(), cause: cause.to_string() })?;
    let followed = Arc::new(Followed::new(id.clone(), endpoints));
    let start = Start {
        anchor: (anchor.height, anchor.hash),
        trusting_period: Duration::from_secs(settings.follow.trusting_period),
        file: journal.with_extension(format!("{}.header.json", id.reference())),
    };
    let (weak, ticks) = (Arc::downgrade(&followed), client.ticks());
    let name = format!("headers of {id}");
    let start = move || -> std::io::Result<()> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name(&name).enable_all().build()?;
        std::thread::Builder::new().name(name).spawn(move || follow::run(weak, start, ticks, runtime))?;
        Ok(())
    };
    start().map_err(|cause| ProvedError::Thread { chain: id.clone(), cause: cause.to_string() })?;
    Ok(followed)
}
