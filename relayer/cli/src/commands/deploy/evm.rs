//! Escrows on EVM chains, and the ALZ token where the chain has none yet.

use aes_chains::evm::{Artifact, Deployed, EscrowSettings, EvmDeployer, Limits};
use aes_config::{DeployChain, ManifestChain};
use aes_protocol::Domain;
use anyhow::{bail, ensure, Result};

use super::{amounts, base_units, Step};

pub async fn escrow(
    deployer: &EvmDeployer,
    step: &mut Step<'_, '_>,
    chain: &DeployChain,
    domain: &Domain,
    there: Option<&ManifestChain>,
) -> Result<ManifestChain> {
    let wanted = amounts(step.chain, chain)?;
    let limits =
        Limits { max_leg: wanted.max_leg, reserve_per_hour: wanted.reserve_per_hour, mint_cap: wanted.mint_cap };
    if let Some(there) = there {
        check_escrow(deployer, step, there, domain, limits).await?;
        return Ok(there.clone());
    }
    let admin = chain.admin.clone().unwrap_or_else(|| deployer.address());
    let (token, ours) = match &chain.asset {
        Some(token) => (token.clone(), false),
        None => (new_token(deployer, step, chain).await?.address, true),
    };
    let artifact = Artifact::load(&step.deploy.artifacts.join("AesEscrow.json"))?;
    step.change(format!("new escrow for ALZ {token}, admin {admin}"))?;
    let settings = EscrowSettings {
        domain: domain.clone(),
        token: token.clone(),
        attestor_set: step.deploy.attestor_set.clone(),
        limits,
        max_horizon: step.deploy.max_horizon,
        escape_delay: step.deploy.escape_delay,
        limits_delay: step.deploy.limits_delay,
        set_grace: step.deploy.set_grace,
        admin,
    };
    let Deployed { account, address, code_hash, height } = deployer.deploy_escrow(&artifact, &settings).await?;
    if ours {
        step.change(format!("ALZ {token}: escrow {address} may mint and burn (ERC-7802 bridge)"))?;
        deployer.set_bridge(&token, &address).await?;
    }
    Ok(ManifestChain { escrow: account, escrow_address: address, asset: token, code_hash, height })
}

/// The deploying key is its admin: it sets the bridge next, and hands over afterwards where another admin is wanted.
async fn new_token(deployer: &EvmDeployer, step: &mut Step<'_, '_>, chain: &DeployChain) -> Result<Deployed> {
    let supply =
        chain.initial_supply.as_deref().map_or(Ok(0), |text| base_units(step.chain, "initial_supply", text))?;
    let artifact = Artifact::load(&step.deploy.artifacts.join("AlzToken.json"))?;
    let own = deployer.address();
    step.change(format!("new ALZ token, {supply} base units to {own}"))?;
    Ok(deployer.deploy_token(&artifact, &own, &own, supply).await?)
}

async fn check_escrow(
    deployer: &EvmDeployer,
    step: &mut Step<'_, '_>,
    there: &ManifestChain,
    domain: &Domain,
    limits: Limits,
) -> Result<()> {
    let address = &there.escrow_address;
    match deployer.code_hash(address).await? {
        Some(code) if code == there.code_hash => {}
        Some(code) => bail!("escrow {address}: has code {code}, the manifest says {}", there.code_hash),
        None => bail!("escrow {address}: there is no code; is this the chain the manifest was written for?"),
    }
    let state = deployer.escrow(address).await?;
    ensure!(state.settings.domain == *domain, "escrow {address}: belongs to another deployment");
    let pending = state.pending_limits.map(|(limits, _)| limits);
    if state.settings.limits != limits && pending != Some(limits) {
        let delay = state.settings.limits_delay;
        step.change(format!("escrow {address}: limits {:?} -> {limits:?}, in {delay} s", state.settings.limits))?;
        deployer.schedule_limits(address, limits).await?;
    }
    Ok(())
}

/// Puts what the deployment file says into a vault that has never had anything.
pub async fn vault(
    deployer: &EvmDeployer,
    step: &mut Step<'_, '_>,
    chain: &DeployChain,
    entry: &ManifestChain,
) -> Result<()> {
    let wanted = amounts(step.chain, chain)?.vault;
    let state = deployer.escrow(&entry.escrow_address).await?;
    // what moved through the vault since its first filling is not missing from it
    if wanted == 0 || state.vault != 0 || state.held != 0 {
        return Ok(());
    }
    step.change(format!("escrow {}: {wanted} base units of ALZ into the vault", entry.escrow_address))?;
    deployer.fund_vault(&entry.asset, &entry.escrow_address, wanted).await?;
    Ok(())
}
