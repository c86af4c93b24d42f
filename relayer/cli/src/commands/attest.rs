//! `aes attest`: runs one attestor until Ctrl-C or SIGTERM; `aes attest approve` lets it sign a next attestor set.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes_attestor::{approve, Attestor, BitcoinSigner, Proved, Signer};
use aes_config::{Config, Manifest};
use aes_protocol::{AttestorSet, Hash32};
use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::output::Output;
use crate::signals::Stop;

#[derive(Debug, clap::Args)]
pub struct Attest {
    #[command(subcommand)]
    command: Option<AttestCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum AttestCommand {
    /// lets this attestor sign the move to a next attestor set
    Approve {
        /// JSON: {"id", "threshold", "attestors": [{"signer", "bitcoin_key"}]}
        #[arg(long)]
        set: PathBuf,
    },
}

#[derive(Debug, Serialize)]
struct Approved {
    attestor_set: u64,
    hash: Hash32,
}

impl fmt::Display for Approved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attestor_set, hash } = self;
        write!(f, "approved attestor set {attestor_set} ({hash}); this attestor signs the move to it")
    }
}

impl Attest {
    pub async fn run(&self, config: &Path, output: Output) -> Result<()> {
        let config = Config::load(config)?;
        let manifest = Manifest::load(&config.manifest)?;
        let attest = config.attest()?;
        match &self.command {
            None => {
                let listen = attest.listen;
                let listener = TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
                let mut stop = Stop::listen()?;
                serve(&config, &manifest, listener, async move { stop.asked().await }).await
            }
            Some(AttestCommand::Approve { set }) => {
                let signer = Signer::new(&attest.key.load().context("attest.key")?)?;
                let set = read_set(set)?;
                let hash = approve(&attest.journal, signer.address(), &manifest.domain, &set)?;
                output.say(&Approved { attestor_set: set.id, hash })
            }
        }
    }
}

pub fn read_set(path: &Path) -> Result<AttestorSet> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let set: AttestorSet =
        serde_json::from_str(&text).with_context(|| format!("{}: not an attestor set", path.display()))?;
    set.validate()?;
    Ok(set)
}

/// The attestor until `shutdown`; `listener` is open already, so that its port is known beforehand. It opens its chains itself,
/// once: those of a `Context` are believed.
pub async fn serve(
    config: &Config,
    manifest: &Manifest,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let attest = config.attest()?;
    let key = attest.key.load().context("attest.key")?;
    let proved = Proved::connect(config, manifest, &attest.journal)?;
    let mut attestor = Attestor::proved(proved, &key, &attest.journal)?;
    if let Some(bitcoin_key) = &attest.bitcoin_key {
        attestor = attestor.with_bitcoin(BitcoinSigner::new(&bitcoin_key.load().context("attest.bitcoin_key")?, &key)?);
    }
    Arc::new(attestor).serve(listener, &attest.http, shutdown).await?;
    Ok(())
}
