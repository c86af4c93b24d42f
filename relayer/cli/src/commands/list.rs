//! `aes list`: the executions that the coordinator has, all or by state and opener.

use std::fmt;

use aes_chains::cosmos::CosmosClient;
use aes_coordinator::msg::{ExecutionSummary, ExecutionsResponse, QueryMsg, State};
use anyhow::Result;
use serde::Serialize;

use crate::commands::status::state_word;
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct List {
    /// only those in this state
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    /// only those that this account of the home chain opened
    #[arg(long)]
    opener: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum StateArg {
    Open,
    Committed,
    Aborted,
    Finalized,
    RolledBack,
}

#[derive(Debug, Serialize)]
pub struct Listing {
    executions: Vec<ExecutionSummary>,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.executions.is_empty() {
            return f.write_str("no executions");
        }
        write!(f, "{:>6}  {:<66}  {:<11}  {:>4}  deadline", "number", "execution", "state", "legs")?;
        for e in &self.executions {
            let state = state_word(e.state);
            write!(f, "\n{:>6}  {}  {state:<11}  {:>4}  {}", e.number, e.execution_id, e.leg_count, e.deadline)?;
        }
        Ok(())
    }
}

impl From<StateArg> for State {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Open => Self::Open,
            StateArg::Committed => Self::Committed,
            StateArg::Aborted => Self::Aborted,
            StateArg::Finalized => Self::Finalized,
            StateArg::RolledBack => Self::RolledBack,
        }
    }
}

impl List {
    pub async fn run(&self, context: &Context) -> Result<Listing> {
        let state = self.state.map(State::from);
        if let Some(opener) = &self.opener {
            let mut executions = opened_by(context, opener).await?;
            executions.retain(|execution| state.is_none_or(|state| execution.state == state));
            return Ok(Listing { executions });
        }
        let states = match state {
            Some(state) => vec![state],
            None => vec![State::Open, State::Committed, State::Aborted, State::Finalized, State::RolledBack],
        };
        let mut executions = Vec::new();
        for state in states {
            let mut start_after = None;
            loop {
                let page = context.home.executions(state, start_after).await?;
                let Some(last) = page.last() else { break };
                start_after = Some(last.number);
                executions.extend(page);
            }
        }
        executions.sort_by_key(|execution| execution.number);
        Ok(Listing { executions })
    }
}

async fn opened_by(context: &Context, opener: &str) -> Result<Vec<ExecutionSummary>> {
    let home = &context.manifest.domain.home_chain;
    let client = CosmosClient::new(home, context.config.chain(home)?)?;
    let mut executions: Vec<ExecutionSummary> = Vec::new();
    loop {
        let start_after = executions.last().map(|execution| execution.number);
        let query = QueryMsg::ExecutionsByOpener { opener: opener.into(), start_after, limit: None };
        let page: ExecutionsResponse = client.ask(&context.manifest.coordinator, &query).await?;
        if page.executions.is_empty() {
            return Ok(executions);
        }
        executions.extend(page.executions);
    }
}
