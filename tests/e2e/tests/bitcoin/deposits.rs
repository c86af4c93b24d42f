//! A deposit that is late, and the depositor's own way out.

use aes_chains::{Depth, EscrowMessage, HoldStatus};
use aes_cli::devnet::BITCOIN;
use aes_coordinator::msg::{LegResult, State};
use aes_e2e::bitcoin::{mine_empty, node, Relayer};
use aes_e2e::net::{changes, Net};
use aes_e2e::{refused, same, until};
use aes_protocol::ChainId;
use anyhow::Result;

use crate::{cancel, results, FAR};

pub async fn a_deposit_that_appears_after_the_abort_is_given_back(net: &Net) -> Result<()> {
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

pub async fn a_depositor_escapes_when_no_decision_ever_comes(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&["bitcoin lock 7", "ethereum unlock 7"], 20).await?;
    let leg = execution.legs[0].leg.clone();
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    net.prepare(&execution, 0).await?;
    let escape = EscrowMessage::Escape { execution_id: execution.execution_id, leg: leg.clone() };
    refused(chain.submit(&escape).await.map_err(Into::into), "sequence locks")?;

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
