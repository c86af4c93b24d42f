//! Bitcoin on a real node: ALZ as a rune in Taproot outputs, settled by the attestors' own signatures.

mod deposits;
mod disks;
mod etching;
mod executions;
mod fees;
mod odd;
mod psbts;
mod reorgs;
mod rotation;

use std::time::Duration;

use aes_cli::devnet::{BitcoinOptions, ATTESTORS, BITCOIN, RELAYER};
use aes_config::Config;
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, LegResult, RollbackReason};
use aes_e2e::bitcoin::Part;
use aes_e2e::net::{send_home, Net};
use aes_e2e::play;
use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use tokio::sync::Mutex;

const FAR: u64 = 600;
/// A lock here, and what waits for it elsewhere; and what it comes to.
const LOCK_OF_THREE: [&str; 3] = ["bitcoin lock 7", "polygon lock 1", "ethereum unlock 8"];
const CHANGED: [(&str, &str); 6] = [
    ("bitcoin user", "-7"),
    ("bitcoin vault", "+7"),
    ("polygon user", "-1"),
    ("polygon vault", "+1"),
    ("ethereum vault", "-8"),
    ("ethereum recipient", "+8"),
];
/// sat a virtual byte, where `bump_soon` has set it
const MAX_FEE: u64 = 6;

fn bitcoin() -> BitcoinOptions {
    BitcoinOptions {
        block_time: Duration::from_millis(300),
        vault_outputs: 64,
        relayer_coins: 80,
        ..BitcoinOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_commits_and_rolls_back() -> Result<()> {
    let net = Net::start(|options| options.bitcoin = Some(bitcoin())).await?;
    let failed = play!(
        &net,
        executions::the_papers_scenario_is_confirmed,
        executions::the_papers_scenario_is_rolled_back,
        executions::alz_comes_out_of_the_vault_for_the_user,
        executions::every_function_of_an_account_is_confirmed,
        executions::every_function_of_an_account_is_given_back,
        executions::two_hundred_holds_at_once_against_one_vault,
        executions::a_folder_with_a_devnet_takes_no_second_one,
        executions::the_operators_commands_know_that_bitcoin_has_no_contract,
        deposits::a_deposit_that_appears_after_the_abort_is_given_back,
        executions::deploy_refuses_what_bitcoin_cannot_keep,
        etching::a_deployer_says_what_it_needs_and_waits_for_it,
        reorgs::a_hold_that_a_reorg_drops_is_not_there,
    );
    net.end(failed).await
}

/// A devnet whose attestors are the test's own.
struct Own {
    net: Net,
    attestors: Mutex<Vec<Part>>,
}

/// The scenarios start and stop relayers of their own; the later ones set the chain's time ahead.
#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_without_a_relayer_all_the_time() -> Result<()> {
    let start = Net::start(|options| {
        options.bitcoin = Some(bitcoin());
        options.attestors = false;
        options.relayer = false;
        options.escape_delay = 600;
    });
    let net = start.await?;
    bump_soon(&net)?;
    let attestors = try_join_all(ATTESTORS.map(|name| Part::attestor(&net, name))).await?;
    let own = Own { net, attestors: Mutex::new(attestors) };
    let mut failed = play!(&own.net, fees::a_split_that_blocks_pass_by_is_replaced);
    failed.extend(play!(
        &own,
        disks::a_relayer_that_lost_its_disk_goes_on,
        disks::a_lock_on_its_way_needs_no_disk_but_the_journals,
        reorgs::a_hold_that_a_reorg_drops_after_the_commit_is_settled_once,
    ));
    failed.extend(play!(
        &own.net,
        fees::a_settlement_that_blocks_pass_by_gets_a_child_that_pays,
        fees::a_reserve_move_that_blocks_pass_by_is_replaced,
        odd::what_is_not_as_its_leg_says_is_given_back,
        odd::what_no_settlement_spends_its_depositor_takes_back,
        odd::an_output_that_only_looks_like_the_hold,
        odd::pre_signatures_that_are_not_the_depositors_word,
        psbts::a_wallet_elsewhere_signs_all_or_nothing_is_deposited,
        deposits::a_depositor_escapes_when_no_decision_ever_comes,
        deposits::a_deposit_that_appears_after_the_record_is_given_back_too,
    ));
    failed.extend(play!(&own, rotation::the_vault_goes_to_the_next_set));
    for attestor in own.attestors.into_inner() {
        attestor.stop().await?;
    }
    own.net.end(failed).await
}

/// The relayer raises a fee as soon as a block has passed a transaction by, up to a ceiling that is near.
fn bump_soon(net: &Net) -> Result<()> {
    let file = net.devnet.config_file(RELAYER);
    let mut config = Config::load(&file)?;
    config.relay.as_mut().context("a relayer")?.bump_after = 1;
    config.chains.get_mut(&BITCOIN.parse()?).context("Bitcoin")?.max_fee = Some(MAX_FEE);
    std::fs::write(&file, toml::to_string(&config)?)?;
    Ok(())
}

fn results(execution: &ExecutionResponse) -> Vec<LegResult> {
    execution.legs.iter().map(|leg| leg.result).collect()
}

async fn cancel(net: &Net, execution: &ExecutionResponse) -> Result<()> {
    let reason = RollbackReason::Cancelled {};
    send_home(&net.user, &ExecuteMsg::Rollback { execution_id: execution.execution_id, reason }).await?;
    Ok(())
}
