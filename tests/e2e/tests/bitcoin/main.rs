//! Bitcoin on a real node: ALZ as a rune in Taproot outputs, settled by the attestors' own signatures.

mod deposits;
mod disks;
mod executions;
mod fees;
mod reorgs;

use std::time::Duration;

use aes_cli::devnet::BitcoinOptions;
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, LegResult, RollbackReason};
use aes_e2e::net::{send_home, Net};
use aes_e2e::play;
use anyhow::Result;

const FAR: u64 = 600;

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
        reorgs::a_hold_that_a_reorg_drops_is_not_there,
        fees::a_settlement_that_blocks_pass_by_gets_a_child_that_pays,
    );
    net.end(failed).await
}

/// The scenarios start and stop relayers of their own; the last sets the chain's time ahead.
#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_without_a_relayer_all_the_time() -> Result<()> {
    let start = Net::start(|options| {
        options.bitcoin = Some(bitcoin());
        options.relayer = false;
        options.escape_delay = 600;
    });
    let net = start.await?;
    let failed = play!(
        &net,
        disks::a_relayer_that_lost_its_disk_goes_on,
        deposits::a_depositor_escapes_when_no_decision_ever_comes,
    );
    net.end(failed).await
}

fn results(execution: &ExecutionResponse) -> Vec<LegResult> {
    execution.legs.iter().map(|leg| leg.result).collect()
}

async fn cancel(net: &Net, execution: &ExecutionResponse) -> Result<()> {
    let reason = RollbackReason::Cancelled {};
    send_home(&net.user, &ExecuteMsg::Rollback { execution_id: execution.execution_id, reason }).await?;
    Ok(())
}
