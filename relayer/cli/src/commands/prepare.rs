//! `aes prepare`: the depositor puts a leg's ALZ into its escrow.

use aes_chains::{Depth, EscrowMessage, HoldStatus};
use aes_protocol::Hash32;
use anyhow::{bail, Context as _, Result};

use crate::commands::sent::{to_escrow, Sent};
use crate::context::Context;
use crate::legs::show_account;

#[derive(Debug, clap::Args)]
pub struct Prepare {
    execution: Hash32,
    /// which leg, by its number from 0
    #[arg(long)]
    leg: u8,
    /// say what would be sent, to whom and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
}

impl Prepare {
    pub fn new(execution: Hash32, leg: u8) -> Self {
        Self { execution, leg, dry_run: false }
    }

    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let execution = context.execution(&self.execution).await?;
        let count = execution.legs.len();
        let leg = execution.legs.into_iter().nth(self.leg.into());
        let leg = leg
            .with_context(|| format!("no leg {}; the execution has legs 0 to {}", self.leg, count.saturating_sub(1)))?
            .leg;
        if !leg.function.is_account_sourced() {
            bail!("leg {} is a {}: the relayer prepares it from the reserve", self.leg, leg.function.name());
        }
        let chain = context.chain(&leg.chain)?;
        let own = chain.gas_account().await?;
        if own.account != leg.from {
            let depositor = show_account(&context.config, &leg.chain, &leg.from);
            bail!("leg {} is prepared by {depositor}, the config's key for {} is {}", self.leg, leg.chain, own.address);
        }
        if let Some(hold) = chain.hold(&self.execution, &leg, Depth::Soft).await? {
            if hold.status == HoldStatus::Held && hold.deadline == execution.deadline {
                return Sent::found_at_escrow(context, &**chain, self.execution, "prepare", "held");
            }
        }
        let message = EscrowMessage::Prepare { execution_id: self.execution, deadline: execution.deadline, leg };
        to_escrow(context, &**chain, self.execution, "prepare", &message, self.dry_run).await
    }
}
