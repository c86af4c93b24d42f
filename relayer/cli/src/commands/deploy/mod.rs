//! `aes deploy`: contracts on every chain, and the manifest that everything else reads. Re-runnable: what is there and
//! right is left alone, a change is shown before it is made, and the manifest is saved after each contract, so that a run
//! that broke off is gone on with. Only a token whose escrow was not reached is deployed anew.

mod cosmos;
mod evm;

use std::fmt;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use aes_chains::cosmos::{Coin, CosmosClient};
use aes_chains::evm::EvmDeployer;
use aes_config::{Config, DeployChain, DeployConfig, Manifest};
use aes_protocol::{ChainId, ChainKind};
use anyhow::{bail, Context as _, Result};
use serde::Serialize;

use crate::commands::keys::Accounts;
use crate::output::Output;

#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// make each change without asking
    #[arg(long)]
    yes: bool,
    /// only show the next change, and stop there: what follows depends on it
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// One change to a chain, shown before it is made.
#[derive(Debug, Serialize)]
pub struct Change {
    pub chain: ChainId,
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<24} {}", self.chain.as_str(), self.what)
    }
}

/// Asked before each change; `false` leaves it unmade and ends the run.
pub type Approve<'a> = dyn FnMut(&Change) -> Result<bool> + Send + 'a;

#[derive(Debug, Serialize)]
struct Done {
    manifest: Manifest,
    changes: usize,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "coordinator              {}", self.manifest.coordinator)?;
        for (id, chain) in &self.manifest.chains {
            writeln!(f, "{:<24} {}", id.as_str(), chain.escrow_address)?;
        }
        write!(f, "{} changes made", self.changes)
    }
}

impl Deploy {
    pub async fn run(&self, path: &Path, output: Output) -> Result<()> {
        let config = Config::load(path)?;
        let mut changes = 0;
        let mut approve = |change: &Change| {
            output.say(change)?;
            let go = !self.dry_run && (self.yes || ask()?);
            changes += usize::from(go);
            Ok(go)
        };
        let manifest = deploy(&config, &mut approve).await?;
        output.say(&Done { manifest, changes })
    }
}

fn ask() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!(
            "a change is to be made and nobody is there to say yes; give --yes, or --dry-run to only see the changes"
        );
    }
    write!(std::io::stderr(), "make this change? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// What one step of a deployment may use.
struct Step<'a, 'b> {
    chain: &'a ChainId,
    deploy: &'a DeployConfig,
    approve: &'a mut Approve<'b>,
}

impl Step<'_, '_> {
    fn change(&mut self, what: impl Into<String>) -> Result<()> {
        let change = Change { chain: self.chain.clone(), what: what.into() };
        if (self.approve)(&change)? {
            return Ok(());
        }
        bail!("stopped before: {change}; run `aes deploy` again to go on")
    }
}

/// The coordinator, then an escrow on each chain, then the coordinator is told of each.
pub async fn deploy(config: &Config, approve: &mut Approve<'_>) -> Result<Manifest> {
    let deploy = config.deploy()?;
    deploy.attestor_set.validate()?;
    let client = CosmosClient::new(&deploy.home, config.chain(&deploy.home)?)?;
    let mut manifest = match config.manifest.exists() {
        true => Manifest::load(&config.manifest)?,
        false => {
            let mut step = Step { chain: &deploy.home, deploy, approve };
            let manifest = cosmos::coordinator(&client, &mut step).await?;
            manifest.save(&config.manifest)?;
            manifest
        }
    };
    cosmos::check_coordinator(&client, &manifest, deploy).await?;
    for (id, chain) in &deploy.chains {
        let mut step = Step { chain: id, deploy, approve };
        let (domain, there) = (manifest.domain.clone(), manifest.chains.get(id).cloned());
        match id.kind() {
            ChainKind::Evm => {
                let deployer = EvmDeployer::connect(id.clone(), config.chain(id)?).await?;
                let entry = evm::escrow(&deployer, &mut step, chain, &domain, there.as_ref()).await?;
                manifest.chains.insert(id.clone(), entry);
                manifest.save(&config.manifest)?;
                cosmos::register(&client, &mut step, &manifest).await?;
                evm::vault(&deployer, &mut step, chain, manifest.chain(id)?).await?;
            }
            ChainKind::Cosmos => {
                // the home chain's client again, for one sequence
                let own = if *id == deploy.home { client.clone() } else { CosmosClient::new(id, config.chain(id)?)? };
                let entry = cosmos::escrow(&own, &mut step, chain, &domain, there.as_ref()).await?;
                manifest.chains.insert(id.clone(), entry);
                manifest.save(&config.manifest)?;
                cosmos::register(&client, &mut step, &manifest).await?;
                cosmos::vault(&own, &mut step, chain, manifest.chain(id)?).await?;
            }
            ChainKind::Bitcoin => bail!("chain {id}: this release deploys to CosmWasm and EVM chains only"),
        }
    }
    Ok(manifest)
}

fn base_units(chain: &ChainId, key: &str, text: &str) -> Result<u128> {
    text.parse().with_context(|| format!("deploy.chains.\"{chain}\".{key}: '{text}' is no amount in base units"))
}

struct Amounts {
    max_leg: u128,
    reserve_per_hour: u128,
    mint_cap: u128,
    vault: u128,
}

fn amounts(id: &ChainId, chain: &DeployChain) -> Result<Amounts> {
    Ok(Amounts {
        max_leg: base_units(id, "max_leg", &chain.max_leg)?,
        reserve_per_hour: base_units(id, "reserve_per_hour", &chain.reserve_per_hour)?,
        mint_cap: base_units(id, "mint_cap", &chain.mint_cap)?,
        vault: chain.vault.as_deref().map_or(Ok(0), |text| base_units(id, "vault", text))?,
    })
}

/// On a devnet: ALZ from the deploying key to an account on every chain.
pub async fn fund(config: &Config, manifest: &Manifest, to: &Accounts, amount: u128) -> Result<()> {
    for (id, entry) in &manifest.chains {
        match id.kind() {
            ChainKind::Evm => {
                let deployer = EvmDeployer::connect(id.clone(), config.chain(id)?).await?;
                deployer.transfer(&entry.asset, &to.evm.to_string(), amount).await?;
            }
            _ => {
                let client = CosmosClient::new(id, config.chain(id)?)?;
                let tx = client.send(&to.cosmos, &Coin { amount, denom: entry.asset.clone() }).await?;
                client.wait_for(&tx, cosmos::WAIT).await?;
            }
        }
    }
    Ok(())
}
