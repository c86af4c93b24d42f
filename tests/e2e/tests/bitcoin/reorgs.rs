//! `invalidateblock`: a hold is dropped before its execution is decided.

use aes_chains::Depth;
use aes_cli::devnet::BITCOIN;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::bitcoin::node;
use aes_e2e::net::{changes, Net};
use aes_e2e::{same, until};
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};
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

/// The node's tip is a shorter chain then: what was in the blocks is in its mempool again, and comes back with the next.
async fn drop_hold(net: &Net, execution: &ExecutionResponse) -> Result<()> {
    let leg = &execution.legs[0].leg;
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    let hold = async || chain.hold(&execution.execution_id, leg, Depth::Soft).await;
    let held = hold().await?.context("held")?.held_at.context("a height")?;
    let block = node(net)?.call("getblockhash", json!([held])).await?;
    node(net)?.call("invalidateblock", json!([block])).await?;
    until(chain.ticks(), "the hold is gone", async || Ok(hold().await?.is_none().then_some(()))).await
}

pub async fn a_hold_that_a_reorg_drops_is_not_there(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&LEGS, FAR).await?;
    net.prepare(&execution, 0).await?;
    node(net)?.stop_mining();
    let dropped = drop_hold(net, &execution).await;
    node(net)?.mine_at_interval();
    dropped?;
    net.until_held(&execution, 0).await?;
    net.prepare(&execution, 1).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    same("changes", &net.balances().await?.since(&before), &changes(&CHANGES))
}
