//! The relayer, and all attestors at once, killed with SIGKILL at each named step of an execution: started again, they end
//! it, and nothing was paid twice.

use std::time::Duration;

use aes_chaos::{Fleet, Once, Step, STEPS};
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::net::{changes, Net};
use aes_e2e::{same, until};
use anyhow::{ensure, Result};

const FAR: u64 = 600;
const LEGS: [&str; 2] = ["polygon lock 2", "ethereum mint 2"];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_at_any_step_ends_what_was_begun() -> Result<()> {
    let net = Net::start(|options| {
        (options.attestors, options.relayer) = (false, false);
        options.evm_block_time = Duration::from_millis(300);
    })
    .await?;
    net.give_allowances().await?;
    let fleet = Fleet::start(&net).await?;
    let mut failed = Vec::new();
    for step in STEPS {
        match killed_at(&net, &fleet, step).await {
            Ok(()) => println!("ok      {}", step.name),
            Err(error) => failed.push(format!("{}: {error:#}", step.name)),
        }
    }
    fleet.terminate().await?;
    net.end(failed).await
}

async fn killed_at(net: &Net, fleet: &Fleet, step: &Step) -> Result<()> {
    let before = net.balances().await?;
    if step.once == Once::Opened {
        step.arm(fleet);
    }
    let execution = net.open(&LEGS, FAR).await?;
    net.prepare_all(&execution).await?;
    if step.once != Once::Opened {
        until(net.user.home.ticks(), "far enough", async || Ok(is_at(net, &execution, step.once).await?.then_some(())))
            .await?;
        step.arm(fleet);
    }
    let struck = step.strike(fleet).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    ensure!(struck.is_some(), "nobody came to this step");
    let expected = changes(&[
        ("polygon user", "-2"),
        ("polygon vault", "+2"),
        ("ethereum recipient", "+2"),
        ("ethereum issued", "+2"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

async fn is_at(net: &Net, execution: &ExecutionResponse, once: Once) -> Result<bool> {
    Ok(match once {
        Once::Opened => true,
        Once::Held => net.hold_status(&net.user, execution).await?.iter().all(Option::is_some),
        Once::Committed => net.user.execution(&execution.execution_id).await?.state != State::Open,
    })
}
