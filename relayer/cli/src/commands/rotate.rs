//! `aes rotate`: the current attestor set signs the next one, and every contract of the deployment learns of it.
//! Each attestor's operator approves the set first (`aes attest approve`). Repeating it is harmless.

use std::fmt;
use std::path::PathBuf;

use aes_attestor::{AttestorClient, Quorum, Request};
use aes_chains::EscrowMessage;
use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::AttestorSet;
use anyhow::Result;
use serde::Serialize;

use crate::commands::attest::read_set;
use crate::context::{wait_chain, wait_home, Context};
use crate::output::Output;

#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// the next set, as JSON
    #[arg(long)]
    set: PathBuf,
}

#[derive(Debug, Serialize)]
struct Rotated {
    chain: String,
    transaction: String,
    height: u64,
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<24} rotated in block {} ({})", self.chain, self.height, self.transaction)
    }
}

impl Rotate {
    pub async fn run(&self, context: &Context, output: Output) -> Result<()> {
        let set = read_set(&self.set)?;
        let clients: Vec<AttestorClient> =
            context.config.relay()?.attestors.iter().map(|url| AttestorClient::new(url)).collect::<Result<_, _>>()?;
        rotate(context, &clients, set, |rotated| output.say(&rotated)).await
    }
}

/// The escrows first: a set that the coordinator has and an escrow has not could sign what that escrow does not know.
async fn rotate(
    context: &Context,
    clients: &[AttestorClient],
    set: AttestorSet,
    said: impl Fn(Rotated) -> Result<()>,
) -> Result<()> {
    let current = context.home.attestor_set(None).await?.set;
    let certified =
        Quorum::collect(clients, &Request::Rotated { set: set.clone() }, &current, context.home.domain()).await?;
    for (id, chain) in &context.chains {
        let message = EscrowMessage::Rotate { set: set.clone(), certificate: certified.certificate.clone() };
        let tx = chain.submit(&message).await?;
        let height = wait_chain(&**chain, &tx).await?;
        said(Rotated { chain: id.to_string(), transaction: tx.0, height })?;
    }
    let tx = context.home.send(&ExecuteMsg::Rotate { set, certificate: certified.certificate }).await?;
    let height = wait_home(&*context.home, &tx).await?;
    said(Rotated { chain: format!("{} coordinator", context.manifest.domain.home_chain), transaction: tx.0, height })
}
