//! Executions that are confirmed and executions that are rolled back, function by function and two hundred at once.

use aes_cli::commands::admin::Admin;
use aes_cli::commands::config::ConfigCommand;
use aes_cli::commands::deploy::deploy;
use aes_cli::devnet::{Devnet, BITCOIN, DEPLOYER, RELAYER, USER};
use aes_config::Config;
use aes_coordinator::msg::{LegResult, State};
use aes_e2e::net::{cause_of, changes, typed_subcommand, Net};
use aes_e2e::{refused, same};
use anyhow::{anyhow, ensure, Context as _, Result};

use crate::{cancel, results, FAR};

const PAPER: [&str; 3] = ["polygon lock 200", "bitcoin unlock 100", "ethereum mint 100"];

pub async fn the_papers_scenario_is_confirmed(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&PAPER, FAR).await?;
    net.prepare_all(&execution).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await?;
    same("results", &results(&done), &vec![LegResult::Finalized; 3])?;
    let expected = changes(&[
        ("polygon user", "-200"),
        ("polygon vault", "+200"),
        ("bitcoin vault", "-100"),
        ("bitcoin recipient", "+100"),
        ("ethereum recipient", "+100"),
        ("ethereum issued", "+100"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

pub async fn the_papers_scenario_is_rolled_back(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let gas = net.devnet.account(RELAYER)?.evm.to_string();
    // the mint waits for a block until the other two legs are held, so that there are two to revert
    net.devnet.ethereum.stop_mining().await?;
    let execution = net.open(&PAPER, 40).await?;
    net.prepare_all(&execution).await?;
    net.until_held(&execution, 1).await?;
    let held = changes(&[("polygon user", "-200"), ("polygon held", "+200"), ("bitcoin vault", "-100")]);
    same("while they are held", &net.balances().await?.since(&before), &held)?;
    net.devnet.ethereum.set_balance(&gas, 0).await?;
    net.devnet.ethereum.mine_at_interval().await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    net.devnet.ethereum.set_balance(&gas, 1000 * 10u128.pow(18)).await?;
    same("cause", &cause_of(&done)?, &(2, "insufficient gas".to_owned()))?;
    same("results", &results(&done), &vec![LegResult::Reverted, LegResult::Reverted, LegResult::NotPrepared])?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

/// As everybody comes by ALZ on Bitcoin: locked elsewhere, unlocked there.
pub async fn alz_comes_out_of_the_vault_for_the_user(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let legs =
        [net.leg("polygon lock 1000")?, format!("bitcoin unlock 1000 to {}", net.devnet.bitcoin_account(USER)?.1)];
    let execution = net.open_in(&net.user, &legs, FAR).await?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    let expected = changes(&[
        ("polygon user", "-1000"),
        ("polygon vault", "+1000"),
        ("bitcoin vault", "-1000"),
        ("bitcoin user", "+1000"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

const OF_AN_ACCOUNT: [&str; 4] = ["bitcoin transfer 5", "bitcoin lock 20", "bitcoin burn 5", "ethereum mint 25"];

pub async fn every_function_of_an_account_is_confirmed(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&OF_AN_ACCOUNT, FAR).await?;
    net.prepare_all(&execution).await?;
    let done = net.until_state(&execution.execution_id, State::Finalized).await?;
    same("results", &results(&done), &vec![LegResult::Finalized; 4])?;
    let expected = changes(&[
        ("bitcoin user", "-30"),
        ("bitcoin recipient", "+5"),
        ("bitcoin vault", "+20"),
        ("ethereum recipient", "+25"),
        ("ethereum issued", "+25"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}

pub async fn every_function_of_an_account_is_given_back(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    // the relayer would commit it as soon as all is held
    let execution = net
        .open(&["bitcoin transfer 5", "bitcoin lock 20", "bitcoin burn 5", "polygon burn 1", "ethereum mint 26"], FAR)
        .await?;
    for leg in 0..3 {
        net.prepare(&execution, leg).await?;
    }
    cancel(net, &execution).await?;
    let done = net.until_state(&execution.execution_id, State::RolledBack).await?;
    same("results", &results(&done)[..3].to_vec(), &vec![LegResult::Reverted; 3])?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

/// btcd would begin anew, under contracts that know of the rune it had.
pub async fn a_folder_with_a_devnet_takes_no_second_one(net: &Net) -> Result<()> {
    let again = Devnet::start(net.devnet.options.clone(), |_| ()).await;
    refused(again.map(drop), "a devnet was here, and none goes on; give another folder")
}

/// A number in the deployment file that nothing would keep is no limit.
pub async fn deploy_refuses_what_bitcoin_cannot_keep(net: &Net) -> Result<()> {
    let mut config = Config::load(&net.devnet.config_file(DEPLOYER))?;
    let wanted = config.deploy.as_mut().context("a deployment")?;
    let chain = wanted.chains.get_mut(&BITCOIN.parse()?).context("its Bitcoin")?;
    (chain.reserve_per_hour, chain.mint_cap, chain.vault) = ("5".into(), "6".into(), Some("7".into()));
    wanted.attestor_set.threshold = 1;
    let said = deploy(&config, &mut |_| Ok(true)).await.map(drop);
    for words in [
        "reserve_per_hour is 5, and nothing there would keep it: no script counts what left",
        "mint_cap is 6, and nothing there would keep it: ALZ is premined there",
        "vault is 7, and nothing there would keep it: the whole initial_supply starts in the vault",
        "a threshold of 1 of 3 is not more than half, as Bitcoin needs; raise it",
    ] {
        refused(said.as_ref().map_err(|error| anyhow!("{error:#}")), words)?;
    }
    Ok(())
}

/// What is paused is the coordinator, and with it whatever would begin here.
pub async fn the_operators_commands_know_that_bitcoin_has_no_contract(net: &Net) -> Result<()> {
    let checks = ConfigCommand::Check.run(&net.devnet.config_file(RELAYER)).await?;
    ensure!(checks.passed() && checks.to_string().contains("bip122:"), "{checks}");

    let deployer = Config::load(&net.devnet.config_file(DEPLOYER))?;
    let admin = |words: &[&str]| typed_subcommand::<Admin>(words);
    let paused = admin(&["pause"])?.run(&deployer).await?;
    let opened = net.open(&PAPER, FAR).await;
    let unpaused = admin(&["unpause"])?.run(&deployer).await?;
    // the coordinator and three escrows
    for report in [paused, unpaused] {
        ensure!(report.passed() && report.to_string().matches("done in block").count() == 4, "{report}");
    }
    refused(opened, "paused")?;
    let named = admin(&["pause", "--on", "bitcoin"])?.run(&deployer).await?;
    ensure!(!named.passed() && named.to_string().contains("pause the coordinator"), "{named}");
    Ok(())
}

pub async fn two_hundred_holds_at_once_against_one_vault(net: &Net) -> Result<()> {
    const EXECUTIONS: usize = 14;
    let before = net.balances().await?;
    net.give_allowances().await?;
    // two legs that are alike would be one
    let unlocks: Vec<String> = (1..=15).map(|amount| format!("bitcoin unlock {amount}")).collect();
    let legs: Vec<&str> = std::iter::once("polygon lock 120").chain(unlocks.iter().map(String::as_str)).collect();
    let mut opened = Vec::new();
    for _ in 0..EXECUTIONS {
        opened.push(net.open(&legs, FAR).await?);
    }
    for execution in &opened {
        net.prepare(execution, 0).await?;
    }
    // one after the other: what waits for many transactions may wait longer than for one
    for execution in &opened {
        net.until_state(&execution.execution_id, State::Finalized).await?;
    }
    let expected = changes(&[
        ("polygon user", "-1680"),
        ("polygon vault", "+1680"),
        ("bitcoin vault", "-1680"),
        ("bitcoin recipient", "+1680"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}
