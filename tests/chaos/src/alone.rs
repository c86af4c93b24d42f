//! What is struck at an execution of its own. A step waits until that is there: nothing is left to the moment.

use aes_cli::context::Context;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::net::Net;
use aes_e2e::until;
use anyhow::Result;

use crate::fleet::Fleet;
use crate::step::{Once, Step, Struck};

const FAR: u64 = 600;
/// Of two chains, which settle side by side.
const LEGS: [&str; 2] = ["polygon lock 2", "ethereum mint 2"];

/// Something that is on its way, opened and paid for by `wallet`.
pub async fn begin(net: &Net, wallet: &Context) -> Result<ExecutionResponse> {
    let execution = net.open_in(wallet, &net.legs(&LEGS)?, FAR).await?;
    net.prepare_all_in(wallet, &execution).await?;
    Ok(execution)
}

/// The execution, opened and paid for by `wallet`, and who was killed; `None`: nobody came to this step.
pub async fn strike_alone(
    net: &Net,
    wallet: &Context,
    fleet: &Fleet,
    step: &Step,
) -> Result<(ExecutionResponse, Option<Struck>)> {
    if step.once == Once::Opened {
        step.arm(fleet);
    }
    let execution = begin(net, wallet).await?;
    if step.once != Once::Opened {
        let is_there = async || Ok(is_at(net, wallet, &execution, step.once).await?.then_some(()));
        until(wallet.home.ticks(), "far enough", is_there).await?;
        step.arm(fleet);
    }
    let struck = step.strike(fleet).await?;
    Ok((execution, struck))
}

async fn is_at(net: &Net, wallet: &Context, execution: &ExecutionResponse, once: Once) -> Result<bool> {
    Ok(match once {
        Once::Opened => true,
        Once::Held => net.hold_status(wallet, execution).await?.iter().all(Option::is_some),
        Once::Committed => wallet.execution(&execution.execution_id).await?.state != State::Open,
    })
}
