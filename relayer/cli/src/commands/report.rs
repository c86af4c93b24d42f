//! `aes report-equivocation`: attestors signed both decisions of one execution. Whoever has both certificates brings
//! them to the coordinator, which keeps them and opens nothing new.

use std::path::{Path, PathBuf};

use aes_chains::cosmos::CosmosClient;
use aes_coordinator::msg::{DecidedProof, EquivocationsResponse, ExecuteMsg, QueryMsg};
use aes_protocol::Hash32;
use anyhow::{Context as _, Result};

use crate::commands::sent::{to_home, Sent};
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct ReportEquivocation {
    execution: Hash32,
    /// JSON, as `finalize` carried it: {"path", "certificate": {"attestor_set", "signatures"}}
    #[arg(long)]
    commit: PathBuf,
    /// JSON, as `release` carried it
    #[arg(long)]
    abort: PathBuf,
    /// say what would be sent, to whom and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
}

impl ReportEquivocation {
    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let (commit, abort) = (read(&self.commit)?, read(&self.abort)?);
        let set = commit.certificate.attestor_set;
        if self.is_known(context, set).await? {
            return Ok(Sent::found_at_home(context, self.execution, "report", "reported"));
        }
        let message = ExecuteMsg::ReportEquivocation { execution_id: self.execution, commit, abort };
        to_home(context, self.execution, "report", &message, self.dry_run).await
    }

    async fn is_known(&self, context: &Context, set: u64) -> Result<bool> {
        let home = &context.manifest.domain.home_chain;
        let client = CosmosClient::new(home, context.config.chain(home)?)?;
        let start_after = set.checked_sub(1).map(|before| (self.execution, before));
        let query = QueryMsg::Equivocations { start_after, limit: Some(1) };
        let next: EquivocationsResponse = client.ask(&context.manifest.coordinator, &query).await?;
        Ok(next.equivocations.iter().any(|known| known.execution_id == self.execution && known.attestor_set == set))
    }
}

fn read(path: &Path) -> Result<DecidedProof> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: not a decision's path and certificate", path.display()))
}
