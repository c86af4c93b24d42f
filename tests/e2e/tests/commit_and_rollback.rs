//! The whole path with a relayer and three attestors at work: executions that are confirmed and executions that are
//! rolled back, each for another reason, with the exact balances on every chain before and after.

use aes_chains::HoldStatus;
use aes_cli::amount;
use aes_cli::commands::open::Open;
use aes_cli::commands::rollback::Rollback;
use aes_cli::devnet::{ALLIANZA, RELAYER, USER};
use aes_coordinator::msg::{ExecutionResponse, LegResult, RollbackReason, State};
use aes_e2e::net::{cause_of, changes, typed, Net};
use aes_e2e::{play, refused, same, until};
use aes_protocol::{ChainId, LegStatus};
use aes_store::Store;
use anyhow::{ensure, Context as _, Result};
use futures::future::try_join_all;
use sha2::{Digest, Sha256};

/// Far enough that no deadline passes while a scenario plays.
const FAR: u64 = 600;

/// transfer, lock and unlock on native CosmWasm; all five on both EVM chains. 36 ALZ out, 36 in.
const EVERY_FUNCTION: [&str; 13] = [
    "polygon transfer 1",
    "polygon lock 10",
    "polygon unlock 4",
    "polygon mint 5",
    "polygon burn 3",
    "ethereum transfer 1",
    "ethereum lock 10",
    "ethereum unlock 4",
    "ethereum mint 5",
    "ethereum burn 3",
    "allianza transfer 1",
    "allianza lock 10",
    "allianza unlock 18",
];

const PAPER: [&str; 3] = ["polygon lock 200", "allianza unlock 100", "ethereum mint 100"];

#[tokio::test(flavor = "multi_thread")]
async fn commit_and_rollback() -> Result<()> {
    let net = Net::start(|_| ()).await?;
    let failed = play!(
        &net,
        every_chain_confirms,
        the_relayer_has_no_gas_on_one_chain,
        every_function_on_every_kind_of_chain_is_confirmed,
        every_function_is_given_back_when_one_leg_cannot_be_prepared,
        the_opener_cancels,
        the_deadline_passes,
        nobody_else_rolls_back,
        many_executions_at_once,
        a_permit_prepares_for_a_depositor_without_gas,
        one_leg_that_cannot_be_paid_stays_held_and_the_rest_go_through,
    );
    net.end(failed).await
}

fn results(execution: &ExecutionResponse) -> Vec<LegResult> {
    execution.legs.iter().map(|leg| leg.result).collect()
}

async fn every_chain_confirms(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&PAPER, FAR).await?;
    net.prepare_all(&execution).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await?;
    same("results", &results(&done), &vec![LegResult::Finalized; 3])?;
    for leg in &done.legs {
        let held = leg.held.as_ref().context("evidence of the hold")?;
        let settled = leg.settled.as_ref().context("evidence of the end")?;
        same("statuses", &(held.status, settled.status), &(LegStatus::Held, LegStatus::Finalized))?;
        ensure!(settled.time >= held.time && held.time > 0, "times of leg {}", leg.leg.index);
    }
    let expected = changes(&[
        ("polygon user", "-200"),
        ("polygon vault", "+200"),
        ("allianza vault", "-100"),
        ("allianza recipient", "+100"),
        ("ethereum recipient", "+100"),
        ("ethereum issued", "+100"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

async fn the_relayer_has_no_gas_on_one_chain(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let gas = net.devnet.account(RELAYER)?.evm.to_string();
    // the mint waits for a block until the other two legs are held, so that there are two to revert
    net.devnet.ethereum.stop_mining().await?;
    let execution = net.open(&PAPER, 40).await?;
    net.prepare_all(&execution).await?;
    net.until_held(&execution, 1).await?;
    net.devnet.ethereum.set_balance(&gas, 0).await?;
    net.devnet.ethereum.mine_at_interval().await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    net.devnet.ethereum.set_balance(&gas, 1000 * 10u128.pow(18)).await?;

    let (leg, cause) = cause_of(&done)?;
    same("failed leg", &leg, &2)?;
    ensure!(cause.contains("insufficient gas"), "{cause}");
    same("results", &results(&done), &vec![LegResult::Reverted, LegResult::Reverted, LegResult::NotPrepared])?;
    let (decided, settled) = (done.decided_at.context("decided_at")?, done.settled_at.context("settled_at")?);
    ensure!(done.opened_at <= decided && decided <= settled, "times of the record: {done:?}");
    ensure!(decided < done.deadline, "the rollback waited for the deadline");
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

async fn every_function_on_every_kind_of_chain_is_confirmed(net: &Net) -> Result<()> {
    net.give_allowances().await?;
    let before = net.balances().await?;
    let execution = net.open(&EVERY_FUNCTION, FAR).await?;
    net.prepare_all(&execution).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await?;
    same("results", &results(&done), &vec![LegResult::Finalized; 13])?;
    let expected = changes(&[
        ("polygon user", "-14"),
        ("polygon recipient", "+10"),
        ("polygon vault", "+6"),
        ("polygon issued", "+2"),
        ("ethereum user", "-14"),
        ("ethereum recipient", "+10"),
        ("ethereum vault", "+6"),
        ("ethereum issued", "+2"),
        ("allianza user", "-11"),
        ("allianza recipient", "+19"),
        ("allianza vault", "-8"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// The last leg is over the largest that its escrow takes, which shows only when the relayer prepares it.
async fn every_function_is_given_back_when_one_leg_cannot_be_prepared(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let too_much = ["polygon lock 6000", "allianza lock 4001", "ethereum mint 10001"];
    let execution = net.open(&[&EVERY_FUNCTION[..], &too_much].concat(), FAR).await?;
    net.prepare_all(&execution).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    let (leg, cause) = cause_of(&done)?;
    same("failed leg", &leg, &15)?;
    ensure!(cause.contains("LegTooLarge"), "{cause}");
    for entry in &done.legs {
        let reverted = entry.result == LegResult::Reverted;
        let may_be_absent = !entry.leg.function.is_account_sourced() && entry.result == LegResult::NotPrepared;
        ensure!(reverted || may_be_absent, "leg {} {:?}", entry.leg.index, entry.result);
    }
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

async fn the_opener_cancels(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&["polygon lock 50", "allianza lock 50", "ethereum unlock 100"], FAR).await?;
    net.prepare(&execution, 0).await?;
    same(
        "what is held",
        &net.balances().await?.since(&before),
        &changes(&[("polygon user", "-50"), ("polygon held", "+50")]),
    )?;
    let rollback: Rollback = typed(&[&execution.execution_id.to_string()])?;
    rollback.run(&net.user).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("reason", &done.reason, &Some(RollbackReason::Cancelled {}))?;
    same("results", &results(&done), &vec![LegResult::Reverted, LegResult::NotPrepared, LegResult::NotPrepared])?;
    // where nothing was held a tombstone stands, and no deposit can come any more
    refused(net.prepare(&execution, 1).await, "is rolled back: nothing is put into it any more")?;
    refused(net.prepare_past_the_command_line(&execution, 1).await, "cannot be prepared again")?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

async fn the_deadline_passes(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&["ethereum lock 70", "allianza unlock 70", "polygon transfer 1"], 8).await?;
    net.prepare(&execution, 0).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("reason", &done.reason, &Some(RollbackReason::DeadlinePassed {}))?;
    same("results", &results(&done), &vec![LegResult::Reverted, LegResult::NotPrepared, LegResult::NotPrepared])?;
    ensure!(done.decided_at.is_some_and(|at| at >= done.deadline), "decided before the deadline");
    // the relayer's tombstone or the deadline, whichever came first
    let late = net
        .prepare_past_the_command_line(&execution, 2)
        .await
        .err()
        .context("a deposit after the rollback")?
        .to_string();
    ensure!(late.contains("DeadlinePassed") || late.contains("HoldSettled"), "{late}");
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

/// Neither the opener nor the named relayer, and the deadline is far.
async fn nobody_else_rolls_back(net: &Net) -> Result<()> {
    let execution = net.open(&["polygon transfer 1"], FAR).await?;
    let rollback: Rollback = typed(&[&execution.execution_id.to_string()])?;
    refused(rollback.run(&net.deployer).await, "neither the opener of the execution nor its named relayer")?;
    rollback.run(&net.user).await?;
    net.until_state(&execution.execution_id, State::RolledBack).await?;
    Ok(())
}

async fn many_executions_at_once(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let mut executions = Vec::new();
    for amount in 1..=6 {
        let (lock, unlock) = (format!("allianza lock {amount}"), format!("polygon unlock {amount}"));
        let execution = net.open(&[&lock, &unlock], FAR).await?;
        net.prepare_all(&execution).await?;
        executions.push(execution.execution_id);
    }
    try_join_all(executions.iter().map(|id| net.until_state(id, State::Finalized))).await?;
    let expected = changes(&[
        ("allianza user", "-21"),
        ("allianza vault", "+21"),
        ("polygon vault", "-21"),
        ("polygon recipient", "+21"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)?;
    let store = Store::open(&net.devnet.options.data_dir.join("relayer.sqlite"))?;
    for id in &executions {
        let timings = store.timings(id)?;
        same("chains settled", &timings.len(), &2)?;
    }
    Ok(())
}

/// The user signs; the deployer, who has the gas, sends. Signatures for one recipient are worth nothing for another.
async fn a_permit_prepares_for_a_depositor_without_gas(net: &Net) -> Result<()> {
    let (user, sender) = (net.evm_account("polygon", USER)?, net.evm_account("polygon", aes_cli::devnet::DEPLOYER)?);
    user.revoke().await?;
    let before = net.balances().await?;
    let execution = net.open(&["polygon transfer 30"], FAR).await?;
    let leg = &execution.legs.first().context("the leg")?.leg;
    let domain = &net.user.manifest.domain;
    let deposit = user.permit_deposit(domain, &execution.execution_id, execution.deadline, leg).await?;
    refused(sender.prepare_for(&deposit.redirected(sender.escrow)).await, "eth_estimateGas")?;
    sender.prepare_for(&deposit).await?;
    sender.prepare_for(&deposit).await?;
    same("allowance left", &user.allowance().await?.as_u128(), &0)?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    let expected = changes(&[("polygon user", "-30"), ("polygon recipient", "+30")]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// The bank of a Cosmos chain pays no module account. The execution is committed all the same, its other legs are
/// paid, and the one that is not stays held.
async fn one_leg_that_cannot_be_paid_stays_held_and_the_rest_go_through(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let module = aes_protocol::Bytes(Sha256::digest(b"fee_collector").iter().copied().take(20).collect());
    let module = aes_chains::cosmos::bech32_of(&module, aes_e2e::net::PREFIX)?;
    let mut legs = net.legs(&["ethereum lock 9", "polygon unlock 2", "allianza unlock 4"])?;
    legs.push(format!("allianza unlock 3 to {module}"));
    let relayer = Some(net.devnet.account(RELAYER)?.cosmos);
    let opened = Open::new(legs, FAR, relayer).run(&net.user).await?;
    let execution = net.user.execution(&opened.execution_id).await?;
    net.prepare_all(&execution).await?;

    use HoldStatus::{Finalized, Held};
    let wanted = [Finalized, Finalized, Finalized, Held].map(Some).to_vec();
    let home = net.user.home.ticks();
    until(home, "three legs paid", async || {
        let statuses = net.hold_status(&net.user, &execution).await?;
        Ok((statuses == wanted).then_some(()))
    })
    .await?;
    same("state", &net.user.execution(&opened.execution_id).await?.state, &State::Committed)?;
    let expected = changes(&[
        ("ethereum user", "-9"),
        ("ethereum vault", "+9"),
        ("polygon vault", "-2"),
        ("polygon recipient", "+2"),
        ("allianza vault", "-7"),
        ("allianza recipient", "+4"),
        ("allianza held", "+3"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)?;
    let home: ChainId = ALLIANZA.parse()?;
    let module = aes_chains::cosmos::account_of(&module, aes_e2e::net::PREFIX)?;
    let paid = net.user.chain(&home)?.alz_balance(&module).await?;
    same("what the module account has", &amount::show(paid), &"0".to_owned())
}
