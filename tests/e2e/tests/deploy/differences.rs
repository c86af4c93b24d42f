//! What differs between the deployment file and the chains: said where it stays, changed where it can be.

use aes_cli::amount;
use aes_cli::commands::deploy::{deploy, plan};
use aes_cli::devnet::{ALLIANZA, DEPLOYER, ETHEREUM, POLYGON, USER};
use aes_config::{Config, DeployConfig};
use aes_e2e::net::Net;
use aes_e2e::{refused, same};
use aes_protocol::{ChainId, Conservation};
use anyhow::{bail, ensure, Context as _, Result};
use serde_json::json;

use crate::{beside, chain, load, nothing_to_do, words_of};

pub async fn a_deployment_file_with_something_wrong_changes_nothing(net: &Net) -> Result<()> {
    type Wrong = fn(&mut DeployConfig) -> Result<()>;
    let cases: [(Wrong, &str); 8] = [
        (|deploy| set(&mut chain(deploy, POLYGON)?.max_leg, "ten".into()), "max_leg: 'ten' is no amount in base units"),
        (
            |deploy| set(&mut chain(deploy, ALLIANZA)?.mint_cap, "-1".into()),
            "mint_cap: '-1' is no amount in base units",
        ),
        (|deploy| set(&mut chain(deploy, ETHEREUM)?.admin, Some("0x12".into())), "'0x12' is no address"),
        (|deploy| set(&mut chain(deploy, POLYGON)?.asset, Some("ALZ".into())), "'ALZ' is no address"),
        (|deploy| set(&mut chain(deploy, ALLIANZA)?.asset, None), "give a bank denom or the address of a cw20"),
        (|deploy| set(&mut deploy.attestor_set.threshold, 4), "threshold"),
        (|deploy| set(&mut deploy.artifacts, "nowhere".into()), "`make contracts`"),
        (|deploy| set(&mut deploy.home, "cosmos:elsewhere-1".parse()?), "no chain cosmos:elsewhere-1"),
    ];
    let before = net.fee_money().await?;
    for (change, words) in cases {
        let config = load(net, "wrong", change)?;
        let answer = deploy(&config, &mut |change| bail!("changed though something is wrong: {change}")).await;
        refused(answer, words)?;
        ensure!(!config.manifest.exists(), "{words}: a manifest was written");
    }
    same("fee money", &net.fee_money().await?, &before)
}

fn set<T>(place: &mut T, value: T) -> Result<()> {
    *place = value;
    Ok(())
}

pub async fn each_difference_that_stays_is_said_with_its_cure(net: &Net) -> Result<()> {
    type Differ = fn(&mut DeployConfig) -> Result<()>;
    let cases: [(Differ, &[&str]); 9] = [
        (
            |deploy| set(&mut deploy.escape_delay, 86_401),
            &["cosmos:allianza-1: escape_delay", "eip155:80002: escape_delay", "an escrow keeps this for life"],
        ),
        (
            |deploy| {
                deploy.limits_delay = 0;
                Ok(())
            },
            &["limits_delay: the escrow's is 86400, the deployment file says 0"],
        ),
        (
            |deploy| set(&mut deploy.max_horizon, 604_801),
            &["max_horizon: the escrow's is 604800, the deployment file says 604801"],
        ),
        (|deploy| set(&mut deploy.set_grace, 86_401), &["set_grace: the escrow's is 86400"]),
        (
            |deploy| {
                deploy.conservation = Conservation::Off;
                Ok(())
            },
            &["conservation: the coordinator's is On, the deployment file says Off"],
        ),
        (
            |deploy| {
                chain(deploy, ALLIANZA)?.asset = Some("stake".into());
                Ok(())
            },
            &["asset: the escrow is for aalz, the deployment file says stake"],
        ),
        (
            |deploy| {
                chain(deploy, POLYGON)?.asset = Some(format!("0x{}", "11".repeat(20)));
                Ok(())
            },
            &["eip155:80002: asset: the escrow is for 0x"],
        ),
        (
            |deploy| {
                deploy.attestor_set.threshold = 3;
                Ok(())
            },
            &["the coordinator has set 1", "the escrow has set 1", "write the current set 1 into the deployment file"],
        ),
        (
            |deploy| {
                deploy.attestor_set.id = 2;
                deploy.attestor_set.attestors.truncate(2);
                Ok(())
            },
            &["`aes attest approve` at each, then `aes rotate`"],
        ),
    ];
    for (change, expected) in cases {
        let mut config = Config::load(&net.devnet.config_file(DEPLOYER))?;
        change(config.deploy.as_mut().context("the deployment")?)?;
        for words in expected {
            let answer = deploy(&config, &mut |change| bail!("changed though something differs: {change}")).await;
            refused(answer, words)?;
            refused(plan(&config).await.map(|plan| words_of(&plan.changes)), "nothing was changed")?;
        }
    }
    // somebody else's key
    let file = beside(net, USER, "other", |config| {
        config.manifest = net.devnet.options.data_dir.join("manifest.json");
        let deploy = config.deploy.as_mut().context("the deployment")?;
        chain(deploy, POLYGON)?.max_leg = amount::parse("1")?.to_string();
        Ok(())
    })?;
    let config = Config::load(&file)?;
    refused(
        plan(&config).await.map(|plan| words_of(&plan.changes)),
        "its limits are others than the deployment file's",
    )?;
    refused(plan(&config).await.map(|plan| words_of(&plan.changes)), "run `aes deploy` with that key in the config")?;
    // the code there is not the manifest's
    let mut manifest = net.user.manifest.clone();
    for entry in manifest.chains.values_mut() {
        entry.code_hash.0[0] ^= 1;
    }
    let wrong = net.devnet.options.data_dir.join("wrong-code.json");
    manifest.save(&wrong)?;
    let config = Config { manifest: wrong, ..Config::load(&net.devnet.config_file(DEPLOYER))? };
    refused(plan(&config).await.map(|plan| words_of(&plan.changes)), "runs code 0x")
}

pub async fn limits_and_settings_are_changed_after_they_are_shown(net: &Net) -> Result<()> {
    let first = load(net, "limits", |_| Ok(()))?;
    deploy(&first, &mut |_| Ok(true)).await?;
    let config = load(net, "limits", |deploy| {
        deploy.max_horizon -= 3600;
        for id in [ALLIANZA, POLYGON] {
            chain(deploy, id)?.max_leg = amount::parse("7")?.to_string();
        }
        Ok(())
    })?;
    let said = words_of(&plan(&config).await?.changes);
    for expected in [
        "coordinator: max_horizon 604800 -> 601200",
        "limits max_leg 10000000000000000000000, ",
        "-> max_leg 7000000000000000000, ",
        "in 86400 s",
        "which may begin in 86400 s",
    ] {
        ensure!(said.contains(expected), "'{expected}' is not in\n{said}");
    }
    let mut changes = 0;
    let manifest = deploy(&config, &mut |_| {
        changes += 1;
        Ok(true)
    })
    .await?;
    same("changes", &changes, &3)?;
    nothing_to_do(&config).await?;
    let waiting = plan(&config).await?.waiting;
    same("what waits", &waiting.len(), &2)?;

    // once the delay is over on the EVM chain somebody has to say so
    let polygon: ChainId = POLYGON.parse()?;
    let node = net.evm_account("polygon", DEPLOYER)?;
    node.rpc("evm_increaseTime", json!([86_401])).await?;
    node.rpc("evm_mine", json!([])).await?;
    let said = words_of(&plan(&config).await?.changes);
    ensure!(said.contains("the limits scheduled for ") && said.contains("begin"), "{said}");
    deploy(&config, &mut |_| Ok(true)).await?;
    nothing_to_do(&config).await?;
    let state = net.on_evm(&polygon)?.escrow(&manifest.chain(&polygon)?.escrow_address).await?;
    same("largest leg", &amount::show(state.settings.limits.max_leg), &"7".to_owned())
}
