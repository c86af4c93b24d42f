//! `aes open`: puts an execution before the coordinator.

use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::{manifest_root, validate_legs, Execution, Hash32};
use anyhow::{bail, Context as _, Result};

use crate::commands::sent::{to_home, Sent};
use crate::commands::status::state_word;
use crate::context::Context;
use crate::legs::{parse_account, parse_legs};

#[derive(Debug, clap::Args)]
pub struct Open {
    /// one for each leg, in order: CHAIN FUNCTION AMOUNT [from ACCOUNT] [to ACCOUNT]
    #[arg(long = "leg", required = true)]
    legs: Vec<String>,
    /// seconds from the home chain's newest block until the execution can no longer be committed
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    deadline: u64,
    /// the deadline as Unix seconds, instead of counted from now: with --salt, the same again is the same execution
    #[arg(long, value_name = "UNIX_SECONDS", conflicts_with = "deadline")]
    deadline_at: Option<u64>,
    /// account on the home chain that may roll back before the deadline, usually the relayer's
    #[arg(long)]
    relayer: Option<String>,
    /// 32 bytes in hex that make two otherwise equal executions different; random where not given
    #[arg(long)]
    salt: Option<Hash32>,
    /// say what would be sent, to whom and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
}

impl Open {
    pub fn new(legs: Vec<String>, deadline: u64, relayer: Option<String>) -> Self {
        Self { legs, deadline, deadline_at: None, relayer, salt: None, dry_run: false }
    }

    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let legs = parse_legs(&context.config, &context.manifest, &self.legs)?;
        validate_legs(&legs, context.manifest.conservation)?;
        let home = &context.manifest.domain.home_chain;
        let opener = context.chain(home)?.gas_account().await?;
        let relayer =
            self.relayer.as_deref().map(|account| parse_account(&context.config, home, account)).transpose()?;
        let deadline = match self.deadline_at {
            Some(at) => at,
            None => context.home.time().await?.checked_add(self.deadline).context("--deadline is too large")?,
        };
        let salt = self.salt.unwrap_or_else(|| Hash32(rand::random()));
        let Some(manifest_root) = manifest_root(&legs) else { bail!("give at least one --leg") };
        let execution = Execution {
            home_chain: home.clone(),
            coordinator: context.manifest.domain.coordinator.clone(),
            opener: opener.account,
            salt,
            manifest_root,
            deadline,
            relayer: relayer.unwrap_or_default(),
        };
        let id = execution.execution_id();
        if let Some(there) = context.home.execution(&id).await? {
            let found = format!("there and {}", state_word(there.state));
            return Ok(Sent::found_at_home(context, id, "open", found));
        }
        let message = ExecuteMsg::Open { legs, salt, deadline, relayer: self.relayer.clone() };
        to_home(context, id, "open", &message, self.dry_run).await
    }
}
