//! `aes rotate`: the current attestor set signs the next one, and every contract of the deployment learns of it.
//! Each attestor's operator approves the set first (`aes attest approve`). Repeating it is harmless.

use std::fmt;
use std::path::PathBuf;

use aes_attestor::{AttestorClient, Quorum, Request};
use aes_chains::EscrowMessage;
use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::AttestorSet;
use anyhow::{ensure, Result};
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
pub struct Rotated {
    pub chain: String,
    /// none where the set was the current one already
    pub transaction: Option<String>,
    pub height: Option<u64>,
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.transaction, self.height) {
            (Some(tx), Some(height)) => write!(f, "{:<32} rotated in block {height} ({tx})", self.chain),
            _ => write!(f, "{:<32} has this set already; nothing was sent", self.chain),
        }
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
/// So once the coordinator has it, all have it.
async fn rotate(
    context: &Context,
    clients: &[AttestorClient],
    set: AttestorSet,
    said: impl Fn(Rotated) -> Result<()>,
) -> Result<()> {
    let coordinator = format!("{} coordinator", context.manifest.domain.home_chain);
    let current = context.home.attestor_set(None).await?.set;
    if current == set {
        return said(Rotated { chain: coordinator, transaction: None, height: None });
    }
    ensure!(
        current.id.checked_add(1) == Some(set.id),
        "set {} cannot follow: the coordinator has set {}, so the next has the id after it",
        set.id,
        current.id
    );
    let certified =
        Quorum::collect(clients, &Request::Rotated { set: set.clone() }, &current, context.home.domain()).await?;
    // on Bitcoin no contract keeps a set: relayers move the vault once the coordinator has rotated
    for (id, chain) in context.chains.iter().filter(|(_, chain)| chain.cosignable().is_none()) {
        let message = EscrowMessage::Rotate { set: set.clone(), certificate: certified.certificate.clone() };
        let tx = chain.submit(&message).await?;
        let height = Some(wait_chain(&**chain, &tx).await?);
        said(Rotated { chain: format!("{id} escrow"), transaction: Some(tx.0), height })?;
    }
    let tx = context.home.send(&ExecuteMsg::Rotate { set, certificate: certified.certificate }).await?;
    let height = Some(wait_home(&*context.home, &tx).await?);
    said(Rotated { chain: coordinator, transaction: Some(tx.0), height })
}
