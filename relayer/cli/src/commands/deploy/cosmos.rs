//! The coordinator, and escrows on CosmWasm chains.

use std::collections::BTreeMap;
use std::time::Duration;

use aes_chains::cosmos::{account_of, Coin, CosmosClient};
use aes_config::{DeployChain, DeployConfig, Manifest, ManifestChain};
use aes_coordinator::msg as coordinator;
use aes_escrow::msg as escrow;
use aes_protocol::{Bytes, Domain, Hash32};
use anyhow::{bail, ensure, Context as _, Result};
use sha2::{Digest, Sha256};

use super::{amounts, Step};

pub const WAIT: Duration = Duration::from_secs(60);

fn wasm(deploy: &DeployConfig, name: &str) -> Result<Vec<u8>> {
    let path = deploy.artifacts.join(name);
    std::fs::read(&path).with_context(|| format!("read {}; `make contracts` builds it", path.display()))
}

fn sha256(bytes: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(bytes).into())
}

pub async fn coordinator(client: &CosmosClient, step: &mut Step<'_, '_>) -> Result<Manifest> {
    let deploy = step.deploy;
    let code = wasm(deploy, "aes_coordinator.wasm")?;
    let admin = admin(client, deploy.chains.get(step.chain))?;
    step.change(format!("new coordinator, code {}, admin {admin}", sha256(&code)))?;
    let code_id = client.store_code(&code).await?;
    let msg = coordinator::InstantiateMsg {
        admin: admin.clone(),
        home_chain: step.chain.clone(),
        attestor_set: deploy.attestor_set.clone(),
        conservation: deploy.conservation,
        settings: coordinator::Settings { max_horizon: deploy.max_horizon, set_grace: deploy.set_grace },
    };
    let (address, _) = client.instantiate(code_id, "aes-coordinator", Some(&admin), &msg).await?;
    let config: coordinator::ConfigResponse = client.ask(&address, &coordinator::QueryMsg::Config {}).await?;
    Ok(Manifest {
        version: Manifest::VERSION,
        domain: Domain { home_chain: step.chain.clone(), coordinator: config.coordinator },
        coordinator: address,
        coordinator_code_hash: sha256(&code),
        conservation: deploy.conservation,
        chains: BTreeMap::new(),
    })
}

/// What is there is what the deployment file says, or an error that says what differs: a coordinator is never replaced.
pub async fn check_coordinator(client: &CosmosClient, manifest: &Manifest, deploy: &DeployConfig) -> Result<()> {
    let there: coordinator::ConfigResponse =
        client.ask(&manifest.coordinator, &coordinator::QueryMsg::Config {}).await?;
    let code = client.code_hash(&manifest.coordinator).await?;
    ensure!(
        code == manifest.coordinator_code_hash,
        "coordinator {}: runs code {code}, the manifest says {}",
        manifest.coordinator,
        manifest.coordinator_code_hash
    );
    ensure!(
        there.conservation == deploy.conservation,
        "coordinator {}: conservation is fixed when it is made; use another manifest for another deployment",
        manifest.coordinator
    );
    Ok(())
}

fn admin(client: &CosmosClient, chain: Option<&DeployChain>) -> Result<String> {
    match chain.and_then(|chain| chain.admin.clone()) {
        Some(admin) => Ok(admin),
        None => Ok(client.address()?.to_owned()),
    }
}

pub async fn escrow(
    client: &CosmosClient,
    step: &mut Step<'_, '_>,
    chain: &DeployChain,
    domain: &Domain,
    there: Option<&ManifestChain>,
) -> Result<ManifestChain> {
    let amounts = amounts(step.chain, chain)?;
    let limits = escrow::Limits {
        max_leg: amounts.max_leg.into(),
        reserve_per_hour: amounts.reserve_per_hour.into(),
        mint_cap: amounts.mint_cap.into(),
    };
    let Some(asset) = &chain.asset else {
        bail!("deploy.chains.\"{}\".asset is missing: give a bank denom or the address of a cw20", step.chain)
    };
    if let Some(there) = there {
        check_escrow(client, step, there, domain, limits).await?;
        return Ok(there.clone());
    }
    let code = wasm(step.deploy, "aes_escrow.wasm")?;
    let admin = admin(client, Some(chain))?;
    step.change(format!("new escrow for {asset}, code {}, admin {admin}", sha256(&code)))?;
    let code_id = client.store_code(&code).await?;
    let asset_kind = match account_of(asset, client.prefix()) {
        Ok(_) => escrow::Asset::Cw20 { address: asset.clone() },
        Err(_) => escrow::Asset::Native { denom: asset.clone() },
    };
    let msg = escrow::InstantiateMsg {
        admin,
        chain: step.chain.clone(),
        domain: domain.clone(),
        asset: asset_kind,
        attestor_set: step.deploy.attestor_set.clone(),
        limits,
        settings: escrow::Settings {
            max_horizon: step.deploy.max_horizon,
            escape_delay: step.deploy.escape_delay,
            limits_delay: step.deploy.limits_delay,
            set_grace: step.deploy.set_grace,
        },
    };
    // no chain-level admin: holds never move under new code
    let (address, height) = client.instantiate(code_id, "aes-escrow", None, &msg).await?;
    let escrow: Bytes = account_of(&address, client.prefix())?;
    Ok(ManifestChain { escrow, escrow_address: address, asset: asset.clone(), code_hash: sha256(&code), height })
}

async fn check_escrow(
    client: &CosmosClient,
    step: &mut Step<'_, '_>,
    there: &ManifestChain,
    domain: &Domain,
    limits: escrow::Limits,
) -> Result<()> {
    let address = &there.escrow_address;
    let config: escrow::ConfigResponse = client.ask(address, &escrow::QueryMsg::Config {}).await?;
    ensure!(config.domain == *domain, "escrow {address}: belongs to another deployment, {:?}", config.domain);
    let pending = config.pending_limits.as_ref().map(|pending| pending.limits);
    if config.limits != limits && pending != Some(limits) {
        step.change(format!(
            "escrow {address}: limits {:?} -> {limits:?}, in {} s",
            config.limits, config.settings.limits_delay
        ))?;
        let tx = client.execute(address, &escrow::ExecuteMsg::ScheduleLimits { limits }, &[]).await?;
        client.wait_for(&tx, WAIT).await?;
    }
    Ok(())
}

/// The coordinator knows the chain's escrow.
pub async fn register(client: &CosmosClient, step: &mut Step<'_, '_>, manifest: &Manifest) -> Result<()> {
    let mut start_after = None;
    loop {
        let page: coordinator::ChainsResponse =
            client.ask(&manifest.coordinator, &coordinator::QueryMsg::Chains { start_after, limit: None }).await?;
        if page.chains.iter().any(|known| known.chain == *step.chain) {
            return Ok(());
        }
        let Some(last) = page.chains.last() else { break };
        start_after = Some(last.chain.clone());
    }
    let escrow = manifest.chain(step.chain)?.escrow.clone();
    step.change(format!("coordinator: register escrow {escrow}"))?;
    let message = coordinator::ExecuteMsg::RegisterChain { chain: step.chain.clone(), escrow };
    let tx = client.execute(&manifest.coordinator, &message, &[]).await?;
    client.wait_for(&tx, WAIT).await?;
    Ok(())
}

/// Puts what the deployment file says into a vault that has never had anything.
pub async fn vault(
    client: &CosmosClient,
    step: &mut Step<'_, '_>,
    chain: &DeployChain,
    entry: &ManifestChain,
) -> Result<()> {
    let wanted = amounts(step.chain, chain)?.vault;
    let there: escrow::BalancesResponse = client.ask(&entry.escrow_address, &escrow::QueryMsg::Balances {}).await?;
    // what moved through the vault since its first filling is not missing from it
    if wanted == 0 || !there.vault.is_zero() || !there.held.is_zero() {
        return Ok(());
    }
    step.change(format!("escrow {}: {wanted} {} into the vault", entry.escrow_address, entry.asset))?;
    let tx = match account_of(&entry.asset, client.prefix()) {
        Ok(_) => {
            let msg = cosmwasm_std::Binary::from(serde_json::to_vec(&escrow::ReceiveMsg::FundVault {})?);
            let send = serde_json::json!({ "send": { "contract": entry.escrow_address, "amount": wanted.to_string(), "msg": msg } });
            client.execute(&entry.asset, &send, &[]).await?
        }
        Err(_) => {
            let coin = Coin { amount: wanted, denom: entry.asset.clone() };
            client.execute(&entry.escrow_address, &escrow::ExecuteMsg::FundVault {}, &[coin]).await?
        }
    };
    client.wait_for(&tx, WAIT).await?;
    Ok(())
}
