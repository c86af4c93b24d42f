//! `invalidateblock`: a hold is dropped before its execution is decided, and after.

use aes_chains::{Depth, EscrowMessage, HoldStatus};
use aes_cli::devnet::{ATTESTORS, BITCOIN};
use aes_config::Config;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::bitcoin::{mine_empty, node, Part};
use aes_e2e::net::{changes, Net};
use aes_e2e::{same, until};
use aes_protocol::ChainId;
use anyhow::{ensure, Context as _, Result};
use serde_json::json;

use crate::{Own, CHANGED, FAR, LOCK_OF_THREE};

/// The hold is in the newest block, so that what is final stays; two blocks without it are more work. The deposit is in the
/// mempool again then, and comes back with the next block.
async fn drop_hold(net: &Net, execution: &ExecutionResponse) -> Result<()> {
    let (execution_id, leg) = (execution.execution_id, execution.legs[0].leg.clone());
    let (chain, node) = (net.user.chain(&BITCOIN.parse::<ChainId>()?)?, node(net)?);
    let hold = async || chain.hold(&execution_id, &leg, Depth::Soft).await;
    // the home chain's blocks go on, also while here none is mined
    let ticks = || net.user.home.ticks();
    let deposit = EscrowMessage::Prepare { execution_id, deadline: execution.deadline, leg: leg.clone() };
    chain.submit(&deposit).await?;
    node.generate(1).await?;
    until(ticks(), "the hold", async || Ok(hold().await?)).await?;
    let block = node.call("getbestblockhash", json!([])).await?;
    node.call("invalidateblock", json!([block])).await?;
    mine_empty(node, 0).await?;
    mine_empty(node, 0).await?;
    until(ticks(), "the hold is gone", async || Ok(hold().await?.is_none().then_some(()))).await
}

pub async fn a_hold_that_a_reorg_drops_is_not_there(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&LOCK_OF_THREE, FAR).await?;
    node(net)?.stop_mining();
    let dropped = drop_hold(net, &execution).await;
    node(net)?.mine_at_interval();
    dropped?;
    net.until_held(&execution, 0).await?;
    net.prepare(&execution, 1).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    same("changes", &net.balances().await?.since(&before), &changes(&CHANGED))
}

/// Deeper than what was called final, when the other chains have settled already: nothing is paid twice, and attestors say
/// nothing new until each was started again.
pub async fn a_hold_that_a_reorg_drops_after_the_commit_is_settled_once(own: &Own) -> Result<()> {
    let net = &own.net;
    let relayer = Part::relayer(net).await?;
    let before = net.balances().await?;
    let execution = net.open(&LOCK_OF_THREE, FAR).await?;
    net.prepare(&execution, 0).await?;
    net.until_held_at(&execution, 0, Depth::Final).await?;
    node(net)?.stop_mining();
    let dropped = drop_final_hold(net, &execution).await;
    node(net)?.mine_at_interval();
    dropped?;
    let finalized = async || {
        let holds = net.hold_status(&net.user, &execution).await?;
        Ok((holds == [Some(HoldStatus::Finalized); 3]).then_some(()))
    };
    until(net.user.home.ticks(), "every leg is finalized", finalized).await?;
    same("state", &net.user.execution(&execution.execution_id).await?.state, &State::Committed)?;

    for name in ATTESTORS {
        let listen = Config::load(&net.devnet.config_file(name))?.attest()?.listen;
        let health = reqwest::get(format!("http://{listen}/v1/health")).await?.text().await?;
        ensure!(health.contains("deeper than finality (2)"), "{name}: {health}");
    }
    let mut attestors = own.attestors.lock().await;
    for attestor in attestors.drain(..) {
        attestor.stop().await?;
    }
    for name in ATTESTORS {
        attestors.push(Part::attestor(net, name).await?);
    }
    net.until_state(&execution.execution_id, State::Finalized).await?;
    relayer.stop().await?;
    same("changes", &net.balances().await?.since(&before), &changes(&CHANGED))
}

async fn drop_final_hold(net: &Net, execution: &ExecutionResponse) -> Result<()> {
    let (node, ticks) = (node(net)?, net.user.home.ticks());
    net.prepare(execution, 1).await?;
    let others = async || {
        let holds = net.hold_status(&net.user, execution).await?;
        Ok((holds[1..] == [Some(HoldStatus::Finalized); 2]).then_some(()))
    };
    until(ticks.clone(), "the other legs are finalized", others).await?;
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    let hold = async || chain.hold(&execution.execution_id, &execution.legs[0].leg, Depth::Soft).await;
    let (held, tip) = (hold().await?.context("held")?.held_at.context("a height")?, chain.head(Depth::Soft).await?);
    let block = node.call("getblockhash", json!([held])).await?;
    node.call("invalidateblock", json!([block])).await?;
    // one block more than there were
    for _ in held..=tip.height + 1 {
        mine_empty(node, 0).await?;
    }
    until(ticks, "the hold is gone", async || Ok(hold().await?.is_none().then_some(()))).await
}
