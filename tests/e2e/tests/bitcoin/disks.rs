//! What is lost with a disk is made again from the chains.

use aes_cli::devnet::{BITCOIN, USER};
use aes_coordinator::msg::State;
use aes_e2e::bitcoin::{mempool, node, Relayer};
use aes_e2e::net::{changes, Net};
use aes_e2e::{same, until};
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};

use crate::FAR;

pub async fn a_relayer_that_lost_its_disk_goes_on(net: &Net) -> Result<()> {
    let first = Relayer::start(net).await?;
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
    for file in ["relayer.sqlite", "relayer.bitcoin.json"] {
        std::fs::remove_file(net.devnet.options.data_dir.join(file)).with_context(|| file.to_owned())?;
    }
    let second = Relayer::start(net).await?;
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
