//! No relayer here: the test itself sends every message, in the order it likes, twice, and with something wrong about
//! it. What was done is done once, and what is refused changes nothing.

mod certificates;
mod operators;

use aes_chains::{EscrowMessage, HoldStatus};
use aes_cli::commands::open::Open;
use aes_cli::commands::prepare::Prepare;
use aes_cli::commands::rollback::Rollback;
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, RollbackReason, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{changes, send_chain, send_home, typed, Balances, Net};
use aes_e2e::{play, refused, same};
use aes_protocol::{Decision, Leg};
use anyhow::{bail, ensure, Context as _, Result};

const FAR: u64 = 3600;
const PAPER: [&str; 3] = ["polygon lock 200", "allianza unlock 100", "ethereum mint 100"];
/// Account-sourced on every chain, so that each contract is asked.
const EVERYWHERE: [&str; 3] = ["polygon transfer 3", "allianza transfer 4", "ethereum transfer 5"];

#[tokio::test(flavor = "multi_thread")]
async fn hostile() -> Result<()> {
    let net = Net::start(|options| options.relayer = false).await?;
    net.give_allowances().await?;
    let failed = play!(
        &net,
        a_repeated_command_says_so_and_sends_nothing,
        every_message_of_a_commit_repeated,
        every_message_of_a_rollback_repeated,
        certificates::the_opposite_decision_is_refused,
        certificates::certificates_with_something_wrong,
        certificates::legs_of_another_chain_or_another_execution,
        certificates::evidence_with_something_wrong,
        one_certificate_settles_several_executions,
        operators::a_pause_stops_what_begins_and_nothing_that_ends,
        operators::a_rotation_in_mid_flight,
    );
    net.end(failed).await
}

/// All that a message could have changed.
async fn state(
    net: &Net,
    execution: &ExecutionResponse,
) -> Result<(ExecutionResponse, Vec<Option<HoldStatus>>, Balances)> {
    let record = net.user.execution(&execution.execution_id).await?;
    Ok((record, net.hold_status(&net.user, execution).await?, net.balances().await?))
}

fn the_leg(execution: &ExecutionResponse, index: usize) -> Result<Leg> {
    Ok(execution.legs.get(index).context("no such leg")?.leg.clone())
}

async fn held(net: &Net, legs: &[&str]) -> Result<ExecutionResponse> {
    let execution = net.open(legs, FAR).await?;
    net.prepare_all(&execution).await?;
    let attestors = Attestors::of(&net.devnet)?;
    Hand { context: &net.relayer, attestors: &attestors }.prepare_reserves(&execution).await?;
    Ok(execution)
}

/// The same `open` again, as its sender would repeat it.
fn open_again(execution: &ExecutionResponse) -> ExecuteMsg {
    ExecuteMsg::Open {
        legs: execution.legs.iter().map(|entry| entry.leg.clone()).collect(),
        salt: execution.salt,
        deadline: execution.deadline,
        relayer: execution.relayer.clone(),
    }
}

async fn prepare_again(net: &Net, hand: &Hand<'_>, execution: &ExecutionResponse) -> Result<()> {
    for leg in execution.legs.iter().map(|entry| &entry.leg) {
        if leg.function.is_account_sourced() {
            // the command line would not even send it
            let (execution_id, deadline) = (execution.execution_id, execution.deadline);
            let message = EscrowMessage::Prepare { execution_id, deadline, leg: leg.clone() };
            send_chain(&net.user, &leg.chain, &message).await?;
        } else {
            send_chain(&net.relayer, &leg.chain, &hand.prepare_reserve(execution, leg)?).await?;
        }
    }
    Ok(())
}

async fn a_repeated_command_says_so_and_sends_nothing(net: &Net) -> Result<()> {
    let leg = net.leg("polygon transfer 3")?;
    let at = (net.user.home.time().await? + FAR).to_string();
    let salt = format!("0x{}", "5a".repeat(32));
    let open: Open = typed(&["--leg", &leg, "--salt", &salt, "--deadline-at", &at])?;
    let first = open.run(&net.user).await?;
    let id = first.execution_id.to_string();
    let prepare: Prepare = typed(&[&id, "--leg", "0"])?;
    ensure!(first.repeated.is_none() && prepare.run(&net.user).await?.repeated.is_none(), "{first}");
    let before = net.user.chain(&net.user.manifest.domain.home_chain)?.gas_account().await?.balance;
    for (sent, said) in [
        (open.run(&net.user).await?, "already there and open on cosmos:allianza-1; nothing was sent, nothing moved"),
        (prepare.run(&net.user).await?, "already held on eip155:80002; nothing was sent, nothing moved"),
    ] {
        ensure!(sent.transaction.is_none() && sent.to_string().contains(said), "{sent}");
        ensure!(serde_json::to_value(&sent)?["repeated"].is_string(), "{sent}");
    }
    let after = net.user.chain(&net.user.manifest.domain.home_chain)?.gas_account().await?.balance;
    same("fee money", &after, &before)
}

async fn every_message_of_a_commit_repeated(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let start = net.balances().await?;
    let execution = held(net, &PAPER).await?;

    let before = state(net, &execution).await?;
    send_home(&net.user, &open_again(&execution)).await?;
    prepare_again(net, &hand, &execution).await?;
    same("after open and prepare again", &state(net, &execution).await?, &before)?;

    let commit = hand.commit(&execution).await?;
    send_home(&net.relayer, &commit).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::Committed)?;
    send_home(&net.relayer, &commit).await?;
    send_home(&net.deployer, &commit).await?;
    same("after commit again", &state(net, &execution).await?, &before)?;

    hand.settle_all(&[&execution], Decision::Commit).await?;
    let before = state(net, &execution).await?;
    same("holds", &before.1, &vec![Some(HoldStatus::Finalized); 3])?;
    hand.settle_all(&[&execution], Decision::Commit).await?;
    same("after finalize again", &state(net, &execution).await?, &before)?;

    let record = hand.record(&execution, Decision::Commit).await?;
    send_home(&net.relayer, &record).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::Finalized)?;
    for message in [&record, &commit, &open_again(&execution)] {
        send_home(&net.user, message).await?;
    }
    hand.settle_all(&[&execution], Decision::Commit).await?;
    same("after everything again", &state(net, &execution).await?, &before)?;
    refused(net.prepare(&execution, 0).await, "is finalized: nothing is put into it any more")?;
    refused(net.prepare_past_the_command_line(&execution, 0).await, "HoldSettled")?;
    let expected = changes(&[
        ("polygon user", "-200"),
        ("polygon vault", "+200"),
        ("allianza vault", "-100"),
        ("allianza recipient", "+100"),
        ("ethereum recipient", "+100"),
        ("ethereum issued", "+100"),
    ]);
    same("changes", &net.balances().await?.since(&start), &expected)
}

async fn every_message_of_a_rollback_repeated(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let start = net.balances().await?;
    let execution = held(net, &PAPER).await?;

    let rollback: Rollback = typed(&[&execution.execution_id.to_string()])?;
    rollback.run(&net.user).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::Aborted)?;
    let again = ExecuteMsg::Rollback { execution_id: execution.execution_id, reason: RollbackReason::Cancelled {} };
    send_home(&net.user, &again).await?;
    send_home(&net.deployer, &again).await?;
    let said = rollback.run(&net.deployer).await?.to_string();
    ensure!(said.contains("already aborted, reason cancelled, on cosmos:allianza-1; nothing was sent"), "{said}");
    same("after rollback again", &state(net, &execution).await?, &before)?;

    hand.settle_all(&[&execution], Decision::Abort).await?;
    let before = state(net, &execution).await?;
    same("holds", &before.1, &vec![Some(HoldStatus::Released); 3])?;
    hand.settle_all(&[&execution], Decision::Abort).await?;
    same("after release again", &state(net, &execution).await?, &before)?;

    let record = hand.record(&execution, Decision::Abort).await?;
    send_home(&net.relayer, &record).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::RolledBack)?;
    send_home(&net.deployer, &record).await?;
    send_home(&net.user, &again).await?;
    send_home(&net.user, &open_again(&execution)).await?;
    hand.settle_all(&[&execution], Decision::Abort).await?;
    same("after everything again", &state(net, &execution).await?, &before)?;
    same("changes", &net.balances().await?.since(&start), &changes(&[]))
}

async fn one_certificate_settles_several_executions(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let start = net.balances().await?;
    let executions = [held(net, &EVERYWHERE).await?, held(net, &EVERYWHERE).await?, held(net, &PAPER).await?];
    let all: Vec<&ExecutionResponse> = executions.iter().collect();
    for (chain, message) in hand.settle(&all, Decision::Abort)? {
        let EscrowMessage::Settle { items, .. } = &message else { bail!("a settlement is one") };
        same("executions in one message", &items.len(), &3)?;
        send_chain(&net.relayer, &chain, &message).await?;
    }
    for execution in &executions {
        same("holds", &net.hold_status(&net.user, execution).await?, &vec![Some(HoldStatus::Released); 3])?;
    }
    same("changes", &net.balances().await?.since(&start), &changes(&[]))
}
