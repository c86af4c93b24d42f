//! Code: what is deployed beside what was built since, the coordinator's migration, and ALZ under new code.

use std::path::PathBuf;

use aes_cli::commands::admin::Admin;
use aes_cli::commands::deploy::{deploy, plan};
use aes_cli::devnet::{DEPLOYER, ETHEREUM, POLYGON, USER};
use aes_config::{Config, DeployConfig, Manifest};
use aes_e2e::net::{typed_subcommand, Net};
use aes_e2e::same;
use aes_protocol::ChainId;
use anyhow::{ensure, Context as _, Result};
use serde_json::Value;

use crate::{beside, load, nothing_to_do};

/// The same contracts by another compiler, so to say: a custom section more, another byte in the EVM code.
fn another_build(net: &Net) -> Result<PathBuf> {
    let (from, to) = (&net.devnet.options.artifacts, net.devnet.options.data_dir.join("another-build"));
    std::fs::create_dir_all(&to)?;
    for name in ["aes_coordinator.wasm", "aes_escrow.wasm"] {
        let mut wasm = std::fs::read(from.join(name))?;
        wasm.extend([0, 3, 2, b'v', b'2']);
        std::fs::write(to.join(name), wasm)?;
    }
    std::fs::copy(from.join("AlzToken.json"), to.join("AlzToken.json"))?;
    let mut escrow: Value = serde_json::from_slice(&std::fs::read(from.join("AesEscrow.json"))?)?;
    let code = escrow["bytecode"].as_str().context("bytecode")?;
    // half way is past the constructor
    let (before, rest) = code.split_at(code.len() / 4 * 2);
    let (byte, after) = rest.split_at(2);
    escrow["bytecode"] = format!("{before}{:02x}{after}", u8::from_str_radix(byte, 16)? ^ 0x55).into();
    std::fs::write(to.join("AesEscrow.json"), escrow.to_string())?;
    Ok(to)
}

pub async fn another_build_and_a_chain_that_is_gone_are_said(net: &Net) -> Result<()> {
    deploy(&load(net, "build", |_| Ok(()))?, &mut |_| Ok(true)).await?;
    same("differences", &plan(&load(net, "build", |_| Ok(()))?).await?.differs, &vec![])?;
    let artifacts = another_build(net)?;
    let config = load(net, "build", |deploy| {
        deploy.artifacts = artifacts;
        deploy.chains.remove(&ETHEREUM.parse()?).context("ethereum")?;
        Ok(())
    })?;
    nothing_to_do(&config).await?;
    let differs = plan(&config).await?.differs.join("\n");
    for words in [
        "cosmos:allianza-1: coordinator wasm1",
        "`aes admin migrate` puts that under it",
        "cosmos:allianza-1: escrow wasm1",
        "eip155:80002: escrow 0x",
        "it keeps its code for life",
        "eip155:11155111: the manifest has this chain, the deployment file does not",
    ] {
        ensure!(differs.contains(words), "'{words}' is not in\n{differs}");
    }
    same("differences", &differs.lines().count(), &4)
}

pub async fn the_coordinator_is_migrated_by_who_may(net: &Net) -> Result<()> {
    deploy(&load(net, "migrated", |_| Ok(()))?, &mut |_| Ok(true)).await?;
    let artifacts = another_build(net)?;
    let change = |deploy: &mut DeployConfig| {
        deploy.artifacts.clone_from(&artifacts);
        Ok(())
    };
    let config = load(net, "migrated", change)?;
    let migrate = |words: &[&str]| typed_subcommand::<Admin>(words);
    let user = beside(net, USER, "migrated", |config| change(config.deploy.as_mut().context("the deployment")?))?;
    let refuse = migrate(&["migrate"])?.run(&Config::load(&user)?).await?;
    ensure!(!refuse.passed() && refuse.to_string().contains(" may migrate it, not "), "{refuse}");

    let before = Manifest::load(&config.manifest)?;
    let dry = migrate(&["migrate", "--dry-run"])?.run(&config).await?;
    ensure!(dry.passed() && dry.to_string().contains("would be sent, for "), "{dry}");
    same("the manifest", &Manifest::load(&config.manifest)?, &before)?;
    let migrated = migrate(&["migrate"])?.run(&config).await?;
    ensure!(migrated.passed() && migrated.to_string().contains(" in block "), "{migrated}");
    let again = migrate(&["migrate"])?.run(&config).await?;
    ensure!(again.passed() && again.to_string().contains("already; nothing was sent"), "{again}");

    let after = Manifest::load(&config.manifest)?;
    let runs = net.cosmos.code_hash(&after.coordinator).await?;
    ensure!(runs != before.coordinator_code_hash, "it runs the old code {runs}");
    same("the manifest's", &after.coordinator_code_hash, &runs)?;
    nothing_to_do(&config).await?;
    let differs = plan(&config).await?.differs.join("\n");
    ensure!(!differs.contains("coordinator"), "{differs}");
    // what the manifest says of the devnet's own is none of its business
    same(
        "the devnet's",
        &Manifest::load(&Config::load(&net.devnet.config_file(DEPLOYER))?.manifest)?,
        &net.user.manifest,
    )
}

pub async fn other_code_under_alz_is_asked_about(net: &Net) -> Result<()> {
    let config = load(net, "alz", |_| Ok(()))?;
    deploy(&config, &mut |_| Ok(true)).await?;
    let polygon: ChainId = POLYGON.parse()?;
    let right = Manifest::load(&config.manifest)?;
    let mut wrong = right.clone();
    wrong.asset_code.get_mut(&polygon).context("the token's code")?.0[0] ^= 1;
    wrong.save(&config.manifest)?;
    let mut asked = Vec::new();
    let known = deploy(&config, &mut |change| {
        asked.push(change.to_string());
        Ok(true)
    })
    .await?;
    same("changes", &asked.len(), &1)?;
    ensure!(asked.concat().contains("say yes only if you know why"), "{asked:?}");
    same("the manifest", &known, &right)
}
