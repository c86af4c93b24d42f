//! `invalidateblock`: a hold is dropped before its execution is decided.

use aes_chains::{Depth, EscrowMessage};
use aes_cli::devnet::BITCOIN;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::bitcoin::{mine_empty, node};
use aes_e2e::net::{changes, Net};
use aes_e2e::{same, until};
use aes_protocol::ChainId;
use anyhow::Result;
use serde_json::json;

use crate::FAR;

const LEGS: [&str; 3] = ["bitcoin lock 7", "polygon lock 1", "ethereum unlock 8"];
const CHANGES: [(&str, &str); 6] = [
    ("bitcoin user", "-7"),
    ("bitcoin vault", "+7"),
    ("polygon user", "-1"),
    ("polygon vault", "+1"),
    ("ethereum vault", "-8"),
    ("ethereum recipient", "+8"),
];

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
    let execution = net.open(&LEGS, FAR).await?;
    node(net)?.stop_mining();
    let dropped = drop_hold(net, &execution).await;
    node(net)?.mine_at_interval();
    dropped?;
    net.until_held(&execution, 0).await?;
    net.prepare(&execution, 1).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    same("changes", &net.balances().await?.since(&before), &changes(&CHANGES))
}
