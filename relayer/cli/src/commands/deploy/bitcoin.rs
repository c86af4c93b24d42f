//! ALZ on a Bitcoin chain. No contract is there: the escrow is the first attestor set's vault, the token a rune, and what
//! a contract would keep stands in the manifest.

use aes_chains::bitcoin::{BitcoinDeployer, BitcoinTerms};
use aes_config::Manifest;
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};

use super::coordinator::Coordinator;
use super::plan::{Act, Cost, Plan};
use super::site::{Amounts, Site};

pub(super) async fn survey(
    deployer: &BitcoinDeployer,
    site: &Site<'_>,
    coordinator: &Coordinator<'_>,
    plan: &mut Plan,
) -> Result<()> {
    let terms = terms(site)?;
    for (key, amount, why) in unkept(&site.amounts()?) {
        if amount != 0 {
            plan.problem(format!("{}: {key} is {amount}, and nothing there would keep it: {why}; write 0", site.id));
        }
    }
    if let Err(error) = deployer.check_set(&site.deploy.attestor_set) {
        plan.problem(error.to_string());
    }
    let step = match (site.entry(), site.manifest.and_then(|manifest| manifest.bitcoin.get(site.id))) {
        (Some(_), Some(there)) => {
            let keeps = "it stands for life; write it into the deployment file, or deploy anew under another manifest";
            for (name, is, wanted) in [
                ("asset", &there.rune, &terms.rune),
                ("initial_supply", &there.premine, &terms.premine.to_string()),
                ("escape_delay", &there.escape_delay.to_string(), &terms.escape_delay.to_string()),
                ("max_leg", &there.max_leg, &terms.max_leg.to_string()),
            ] {
                if is != wanted {
                    plan.problem(format!("{}: {name} is {is}, the deployment file says {wanted}; {keeps}", site.id));
                }
            }
            None
        }
        _ => {
            let cost = Cost::about(async { Ok(deployer.cost().await?.to_sat().into()) }, "sat").await;
            let what = format!(
                "the rune {}, {} base units, all in the vault of attestor set {}; paid from {}",
                terms.rune,
                terms.premine,
                site.deploy.attestor_set.id,
                deployer.address()
            );
            Some(plan.add(site.id, Act::Escrow, what, &[coordinator.step], cost))
        }
    };
    coordinator.survey_chain(site, step, plan).await
}

/// Returns when the etching is final; until then what is waited for is said.
pub(super) async fn etch(deployer: &BitcoinDeployer, site: &Site<'_>) -> Result<Manifest> {
    let mut manifest = site.manifest.context("there is no coordinator yet")?.clone();
    let say = |what: &str| tracing::info!(chain = %site.id, "{what}");
    let (entry, bitcoin) = deployer.etch(site.domain()?, &site.deploy.attestor_set, &terms(site)?, &say).await?;
    manifest.chains.insert(site.id.clone(), entry);
    manifest.bitcoin.insert(site.id.clone(), bitcoin);
    anchor(deployer, site.id, &mut manifest).await?;
    Ok(manifest)
}

/// What a deployment file can ask of a contract, and no script can do.
fn unkept(amounts: &Amounts) -> [(&'static str, u128, &'static str); 3] {
    [
        ("reserve_per_hour", amounts.limits.reserve_per_hour, "no script counts what left; max_leg bounds each leg"),
        ("mint_cap", amounts.limits.mint_cap, "ALZ is premined there, and never minted"),
        ("vault", amounts.vault, "the whole initial_supply starts in the vault"),
    ]
}

/// Where the manifest has none: from there on everybody checks the chain's work.
pub(super) async fn anchor(deployer: &BitcoinDeployer, id: &ChainId, manifest: &mut Manifest) -> Result<()> {
    let Some(entry) = manifest.chains.get(id).filter(|_| !manifest.anchors.contains_key(id)) else { return Ok(()) };
    let anchor = deployer.anchor(entry.height).await?;
    manifest.anchors.insert(id.clone(), anchor);
    Ok(())
}

fn terms(site: &Site<'_>) -> Result<BitcoinTerms> {
    let rune = site.chain.asset.clone();
    let rune = rune.with_context(|| format!("deploy.chains.\"{}\".asset: give the rune's name", site.id))?;
    let amounts = site.amounts()?;
    Ok(BitcoinTerms {
        rune,
        premine: amounts.initial_supply,
        escape_delay: site.deploy.escape_delay,
        max_leg: amounts.limits.max_leg,
    })
}
