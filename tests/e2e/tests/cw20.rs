//! A deployment beside the first, whose ALZ on the CosmWasm chain is a real cw20 with the escrow as its minter: there
//! too all five functions move what they say, and give back what they took.

use aes_cli::amount;
use aes_cli::commands::deploy::deploy;
use aes_cli::commands::rollback::Rollback;
use aes_coordinator::msg::{ExecutionResponse, LegResult, State};
use aes_e2e::cw20::Cw20;
use aes_e2e::net::{changes, send_home, typed, Net};
use aes_e2e::{play, refused, same};
use aes_protocol::Decision;
use anyhow::{bail, Result};
use serde::Deserialize;
use serde_json::json;

/// 13 ALZ out, 13 in.
const EVERY_FUNCTION: [&str; 5] =
    ["allianza transfer 1", "allianza lock 10", "allianza unlock 4", "allianza mint 9", "allianza burn 3"];

#[tokio::test(flavor = "multi_thread")]
async fn cw20() -> Result<()> {
    let cw20 = Cw20::deploy(Net::start(|options| options.relayer = false).await?).await?;
    // a second run finds everything there and changes nothing
    let again = deploy(&cw20.deployer, &mut |change| bail!("changed on the second run: {change}")).await?;
    same("manifest", &again, &cw20.user.manifest)?;
    let failed = play!(&cw20, every_function_is_confirmed, every_function_is_given_back, over_the_mint_cap);
    cw20.net.end(failed).await
}

async fn held(cw20: &Cw20) -> Result<ExecutionResponse> {
    let execution = cw20.net.open_in(&cw20.user, &cw20.net.legs(&EVERY_FUNCTION)?, 3600).await?;
    cw20.net.prepare_all_in(&cw20.user, &execution).await?;
    cw20.hand().prepare_reserves(&execution).await?;
    Ok(execution)
}

async fn supply_of(cw20: &Cw20) -> Result<String> {
    #[derive(Deserialize)]
    struct TokenInfo {
        total_supply: String,
    }
    let info: TokenInfo = cw20.net.cosmos.ask(&cw20.token, &json!({ "token_info": {} })).await?;
    Ok(amount::show(info.total_supply.parse()?))
}

async fn every_function_is_confirmed(cw20: &Cw20) -> Result<()> {
    let before = cw20.net.balances_in(&cw20.user).await?;
    same("supply", &supply_of(cw20).await?, &"2000".to_owned())?;
    let execution = held(cw20).await?;
    let expected = changes(&[
        ("allianza user", "-14"),
        ("allianza vault", "-4"),
        ("allianza held", "+27"),
        ("allianza issued", "+9"),
    ]);
    same("while held", &cw20.net.balances_in(&cw20.user).await?.since(&before), &expected)?;
    let done = cw20.hand().commit_all(&execution).await?;
    same("state", &done.state, &State::Finalized)?;
    let expected = changes(&[
        ("allianza user", "-14"),
        ("allianza recipient", "+14"),
        ("allianza vault", "+6"),
        ("allianza issued", "+6"),
    ]);
    same("changes", &cw20.net.balances_in(&cw20.user).await?.since(&before), &expected)?;
    same("supply", &supply_of(cw20).await?, &"2006".to_owned())
}

async fn every_function_is_given_back(cw20: &Cw20) -> Result<()> {
    let (before, supply) = (cw20.net.balances_in(&cw20.user).await?, supply_of(cw20).await?);
    let execution = held(cw20).await?;
    typed::<Rollback>(&[&execution.execution_id.to_string()])?.run(&cw20.user).await?;
    for _ in 0..2 {
        cw20.hand().settle_all(&[&execution], Decision::Abort).await?;
    }
    send_home(&cw20.relayer, &cw20.hand().record(&execution, Decision::Abort).await?).await?;
    let done = cw20.user.execution(&execution.execution_id).await?;
    same("state", &done.state, &State::RolledBack)?;
    let results: Vec<LegResult> = done.legs.iter().map(|leg| leg.result).collect();
    same("results", &results, &vec![LegResult::Reverted; 5])?;
    same("changes", &cw20.net.balances_in(&cw20.user).await?.since(&before), &changes(&[]))?;
    same("supply", &supply_of(cw20).await?, &supply)
}

async fn over_the_mint_cap(cw20: &Cw20) -> Result<()> {
    let before = cw20.net.balances_in(&cw20.user).await?;
    let legs = cw20.net.legs(&["allianza lock 51", "allianza mint 51"])?;
    let execution = cw20.net.open_in(&cw20.user, &legs, 3600).await?;
    refused(cw20.hand().prepare_reserves(&execution).await, "would pass the mint cap")?;
    same("changes", &cw20.net.balances_in(&cw20.user).await?.since(&before), &changes(&[]))
}
