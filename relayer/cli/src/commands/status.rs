//! `aes status`: one execution whole, as the home chain and the escrows have it; `--watch` draws it live until it has ended.

use std::fmt;
use std::io::{IsTerminal, Write};

use aes_chains::{Depth, Hold, HoldStatus};
use aes_coordinator::msg::{ExecutionResponse, LegResult, RollbackReason, State};
use aes_protocol::Hash32;
use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::amount;
use crate::context::Context;
use crate::legs::show_account;
use crate::output::Output;

#[derive(Debug, clap::Args)]
pub struct Status {
    execution: Hash32,
    /// draw it again at every block until it has ended
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    execution: ExecutionResponse,
    home_time: u64,
    /// what each escrow has now, in the order of the legs
    holds: Vec<LegNow>,
}

#[derive(Debug, Serialize)]
struct LegNow {
    chain: String,
    from: String,
    to: String,
    hold: String,
}

pub fn state_word(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Committed => "committed",
        State::Aborted => "aborted",
        State::Finalized => "finalized",
        State::RolledBack => "rolled back",
    }
}

pub fn result_word(result: LegResult) -> &'static str {
    match result {
        LegResult::Pending => "pending",
        LegResult::Finalized => "finalized",
        LegResult::Reverted => "reverted",
        LegResult::NotPrepared => "not_prepared",
        LegResult::Escaped => "escaped",
    }
}

pub fn reason_word(reason: &RollbackReason) -> String {
    match reason {
        RollbackReason::AtomicityFailure { leg, cause } => format!("atomicity_failure (leg {leg}: {cause})"),
        RollbackReason::DeadlinePassed {} => "deadline_passed".into(),
        RollbackReason::Cancelled {} => "cancelled".into(),
    }
}

fn hold_word(hold: Option<&Hold>, deadline: u64) -> &'static str {
    match hold {
        None => "nothing held",
        Some(hold) => match hold.status {
            HoldStatus::Held if hold.deadline != deadline => "held with another deadline",
            HoldStatus::Held => "held",
            HoldStatus::Finalized => "finalized",
            HoldStatus::Released if hold.held_at.is_none() => "refused for ever",
            HoldStatus::Released => "released",
            HoldStatus::Escaped => "escaped",
        },
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &self.execution;
        writeln!(f, "execution  {}", e.execution_id)?;
        writeln!(f, "state      {}", state_word(e.state))?;
        writeln!(f, "opened     {} by {}", e.opened_at, e.opener)?;
        writeln!(f, "deadline   {} (home chain's time is {})", e.deadline, self.home_time)?;
        if let Some(at) = e.decided_at {
            writeln!(f, "decided    {at}")?;
        }
        if let Some(reason) = &e.reason {
            writeln!(f, "reason     {}", reason_word(reason))?;
        }
        if let Some(at) = e.settled_at {
            writeln!(f, "settled    {at}")?;
        }
        for (leg, now) in e.legs.iter().zip(&self.holds) {
            let l = &leg.leg;
            let function = l.function.name();
            let amount = amount::show(l.amount.u128());
            write!(f, "\n{:>3}  {:<12} {function:<9} {amount:>12} ALZ  {:<26}", l.index, now.chain, now.hold)?;
            write!(f, " {:<13} {} -> {}", result_word(leg.result), now.from, now.to)?;
        }
        Ok(())
    }
}

impl Status {
    pub async fn run(&self, context: &Context, output: Output) -> Result<()> {
        let mut ticks = context.home.ticks();
        loop {
            let report = self.look(context).await?;
            if self.watch && matches!(output, Output::Text) && std::io::stdout().is_terminal() {
                // ECMA-48: cursor home, erase below
                write!(std::io::stdout(), "\x1b[H\x1b[J")?;
            }
            output.say(&report)?;
            let ended = matches!(report.execution.state, State::Finalized | State::RolledBack);
            if !self.watch || ended {
                return Ok(());
            }
            ticks.changed().await.context("the home chain's block watcher stopped")?;
        }
    }

    async fn look(&self, context: &Context) -> Result<Report> {
        let execution = context.execution(&self.execution).await?;
        let home_time = context.home.time().await?;
        let look = |leg: &aes_protocol::Leg| {
            let leg = leg.clone();
            async move {
                let chain = context.chain(&leg.chain)?;
                // a chain that is down hides its own legs only
                let hold = match chain.hold(&self.execution, &leg, Depth::Soft).await {
                    Ok(hold) => hold_word(hold.as_ref(), execution.deadline).into(),
                    Err(error) => format!("unknown: {error}"),
                };
                let show = |account| show_account(&context.config, &leg.chain, account);
                Ok(LegNow { chain: chain.name().into(), from: show(&leg.from), to: show(&leg.to), hold })
            }
        };
        let holds: Result<Vec<LegNow>> =
            futures::future::join_all(execution.legs.iter().map(|leg| look(&leg.leg))).await.into_iter().collect();
        Ok(Report { holds: holds?, execution, home_time })
    }
}
