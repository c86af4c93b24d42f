//! A deployment beside the devnet's own, on the home chain alone, whose ALZ is a real cw20 with the escrow as its minter.

use std::path::PathBuf;

use aes_cli::amount;
use aes_cli::commands::deploy::deploy;
use aes_cli::context::Context;
use aes_cli::devnet::{ALLIANZA, DEPLOYER, RELAYER, USER};
use aes_config::Config;
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::hand::{Attestors, Hand};
use crate::net::Net;
use crate::PATIENCE;

pub struct Cw20 {
    pub net: Net,
    pub token: String,
    /// what it was deployed by
    pub deployer: Config,
    pub user: Context,
    pub relayer: Context,
    pub attestors: Attestors,
}

impl Cw20 {
    pub async fn deploy(net: Net) -> Result<Self> {
        let home: ChainId = ALLIANZA.parse()?;
        let wasm =
            std::fs::read(net.devnet.options.artifacts.join("cw20_base.wasm")).context("`make cw20` builds it")?;
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

        let beside = |who: &str, change: &dyn Fn(&mut Config) -> Result<()>| -> Result<PathBuf> {
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
        let deployer = Config::load(&file)?;
        let manifest = deploy(&deployer, &mut |_| Ok(true)).await?;
        let escrow = &manifest.chain(&home)?.escrow_address;
        let handover = net.cosmos.execute(&token, &json!({ "update_minter": { "new_minter": escrow } }), &[]).await?;
        net.cosmos.wait_for(&handover, PATIENCE).await?;

        let user = Context::open(&beside(USER, &|_| Ok(()))?).await?;
        let relayer = Context::open(&beside(RELAYER, &|_| Ok(()))?).await?;
        let attestors = Attestors::of(&net.devnet)?;
        Ok(Self { net, token, deployer, user, relayer, attestors })
    }

    pub fn hand(&self) -> Hand<'_> {
        Hand { context: &self.relayer, attestors: &self.attestors }
    }
}
