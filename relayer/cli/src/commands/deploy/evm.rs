//! Escrows on EVM chains, and the ALZ token where the deployment brings its own.

use std::path::Path;

use aes_chains::evm::{AdminCall, Artifact, Deployed, EscrowSettings, EscrowState, EvmDeployer, Made};
use aes_chains::ChainError;
use aes_config::{Manifest, ManifestChain};
use anyhow::{bail, Context as _, Result};

use super::coordinator::Coordinator;
use super::intent::{Creation, Intent};
use super::plan::{Act, Contract, Cost, Plan};
use super::site::{show_limits, Fixed, Site};

const UNIT: &str = "wei";

pub(super) async fn survey(
    deployer: &EvmDeployer,
    site: &Site<'_>,
    coordinator: &Coordinator<'_>,
    plan: &mut Plan,
) -> Result<()> {
    let wanted = site.amounts()?;
    let admin = admin(deployer, site)?;
    if site.public && deployer.code_hash(&admin).await?.is_none() {
        site.warn_of_plain_key(&admin, plan);
    }
    let (mut token_step, mut escrow_step) = (None, None);
    let token = match (site.entry(), &site.chain.asset) {
        (Some(entry), _) => Some(entry.asset.clone()),
        (None, Some(asset)) => Some(deployer.checksummed(asset)?),
        (None, None) => site.manifest.and_then(|manifest| manifest.tokens.get(site.id).cloned()),
    };
    if token.is_none() {
        let (own, supply) = (deployer.address(), wanted.initial_supply);
        let artifact = artifact(site, "AlzToken.json")?;
        let cost = Cost::about(deployer.cost_of_token(&artifact, &own, &own, supply), UNIT).await;
        let what = format!("new ALZ token, {supply} base units to {own}");
        token_step = Some(plan.add(site.id, Act::Token { supply }, what, &[], cost));
    }
    let state = match site.entry() {
        Some(entry) => Some(survey_escrow(deployer, site, entry, plan).await?),
        None => {
            let artifact = artifact(site, "AesEscrow.json")?;
            let cost = match (&token, site.manifest) {
                (Some(token), Some(_)) => {
                    let settings = settings(deployer, site, token)?;
                    Cost::about(deployer.cost_of_escrow(&artifact, &settings), UNIT).await
                }
                _ => Cost::Later,
            };
            let which = match (&token, token_step) {
                (Some(token), _) => format!("ALZ {token}"),
                (None, Some(step)) => format!("the token of step {step}"),
                (None, None) => bail!("{}: no token", site.id),
            };
            let what = format!("new escrow for {which}, admin {admin}, {}", show_limits(&wanted.limits));
            escrow_step = Some(plan.add(site.id, Act::Escrow, what, &[coordinator.step, token_step], cost));
            None
        }
    };
    let bridge_step = survey_bridge(deployer, site, token.as_deref(), [token_step, escrow_step], plan).await?;
    coordinator.survey_chain(site, escrow_step, plan).await?;
    let to_fill = match state {
        Some(state) => site.is_vault_to_fill(state.vault == 0 && state.held == 0, plan)?,
        None => wanted.vault > 0,
    };
    if to_fill {
        let amount = wanted.vault;
        let what = format!("{amount} base units of ALZ into the vault");
        plan.add(site.id, Act::Vault { amount }, what, &[token_step, escrow_step], Cost::Later);
    }
    // without an asset in the file the token is ours, and goes to the admin as the escrow does
    if site.chain.asset.is_none() {
        survey_admin(deployer, site, Contract::Token, token.as_deref(), &[token_step, bridge_step], plan).await?;
    }
    Ok(())
}

async fn survey_escrow(
    deployer: &EvmDeployer,
    site: &Site<'_>,
    entry: &ManifestChain,
    plan: &mut Plan,
) -> Result<EscrowState> {
    let address = &entry.escrow_address;
    let (code, state) = tokio::try_join!(deployer.code_hash(address), deployer.escrow(address))
        .with_context(|| format!("{}: escrow {address}; is this the chain the manifest was written for?", site.id))?;
    site.compare_code(entry, code, plan);
    site.compare_asset_code(&entry.asset, deployer.code_hash(&entry.asset).await?, plan);
    let escrow = ("escrow", address, "AesEscrow.json");
    let token = site.chain.asset.is_none().then_some(("ALZ token", &entry.asset, "AlzToken.json"));
    for (what, address, name) in [escrow].into_iter().chain(token) {
        // whoever only changes limits needs no artifacts
        if let Ok(built) = artifact(site, name) {
            if !deployer.is_build(&built, address).await? {
                site.other_build(what, address, name, plan);
            }
        }
    }
    let there = &state.settings;
    let asset = site.chain.asset.as_deref().map(|asset| deployer.checksummed(asset)).transpose()?;
    let fixed = Fixed {
        domain: there.domain.clone(),
        asset: there.token.clone(),
        max_horizon: there.max_horizon,
        escape_delay: there.escape_delay,
        limits_delay: there.limits_delay,
        set_grace: there.set_grace,
    };
    site.compare_fixed(asset.as_deref(), &fixed, plan)?;
    site.compare_set("the escrow", &there.attestor_set, plan);
    survey_limits(deployer, site, address, &state, plan).await?;
    survey_admin(deployer, site, Contract::Escrow, Some(address), &[], plan).await?;
    Ok(state)
}

async fn survey_limits(
    deployer: &EvmDeployer,
    site: &Site<'_>,
    address: &str,
    state: &EscrowState,
    plan: &mut Plan,
) -> Result<()> {
    let (wanted, there) = (site.amounts()?.limits, &state.settings);
    match state.pending_limits {
        Some((pending, at)) if pending == wanted => {
            let call = AdminCall::ApplyLimits;
            match deployer.cost_of_call(address, &call).await {
                Ok(amount) => {
                    let cost = Cost::About { amount: amount.to_string(), unit: UNIT.into() };
                    let what =
                        format!("escrow {address}: the limits scheduled for {at} begin: {}", show_limits(&wanted));
                    plan.add(site.id, Act::ApplyLimits, what, &[], cost);
                }
                // while the delay lasts
                Err(ChainError::Refused { .. }) => {
                    plan.waiting.push(format!("{}: limits {} from {at} on", site.id, show_limits(&wanted)))
                }
                Err(error) => return Err(error.into()),
            }
        }
        _ if there.limits == wanted && state.pending_limits.is_none() => {}
        _ if there.admin != deployer.address() => {
            plan.problem(site.only_admin("its limits are others than the deployment file's", &there.admin));
        }
        _ => {
            let cost = Cost::about(deployer.cost_of_call(address, &AdminCall::ScheduleLimits(wanted)), UNIT).await;
            let (from, to, delay) = (show_limits(&there.limits), show_limits(&wanted), there.limits_delay);
            let what = format!("escrow {address}: limits {from} -> {to}, which may begin in {delay} s");
            plan.add(site.id, Act::ScheduleLimits, what, &[], cost);
        }
    }
    Ok(())
}

/// The escrow is the one that mints and burns, where the token is ours.
async fn survey_bridge(
    deployer: &EvmDeployer,
    site: &Site<'_>,
    token: Option<&str>,
    after: [Option<usize>; 2],
    plan: &mut Plan,
) -> Result<Option<usize>> {
    if site.chain.asset.is_some() {
        return Ok(None);
    }
    let mut cost = Cost::Later;
    if let (Some(token), Some(entry)) = (token, site.entry()) {
        let there = deployer.bridge(token).await?;
        if there == entry.escrow_address {
            return Ok(None);
        }
        let (admin, _) = deployer.admins(token).await?;
        if admin != deployer.address() {
            plan.problem(site.only_admin(&format!("the bridge of ALZ {token} is {there}, not the escrow"), &admin));
            return Ok(None);
        }
        cost = Cost::about(deployer.cost_of_call(token, &bridge(entry)), UNIT).await;
    }
    let escrow = match (site.entry(), after[1]) {
        (Some(entry), _) => format!("escrow {}", entry.escrow_address),
        (None, Some(step)) => format!("the escrow of step {step}"),
        (None, None) => bail!("{}: no escrow", site.id),
    };
    let what = format!("{escrow} may mint and burn ALZ (ERC-7802 bridge)");
    Ok(Some(plan.add(site.id, Act::Bridge, what, &after, cost)))
}

/// `address` is none where the contract is not there yet; then the deploying key will be its admin.
async fn survey_admin(
    deployer: &EvmDeployer,
    site: &Site<'_>,
    of: Contract,
    address: Option<&str>,
    after: &[Option<usize>],
    plan: &mut Plan,
) -> Result<()> {
    let (own, next) = (deployer.address(), admin(deployer, site)?);
    let name = match of {
        Contract::Escrow => "escrow",
        Contract::Token => "ALZ token",
    };
    let mut cost = Cost::Later;
    let (there, pending) = match address {
        Some(address) => deployer.admins(address).await?,
        None => (own.clone(), None),
    };
    if there == next {
        return Ok(());
    }
    if pending.as_deref() == Some(&next) {
        plan.waiting.push(format!("{}: {name}: {next} takes over with `aes admin accept`", site.id));
        return Ok(());
    }
    if there != own {
        plan.problem(site.only_admin(&format!("the admin of the {name} is to be {next}"), &there));
        return Ok(());
    }
    if let Some(address) = address {
        cost = Cost::about(deployer.cost_of_call(address, &AdminCall::ProposeAdmin(next.clone())), UNIT).await;
    }
    let what = format!("{name}: admin {there} -> {next}, who takes over with `aes admin accept`");
    plan.add(site.id, Act::ProposeAdmin { of, next }, what, after, cost);
    Ok(())
}

/// A token or an escrow; answers with the manifest that knows of it.
pub(super) async fn create(deployer: &EvmDeployer, site: &Site<'_>, act: &Act, path: &Path) -> Result<Manifest> {
    let manifest = site.manifest.context("there is no coordinator yet")?;
    let intend = async |what| {
        let (nonce, address) = deployer.next_contract().await?;
        let (chain, height) = (site.id.clone(), deployer.height().await?);
        Intent { chain, what, address, nonce: Some(nonce), height }.save(path)
    };
    if let Act::Token { supply } = act {
        // the deploying key sets the bridge next, and hands over afterwards
        let (own, artifact) = (deployer.address(), artifact(site, "AlzToken.json")?);
        intend(Creation::Token).await?;
        let made = deployer.deploy_token(&artifact, &own, &own, *supply).await?;
        return Ok(with_token(site, manifest, made));
    }
    let settings = settings(deployer, site, &token(deployer, site, manifest)?)?;
    let artifact = artifact(site, "AesEscrow.json")?;
    intend(Creation::Escrow).await?;
    let made = deployer.deploy_escrow(&artifact, &settings).await?;
    with_escrow(deployer, site, manifest, made).await
}

/// What a run that broke off had sent; `None` where nothing came of it.
pub(super) async fn find(deployer: &EvmDeployer, site: &Site<'_>, intent: &Intent) -> Result<Option<Manifest>> {
    let manifest = site.manifest.context("there is no coordinator yet")?;
    let nonce = intent.nonce.context("the intent has no nonce")?;
    let made = match deployer.made(nonce, &intent.address, intent.height).await? {
        Made::There(made) => made,
        Made::Not => return Ok(None),
        Made::Waiting => bail!(
            "{}: the transaction that makes {} is in no block yet; run `aes deploy` again when it is",
            site.id,
            intent.address
        ),
    };
    Ok(Some(match intent.what {
        Creation::Token => with_token(site, manifest, made),
        _ => with_escrow(deployer, site, manifest, made).await?,
    }))
}

fn with_token(site: &Site<'_>, manifest: &Manifest, made: Deployed) -> Manifest {
    let mut manifest = manifest.clone();
    manifest.tokens.insert(site.id.clone(), made.address);
    manifest
}

async fn with_escrow(deployer: &EvmDeployer, site: &Site<'_>, manifest: &Manifest, made: Deployed) -> Result<Manifest> {
    let mut manifest = manifest.clone();
    let asset = token(deployer, site, &manifest)?;
    let code = deployer.code_hash(&asset).await?.with_context(|| format!("no code at ALZ {asset}"))?;
    let Deployed { account, address, code_hash, height } = made;
    manifest.tokens.remove(site.id);
    manifest.asset_code.insert(site.id.clone(), code);
    let entry = ManifestChain { escrow: account, escrow_address: address, asset, code_hash, height };
    manifest.chains.insert(site.id.clone(), entry);
    Ok(manifest)
}

fn token(deployer: &EvmDeployer, site: &Site<'_>, manifest: &Manifest) -> Result<String> {
    match &site.chain.asset {
        Some(asset) => Ok(deployer.checksummed(asset)?),
        None => manifest.tokens.get(site.id).cloned().context("no token"),
    }
}

/// A call of a contract that is there.
pub(super) async fn make(deployer: &EvmDeployer, site: &Site<'_>, act: &Act) -> Result<()> {
    let entry = site.entry().context("no escrow")?;
    let escrow = &entry.escrow_address;
    let limits = site.amounts()?.limits;
    match act {
        Act::Bridge => deployer.admin_call(&entry.asset, &bridge(entry)).await?,
        Act::Vault { amount } => deployer.fund_vault(&entry.asset, escrow, *amount).await?,
        Act::ScheduleLimits => deployer.admin_call(escrow, &AdminCall::ScheduleLimits(limits)).await?,
        Act::ApplyLimits => deployer.admin_call(escrow, &AdminCall::ApplyLimits).await?,
        Act::ProposeAdmin { of, next } => {
            let contract = match of {
                Contract::Escrow => escrow,
                Contract::Token => &entry.asset,
            };
            deployer.admin_call(contract, &AdminCall::ProposeAdmin(next.clone())).await?
        }
        other => bail!("{}: {other:?} is not for an EVM chain", site.id),
    };
    Ok(())
}

fn bridge(entry: &ManifestChain) -> AdminCall {
    AdminCall::SetBridge(entry.escrow_address.clone())
}

fn admin(deployer: &EvmDeployer, site: &Site<'_>) -> Result<String> {
    Ok(match &site.chain.admin {
        Some(admin) => deployer.checksummed(admin)?,
        None => deployer.address(),
    })
}

fn artifact(site: &Site<'_>, name: &str) -> Result<Artifact> {
    Ok(Artifact::load(&site.deploy.artifacts.join(name))?)
}

fn settings(deployer: &EvmDeployer, site: &Site<'_>, token: &str) -> Result<EscrowSettings> {
    Ok(EscrowSettings {
        domain: site.domain()?.clone(),
        token: token.into(),
        attestor_set: site.deploy.attestor_set.clone(),
        limits: site.amounts()?.limits,
        max_horizon: site.deploy.max_horizon,
        escape_delay: site.deploy.escape_delay,
        limits_delay: site.deploy.limits_delay,
        set_grace: site.deploy.set_grace,
        admin: admin(deployer, site)?,
    })
}
