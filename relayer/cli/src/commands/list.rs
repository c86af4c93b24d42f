//! `aes list`: the executions that the coordinator has, by state.

use std::fmt;

use aes_coordinator::msg::{ExecutionSummary, State};
use anyhow::Result;
use serde::Serialize;

use crate::commands::status::state_word;
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct List {
    /// only those in this state
    #[arg(long, value_enum)]
    state: Option<StateArg>,
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

impl List {
    pub async fn run(&self, context: &Context) -> Result<Listing> {
        let states = match self.state {
            Some(StateArg::Open) => vec![State::Open],
            Some(StateArg::Committed) => vec![State::Committed],
            Some(StateArg::Aborted) => vec![State::Aborted],
            Some(StateArg::Finalized) => vec![State::Finalized],
            Some(StateArg::RolledBack) => vec![State::RolledBack],
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
