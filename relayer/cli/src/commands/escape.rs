//! `aes escape`: a depositor takes back a hold that no decision reached, long after its deadline.

use aes_chains::{Depth, EscrowMessage, HoldStatus};
use aes_protocol::Hash32;
use anyhow::{Context as _, Result};

use crate::commands::sent::{to_escrow, Sent};
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Escape {
    execution: Hash32,
    /// which leg, by its number from 0
    #[arg(long)]
    leg: u8,
    /// say what would be sent, to whom and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
}

impl Escape {
    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let execution = context.execution(&self.execution).await?;
        let leg = execution.legs.into_iter().nth(self.leg.into());
        let leg = leg.with_context(|| format!("the execution has no leg {}", self.leg))?.leg;
        let chain = context.chain(&leg.chain)?;
        let hold = chain.hold(&self.execution, &leg, Depth::Soft).await?;
        if hold.is_some_and(|hold| hold.status == HoldStatus::Escaped) {
            return Sent::found_at_escrow(context, &**chain, self.execution, "escape", "escaped");
        }
        let message = EscrowMessage::Escape { execution_id: self.execution, leg };
        to_escrow(context, &**chain, self.execution, "escape", &message, self.dry_run).await
    }
}
