//! Bitcoin on a real node: ALZ as a rune in Taproot outputs, settled by the attestors' own signatures.

use std::time::Duration;

use aes_chains::{Depth, EscrowMessage, HoldStatus};
use aes_cli::commands::relay::run_until;
use aes_cli::context::Context as Connected;
use aes_cli::devnet::{BitcoinOptions, BITCOIN, RELAYER, USER};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, LegResult, RollbackReason, State};
use aes_devnet::Btcd;
use aes_e2e::bitcoin::mine_empty;
use aes_e2e::net::{cause_of, changes, send_home, Net};
use aes_e2e::{play, same, until};
use aes_protocol::ChainId;
use anyhow::{ensure, Context as _, Result};
use futures::future::try_join_all;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const FAR: u64 = 600;
const PAPER: [&str; 3] = ["polygon lock 200", "bitcoin unlock 100", "ethereum mint 100"];

fn bitcoin() -> BitcoinOptions {
    BitcoinOptions {
        block_time: Duration::from_millis(300),
        vault_outputs: 64,
        relayer_coins: 80,
        ..BitcoinOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_commits_and_rolls_back() -> Result<()> {
    let net = Net::start(|options| options.bitcoin = Some(bitcoin())).await?;
    let failed = play!(
        &net,
        the_papers_scenario_is_confirmed,
        the_papers_scenario_is_rolled_back,
        alz_comes_out_of_the_vault_for_the_user,
        every_function_of_an_account_is_confirmed,
        every_function_of_an_account_is_given_back,
        a_deposit_that_appears_after_the_abort_is_given_back,
        a_hold_that_a_reorg_drops_is_not_there,
        a_settlement_that_blocks_pass_by_gets_a_child_that_pays,
        two_hundred_holds_at_once_against_one_vault,
    );
    net.end(failed).await
}

fn node(net: &Net) -> Result<&Btcd> {
    net.devnet.bitcoin.as_ref().context("the devnet has no Bitcoin")
}

fn results(execution: &ExecutionResponse) -> Vec<LegResult> {
    execution.legs.iter().map(|leg| leg.result).collect()
}

async fn cancel(net: &Net, execution: &ExecutionResponse) -> Result<()> {
    let reason = RollbackReason::Cancelled {};
    send_home(&net.user, &ExecuteMsg::Rollback { execution_id: execution.execution_id, reason }).await?;
    Ok(())
}

async fn the_papers_scenario_is_confirmed(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&PAPER, FAR).await?;
    net.prepare_all(&execution).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await?;
    same("results", &results(&done), &vec![LegResult::Finalized; 3])?;
    let expected = changes(&[
        ("polygon user", "-200"),
        ("polygon vault", "+200"),
        ("bitcoin vault", "-100"),
        ("bitcoin recipient", "+100"),
        ("ethereum recipient", "+100"),
        ("ethereum issued", "+100"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

async fn the_papers_scenario_is_rolled_back(net: &Net) -> Result<()> {
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
    same("cause", &cause_of(&done)?, &(2, "insufficient gas".to_owned()))?;
    same("results", &results(&done), &vec![LegResult::Reverted, LegResult::Reverted, LegResult::NotPrepared])?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

/// As everybody comes by ALZ on Bitcoin: locked elsewhere, unlocked there.
async fn alz_comes_out_of_the_vault_for_the_user(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let legs =
        [net.leg("polygon lock 1000")?, format!("bitcoin unlock 1000 to {}", net.devnet.bitcoin_account(USER)?.1)];
    let execution = net.open_in(&net.user, &legs, FAR).await?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    let expected = changes(&[
        ("polygon user", "-1000"),
        ("polygon vault", "+1000"),
        ("bitcoin vault", "-1000"),
        ("bitcoin user", "+1000"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

const OF_AN_ACCOUNT: [&str; 4] = ["bitcoin transfer 5", "bitcoin lock 20", "bitcoin burn 5", "ethereum mint 25"];

async fn every_function_of_an_account_is_confirmed(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&OF_AN_ACCOUNT, FAR).await?;
    net.prepare_all(&execution).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await?;
    same("results", &results(&done), &vec![LegResult::Finalized; 4])?;
    let expected = changes(&[
        ("bitcoin user", "-30"),
        ("bitcoin recipient", "+5"),
        ("bitcoin vault", "+20"),
        ("ethereum recipient", "+25"),
        ("ethereum issued", "+25"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

async fn every_function_of_an_account_is_given_back(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    // the relayer would commit it as soon as all is held
    let execution = net
        .open(&["bitcoin transfer 5", "bitcoin lock 20", "bitcoin burn 5", "polygon burn 1", "ethereum mint 26"], FAR)
        .await?;
    for leg in 0..3 {
        net.prepare(&execution, leg).await?;
    }
    cancel(net, &execution).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("results", &results(&done)[..3].to_vec(), &vec![LegResult::Reverted; 3])?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

async fn a_deposit_that_appears_after_the_abort_is_given_back(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&["bitcoin lock 7", "ethereum unlock 7"], FAR).await?;
    let leg = execution.legs[0].leg.clone();
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    node(net)?.stop_mining();
    let deposit =
        EscrowMessage::Prepare { execution_id: execution.execution_id, deadline: execution.deadline, leg: leg.clone() };
    let sent = async {
        chain.submit(&deposit).await?;
        cancel(net, &execution).await
    };
    let sent = sent.await;
    node(net)?.mine_at_interval();
    sent?;
    until(chain.ticks(), "the late hold", async || {
        let hold = chain.hold(&execution.execution_id, &leg, Depth::Soft).await?;
        Ok(hold.filter(|hold| hold.settled_at.is_some()))
    })
    .await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("results", &results(&done)[0], &LegResult::Reverted)?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

async fn a_hold_that_a_reorg_drops_is_not_there(net: &Net) -> Result<()> {
    let execution = net.open(&["bitcoin lock 7", "polygon lock 1", "ethereum unlock 8"], FAR).await?;
    let leg = execution.legs[0].leg.clone();
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    net.prepare(&execution, 0).await?;
    let hold = async || chain.hold(&execution.execution_id, &leg, Depth::Soft).await;
    let held = hold().await?.context("held")?.held_at.context("a height")?;
    let node = node(net)?;
    node.stop_mining();
    let block = node.call("getblockhash", json!([held])).await?;
    node.call("invalidateblock", json!([block])).await?;
    // the node's tip is a shorter chain now; the deposit is in its mempool again, and comes back with the next block
    let seen = until(chain.ticks(), "the hold is gone", async || Ok(hold().await?.is_none().then_some(()))).await;
    node.mine_at_interval();
    seen?;
    until(chain.ticks(), "the hold is back", async || Ok(hold().await?)).await?;
    net.prepare(&execution, 1).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    Ok(())
}

async fn mempool(net: &Net) -> Result<Vec<String>> {
    Ok(serde_json::from_value(node(net)?.call("getrawmempool", json!([])).await?)?)
}

/// The devnet's relayer raises a fee after 30 s, where a block has passed the transaction by.
async fn a_settlement_that_blocks_pass_by_gets_a_child_that_pays(net: &Net) -> Result<()> {
    let execution = net.open(&["bitcoin transfer 3", "ethereum transfer 1"], FAR).await?;
    net.prepare(&execution, 0).await?;
    node(net)?.stop_mining();
    cancel(net, &execution).await?;
    let ticks = net.user.home.ticks();
    let stuck = async {
        until(ticks.clone(), "the release in the mempool", async || Ok((mempool(net).await?.len() == 1).then_some(())))
            .await?;
        mine_empty(node(net)?, 0).await?;
        until(ticks, "its child", async || Ok((mempool(net).await?.len() == 2).then_some(()))).await
    };
    let stuck = stuck.await;
    node(net)?.mine_at_interval();
    stuck?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("results", &results(&done)[0], &LegResult::Reverted)
}

async fn two_hundred_holds_at_once_against_one_vault(net: &Net) -> Result<()> {
    const EXECUTIONS: usize = 14;
    let before = net.balances().await?;
    net.give_allowances().await?;
    // two legs that are alike would be one
    let unlocks: Vec<String> = (1..=15).map(|amount| format!("bitcoin unlock {amount}")).collect();
    let legs: Vec<&str> = std::iter::once("polygon lock 120").chain(unlocks.iter().map(String::as_str)).collect();
    let mut opened = Vec::new();
    for _ in 0..EXECUTIONS {
        opened.push(net.open(&legs, FAR).await?);
    }
    for execution in &opened {
        net.prepare(execution, 0).await?;
    }
    let all = opened.iter().map(|execution| net.until_state(&execution.execution_id, State::Finalized));
    try_join_all(all).await?;
    let expected = changes(&[
        ("polygon user", "-1680"),
        ("polygon vault", "+1680"),
        ("bitcoin vault", "-1680"),
        ("bitcoin recipient", "+1680"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// A relayer of the test's own, which it can stop.
struct Relayer {
    stop: oneshot::Sender<()>,
    runs: JoinHandle<Result<()>>,
}

impl Relayer {
    async fn start(net: &Net) -> Result<Self> {
        let context = Connected::open(&net.devnet.config_file(RELAYER)).await?;
        let (stop, stopped) = oneshot::channel();
        let runs = tokio::spawn(async move {
            // an error means that the test is gone
            let shutdown = async move { drop(stopped.await) };
            run_until(&context, shutdown).await
        });
        Ok(Self { stop, runs })
    }

    async fn stop(self) -> Result<()> {
        ensure!(self.stop.send(()).is_ok(), "the relayer has ended by itself");
        self.runs.await?
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_without_a_relayer_all_the_time() -> Result<()> {
    let start = Net::start(|options| {
        options.bitcoin = Some(bitcoin());
        options.relayer = false;
        options.escape_delay = 600;
    });
    let net = start.await?;
    let failed = play!(&net, a_relayer_that_lost_its_disk_goes_on, a_depositor_escapes_when_no_decision_ever_comes,);
    net.end(failed).await
}

async fn a_relayer_that_lost_its_disk_goes_on(net: &Net) -> Result<()> {
    let first = Relayer::start(net).await?;
    let before = net.balances().await?;
    let legs =
        [net.leg("polygon lock 1000")?, format!("bitcoin unlock 1000 to {}", net.devnet.bitcoin_account(USER)?.1)];
    let execution = net.open_in(&net.user, &legs, FAR).await?;
    let node = node(net)?;
    // the vault is split when the relayer starts: its move would be in the mempool too
    until(net.user.chain(&BITCOIN.parse::<ChainId>()?)?.ticks(), "a quiet mempool", async || {
        Ok(mempool(net).await?.is_empty().then_some(()))
    })
    .await?;
    node.stop_mining();
    net.prepare(&execution, 0).await?;
    let prepared = until(net.user.home.ticks(), "the reserve's move in the mempool", async || {
        Ok((!mempool(net).await?.is_empty()).then_some(()))
    })
    .await;
    node.mine_at_interval();
    prepared?;
    first.stop().await?;
    for file in ["relayer.sqlite", "relayer.bitcoin.json"] {
        std::fs::remove_file(net.devnet.options.data_dir.join(file)).with_context(|| file.to_owned())?;
    }
    let second = Relayer::start(net).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await;
    second.stop().await?;
    done?;
    let expected = changes(&[
        ("polygon user", "-1000"),
        ("polygon vault", "+1000"),
        ("bitcoin vault", "-1000"),
        ("bitcoin user", "+1000"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

async fn a_depositor_escapes_when_no_decision_ever_comes(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&["bitcoin lock 7", "ethereum unlock 7"], 20).await?;
    let leg = execution.legs[0].leg.clone();
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    net.prepare(&execution, 0).await?;
    let escape = EscrowMessage::Escape { execution_id: execution.execution_id, leg: leg.clone() };
    let early = chain.submit(&escape).await;
    ensure!(early.is_err(), "escaped before its time");

    // 20 s and 600 s, rounded up to 512 s each, and as median of eleven blocks
    node(net)?.stop_mining();
    for _ in 0..7 {
        mine_empty(node(net)?, 1_800).await?;
    }
    let escaped = chain.submit(&escape).await;
    node(net)?.mine_at_interval();
    escaped?;
    until(chain.ticks(), "the escape in a block", async || {
        let hold = chain.hold(&execution.execution_id, &leg, Depth::Soft).await?;
        Ok(hold.filter(|hold| hold.status == HoldStatus::Escaped))
    })
    .await?;
    let relayer = Relayer::start(net).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await;
    relayer.stop().await?;
    same("results", &results(&done?), &vec![LegResult::Escaped, LegResult::NotPrepared])?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}
