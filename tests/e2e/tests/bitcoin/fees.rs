//! Blocks that pass a transaction by: its fee is raised.

use aes_coordinator::msg::{LegResult, State};
use aes_e2e::bitcoin::{mempool, mine_empty, node};
use aes_e2e::net::Net;
use aes_e2e::{same, until};
use anyhow::Result;

use crate::{cancel, results, FAR};

/// The devnet's relayer raises a fee after 30 s, where a block has passed the transaction by.
pub async fn a_settlement_that_blocks_pass_by_gets_a_child_that_pays(net: &Net) -> Result<()> {
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
