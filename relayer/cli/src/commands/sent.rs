//! What `open`, `prepare`, `rollback` and `escape` say: what was sent (or, with --dry-run, would be), to whom and what
//! it costs; or that it is so already, and nothing was sent.

use std::fmt;

use aes_chains::{Chain, EscrowMessage, TxId};
use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::Hash32;
use anyhow::Result;
use serde::Serialize;

use crate::context::{wait_chain, wait_home, Context};

#[derive(Debug, Serialize)]
pub struct Sent {
    pub execution_id: Hash32,
    pub action: &'static str,
    pub chain: String,
    pub to: String,
    /// in the chain's fee token's base units; none where it was not asked for
    pub fee: Option<String>,
    /// what was found there already: nothing was sent and nothing moved
    pub repeated: Option<String>,
    /// none with --dry-run
    pub transaction: Option<String>,
    pub height: Option<u64>,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "execution    {}", self.execution_id)?;
        if let Some(found) = &self.repeated {
            return write!(f, "{:<12} {found} on {}; nothing was sent, nothing moved", self.action, self.chain);
        }
        match (&self.transaction, self.height) {
            (Some(tx), Some(height)) => {
                writeln!(f, "{:<12} done on {} in block {height}", self.action, self.chain)?;
                write!(f, "transaction  {tx}")
            }
            _ => {
                write!(f, "{:<12} would be sent to {} on {}", self.action, self.to, self.chain)?;
                self.fee.iter().try_for_each(|fee| write!(f, "\nfee          about {fee}"))
            }
        }
    }
}

impl Sent {
    /// It is so at the home chain already.
    pub fn found_at_home(
        context: &Context,
        execution_id: Hash32,
        action: &'static str,
        found: impl fmt::Display,
    ) -> Self {
        let chain = context.manifest.domain.home_chain.to_string();
        Self::found(execution_id, action, chain, context.manifest.coordinator.clone(), found)
    }

    /// It is so at the escrow already.
    pub fn found_at_escrow(
        context: &Context,
        chain: &dyn Chain,
        execution_id: Hash32,
        action: &'static str,
        found: impl fmt::Display,
    ) -> Result<Self> {
        let to = context.manifest.chain(chain.id())?.escrow_address.clone();
        Ok(Self::found(execution_id, action, chain.id().to_string(), to, found))
    }

    fn found(execution_id: Hash32, action: &'static str, chain: String, to: String, found: impl fmt::Display) -> Self {
        let repeated = Some(format!("already {found}"));
        Self { execution_id, action, chain, to, fee: None, repeated, transaction: None, height: None }
    }
}

pub async fn to_home(
    context: &Context,
    execution_id: Hash32,
    action: &'static str,
    message: &ExecuteMsg,
    dry_run: bool,
) -> Result<Sent> {
    let fee = Some(context.home.estimate(message).await?.to_string());
    let (transaction, height) = if dry_run {
        (None, None)
    } else {
        let tx = context.home.send(message).await?;
        let height = wait_home(&*context.home, &tx).await?;
        (Some(tx.0), Some(height))
    };
    let chain = context.manifest.domain.home_chain.to_string();
    Ok(Sent {
        execution_id,
        action,
        chain,
        to: context.manifest.coordinator.clone(),
        fee,
        repeated: None,
        transaction,
        height,
    })
}

pub async fn to_escrow(
    context: &Context,
    chain: &dyn Chain,
    execution_id: Hash32,
    action: &'static str,
    message: &EscrowMessage,
    dry_run: bool,
) -> Result<Sent> {
    if !dry_run {
        let tx = chain.submit(message).await?;
        return handed_over(context, chain, execution_id, action, tx).await;
    }
    let fee = Some(chain.estimate(message).await?.to_string());
    let to = context.manifest.chain(chain.id())?.escrow_address.clone();
    let chain = chain.id().to_string();
    Ok(Sent { execution_id, action, chain, to, fee, repeated: None, transaction: None, height: None })
}

/// The chain's node has it: waits for a block.
pub async fn handed_over(
    context: &Context,
    chain: &dyn Chain,
    execution_id: Hash32,
    action: &'static str,
    tx: TxId,
) -> Result<Sent> {
    let height = Some(wait_chain(chain, &tx).await?);
    let to = context.manifest.chain(chain.id())?.escrow_address.clone();
    let (chain, transaction) = (chain.id().to_string(), Some(tx.0));
    Ok(Sent { execution_id, action, chain, to, fee: None, repeated: None, transaction, height })
}
