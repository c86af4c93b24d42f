//! The relayer, and all attestors at once, killed with SIGKILL at each named step of an execution: started again, they end
//! it, and nothing was paid twice.

use std::time::Duration;

use aes_chaos::{strike_alone, Fleet, Step, STEPS};
use aes_coordinator::msg::State;
use aes_e2e::net::{changes, Net};
use aes_e2e::same;
use anyhow::{ensure, Result};

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
    let (execution, struck) = strike_alone(net, &net.user, fleet, step).await?;
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
