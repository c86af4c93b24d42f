//! What breaks while executions are on their way, with the real `aes relay` as a process: an endpoint, the process, a
//! whole chain's node, and a leg that its chain refuses to pay. All or none holds, and what can go on goes on.

use std::path::PathBuf;

use aes_chains::evm::AdminCall;
use aes_chains::{Depth, HoldStatus};
use aes_cli::commands::rollback::Rollback;
use aes_cli::devnet::{ETHEREUM, RELAYER};
use aes_config::Config;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::link::Link;
use aes_e2e::net::{changes, typed, Net};
use aes_e2e::process::Aes;
use aes_e2e::{play, same, until};
use aes_protocol::ChainId;
use anyhow::{ensure, Context as _, Result};
use serde_json::json;

const FAR: u64 = 3600;
const PAPER: [&str; 3] = ["polygon lock 200", "allianza unlock 100", "ethereum mint 100"];

#[tokio::test(flavor = "multi_thread")]
async fn faults() -> Result<()> {
    let mut net = Net::start(|options| options.relayer = false).await?;
    net.give_allowances().await?;
    let failed = play!(
        &mut net,
        endpoints_die_in_mid_flight,
        the_process_is_ended_in_mid_flight,
        a_leg_that_cannot_be_paid_is_held_until_it_can,
        a_node_is_down_before_the_relayer_starts,
    );
    net.end(failed).await
}

fn relay(net: &Net, config: &std::path::Path) -> Result<Aes> {
    Aes::start(config, &["relay"], &net.devnet.options.data_dir.join("relay.log"))
}

/// The relayer's config, changed.
fn changed(net: &Net, name: &str, change: impl FnOnce(&mut Config) -> Result<()>) -> Result<PathBuf> {
    let mut config = Config::load(&net.devnet.config_file(RELAYER))?;
    config.relay.as_mut().context("relay")?.database = format!("{name}.sqlite").into();
    change(&mut config)?;
    let file = net.devnet.options.data_dir.join(format!("{name}.toml"));
    std::fs::write(&file, toml::to_string(&config)?)?;
    Ok(file)
}

async fn until_holds(net: &Net, execution: &ExecutionResponse, wanted: &[Option<HoldStatus>]) -> Result<()> {
    until(net.user.home.ticks(), &format!("{wanted:?}"), async || {
        let statuses = net.hold_status(&net.user, execution).await?;
        Ok((statuses == wanted).then_some(()))
    })
    .await
}

/// The first endpoint of every chain is cut while the execution is on its way; the second carries it on.
async fn endpoints_die_in_mid_flight(net: &mut Net) -> Result<()> {
    let mut links = Vec::new();
    for node in [&net.devnet.wasmd.rpc_url, &net.devnet.polygon.rpc_url, &net.devnet.ethereum.rpc_url] {
        links.push((node.clone(), Link::to(node).await?));
    }
    let file = changed(net, "proxied", |config| {
        for chain in config.chains.values_mut() {
            let (_, link) = links
                .iter()
                .find(|(node, _)| chain.rpc.iter().any(|at| at.expose().as_str().trim_end_matches('/') == *node))
                .context("a link")?;
            chain.rpc.insert(0, link.url.parse()?);
        }
        Ok(())
    })?;
    let relayer = relay(net, &file)?;
    let before = net.balances().await?;
    let first = net.open(&PAPER, FAR).await?;
    net.prepare_all(&first).await?;
    until(net.user.home.ticks(), "the reserve prepared by the relayer", async || {
        let statuses = net.hold_status(&net.user, &first).await?;
        Ok(statuses.iter().skip(1).any(Option::is_some).then_some(()))
    })
    .await?;
    drop(links);
    net.until_state(&first.execution_id, State::Finalized).await?;
    // and one that begins when only the second endpoints are there
    let second = net.open(&PAPER, FAR).await?;
    net.prepare_all(&second).await?;
    net.until_state(&second.execution_id, State::Finalized).await?;
    relayer.terminate().await?;
    let expected = changes(&[
        ("polygon user", "-400"),
        ("polygon vault", "+400"),
        ("allianza vault", "-200"),
        ("allianza recipient", "+200"),
        ("ethereum recipient", "+200"),
        ("ethereum issued", "+200"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// SIGTERM at each stage; the next process finds everything on the chains and ends it.
async fn the_process_is_ended_in_mid_flight(net: &mut Net) -> Result<()> {
    let config = net.devnet.config_file(RELAYER);
    let before = net.balances().await?;
    for stage in ["opened", "a reserve held", "decided"] {
        let relayer = relay(net, &config)?;
        let execution = net.open(&PAPER, FAR).await?;
        if stage != "opened" {
            net.prepare_all(&execution).await?;
            until(net.user.home.ticks(), stage, async || {
                let reached = match stage {
                    "decided" => net.user.execution(&execution.execution_id).await?.state != State::Open,
                    _ => net.hold_status(&net.user, &execution).await?.iter().skip(1).any(Option::is_some),
                };
                Ok(reached.then_some(()))
            })
            .await?;
        }
        relayer.terminate().await.with_context(|| format!("ended when {stage}"))?;
        let relayer = relay(net, &config)?;
        if stage == "opened" {
            net.prepare_all(&execution).await?;
        }
        net.until_state(&execution.execution_id, State::Finalized)
            .await
            .with_context(|| format!("ended when {stage}"))?;
        relayer.terminate().await?;
    }
    let expected = changes(&[
        ("polygon user", "-600"),
        ("polygon vault", "+600"),
        ("allianza vault", "-300"),
        ("allianza recipient", "+300"),
        ("ethereum recipient", "+300"),
        ("ethereum issued", "+300"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// ALZ on ethereum lets somebody else burn for a while, so the token refuses the escrow: that leg is recorded as failed
/// and stays held, its neighbour in the same transaction ends, and it ends too once the token allows it.
async fn a_leg_that_cannot_be_paid_is_held_until_it_can(net: &mut Net) -> Result<()> {
    use HoldStatus::{Finalized, Held};
    let id: ChainId = ETHEREUM.parse()?;
    let entry = net.user.manifest.chain(&id)?.clone();
    let ethereum = net.on_evm(&id)?;
    let set_bridge = async |to: &str| ethereum.admin_call(&entry.asset, &AdminCall::SetBridge(to.into())).await;
    let before = net.balances().await?;
    set_bridge(&ethereum.address()).await?;
    let relayer = relay(net, &net.devnet.config_file(RELAYER))?;
    let execution = net.open(&["ethereum burn 5", "ethereum lock 4", "polygon unlock 9"], FAR).await?;
    net.prepare_all(&execution).await?;
    until_holds(net, &execution, &[Some(Held), Some(Finalized), Some(Finalized)]).await?;
    same("state", &net.user.execution(&execution.execution_id).await?.state, &State::Committed)?;
    let expected = changes(&[
        ("ethereum user", "-9"),
        ("ethereum vault", "+4"),
        ("ethereum held", "+5"),
        ("polygon vault", "-9"),
        ("polygon recipient", "+9"),
    ]);
    same("changes while it cannot be paid", &net.balances().await?.since(&before), &expected)?;
    let failed = aes_protocol::keccak(b"SettlementFailed(bytes32,bytes32,bytes)");
    let leg = execution.legs.first().context("the burn")?;
    let filter = json!([{
        "address": entry.escrow_address, "fromBlock": "0x0",
        "topics": [failed.to_string(), execution.execution_id.to_string(), leg.leg_hash.to_string()],
    }]);
    let logs = net.evm_account("ethereum", RELAYER)?.rpc("eth_getLogs", filter).await?;
    ensure!(logs.as_array().is_some_and(|logs| !logs.is_empty()), "no event says that leg 0 failed: {logs}");

    set_bridge(&entry.escrow_address).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    relayer.terminate().await?;
    let expected = changes(&[
        ("ethereum user", "-9"),
        ("ethereum vault", "+4"),
        ("ethereum issued", "-5"),
        ("polygon vault", "-9"),
        ("polygon recipient", "+9"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// ethereum's node stands still when the relayer starts: what does not need it is finalized, what does is given back
/// elsewhere, and ends when the node is back.
async fn a_node_is_down_before_the_relayer_starts(net: &mut Net) -> Result<()> {
    let before = net.balances().await?;
    let attestors = Attestors::of(&net.devnet)?;
    let aborted = net.open(&["polygon lock 7", "allianza unlock 3", "ethereum unlock 4"], FAR).await?;
    net.prepare_all(&aborted).await?;
    Hand { context: &net.relayer, attestors: &attestors }.prepare_reserves(&aborted).await?;
    let waits = net.open(&["polygon lock 6", "ethereum unlock 6"], FAR).await?;
    let without = net.open(&["polygon lock 5", "allianza unlock 5"], FAR).await?;

    net.devnet.ethereum.stop().await?;
    let relayer = relay(net, &net.devnet.config_file(RELAYER))?;
    net.prepare(&waits, 0).await?;
    net.prepare(&without, 0).await?;
    net.until_state(&without.execution_id, State::Finalized).await?;
    typed::<Rollback>(&[&aborted.execution_id.to_string()])?.run(&net.user).await?;
    let released = async |leg: usize| -> Result<()> {
        let leg = &aborted.legs.get(leg).context("the leg")?.leg;
        let chain = net.user.chain(&leg.chain)?;
        until(net.user.home.ticks(), "released where the node is up", async || {
            let hold = chain.hold(&aborted.execution_id, leg, Depth::Soft).await?;
            Ok(hold.is_some_and(|hold| hold.status == HoldStatus::Released).then_some(()))
        })
        .await
    };
    released(0).await?;
    released(1).await?;
    same("while the node is down", &net.user.execution(&waits.execution_id).await?.state, &State::Open)?;
    same("while the node is down", &net.user.execution(&aborted.execution_id).await?.state, &State::Aborted)?;

    net.devnet.ethereum.restart().await?;
    net.until_state(&aborted.execution_id, State::RolledBack).await?;
    net.until_state(&waits.execution_id, State::Finalized).await?;
    relayer.terminate().await?;
    let expected = changes(&[
        ("polygon user", "-11"),
        ("polygon vault", "+11"),
        ("allianza vault", "-5"),
        ("allianza recipient", "+5"),
        ("ethereum vault", "-6"),
        ("ethereum recipient", "+6"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}
