//! A depositor whose wallet is elsewhere: `aes prepare --psbt` and `--signed`, with a wallet that signs or does not.

use std::collections::BTreeMap;
use std::path::Path;

use aes_chains::bitcoin::keypair;
use aes_cli::commands::prepare::Prepare;
use aes_cli::context::Context as Connected;
use aes_cli::devnet::{BITCOIN, USER};
use aes_cli::output::Output;
use aes_config::Config;
use aes_coordinator::msg::{LegResult, State};
use aes_e2e::bitcoin::Part;
use aes_e2e::net::{changes, typed, Net};
use aes_e2e::{refused, same};
use anyhow::{Context as _, Result};
use bitcoin::key::Keypair;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Network, PrivateKey, Psbt};

use crate::{cancel, results, FAR};

/// The user without its key, which only the wallet has.
async fn without_key(net: &Net, key: &Keypair) -> Result<Connected> {
    let mut config = Config::load(&net.devnet.config_file(USER))?;
    let chain = config.chains.get_mut(&BITCOIN.parse()?).context("Bitcoin")?;
    chain.key = None;
    let bitcoin = chain.bitcoin.as_mut().context("its table")?;
    bitcoin.wallet = Some(format!("[d34db33f/86h/1h/0h/0/0]{}", key.x_only_public_key().0));
    bitcoin.index = net.devnet.options.data_dir.join("elsewhere.bitcoin.json");
    let file = net.devnet.config_file("elsewhere");
    std::fs::write(&file, toml::to_string(&config)?)?;
    Connected::open(&file).await
}

fn sign(key: &Keypair, psbt: &Path) -> Result<()> {
    let mut signed = Psbt::deserialize(&std::fs::read(psbt)?)?;
    let keys = BTreeMap::from([(key.x_only_public_key().0, PrivateKey::new(key.secret_key(), Network::Regtest))]);
    signed.sign(&keys, &Secp256k1::new()).ok().context("the wallet signs")?;
    Ok(std::fs::write(psbt, signed.serialize())?)
}

pub async fn a_wallet_elsewhere_signs_all_or_nothing_is_deposited(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let key = keypair(net.devnet.key(USER)?).context("the user's key")?;
    let depositor = without_key(net, &key).await?;
    let execution = net.open(&["bitcoin transfer 2", "ethereum transfer 1"], FAR).await?;
    let id = execution.execution_id.to_string();
    let folder = net.devnet.options.data_dir.join("to-sign");
    let prepare = |flag: &str| typed::<Prepare>(&[&id, "--leg", "0", flag, folder.to_str().context("a path")?]);
    let signed = async || prepare("--signed")?.say(&depositor, Output::Text).await;
    refused(Prepare::new(execution.execution_id, 0).run(&depositor).await, "aes prepare --psbt DIR")?;
    refused(signed().await, "deposit.psbt cannot be read")?;
    prepare("--psbt")?.say(&depositor, Output::Text).await?;

    let file = |name: &str| folder.join(format!("{name}.psbt"));
    for (unsigned, words) in [
        ("deposit", "the deposit: the PSBT has no key path signature for input"),
        ("finalize", "finalize: the PSBT has no signature by"),
        ("release", "release: the PSBT has no signature by"),
    ] {
        refused(signed().await, words)?;
        sign(&key, &file(unsigned))?;
    }
    let release = std::fs::read(file("release"))?;
    std::fs::copy(file("finalize"), file("release"))?;
    refused(signed().await, "release: the PSBT is of another transaction")?;
    same("attached", &net.user.execution(&execution.execution_id).await?.legs[0].presigned, &None)?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))?;

    std::fs::write(file("release"), release)?;
    signed().await?;
    net.until_held(&execution, 0).await?;
    let relayer = Part::relayer(net).await?;
    cancel(net, &execution).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await;
    relayer.stop().await?;
    same("results", &results(&done?), &vec![LegResult::Reverted, LegResult::NotPrepared])?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}
