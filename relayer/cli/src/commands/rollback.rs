//! `aes rollback`: gives everything back. The opener or the named relayer at any time, anyone after the deadline.

use aes_coordinator::msg::{ExecuteMsg, RollbackReason, State};
use aes_protocol::Hash32;
use anyhow::Result;

use crate::commands::sent::{to_home, Sent};
use crate::commands::status::{reason_word, state_word};
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Rollback {
    execution: Hash32,
    /// say what would be sent, to whom and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
}

impl Rollback {
    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let execution = context.execution(&self.execution).await?;
        if matches!(execution.state, State::Aborted | State::RolledBack) {
            let reason = execution.reason.as_ref().map(reason_word).unwrap_or_default();
            let found = format!("{}, reason {reason},", state_word(execution.state));
            return Ok(Sent::found_at_home(context, self.execution, "rollback", found));
        }
        let late = context.home.time().await? >= execution.deadline;
        let reason = if late { RollbackReason::DeadlinePassed {} } else { RollbackReason::Cancelled {} };
        let message = ExecuteMsg::Rollback { execution_id: self.execution, reason };
        to_home(context, self.execution, "rollback", &message, self.dry_run).await
    }
}
