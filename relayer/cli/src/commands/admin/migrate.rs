//! `aes admin migrate`: another release's code under the coordinator that is there. Escrows are never migrated
//! (docs/decisions/0007).

use aes_chains::cosmos::CosmosClient;
use aes_config::{Config, Manifest};
use aes_coordinator::msg::MigrateMsg;
use anyhow::{ensure, Result};

use super::{Answer, Report, WAIT};
use crate::commands::deploy::{sha256, wasm};

pub(super) async fn migrate(config: &Config, dry_run: bool) -> Result<Report> {
    let manifest = Manifest::load(&config.manifest)?;
    let home = &manifest.domain.home_chain;
    let client = CosmosClient::new(home, config.chain(home)?)?;
    let code = wasm(config.deploy()?, "aes_coordinator.wasm")?;
    let answer = put(&client, config, &manifest, &code, dry_run).await;
    let (ok, answer) = match answer {
        Ok(answer) => (true, answer),
        Err(error) => (false, format!("{error:#}")),
    };
    let (contract, address) = (format!("coordinator on {home}"), manifest.coordinator.clone());
    Ok(Report { action: "migrate", contracts: vec![Answer { contract, address, ok, answer }] })
}

async fn put(
    client: &CosmosClient,
    config: &Config,
    manifest: &Manifest,
    code: &[u8],
    dry_run: bool,
) -> Result<String> {
    let (address, own) = (&manifest.coordinator, client.address()?);
    let (is, next) = (client.code_hash(address).await?, sha256(code));
    let known = Manifest { coordinator_code_hash: next, ..manifest.clone() };
    if is == next {
        if !dry_run {
            known.save(&config.manifest)?;
        }
        return Ok(format!("runs code {next} already; nothing was sent"));
    }
    let migrator = client.migrator(address).await?.unwrap_or_else(|| "nobody".into());
    ensure!(migrator == own, "{migrator} may migrate it, not {own}; use the config with that key");
    if dry_run {
        let (cost, unit) = (client.cost_of_code(code).await?, client.fee_denom()?);
        return Ok(format!("code {is} -> {next} would be sent, for {cost} {unit} and a little more"));
    }
    let code_id = client.store_code(code).await?;
    let tx = client.migrate(address, code_id, &MigrateMsg {}).await?;
    let height = client.wait_for(&tx, WAIT).await?;
    known.save(&config.manifest)?;
    Ok(format!("code {is} -> {next} in block {height}; give the new manifest to whoever has the old one"))
}
