//! Blocks that pass a transaction by: its fee is raised, and never above what the operator allows.

use aes_cli::commands::prepare::Prepare;
use aes_cli::devnet::BITCOIN;
use aes_coordinator::msg::{LegResult, State};
use aes_e2e::bitcoin::{fee_of, mempool, mine_empty, node, spender, waiting, Part};
use aes_e2e::depositor::Depositor;
use aes_e2e::net::{changes, Net};
use aes_e2e::{same, until};
use aes_protocol::ChainId;
use anyhow::{ensure, Context as _, Result};
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use serde_json::json;

use crate::{cancel, results, FAR, MAX_FEE};

/// What they pay together, in sat a thousand virtual bytes.
async fn rate(net: &Net, package: &[&Transaction]) -> Result<u64> {
    let (mut fees, mut vbytes) = (0, 0);
    for tx in package {
        fees += fee_of(net, tx).await?.to_sat();
        vbytes += u64::try_from(tx.vsize())?;
    }
    Ok(1_000 * fees / vbytes)
}

/// Right, but for a virtual byte that is counted as a whole one.
fn pays(what: &str, rate: u64, wanted: u64) -> Result<()> {
    ensure!((wanted..wanted + 50).contains(&rate), "{what} pays {rate} sat/kvB, not {wanted}");
    Ok(())
}

pub async fn a_settlement_that_blocks_pass_by_gets_a_child_that_pays(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&["bitcoin transfer 3", "ethereum transfer 1"], FAR).await?;
    let deposit = Prepare::new(execution.execution_id, 0).run(&net.user).await?.transaction.context("a deposit")?;
    let hold = OutPoint { txid: deposit.parse()?, vout: 0 };
    node(net)?.stop_mining();
    let relayer = Part::relayer(net).await?;
    let stuck = stuck(net, hold, async || cancel(net, &execution).await).await;
    node(net)?.mine_at_interval();
    let dearest = stuck?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    relayer.stop().await?;
    same("results", &results(&done)[0], &LegResult::Reverted)?;
    let mined = node(net)?.call("getrawtransaction", json!([dearest.compute_txid(), 1])).await?;
    ensure!(mined["confirmations"].as_u64().is_some(), "the dearest child is in no block: {mined}");
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

/// The last child, which pays as much as may be paid.
async fn stuck(net: &Net, hold: OutPoint, cancel: impl AsyncFnOnce() -> Result<()>) -> Result<Transaction> {
    cancel().await?;
    let ticks = net.user.home.ticks();
    let settlement = until(ticks.clone(), "the release in the mempool", async || spender(net, hold).await).await?;
    pays("the settlement alone", rate(net, &[&settlement]).await?, 3_000)?;
    let anchor = u32::try_from(settlement.output.len() - 1)?;
    let anchor = OutPoint { txid: settlement.compute_txid(), vout: anchor };
    let mut last = None;
    // half as much again each time, and where that would be too much, the most
    for wanted in [4_500, MAX_FEE * 1_000] {
        mine_empty(node(net)?, 0).await?;
        let child = until(ticks.clone(), "its child", async || {
            Ok(spender(net, anchor).await?.filter(|child| last.as_ref() != Some(child)))
        });
        let child = child.await?;
        pays("with its child", rate(net, &[&settlement, &child]).await?, wanted)?;
        last = Some(child);
    }
    // one more passes by, and there is nothing to be done
    mine_empty(node(net)?, 0).await?;
    last.context("a child")
}

pub async fn a_reserve_move_that_blocks_pass_by_is_replaced(net: &Net) -> Result<()> {
    let relayer = Part::relayer(net).await?;
    let before = net.balances().await?;
    let escrow = Depositor::of_user(net).await?.escrow;
    let execution = net.open(&["polygon lock 5", "bitcoin unlock 5"], FAR).await?;
    let leg = &execution.legs[1].leg;
    let script = escrow.reserve_hold(&execution.execution_id, leg, escrow.first_set)?.script_pubkey().clone();
    node(net)?.stop_mining();
    let replaced = async {
        net.prepare(&execution, 0).await?;
        replaced(net, async || paying(net, &script).await).await
    };
    let replaced = replaced.await;
    node(net)?.mine_at_interval();
    replaced?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await?;
    relayer.stop().await?;
    same("results", &results(&done), &vec![LegResult::Finalized; 2])?;
    let expected = changes(&[
        ("polygon user", "-5"),
        ("polygon vault", "+5"),
        ("bitcoin vault", "-5"),
        ("bitcoin recipient", "+5"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// Before the first relayer comes: the whole supply is in one output.
pub async fn a_split_that_blocks_pass_by_is_replaced(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let etching = &net.user.manifest.bitcoin.get(&BITCOIN.parse::<ChainId>()?).context("Bitcoin")?.etching;
    let supply = OutPoint { txid: etching.parse()?, vout: 0 };
    node(net)?.stop_mining();
    let relayer = Part::relayer(net).await?;
    // a block wakes who keeps the vault
    mine_empty(node(net)?, 0).await?;
    let replaced = replaced(net, async || spender(net, supply).await).await;
    node(net)?.mine_at_interval();
    replaced?;
    until(net.user.home.ticks(), "the vault is split", async || Ok(mempool(net).await?.is_empty().then_some(())))
        .await?;
    relayer.stop().await?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

/// What is looked for is in the mempool, and when blocks have passed it by, another in its place.
async fn replaced(net: &Net, look: impl AsyncFn() -> Result<Option<Transaction>>) -> Result<()> {
    let ticks = net.user.home.ticks();
    let first = until(ticks.clone(), "the first in the mempool", &look).await?;
    let cheap = rate(net, &[&first]).await?;
    for _ in 0..2 {
        mine_empty(node(net)?, 0).await?;
    }
    let other = async || Ok(look().await?.filter(|tx| *tx != first));
    let second = until(ticks, "another in its place", other).await?;
    let dear = rate(net, &[&second]).await?;
    ensure!(dear >= cheap + 1_000 && dear < MAX_FEE * 1_000 + 50, "{cheap} sat/kvB, then {dear}");
    ensure!(!mempool(net).await?.contains(&first.compute_txid()), "both are in the mempool");
    let spends = |tx: &Transaction| tx.input.iter().map(|input| input.previous_output).collect::<Vec<_>>();
    ensure!(spends(&first).iter().all(|spent| spends(&second).contains(spent)), "other coins: {second:?}");
    Ok(())
}

/// What in the mempool makes an output of that script.
async fn paying(net: &Net, script: &ScriptBuf) -> Result<Option<Transaction>> {
    let pays = |tx: &Transaction| tx.output.iter().any(|output| output.script_pubkey == *script);
    Ok(waiting(net).await?.into_iter().find(pays))
}
