//! `aes deploy` on real nodes: a dry run shows everything and sends nothing, a run that broke off after any step is
//! gone on with, a second run has nothing to do, and whatever differs from the deployment file is said.

mod admin;
mod builds;
mod differences;
mod secrets;

use std::path::PathBuf;

use aes_cli::amount;
use aes_cli::commands::deploy::{deploy, plan, Change, Deploy};
use aes_cli::devnet::{ALLIANZA, DEPLOYER, ETHEREUM, POLYGON, USER};
use aes_cli::output::Output;
use aes_config::{Config, DeployConfig, Manifest};
use aes_e2e::net::{typed, Net};
use aes_e2e::{play, refused, same};
use aes_protocol::ChainId;
use anyhow::{bail, ensure, Context as _, Result};

#[tokio::test(flavor = "multi_thread")]
async fn deploys() -> Result<()> {
    let net = Net::start(|options| options.relayer = false).await?;
    let failed = play!(
        &net,
        a_dry_run_shows_every_step_and_sends_nothing,
        an_admin_that_is_a_plain_key_is_warned_of_on_a_public_network,
        a_run_broken_off_after_any_step_goes_on_where_it_stopped,
        a_contract_that_no_manifest_has_yet_is_found_again,
        a_vault_is_filled_once,
        differences::a_deployment_file_with_something_wrong_changes_nothing,
        differences::each_difference_that_stays_is_said_with_its_cure,
        differences::limits_and_settings_are_changed_after_they_are_shown,
        builds::another_build_and_a_chain_that_is_gone_are_said,
        builds::the_coordinator_is_migrated_by_who_may,
        builds::other_code_under_alz_is_asked_about,
        admin::the_admin_hands_over_in_two_steps,
        admin::a_check_finds_what_is_wrong,
        secrets::nothing_secret_is_said,
    );
    net.end(failed).await
}

/// A deployment beside the devnet's own, on the same nodes: `who`'s config with another manifest.
fn beside(net: &Net, who: &str, name: &str, change: impl FnOnce(&mut Config) -> Result<()>) -> Result<PathBuf> {
    let mut config = Config::load(&net.devnet.config_file(who))?;
    config.deploy = Config::load(&net.devnet.config_file(DEPLOYER))?.deploy;
    config.manifest = net.devnet.options.data_dir.join(format!("{name}.json"));
    change(&mut config)?;
    let file = net.devnet.options.data_dir.join(format!("{name}-{who}.toml"));
    std::fs::write(&file, toml::to_string(&config)?)?;
    Ok(file)
}

fn load(net: &Net, name: &str, change: impl FnOnce(&mut DeployConfig) -> Result<()>) -> Result<Config> {
    let file = beside(net, DEPLOYER, name, |config| change(config.deploy.as_mut().context("the deployment")?))?;
    Ok(Config::load(&file)?)
}

fn chain<'a>(deploy: &'a mut DeployConfig, id: &str) -> Result<&'a mut aes_config::DeployChain> {
    deploy.chains.get_mut(&id.parse::<ChainId>()?).context("the chain")
}

fn words(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

async fn nothing_to_do(config: &Config) -> Result<Manifest> {
    deploy(config, &mut |change| bail!("a change where none was expected: {change}")).await
}

async fn a_dry_run_shows_every_step_and_sends_nothing(net: &Net) -> Result<()> {
    let file = beside(net, DEPLOYER, "dry", |_| Ok(()))?;
    let config = Config::load(&file)?;
    let before = net.fee_money().await?;
    let changes = plan(&config).await?.changes;
    let said = words(&changes);
    same("steps", &changes.len(), &14)?;
    for expected in [
        "1. cosmos:allianza-1      new coordinator, code 0x",
        "new ALZ token, 1000000000000000000000000 base units to 0x",
        "then: new escrow for the token of step ",
        "then: new escrow for aalz, code 0x",
        "may mint and burn ALZ (ERC-7802 bridge)",
        "then: coordinator: eip155:80002 has the escrow of step ",
        "100000000000000000000000 base units of ALZ into the vault",
        "its cost is known then",
        " wei)",
        "uallz and a little more)",
    ] {
        ensure!(said.iter().any(|line| line.contains(expected)), "'{expected}' is not in\n{}", said.join("\n"));
    }
    for change in &changes {
        ensure!(change.after.iter().all(|step| *step < change.step), "{change}: comes before what it needs");
    }
    typed::<Deploy>(&["--dry-run"])?.run(&file, Output::Text).await?;
    ensure!(!config.manifest.exists(), "a dry run wrote a manifest");
    same("fee money", &net.fee_money().await?, &before)
}

/// Each run makes one change and is broken off: after every step there is.
/// 0.0.0.0 is this machine too, and is not written like it.
async fn an_admin_that_is_a_plain_key_is_warned_of_on_a_public_network(net: &Net) -> Result<()> {
    let near = load(net, "near", |_| Ok(()))?;
    same("warnings on loopback", &plan(&near).await?.warnings, &vec![])?;
    let file = beside(net, DEPLOYER, "public", |config| {
        for at in config.chains.values_mut().flat_map(|chain| &mut chain.rpc) {
            *at = at.expose().as_str().replace("127.0.0.1", "0.0.0.0").parse()?;
        }
        // a contract speaks for itself: the devnet's own coordinator and escrow
        let (manifest, deploy) = (&net.devnet.manifest, config.deploy.as_mut().context("the deployment")?);
        chain(deploy, POLYGON)?.admin = Some(manifest.chain(&POLYGON.parse()?)?.escrow_address.clone());
        chain(deploy, ALLIANZA)?.admin = Some(manifest.coordinator.clone());
        Ok(())
    })?;
    let warnings = plan(&Config::load(&file)?).await?.warnings;
    ensure!(matches!(&warnings[..], [one] if one.starts_with(ETHEREUM)), "warnings: {warnings:?}");
    let file = beside(net, DEPLOYER, "public", |config| {
        config.chains.get_mut(&ALLIANZA.parse()?).context("allianza")?.rpc =
            vec![net.devnet.wasmd.rpc_url.replace("127.0.0.1", "0.0.0.0").parse()?];
        Ok(())
    })?;
    let warnings = plan(&Config::load(&file)?).await?.warnings;
    ensure!(
        matches!(&warnings[..], [one] if one.starts_with(ALLIANZA) && one.contains("is a plain key on a public network")),
        "warnings: {warnings:?}"
    );
    Ok(())
}

async fn a_run_broken_off_after_any_step_goes_on_where_it_stopped(net: &Net) -> Result<()> {
    let admin = net.devnet.account(USER)?;
    let config = load(net, "broken", |deploy| {
        chain(deploy, ALLIANZA)?.admin = Some(admin.cosmos.clone());
        chain(deploy, POLYGON)?.admin = Some(admin.evm.to_string());
        Ok(())
    })?;
    let whole = plan(&config).await?.changes;
    // 14 as without an admin, and the handover of coordinator and token
    same("steps", &whole.len(), &16)?;
    let alz = "1000000";
    for done in 0..whole.len() {
        let left = plan(&config).await?.changes;
        same(&format!("steps left after {done}"), &left.len(), &(whole.len() - done))?;
        let mut made = 0;
        let broken = deploy(&config, &mut |change| {
            made += 1;
            ensure!(made == 1 || left.len() > 1, "more changes than planned: {change}");
            Ok(made == 1)
        })
        .await;
        match broken {
            Ok(_) => same("the last step", &done, &(whole.len() - 1))?,
            Err(error) => ensure!(format!("{error:#}").contains("run `aes deploy` again to go on"), "{error:#}"),
        }
    }
    let manifest = nothing_to_do(&config).await?;
    same("manifest", &manifest, &Manifest::load(&config.manifest)?)?;
    same("chains", &manifest.chains.len(), &3)?;
    ensure!(manifest.tokens.is_empty(), "a token without its escrow is left: {:?}", manifest.tokens);
    for id in [POLYGON, ETHEREUM] {
        let id: ChainId = id.parse()?;
        let entry = manifest.chain(&id)?;
        let reader = net.on_evm(&id)?;
        same("bridge", &reader.bridge(&entry.asset).await?, &entry.escrow_address)?;
        let state = reader.escrow(&entry.escrow_address).await?;
        same("vault", &amount::show(state.vault), &"100000".to_owned())?;
        let own = net.devnet.account(DEPLOYER)?.evm.to_string();
        let held = reader.token_balance(&entry.asset, &own).await?.checked_add(state.vault).context("overflow")?;
        same("one token, one supply", &amount::show(held), &alz.to_owned())?;
    }
    let waiting = plan(&config).await?.waiting.join("\n");
    for what in ["coordinator: ", "ALZ token: "] {
        ensure!(waiting.contains(what) && waiting.contains("takes over with `aes admin accept`"), "{waiting}");
    }
    Ok(())
}

/// As when the machine dies between the sending and the saving: the manifest is the one before each creation.
async fn a_contract_that_no_manifest_has_yet_is_found_again(net: &Net) -> Result<()> {
    let config = load(net, "lost", |_| Ok(()))?;
    let mut found_again = 0;
    loop {
        let left = plan(&config).await?.changes;
        let Some(next) = left.first() else { break };
        let before = std::fs::read(&config.manifest).ok();
        let mut asked = 0;
        let one = &mut |_: &Change| {
            asked += 1;
            Ok(asked == 1)
        };
        // broken off after it, but for the last
        let _ = deploy(&config, one).await;
        if next.what.starts_with("new ") {
            let made = Manifest::load(&config.manifest)?;
            match &before {
                Some(before) => std::fs::write(&config.manifest, before)?,
                None => std::fs::remove_file(&config.manifest)?,
            }
            same("steps left", &plan(&config).await?.changes.len(), &(left.len() - 1))?;
            same("a plan writes nothing", &std::fs::read(&config.manifest).ok(), &before)?;
            refused(deploy(&config, &mut |_| Ok(false)).await, "stopped before")?;
            let found = Manifest::load(&config.manifest)?;
            let addresses = |manifest: &Manifest| -> Vec<String> {
                manifest.chains.values().map(|chain| chain.escrow_address.clone()).collect()
            };
            same(&next.what, &addresses(&found), &addresses(&made))?;
            same(&next.what, &(&found.coordinator, &found.tokens), &(&made.coordinator, &made.tokens))?;
            found_again += 1;
        }
    }
    // a coordinator, two tokens, three escrows
    same("found again", &found_again, &6)
}

async fn a_vault_is_filled_once(net: &Net) -> Result<()> {
    let without = load(net, "vaults", |deploy| {
        deploy.chains.values_mut().for_each(|chain| chain.vault = None);
        Ok(())
    })?;
    deploy(&without, &mut |_| Ok(true)).await?;
    let with = load(net, "vaults", |_| Ok(()))?;
    let fillings = plan(&with).await?.changes.iter().filter(|change| change.what.contains("into the vault")).count();
    same("fillings of vaults that were never filled", &fillings, &3)?;
    // as after unlocks that have emptied them
    let mut manifest = Manifest::load(&with.manifest)?;
    manifest.filled = manifest.chains.keys().cloned().collect();
    manifest.save(&with.manifest)?;
    nothing_to_do(&with).await?;
    same("the devnet's vaults are filled", &net.user.manifest.filled.len(), &3)
}

fn words_of(changes: &[Change]) -> String {
    words(changes).join("\n")
}
