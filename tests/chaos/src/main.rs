//! `aes-chaos`: so many executions while everything around them fails; prints figures, and ends with 1 where anything
//! was lost, partial or stuck, or a kind of fault never struck.

use std::path::PathBuf;
use std::process::ExitCode;

use aes_chaos::{run, Options};
use anyhow::{bail, Result};
use clap::Parser;

/// Real processes on real nodes, killed and cut off while executions are on their way
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 500)]
    executions: usize,
    /// How many are on their way at once
    #[arg(long, default_value_t = 32)]
    users: usize,
    /// The same again wishes and strikes in the same order; random where not given
    #[arg(long)]
    seed: Option<u64>,
    /// A folder for nodes, configs and logs, which stay; a temporary one where not given
    #[arg(long)]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Args { executions, users, seed, data } = Args::parse();
    let seed = seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let report = tokio::select! {
        report = run(Options { executions, users, seed, data, whole: true }) => report?,
        // processes and nodes end with the run
        _ = tokio::signal::ctrl_c() => bail!("stopped"),
    };

    let tally = &report.tally;
    for (kind, count) in &report.fired.0 {
        println!("figure chaos.fired.{kind} {count} times");
    }
    println!("figure chaos.ended_by_themselves {} processes", report.ended_by_themselves);
    println!("figure chaos.finalized {} executions", tally.finalized);
    println!("figure chaos.rolled_back {} executions", tally.rolled_back);
    println!("figure chaos.executions {} executions", tally.executions());
    println!("figure chaos.lost {} base units", tally.lost_units());
    println!("figure chaos.partial {} executions", tally.partial.len());
    println!("figure chaos.stuck {} executions", tally.stuck.len());
    let mut first_actions = report.first_actions;
    first_actions.sort_unstable();
    if let Some(median) = first_actions.get(first_actions.len() / 2) {
        println!("figure relayer.restart_to_action_ms {} ms", median / 1000);
    }
    tally.complaints().iter().for_each(|complaint| println!("{complaint}"));
    let silent = report.fired.silent();
    if !silent.is_empty() {
        println!("these never struck, so the run shows nothing about them: {}", silent.join(", "));
    }
    let clean = tally.is_clean() && silent.is_empty();
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
