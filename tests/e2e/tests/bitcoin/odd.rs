//! Deposits with something wrong about them, and pre-signatures that are not the depositor's word. None counts as a hold;
//! what a settlement can spend comes back with the abort, and the rest is the depositor's to take (docs/bitcoin.md).

use aes_bitcoin::{Hold, HoldScript, Presigned, RefundDelay, RuneId};
use aes_cli::commands::attach::Attach;
use aes_cli::commands::escape::Escape;
use aes_cli::devnet::RELAYER;
use aes_config::Config;
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, LegResult, State};
use aes_e2e::bitcoin::{pass_time, Part};
use aes_e2e::depositor::Depositor;
use aes_e2e::net::{changes, send_home, typed, Net};
use aes_e2e::{refused, same};
use anyhow::{ensure, Result};
use bitcoin::{Amount, OutPoint, TxOut};
use serde_json::json;

use crate::{cancel, results, FAR};

const LEGS: [&str; 2] = ["bitcoin lock 7", "ethereum unlock 7"];
/// The second is never prepared, so that the reserve waits.
const WITH_ONE_THAT_WAITS: [&str; 3] = ["bitcoin lock 7", "polygon lock 1", "ethereum unlock 8"];
const SEVEN: u128 = 7_000_000_000_000_000_000;
/// What it is, and whether it was ever etched, only an index of all runes knows: it is named, and that is enough.
const OTHER: RuneId = RuneId { block: 1, tx: 0 };

/// The deadline and the refund's delay, 600 s each, rounded up to 512 s each.
const ALL_IS_OVER: u32 = 1_700;

/// `output` in place of the hold's, attached as the leg's hold and broadcast.
async fn made(
    depositor: &mut Depositor<'_>,
    execution: &ExecutionResponse,
    script: HoldScript,
    output: TxOut,
    edicts: &[(RuneId, u128)],
) -> Result<Hold> {
    let tx = depositor.deposit(output, edicts)?;
    let hold = script.at(OutPoint { txid: tx.compute_txid(), vout: 0 });
    depositor.attach(execution, &depositor.presigned(&hold)?).await?;
    depositor.broadcast(&tx).await?;
    Ok(hold)
}

/// Not here, and not by any attestor: so it is never committed.
async fn counts_for_nothing(net: &Net, what: &str, execution: &ExecutionResponse) -> Result<()> {
    same(what, &net.hold_status(&net.user, execution).await?, &vec![None; 2])?;
    for (statement, words) in [("opened", "leg 0 on bip122:"), ("prepared", "not_seen")] {
        for attestor in &Config::load(&net.devnet.config_file(RELAYER))?.relay()?.attestors {
            let asked = json!({ "statement": { statement: { "execution_id": execution.execution_id } } });
            let url = attestor.url.expose().join("v1/attest")?;
            let said = reqwest::Client::new().post(url).json(&asked).send().await?.text().await?;
            ensure!(said.contains(words), "{what}, {statement}: {said}");
        }
    }
    same(what, &net.user.execution(&execution.execution_id).await?.state, &State::Open)
}

/// By the relayer that runs, after the opener has cancelled.
async fn ends(net: &Net, what: &str, execution: &ExecutionResponse, result: LegResult) -> Result<()> {
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    let ended = results(&done);
    same(what, &ended[0], &result)?;
    ensure!(ended[1..].iter().all(|other| *other == LegResult::NotPrepared), "{what}: {ended:?}");
    Ok(())
}

async fn escape(net: &Net, execution: &ExecutionResponse) -> Result<String> {
    let escape: Escape = typed(&[&execution.execution_id.to_string(), "--leg", "0"])?;
    Ok(escape.run(&net.user).await?.to_string())
}

pub async fn what_is_not_as_its_leg_says_is_given_back(net: &Net) -> Result<()> {
    let relayer = Part::relayer(net).await?;
    let before = net.balances().await?;
    let mut depositor = Depositor::of_user(net).await?;
    let (alz, too_short) = (depositor.escrow.rune, RefundDelay::from_units(1));
    let wrong = [
        ("too little", None, vec![(alz, SEVEN - 1)]),
        ("too much", None, vec![(alz, SEVEN + 1)]),
        ("two runes", None, vec![(alz, SEVEN), (OTHER, 5)]),
        ("CSV too short", too_short, vec![(alz, SEVEN)]),
    ];
    let mut all = Vec::new();
    for (what, refund, edicts) in wrong {
        let execution = net.open(&LEGS, FAR).await?;
        let script = match refund {
            Some(refund) => depositor.script_with(&execution, refund)?,
            None => depositor.script(&execution).await?,
        };
        let output = script.output();
        all.push((what, made(&mut depositor, &execution, script, output, &edicts).await?, execution));
    }
    for (what, hold, execution) in &all {
        depositor.until_final(hold.outpoint.txid).await?;
        counts_for_nothing(net, what, execution).await?;
    }
    for (_, _, execution) in &all {
        cancel(net, execution).await?;
    }
    for (what, _, execution) in &all {
        ends(net, what, execution, LegResult::Reverted).await?;
    }
    relayer.stop().await?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

pub async fn what_no_settlement_spends_its_depositor_takes_back(net: &Net) -> Result<()> {
    let relayer = Part::relayer(net).await?;
    let before = net.balances().await?;
    let mut depositor = Depositor::of_user(net).await?;
    let alz = depositor.escrow.rune;
    let mut all = Vec::new();
    for (what, sats, rune) in [
        ("dust", Some(300), alz),
        ("few sats", Some(1_000), alz),
        ("many sats", Some(9_000), alz),
        ("another rune", None, OTHER),
    ] {
        let execution = net.open(&LEGS, FAR).await?;
        let script = depositor.script(&execution).await?;
        let value = sats.map_or(script.sats(), Amount::from_sat);
        let output = TxOut { value, ..script.output() };
        all.push((what, made(&mut depositor, &execution, script, output, &[(rune, SEVEN)]).await?, execution));
    }
    for (what, hold, execution) in &all {
        depositor.until_final(hold.outpoint.txid).await?;
        counts_for_nothing(net, what, execution).await?;
        let words = if *what == "dust" { "pay no fee of" } else { "sequence locks" };
        refused(escape(net, execution).await, words)?;
        cancel(net, execution).await?;
    }

    pass_time(net, ALL_IS_OVER).await?;
    for (what, _, execution) in &all {
        ends(net, what, execution, LegResult::NotPrepared).await?;
    }
    // dust pays no fee, but its depositor can bring one
    let (_, dust, _) = all.remove(0);
    let taken = depositor.taken_back(&dust, Amount::from_sat(300))?;
    depositor.until_final(depositor.broadcast(&taken).await?).await?;
    for (what, _, execution) in &all {
        let said = escape(net, execution).await?;
        ensure!(said.contains("escape       done"), "{what}: {said}");
    }
    relayer.stop().await?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

pub async fn an_output_that_only_looks_like_the_hold(net: &Net) -> Result<()> {
    let relayer = Part::relayer(net).await?;
    let before = net.balances().await?;
    let mut depositor = Depositor::of_user(net).await?;
    let alz = depositor.escrow.rune;
    // his own account's, with just what a hold has
    let own = net.open(&LEGS, FAR).await?;
    let script = depositor.script(&own).await?;
    let output = TxOut { script_pubkey: depositor.account.clone(), ..script.output() };
    made(&mut depositor, &own, script, output, &[(alz, SEVEN)]).await?;
    // another execution's, which it is a hold of
    let (named, other) = (net.open(&LEGS, FAR).await?, net.open(&WITH_ONE_THAT_WAITS, FAR).await?);
    let (script, of_other) = (depositor.script(&named).await?, depositor.script(&other).await?);
    let hold = made(&mut depositor, &named, script, of_other.output(), &[(alz, SEVEN)]).await?;
    depositor.until_final(hold.outpoint.txid).await?;
    for (what, execution) in [("his own account", &own), ("of another execution", &named)] {
        counts_for_nothing(net, what, execution).await?;
        refused(escape(net, execution).await, "pays to another script than this leg's hold")?;
    }
    depositor.attach(&other, &depositor.presigned(&of_other.at(hold.outpoint))?).await?;
    net.until_held(&other, 0).await?;

    for execution in [&own, &named, &other] {
        cancel(net, execution).await?;
    }
    pass_time(net, 700).await?;
    ends(net, "his own account", &own, LegResult::NotPrepared).await?;
    ends(net, "of another execution", &named, LegResult::NotPrepared).await?;
    ends(net, "the other execution", &other, LegResult::Reverted).await?;
    relayer.stop().await?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

pub async fn pre_signatures_that_are_not_the_depositors_word(net: &Net) -> Result<()> {
    let relayer = Part::relayer(net).await?;
    let before = net.balances().await?;
    let mut depositor = Depositor::of_user(net).await?;
    let execution = net.open(&LEGS, FAR).await?;
    let script = depositor.script(&execution).await?;
    let tx = depositor.deposit(script.output(), &[(depositor.escrow.rune, SEVEN)])?;
    let hold = script.at(OutPoint { txid: tx.compute_txid(), vout: 0 });
    let good = depositor.presigned(&hold)?;
    let swapped = Presigned { finalize: good.release, release: good.finalize, ..good.clone() };
    for (bad, words) in [
        (swapped.clone(), "the depositor's signature does not verify over its Finalize transaction"),
        (Presigned { release: good.finalize, ..good.clone() }, "does not verify over its Release transaction"),
        (Presigned { set_id: 9, ..good.clone() }, "attestor set 9 is not known here"),
        (Presigned { outpoint: OutPoint { vout: 1, ..hold.outpoint }, ..good.clone() }, "over its Finalize"),
    ] {
        refused(depositor.attach(&execution, &bad).await, words)?;
    }
    let id = execution.execution_id.to_string();
    let cut: Attach = typed(&[&id, "--leg", "0", "0x010203"])?;
    refused(cut.run(&net.user).await, "attached bytes of version 1 are 207 long, got 3")?;

    // past the command line the coordinator takes any bytes, once
    let attach = |presigned| ExecuteMsg::Attach { execution_id: execution.execution_id, leg: 0, presigned };
    send_home(&net.user, &attach(swapped.encode())).await?;
    refused(depositor.attach(&execution, &good).await, "has other transactions attached, and keeps them")?;
    depositor.broadcast(&tx).await?;
    depositor.until_final(hold.outpoint.txid).await?;
    counts_for_nothing(net, "swapped", &execution).await?;
    // who deposits by the command line deposits nothing then
    let garbage = net.open(&LEGS, FAR).await?;
    let bytes = vec![0; 3].into();
    send_home(&net.user, &ExecuteMsg::Attach { execution_id: garbage.execution_id, leg: 0, presigned: bytes }).await?;
    refused(net.prepare(&garbage, 0).await, "the pre-signatures at the coordinator are of a deposit that is not in")?;
    counts_for_nothing(net, "garbage", &garbage).await?;

    cancel(net, &execution).await?;
    cancel(net, &garbage).await?;
    pass_time(net, ALL_IS_OVER).await?;
    ends(net, "swapped", &execution, LegResult::NotPrepared).await?;
    ends(net, "garbage", &garbage, LegResult::NotPrepared).await?;
    escape(net, &execution).await?;
    refused(escape(net, &garbage).await, "attached bytes have version 0")?;
    relayer.stop().await?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}
