//! A deployment beside the first, whose ALZ on the CosmWasm chain is a real cw20 with the escrow as its minter: there
//! too all five functions move what they say, and give back what they took.

use aes_cli::amount;
use aes_cli::commands::deploy::deploy;
use aes_cli::commands::rollback::Rollback;
use aes_cli::context::Context;
use aes_cli::devnet::{ALLIANZA, DEPLOYER, RELAYER, USER};
use aes_config::Config;
use aes_coordinator::msg::{ExecutionResponse, LegResult, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{changes, send_home, typed, Net};
use aes_e2e::{play, refused, same};
use aes_protocol::{ChainId, Decision};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;

/// 13 ALZ out, 13 in.
const EVERY_FUNCTION: [&str; 5] =
    ["allianza transfer 1", "allianza lock 10", "allianza unlock 4", "allianza mint 9", "allianza burn 3"];

struct Cw20 {
    net: Net,
    token: String,
    user: Context,
    relayer: Context,
    attestors: Attestors,
}

#[tokio::test(flavor = "multi_thread")]
async fn cw20() -> Result<()> {
    let net = Net::start(|options| options.relayer = false).await?;
    let cw20 = deployed(net).await?;
    let failed = play!(&cw20, every_function_is_confirmed, every_function_is_given_back, over_the_mint_cap);
    cw20.net.end(failed).await
}

async fn deployed(net: Net) -> Result<Cw20> {
    let home: ChainId = ALLIANZA.parse()?;
    let wasm =
        std::fs::read(net.devnet.options.artifacts.join("cw20_base.wasm")).context("`make contracts` builds it")?;
    let code = net.cosmos.store_code(&wasm).await?;
    let deployer = net.cosmos.address()?.to_owned();
    let coins = |address: &str| {
        Ok::<_, anyhow::Error>(json!({ "address": address, "amount": amount::parse("1000")?.to_string() }))
    };
    let init = json!({
        "name": "Allianza", "symbol": "ALZ", "decimals": 18,
        "initial_balances": [coins(&deployer)?, coins(&net.devnet.account(USER)?.cosmos)?],
        "mint": { "minter": deployer },
    });
    let (token, _) = net.cosmos.instantiate(code, "alz", None, &init).await?;

    let beside = |who: &str, change: &dyn Fn(&mut Config) -> Result<()>| -> Result<std::path::PathBuf> {
        let mut config = Config::load(&net.devnet.config_file(who))?;
        config.manifest = net.devnet.options.data_dir.join("cw20.json");
        config.chains.retain(|id, _| *id == home);
        change(&mut config)?;
        let file = net.devnet.options.data_dir.join(format!("cw20-{who}.toml"));
        std::fs::write(&file, toml::to_string(&config)?)?;
        Ok(file)
    };
    let file = beside(DEPLOYER, &|config| {
        let deploy = config.deploy.as_mut().context("the deployment")?;
        deploy.chains.retain(|id, _| *id == home);
        let chain = deploy.chains.get_mut(&home).context("its chain")?;
        chain.asset = Some(token.clone());
        chain.vault = Some(amount::parse("500")?.to_string());
        chain.mint_cap = amount::parse("50")?.to_string();
        Ok(())
    })?;
    let manifest = deploy(&Config::load(&file)?, &mut |_| Ok(true)).await?;
    // a second run finds everything there and changes nothing
    let again =
        deploy(&Config::load(&file)?, &mut |change| anyhow::bail!("changed on the second run: {change}")).await?;
    same("manifest", &again, &manifest)?;
    let escrow = &manifest.chain(&home)?.escrow_address;
    let handover = net.cosmos.execute(&token, &json!({ "update_minter": { "new_minter": escrow } }), &[]).await?;
    net.cosmos.wait_for(&handover, aes_e2e::PATIENCE).await?;

    let user = Context::open(&beside(USER, &|_| Ok(()))?).await?;
    let relayer = Context::open(&beside(RELAYER, &|_| Ok(()))?).await?;
    let attestors = Attestors::of(&net.devnet)?;
    Ok(Cw20 { net, token, user, relayer, attestors })
}

impl Cw20 {
    fn hand(&self) -> Hand<'_> {
        Hand { context: &self.relayer, attestors: &self.attestors }
    }

    async fn held(&self) -> Result<ExecutionResponse> {
        let execution = self.net.open_in(&self.user, &self.net.legs(&EVERY_FUNCTION)?, 3600).await?;
        self.net.prepare_all_in(&self.user, &execution).await?;
        self.hand().prepare_reserves(&execution).await?;
        Ok(execution)
    }

    async fn supply(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct TokenInfo {
            total_supply: String,
        }
        let info: TokenInfo = self.net.cosmos.ask(&self.token, &json!({ "token_info": {} })).await?;
        Ok(amount::show(info.total_supply.parse()?))
    }
}

async fn every_function_is_confirmed(cw20: &Cw20) -> Result<()> {
    let before = cw20.net.balances_in(&cw20.user).await?;
    same("supply", &cw20.supply().await?, &"2000".to_owned())?;
    let execution = cw20.held().await?;
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
    same("supply", &cw20.supply().await?, &"2006".to_owned())
}

async fn every_function_is_given_back(cw20: &Cw20) -> Result<()> {
    let (before, supply) = (cw20.net.balances_in(&cw20.user).await?, cw20.supply().await?);
    let execution = cw20.held().await?;
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
    same("supply", &cw20.supply().await?, &supply)
}

async fn over_the_mint_cap(cw20: &Cw20) -> Result<()> {
    let before = cw20.net.balances_in(&cw20.user).await?;
    let legs = cw20.net.legs(&["allianza lock 51", "allianza mint 51"])?;
    let execution = cw20.net.open_in(&cw20.user, &legs, 3600).await?;
    refused(cw20.hand().prepare_reserves(&execution).await, "would pass the mint cap")?;
    same("changes", &cw20.net.balances_in(&cw20.user).await?.since(&before), &changes(&[]))
}
