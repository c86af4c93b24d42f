//! `invalidateblock`: a hold is dropped before its execution is decided.

use aes_chains::Depth;
use aes_cli::devnet::BITCOIN;
use aes_coordinator::msg::State;
use aes_e2e::bitcoin::node;
use aes_e2e::net::Net;
use aes_e2e::until;
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::FAR;

pub async fn a_hold_that_a_reorg_drops_is_not_there(net: &Net) -> Result<()> {
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
