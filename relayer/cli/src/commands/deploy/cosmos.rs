//! Escrows on CosmWasm chains, and what the coordinator is told.

use std::path::Path;
use std::time::Duration;

use aes_authority::SetResponse;
use aes_chains::cosmos::{account_of, Coin, CosmosClient};
use aes_chains::evm::Limits;
use aes_config::{Anchor, DeployConfig, Manifest, ManifestChain};
use aes_escrow::msg::{self, Asset, BalancesResponse, ConfigResponse, ExecuteMsg, QueryMsg, ReceiveMsg};
use aes_protocol::Hash32;
use anyhow::{bail, Context as _, Result};
use sha2::{Digest, Sha256};

use super::coordinator::Coordinator;
use super::intent::{Creation, Intent};
use super::plan::{Act, Cost, Plan};
use super::site::{show_limits, Fixed, Site};

pub(super) const WAIT: Duration = Duration::from_secs(60);

pub(crate) fn wasm(deploy: &DeployConfig, name: &str) -> Result<Vec<u8>> {
    let path = deploy.artifacts.join(name);
    std::fs::read(&path).with_context(|| format!("read {}; `make contracts` builds it", path.display()))
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(bytes).into())
}

pub(super) async fn survey(
    client: &CosmosClient,
    site: &Site<'_>,
    coordinator: &Coordinator<'_>,
    plan: &mut Plan,
) -> Result<()> {
    let wanted = site.amounts()?;
    let (asset, admin) = (asset(site)?, admin(client, site)?);
    if site.public && client.is_plain_key(&admin).await? {
        site.warn_of_plain_key(&admin, plan);
    }
    let mut escrow_step = None;
    let mut to_fill = wanted.vault > 0;
    let mut vault_cost = Cost::Later;
    match site.entry() {
        Some(entry) => {
            survey_escrow(client, site, entry, plan).await?;
            let there: BalancesResponse = client.ask(&entry.escrow_address, &QueryMsg::Balances {}).await?;
            to_fill = site.is_vault_to_fill(there.vault.is_zero() && there.held.is_zero(), plan)?;
            if to_fill {
                let (contract, message, funds) = fund_vault(client, entry, wanted.vault)?;
                vault_cost = Cost::about(client.cost(&contract, &message, &funds), client.fee_denom()?).await;
            }
        }
        None => {
            let code = wasm(site.deploy, "aes_escrow.wasm")?;
            let hash = sha256(&code);
            let what = format!("new escrow for {asset}, code {hash}, admin {admin}, {}", show_limits(&wanted.limits));
            let cost = Cost::at_least(client.cost_of_code(&code), client.fee_denom()?).await;
            escrow_step = Some(plan.add(site.id, Act::Escrow, what, &[coordinator.step], cost));
        }
    }
    coordinator.survey_chain(site, escrow_step, plan).await?;
    if to_fill {
        let amount = wanted.vault;
        let what = format!("{amount} {asset} into the vault");
        plan.add(site.id, Act::Vault { amount }, what, &[escrow_step], vault_cost);
    }
    Ok(())
}

async fn survey_escrow(client: &CosmosClient, site: &Site<'_>, entry: &ManifestChain, plan: &mut Plan) -> Result<()> {
    let address = &entry.escrow_address;
    let is_it = || format!("{}: escrow {address}; is this the chain the manifest was written for?", site.id);
    let there: ConfigResponse = client.ask(address, &QueryMsg::Config {}).await.with_context(is_it)?;
    let set: SetResponse = client.ask(address, &QueryMsg::AttestorSet { id: None }).await?;
    let code = client.code_hash(address).await?;
    site.compare_code(entry, Some(code), plan);
    if wasm(site.deploy, "aes_escrow.wasm").is_ok_and(|built| sha256(&built) != code) {
        site.other_build("escrow", address, "aes_escrow.wasm", plan);
    }
    if is_cw20(client, asset(site)?) {
        site.compare_asset_code(&entry.asset, Some(client.code_hash(&entry.asset).await?), plan);
    }
    let fixed = Fixed {
        domain: there.domain,
        asset: match there.asset {
            Asset::Native { denom } => denom,
            Asset::Cw20 { address } => address,
        },
        max_horizon: there.settings.max_horizon,
        escape_delay: there.settings.escape_delay,
        limits_delay: there.settings.limits_delay,
        set_grace: there.settings.set_grace,
    };
    site.compare_fixed(Some(asset(site)?), &fixed, plan)?;
    site.compare_set("the escrow", &set.set, plan);

    let (wanted, own, authority) = (limits(&site.amounts()?.limits), client.address()?, there.authority);
    let to = show_limits(&site.amounts()?.limits);
    match there.pending_limits {
        Some(pending) if pending.limits == wanted => {
            plan.waiting.push(format!("{}: limits {to} from {} on", site.id, pending.effective_at));
        }
        None if there.limits == wanted => {}
        _ if authority.admin != own => {
            plan.problem(site.only_admin("its limits are others than the deployment file's", &authority.admin));
        }
        _ => {
            let message = ExecuteMsg::ScheduleLimits { limits: wanted };
            let cost = Cost::about(client.cost(address, &message, &[]), client.fee_denom()?).await;
            let (from, delay) = (show_limits(&shown(&there.limits)), there.settings.limits_delay);
            let what = format!("escrow {address}: limits {from} -> {to}, in {delay} s");
            plan.add(site.id, Act::ScheduleLimits, what, &[], cost);
        }
    }

    let next = admin(client, site)?;
    if authority.admin == next {
        return Ok(());
    }
    if authority.pending_admin.as_ref() == Some(&next) {
        plan.waiting.push(format!("{}: escrow: {next} takes over with `aes admin accept`", site.id));
    } else if authority.admin != own {
        plan.problem(site.only_admin(&format!("the admin of the escrow is to be {next}"), &authority.admin));
    } else {
        let message = ExecuteMsg::ProposeAdmin { admin: next.clone() };
        let cost = Cost::about(client.cost(address, &message, &[]), client.fee_denom()?).await;
        let what = format!("escrow: admin {own} -> {next}, who takes over with `aes admin accept`");
        plan.add(site.id, Act::ProposeAdmin { of: super::plan::Contract::Escrow, next }, what, &[], cost);
    }
    Ok(())
}

/// The escrow itself; answers with the manifest that knows of it.
pub(super) async fn escrow(client: &CosmosClient, site: &Site<'_>, manifest: &Path) -> Result<Manifest> {
    let (code, asset) = (wasm(site.deploy, "aes_escrow.wasm")?, asset(site)?);
    let code_id = client.store_code(&code).await?;
    let msg = msg::InstantiateMsg {
        admin: admin(client, site)?,
        chain: site.id.clone(),
        domain: site.domain()?.clone(),
        asset: match is_cw20(client, asset) {
            true => Asset::Cw20 { address: asset.into() },
            false => Asset::Native { denom: asset.into() },
        },
        attestor_set: site.deploy.attestor_set.clone(),
        limits: limits(&site.amounts()?.limits),
        settings: msg::Settings {
            max_horizon: site.deploy.max_horizon,
            escape_delay: site.deploy.escape_delay,
            limits_delay: site.deploy.limits_delay,
            set_grace: site.deploy.set_grace,
        },
    };
    let salt = Hash32(rand::random());
    let address = client.address_of_instance(&sha256(&code), &salt)?;
    let (chain, what, height) = (site.id.clone(), Creation::Escrow, client.head().await?.height);
    Intent { chain, what, address: address.clone(), nonce: None, height }.save(manifest)?;
    // no chain-level admin: holds never move under new code
    client.instantiate_at(code_id, "aes-escrow", None, &salt, &msg).await?;
    let height = client.made_at(&address).await?.context("the escrow is not there")?;
    with_escrow(client, site, address, height).await
}

/// The manifest with an escrow that is there.
pub(super) async fn with_escrow(
    client: &CosmosClient,
    site: &Site<'_>,
    address: String,
    height: u64,
) -> Result<Manifest> {
    let mut manifest = site.manifest.context("there is no coordinator yet")?.clone();
    let asset = asset(site)?;
    if is_cw20(client, asset) {
        manifest.asset_code.insert(site.id.clone(), client.code_hash(asset).await?);
    }
    let entry = ManifestChain {
        escrow: account_of(&address, client.prefix())?,
        code_hash: client.code_hash(&address).await?,
        escrow_address: address,
        asset: asset.into(),
        height,
    };
    manifest.chains.insert(site.id.clone(), entry);
    if !manifest.anchors.contains_key(site.id) {
        manifest.anchors.insert(site.id.clone(), anchor(client).await?);
    }
    Ok(manifest)
}

/// The newest block, from which attestors can follow the chain's headers.
pub(super) async fn anchor(client: &CosmosClient) -> Result<Anchor> {
    let head = client.head().await?;
    Ok(Anchor { height: head.height, hash: head.hash })
}

/// A call of an escrow that is there.
pub(super) async fn make(client: &CosmosClient, site: &Site<'_>, act: &Act) -> Result<()> {
    let entry = site.entry().context("no escrow")?;
    let escrow = &entry.escrow_address;
    let tx = match act {
        Act::Vault { amount } => {
            let (contract, message, funds) = fund_vault(client, entry, *amount)?;
            client.execute(&contract, &message, &funds).await?
        }
        Act::ScheduleLimits => {
            let limits = limits(&site.amounts()?.limits);
            client.execute(escrow, &ExecuteMsg::ScheduleLimits { limits }, &[]).await?
        }
        Act::ProposeAdmin { next, .. } => {
            client.execute(escrow, &ExecuteMsg::ProposeAdmin { admin: next.clone() }, &[]).await?
        }
        other => bail!("{}: {other:?} is not for a CosmWasm chain", site.id),
    };
    client.wait_for(&tx, WAIT).await?;
    Ok(())
}

/// Contract, message and funds: a cw20's own `send`, or the coins themselves.
fn fund_vault(
    client: &CosmosClient,
    entry: &ManifestChain,
    amount: u128,
) -> Result<(String, serde_json::Value, Vec<Coin>)> {
    let ManifestChain { asset, escrow_address, .. } = entry;
    if is_cw20(client, asset) {
        let msg = cosmwasm_std::Binary::from(serde_json::to_vec(&ReceiveMsg::FundVault {})?);
        let send = serde_json::json!({
            "send": { "contract": escrow_address, "amount": amount.to_string(), "msg": msg },
        });
        return Ok((asset.clone(), send, vec![]));
    }
    let message = serde_json::to_value(ExecuteMsg::FundVault {})?;
    Ok((escrow_address.clone(), message, vec![Coin { amount, denom: asset.clone() }]))
}

/// A bank denom could not pass for an address of this chain: bech32 has a checksum.
fn is_cw20(client: &CosmosClient, asset: &str) -> bool {
    account_of(asset, client.prefix()).is_ok()
}

fn asset<'a>(site: &'a Site<'_>) -> Result<&'a str> {
    site.chain.asset.as_deref().with_context(|| {
        format!("deploy.chains.\"{}\".asset is missing: give a bank denom or the address of a cw20", site.id)
    })
}

fn admin(client: &CosmosClient, site: &Site<'_>) -> Result<String> {
    Ok(match &site.chain.admin {
        Some(admin) => admin.clone(),
        None => client.address()?.to_owned(),
    })
}

fn limits(limits: &Limits) -> msg::Limits {
    msg::Limits {
        max_leg: limits.max_leg.into(),
        reserve_per_hour: limits.reserve_per_hour.into(),
        mint_cap: limits.mint_cap.into(),
    }
}

fn shown(limits: &msg::Limits) -> Limits {
    Limits {
        max_leg: limits.max_leg.u128(),
        reserve_per_hour: limits.reserve_per_hour.u128(),
        mint_cap: limits.mint_cap.u128(),
    }
}
