//! The admin of a deployment, and what `aes config check` finds wrong with one.

use aes_cli::commands::admin::Admin;
use aes_cli::commands::config::ConfigCommand;
use aes_cli::commands::deploy::{deploy, plan};
use aes_cli::devnet::{ALLIANZA, DEPLOYER, ETHEREUM, POLYGON, USER};
use aes_config::{Config, DeployConfig, Manifest};
use aes_e2e::net::{typed_subcommand, Net};
use aes_e2e::{refused, same};
use aes_protocol::{Bytes, ChainId, Conservation};
use anyhow::{bail, ensure, Context as _, Result};

use crate::{beside, chain, load, nothing_to_do, words_of};

pub async fn the_admin_hands_over_in_two_steps(net: &Net) -> Result<()> {
    deploy(&load(net, "handed", |_| Ok(()))?, &mut |_| Ok(true)).await?;
    let next = net.devnet.account(USER)?;
    let hand_over = |deploy: &mut DeployConfig| -> Result<()> {
        chain(deploy, ALLIANZA)?.admin = Some(next.cosmos.clone());
        for id in [POLYGON, ETHEREUM] {
            // however it is written
            chain(deploy, id)?.admin = Some(next.evm.to_string().to_lowercase());
        }
        Ok(())
    };
    let config = load(net, "handed", hand_over)?;
    // coordinator and who may migrate it, three escrows, two tokens
    same("changes", &plan(&config).await?.changes.len(), &7)?;
    deploy(&config, &mut |_| Ok(true)).await?;
    nothing_to_do(&config).await?;
    same("what waits", &plan(&config).await?.waiting.len(), &6)?;

    let user = Config::load(&beside(net, USER, "handed", |config| {
        hand_over(config.deploy.as_mut().context("the deployment")?)
    })?)?;
    let admin = |words: &[&str]| -> Result<Admin> { typed_subcommand(words) };
    let refuse = admin(&["pause"])?.run(&user).await?;
    ensure!(!refuse.passed() && refuse.to_string().contains("use the config with the admin's key"), "{refuse}");
    let dry = admin(&["accept", "--dry-run"])?.run(&user).await?;
    ensure!(dry.passed() && dry.to_string().matches("would be sent, for about ").count() == 6, "{dry}");
    let accepted = admin(&["accept"])?.run(&user).await?;
    ensure!(accepted.passed() && accepted.to_string().matches("done in block").count() == 6, "{accepted}");
    let again = admin(&["accept"])?.run(&user).await?;
    ensure!(
        again.passed() && again.to_string().matches("is the admin already; nothing was sent").count() == 6,
        "{again}"
    );
    nothing_to_do(&user).await?;

    // the old key can change nothing any more, the new one everything
    let stranger = load(net, "handed", |_| Ok(()))?;
    refused(plan(&stranger).await.map(|plan| words_of(&plan.changes)), "only its admin")?;
    let refuse = admin(&["accept", "--on", "coordinator"])?.run(&stranger).await?;
    ensure!(!refuse.passed() && refuse.to_string().contains("proposed is nobody"), "{refuse}");
    let paused = admin(&["pause"])?.run(&user).await?;
    ensure!(paused.passed() && paused.to_string().matches("done in block").count() == 4, "{paused}");
    let again = admin(&["pause"])?.run(&user).await?;
    ensure!(again.passed() && again.to_string().matches("paused already; nothing was sent").count() == 4, "{again}");
    let file = beside(net, USER, "handed", |config| hand_over(config.deploy.as_mut().context("the deployment")?))?;
    let checks = ConfigCommand::Check.run(&file).await?;
    ensure!(
        !checks.passed() && checks.to_string().matches("it is paused: nothing new begins").count() == 4,
        "{checks}"
    );
    let unpaused = admin(&["unpause"])?.run(&user).await?;
    ensure!(unpaused.passed(), "{unpaused}");
    let checks = ConfigCommand::Check.run(&file).await?;
    ensure!(checks.passed(), "{checks}");
    refused(
        admin(&["pause", "--on", "solana"])?.run(&user).await.map(|report| report.to_string()),
        "no chain is called",
    )
}

pub async fn a_check_finds_what_is_wrong(net: &Net) -> Result<()> {
    let manifest = &net.user.manifest;
    let check = async |name: &str, change: &dyn Fn(&mut Config, &mut Manifest) -> Result<()>| -> Result<String> {
        let mut changed = manifest.clone();
        let file = beside(net, USER, name, |config| change(config, &mut changed))?;
        changed.save(&Config::load(&file)?.manifest)?;
        let checks = ConfigCommand::Check.run(&file).await?;
        if checks.passed() {
            bail!("nothing was found:\n{checks}");
        }
        Ok(checks.to_string())
    };
    let polygon: ChainId = POLYGON.parse()?;
    let home: ChainId = ALLIANZA.parse()?;
    type Change<'a> = Box<dyn Fn(&mut Config, &mut Manifest) -> Result<()> + 'a>;
    let config_chain = |config: &mut Config| config.chains.remove(&polygon).context("polygon");
    let dead = "http://127.0.0.1:1";
    let cases: Vec<(&str, Change<'_>)> = vec![
        (
            "no endpoint answered",
            Box::new(|config, _| {
                let mut chain = config_chain(config)?;
                chain.rpc.push(dead.parse()?);
                config.chains.insert(polygon.clone(), chain);
                Ok(())
            }),
        ),
        (
            "chain",
            Box::new(|config, _| {
                let mut chain = config_chain(config)?;
                chain.rpc = vec![net.devnet.ethereum.rpc_url.parse()?];
                config.chains.insert(polygon.clone(), chain);
                Ok(())
            }),
        ),
        (
            "the deployment has this chain and the config does not",
            Box::new(|config, _| config_chain(config).map(|_| ())),
        ),
        (
            "the manifest's escrow is",
            Box::new(|_, manifest| {
                manifest.chains.get_mut(&polygon).context("polygon")?.code_hash.0[0] ^= 1;
                Ok(())
            }),
        ),
        (
            "was the token changed under the escrow?",
            Box::new(|_, manifest| {
                manifest.asset_code.get_mut(&polygon).context("the token's code")?.0[0] ^= 1;
                Ok(())
            }),
        ),
        (
            "was it migrated, or is this another manifest?",
            Box::new(|_, manifest| {
                manifest.coordinator_code_hash.0[0] ^= 1;
                Ok(())
            }),
        ),
        (
            "it holds aalz, the manifest says stake",
            Box::new(|_, manifest| {
                manifest.chains.get_mut(&home).context("home")?.asset = "stake".into();
                Ok(())
            }),
        ),
        (
            "conservation is On there and Off in the manifest",
            Box::new(|_, manifest| {
                manifest.conservation = Conservation::Off;
                Ok(())
            }),
        ),
        (
            "is registered, the manifest says",
            Box::new(|_, manifest| {
                manifest.chains.get_mut(&polygon).context("polygon")?.escrow = Bytes(vec![7; 20]);
                Ok(())
            }),
        ),
        (
            "it belongs to coordinator",
            Box::new(|_, manifest| {
                manifest.domain.coordinator = Bytes(vec![7; 32]);
                Ok(())
            }),
        ),
        (
            "the deployment file says wasm1somebody",
            Box::new(|config, _| {
                let deploy = config.deploy.as_mut().context("the deployment")?;
                chain(deploy, ALLIANZA)?.admin = Some("wasm1somebody".into());
                Ok(())
            }),
        ),
        (
            "so nothing can be certified",
            Box::new(|config, _| {
                config.relay = Config::load(&net.devnet.config_file(aes_cli::devnet::RELAYER))?.relay;
                config.relay.as_mut().context("relay")?.attestors.truncate(1);
                Ok(())
            }),
        ),
        (
            "is not in the current set 1",
            Box::new(|config, _| {
                config.attest = Config::load(&net.devnet.config_file("attestor-1"))?.attest;
                config.attest.as_mut().context("attest")?.key =
                    aes_config::KeyRef::File { file: net.devnet.key_file(USER) };
                Ok(())
            }),
        ),
    ];
    for (index, (words, change)) in cases.iter().enumerate() {
        let said = check(&format!("check-{index}"), change).await.context(*words)?;
        ensure!(said.contains(words), "'{words}' is not in\n{said}");
    }
    // each role's own file is right
    for who in [USER, DEPLOYER, aes_cli::devnet::RELAYER, "attestor-1"] {
        let checks = ConfigCommand::Check.run(&net.devnet.config_file(who)).await?;
        ensure!(checks.passed(), "{who}:\n{checks}");
    }
    // an account without fee money
    let gas = net.devnet.account(USER)?.evm.to_string();
    net.devnet.polygon.set_balance(&gas, 0).await?;
    let checks = ConfigCommand::Check.run(&net.devnet.config_file(USER)).await?;
    net.devnet.polygon.set_balance(&gas, 1000 * 10u128.pow(18)).await?;
    ensure!(!checks.passed() && checks.to_string().contains("it pays this process's fees"), "{checks}");
    Ok(())
}
