//! `aes attach`: the opener, or the named relayer, puts a depositor's pre-signatures of a Bitcoin leg on the home chain.

use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::{Bytes, Hash32};
use anyhow::{Context as _, Result};

use crate::commands::sent::{to_home, Sent};
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Attach {
    execution: Hash32,
    /// which leg, by its number from 0
    #[arg(long)]
    leg: u8,
    /// what `aes prepare --signed` gave the depositor, 0x hex
    presigned: Bytes,
    /// say what would be sent, to whom and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
}

impl Attach {
    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let execution = context.execution(&self.execution).await?;
        let entry = execution.legs.into_iter().nth(self.leg.into());
        let entry = entry.with_context(|| format!("the execution has no leg {}", self.leg))?;
        let chain = context.chain(&entry.leg.chain)?;
        let bitcoin = chain.bitcoin().with_context(|| format!("leg {} is not on Bitcoin", self.leg))?;
        // once and for all, so not before they are seen to be right
        bitcoin.check_presigned(&self.execution, &entry.leg, &self.presigned).await?;
        if entry.presigned.as_ref() == Some(&self.presigned) {
            return Ok(Sent::found_at_home(context, self.execution, "attach", "attached"));
        }
        let presigned = self.presigned.clone();
        let message = ExecuteMsg::Attach { execution_id: self.execution, leg: self.leg, presigned };
        to_home(context, self.execution, "attach", &message, self.dry_run).await
    }
}
