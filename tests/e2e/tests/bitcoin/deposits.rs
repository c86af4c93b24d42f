//! Deposits that are late, and the depositor's own way out.

use aes_bitcoin::DEPOSIT_VOUT;
use aes_chains::{Chain, Depth, EscrowMessage, Hold, HoldStatus};
use aes_cli::commands::escape::Escape;
use aes_cli::devnet::BITCOIN;
use aes_coordinator::msg::{ExecutionResponse, LegResult, State};
use aes_e2e::bitcoin::{node, pass_time, Part};
use aes_e2e::depositor::Depositor;
use aes_e2e::net::{changes, typed, Net};
use aes_e2e::{refused, same, until};
use aes_protocol::ChainId;
use anyhow::{ensure, Result};
use bitcoin::OutPoint;

use crate::{cancel, results, FAR};

const LEGS: [&str; 2] = ["bitcoin lock 7", "ethereum unlock 7"];

async fn until_settled(chain: &dyn Chain, execution: &ExecutionResponse) -> Result<Hold> {
    let leg = &execution.legs[0].leg;
    until(chain.ticks(), "the late hold has ended", async || {
        let hold = chain.hold(&execution.execution_id, leg, Depth::Soft).await?;
        Ok(hold.filter(|hold| hold.settled_at.is_some()))
    })
    .await
}

pub async fn a_deposit_that_appears_after_the_abort_is_given_back(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&LEGS, FAR).await?;
    let leg = execution.legs[0].leg.clone();
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    node(net)?.stop_mining();
    let deposit = EscrowMessage::Prepare { execution_id: execution.execution_id, deadline: execution.deadline, leg };
    let sent = async {
        chain.submit(&deposit).await?;
        cancel(net, &execution).await
    };
    let sent = sent.await;
    node(net)?.mine_at_interval();
    sent?;
    until_settled(&**chain, &execution).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("results", &results(&done)[0], &LegResult::Reverted)?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

pub async fn a_deposit_that_appears_after_the_record_is_given_back_too(net: &Net) -> Result<()> {
    let relayer = Part::relayer(net).await?;
    let before = net.balances().await?;
    let mut depositor = Depositor::of_user(net).await?;
    let execution = net.open(&LEGS, FAR).await?;
    let script = depositor.script(&execution).await?;
    let amount = execution.legs[0].leg.amount.u128();
    let tx = depositor.deposit(script.output(), &[(depositor.escrow.rune, amount)])?;
    let hold = script.at(OutPoint { txid: tx.compute_txid(), vout: DEPOSIT_VOUT });
    depositor.attach(&execution, &depositor.presigned(&hold)?).await?;
    cancel(net, &execution).await?;
    // nothing was held at the deadline
    pass_time(net, 700).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("results", &results(&done), &vec![LegResult::NotPrepared; 2])?;

    depositor.broadcast(&tx).await?;
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    same("hold", &until_settled(&**chain, &execution).await?.status, &HoldStatus::Released)?;
    relayer.stop().await?;
    same("the record", &net.user.execution(&execution.execution_id).await?, &done)?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

pub async fn a_depositor_escapes_when_no_decision_ever_comes(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let legs = ["bitcoin transfer 3", "bitcoin lock 7", "bitcoin burn 2", "ethereum unlock 9"];
    let execution = net.open(&legs, 20).await?;
    let id = execution.execution_id.to_string();
    let escape = |leg: &str| typed::<Escape>(&[&id, "--leg", leg]);
    for leg in 0..3 {
        net.prepare(&execution, leg).await?;
    }
    for leg in ["0", "1", "2"] {
        refused(escape(leg)?.run(&net.user).await, "transaction's sequence locks on inputs not met")?;
    }
    refused(escape("0")?.run(&net.relayer).await, "the key here is of bcrt1p")?;
    same("user", &net.balances().await?.since(&before), &changes(&[("bitcoin user", "-12")]))?;

    // 20 s and 600 s, rounded up to 512 s each
    pass_time(net, 1_100).await?;
    for leg in ["0", "1", "2"] {
        let said = escape(leg)?.run(&net.user).await?.to_string();
        ensure!(said.contains("escape       done on bip122:"), "{said}");
        let again = escape(leg)?.run(&net.user).await?.to_string();
        ensure!(again.contains("already escaped on bip122:"), "{again}");
    }
    let relayer = Part::relayer(net).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await;
    relayer.stop().await?;
    use LegResult::{Escaped, NotPrepared};
    same("results", &results(&done?), &vec![Escaped, Escaped, Escaped, NotPrepared])?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}
