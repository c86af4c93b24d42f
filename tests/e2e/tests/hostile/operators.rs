//! What the admin and the attestors may do while executions are on their way: a pause, and a new attestor set.

use aes_chains::EscrowMessage;
use aes_cli::commands::rollback::Rollback;
use aes_cli::devnet::{ALLIANZA, DEPLOYER};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{chain_of, changes, send_chain, send_home, typed, Net};
use aes_e2e::{refused, same};
use aes_protocol::{ChainId, Decision};
use anyhow::{ensure, Result};
use serde_json::json;

use crate::{held, the_leg, EVERYWHERE, FAR, PAPER};

pub async fn a_pause_stops_what_begins_and_nothing_that_ends(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let execution = held(net, &EVERYWHERE).await?;
    let committed = held(net, &EVERYWHERE).await?;
    let unprepared = net.open(&PAPER, FAR).await?;
    let commit = hand.commit(&committed).await?;
    let home: ChainId = ALLIANZA.parse()?;
    let escrow = &net.user.manifest.chain(&home)?.escrow_address;
    let of_escrow = async |message: &aes_escrow::msg::ExecuteMsg| -> Result<()> {
        let tx = net.cosmos.execute(escrow, message, &[]).await?;
        net.cosmos.wait_for(&tx, aes_e2e::PATIENCE).await?;
        Ok(())
    };
    refused(send_home(&net.user, &ExecuteMsg::Pause {}).await, "is not the admin")?;
    send_home(&net.deployer, &ExecuteMsg::Pause {}).await?;
    of_escrow(&aes_escrow::msg::ExecuteMsg::Pause {}).await?;
    for chain in ["polygon", "ethereum"] {
        net.evm_account(chain, DEPLOYER)?.pause().await?;
    }

    refused(net.open(&EVERYWHERE, FAR).await, "the contract is paused and begins nothing new")?;
    refused(net.prepare(&unprepared, 0).await, "EscrowPaused")?;
    for (index, words) in [(1, "the contract is paused and begins nothing new"), (2, "EscrowPaused")] {
        let leg = the_leg(&unprepared, index)?;
        let message = hand.prepare_reserve(&unprepared, &leg)?;
        refused(send_chain(&net.relayer, &leg.chain, &message).await, words)?;
    }
    typed::<Rollback>(&[&execution.execution_id.to_string()])?.run(&net.user).await?;
    hand.settle_all(&[&execution], Decision::Abort).await?;
    send_home(&net.relayer, &hand.record(&execution, Decision::Abort).await?).await?;
    send_home(&net.relayer, &commit).await?;
    hand.settle_all(&[&committed], Decision::Commit).await?;
    send_home(&net.relayer, &hand.record(&committed, Decision::Commit).await?).await?;
    for (execution, ended) in [(&execution, State::RolledBack), (&committed, State::Finalized)] {
        same("state", &net.user.execution(&execution.execution_id).await?.state, &ended)?;
    }

    send_home(&net.deployer, &ExecuteMsg::Unpause {}).await?;
    of_escrow(&aes_escrow::msg::ExecuteMsg::Unpause {}).await?;
    for chain in ["polygon", "ethereum"] {
        net.evm_account(chain, DEPLOYER)?.unpause().await?;
    }
    held(net, &EVERYWHERE).await?;
    Ok(())
}

/// Opened and held under set 1; set 2 decides and settles. Set 1 is still good for what it may have served.
pub async fn a_rotation_in_mid_flight(net: &Net) -> Result<()> {
    let (old, new) = (Attestors::of(&net.devnet)?, Attestors::strangers(2));
    let by_old = Hand { context: &net.relayer, attestors: &old };
    let by_new = Hand { context: &net.relayer, attestors: &new };
    let start = net.balances().await?;
    let execution = held(net, &PAPER).await?;
    let late = held(net, &EVERYWHERE).await?;
    let forgotten = held(net, &EVERYWHERE).await?;

    let certificate = by_old.rotate(&new)?;
    let set = new.set.clone();
    let rotate_home = ExecuteMsg::Rotate { set: set.clone(), certificate: certificate.clone() };
    let rotate = EscrowMessage::Rotate { set: set.clone(), certificate };
    let forged = Attestors::strangers(1);
    let forged = Hand { context: &net.relayer, attestors: &forged }.rotate(&new)?;
    for (chain, words) in [("polygon", "NotAnAttestor"), ("allianza", "is not in attestor set")] {
        let message = EscrowMessage::Rotate { set: set.clone(), certificate: forged.clone() };
        refused(send_chain(&net.relayer, &chain_of(&net.user, chain)?, &message).await, words)?;
    }
    refused(
        send_home(&net.relayer, &ExecuteMsg::Rotate { set: set.clone(), certificate: forged }).await,
        "is not in attestor set",
    )?;
    // twice: the second changes nothing
    for _ in 0..2 {
        for chain in net.relayer.chains.keys() {
            send_chain(&net.relayer, chain, &rotate).await?;
        }
        send_home(&net.deployer, &rotate_home).await?;
        let current = net.user.home.attestor_set(None).await?;
        same("current set", &current.set, &set)?;
    }
    let old_set = net.user.home.attestor_set(Some(1)).await?;
    ensure!(!old_set.current && old_set.expires_at.is_some_and(|at| at >= execution.deadline), "{old_set:?}");

    let done = by_new.commit_all(&execution).await?;
    same("state", &done.state, &State::Finalized)?;
    let done = by_old.commit_all(&late).await?;
    same("state of what set 1 still settles", &done.state, &State::Finalized)?;
    let expected = changes(&[
        ("polygon user", "-203"),
        ("polygon recipient", "+3"),
        ("polygon vault", "+200"),
        ("allianza user", "-4"),
        ("allianza vault", "-100"),
        ("allianza recipient", "+104"),
        ("ethereum user", "-5"),
        ("ethereum recipient", "+105"),
        ("ethereum issued", "+100"),
    ]);
    hand_back(&by_new, &forgotten, &["polygon", "allianza"]).await?;

    // past the last deadline that set 1 could have served, and the grace: it settles nothing any more
    let ethereum = chain_of(&net.user, "ethereum")?;
    let account = net.evm_account("ethereum", DEPLOYER)?;
    account.rpc("evm_increaseTime", json!([9 * 86_400])).await?;
    account.rpc("evm_mine", json!([])).await?;
    for (chain, message) in
        by_old.settle(&[&forgotten], Decision::Abort)?.into_iter().filter(|(chain, _)| *chain == ethereum)
    {
        refused(send_chain(&net.relayer, &chain, &message).await, "AttestorSetExpired")?;
    }
    hand_back(&by_new, &forgotten, &["ethereum"]).await?;
    same("changes", &net.balances().await?.since(&start), &expected)
}

async fn hand_back(hand: &Hand<'_>, execution: &ExecutionResponse, chains: &[&str]) -> Result<()> {
    for (chain, message) in hand.settle(&[execution], Decision::Abort)? {
        if chains.contains(&hand.context.chain(&chain)?.name()) {
            send_chain(hand.context, &chain, &message).await?;
        }
    }
    Ok(())
}
