//! What is lost with a disk is made again from the chains.

use std::fs::{remove_dir_all, remove_file};

use aes_chains::Depth;
use aes_cli::commands::prepare::Prepare;
use aes_cli::devnet::{ATTESTORS, BITCOIN, USER};
use aes_coordinator::msg::State;
use aes_e2e::bitcoin::{mempool, node, spender, Part};
use aes_e2e::net::{changes, Net};
use aes_e2e::{same, until};
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};
use bitcoin::OutPoint;

use crate::{Own, CHANGED, FAR, LOCK_OF_THREE};

/// Its database, its index, and the transactions that it had sent.
fn lose_the_relayers_disk(net: &Net) -> Result<()> {
    let dir = &net.devnet.options.data_dir;
    for file in ["relayer.sqlite", "relayer.bitcoin.json"] {
        remove_file(dir.join(file)).context(file)?;
    }
    remove_dir_all(dir.join("relayer.bitcoin.sent")).context("relayer.bitcoin.sent")
}

pub async fn a_relayer_that_lost_its_disk_goes_on(own: &Own) -> Result<()> {
    let net = &own.net;
    let first = Part::relayer(net).await?;
    let before = net.balances().await?;
    let legs =
        [net.leg("polygon lock 1000")?, format!("bitcoin unlock 1000 to {}", net.devnet.bitcoin_account(USER)?.1)];
    let execution = net.open_in(&net.user, &legs, FAR).await?;
    let node = node(net)?;
    // the vault is split when the relayer starts: its move would be in the mempool too
    until(net.user.chain(&BITCOIN.parse::<ChainId>()?)?.ticks(), "a quiet mempool", async || {
        Ok(mempool(net).await?.is_empty().then_some(()))
    })
    .await?;
    node.stop_mining();
    net.prepare(&execution, 0).await?;
    let prepared = until(net.user.home.ticks(), "the reserve's move in the mempool", async || {
        Ok((!mempool(net).await?.is_empty()).then_some(()))
    })
    .await;
    node.mine_at_interval();
    prepared?;
    first.stop().await?;
    lose_the_relayers_disk(net)?;
    let second = Part::relayer(net).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await;
    second.stop().await?;
    done?;
    let expected = changes(&[
        ("polygon user", "-1000"),
        ("polygon vault", "+1000"),
        ("bitcoin vault", "-1000"),
        ("bitcoin user", "+1000"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

/// The settlement is on its way, and neither the relayer nor one of the attestors knows of it any more.
pub async fn a_lock_on_its_way_needs_no_disk_but_the_journals(own: &Own) -> Result<()> {
    let net = &own.net;
    let first = Part::relayer(net).await?;
    let before = net.balances().await?;
    let execution = net.open(&LOCK_OF_THREE, FAR).await?;
    let deposit = Prepare::new(execution.execution_id, 0).run(&net.user).await?.transaction.context("a deposit")?;
    let hold = OutPoint { txid: deposit.parse()?, vout: 0 };
    net.until_held_at(&execution, 0, Depth::Final).await?;
    node(net)?.stop_mining();
    let lost = async {
        net.prepare(&execution, 1).await?;
        until(net.user.home.ticks(), "the settlement in the mempool", async || spender(net, hold).await).await?;
        first.stop().await?;
        lose_the_relayers_disk(net)?;
        let mut attestors = own.attestors.lock().await;
        attestors.remove(0).stop().await?;
        remove_file(net.devnet.options.data_dir.join("attestor-1.bitcoin.json")).context("attestor-1.bitcoin.json")?;
        attestors.push(Part::attestor(net, ATTESTORS[0]).await?);
        Part::relayer(net).await
    };
    let second = lost.await;
    node(net)?.mine_at_interval();
    let second = second?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await;
    second.stop().await?;
    done?;
    same("changes", &net.balances().await?.since(&before), &changes(&CHANGED))
}
