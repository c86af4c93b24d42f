//! `aes deploy`: contracts on every chain, and the manifest that everything else reads. What is there is compared with
//! the deployment file first; each change is shown before it is made, and the manifest is saved after each, so that a
//! run that broke off is gone on with where it stopped.

mod bitcoin;
mod coordinator;
mod cosmos;
mod evm;
mod intent;
mod plan;
mod site;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use aes_chains::bitcoin::BitcoinDeployer;
use aes_chains::cosmos::{Coin, CosmosClient};
use aes_chains::evm::EvmDeployer;
use aes_config::{Config, DeployConfig, Endpoint, Manifest};
use aes_protocol::{ChainId, ChainKind};
use anyhow::{bail, Context as _, Result};
use serde::Serialize;

pub use self::coordinator::registered;
pub(crate) use self::cosmos::{sha256, wasm};
use self::intent::{Creation, Intent};
use self::plan::Act;
pub use self::plan::{Change, Plan};
use self::site::Site;
use crate::commands::keys::Accounts;
use crate::output::Output;

#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// make each change without asking
    #[arg(long)]
    yes: bool,
    /// only show every change, in order and with its cost where it is known before
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Done {
    manifest: Manifest,
    changes: usize,
    /// what was begun before and ends later, by itself or by somebody else
    waiting: Vec<String>,
    differs: Vec<String>,
    warnings: Vec<String>,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "coordinator              {}", self.manifest.coordinator)?;
        for (id, chain) in &self.manifest.chains {
            writeln!(f, "{:<24} {}", id.as_str(), chain.escrow_address)?;
        }
        write_lines(f, "waiting", &self.waiting)?;
        write_lines(f, "differs", &self.differs)?;
        write_lines(f, "warning", &self.warnings)?;
        write!(f, "{} changes made", self.changes)
    }
}

#[derive(Debug, Serialize)]
struct Planned {
    changes: usize,
    waiting: Vec<String>,
    differs: Vec<String>,
    warnings: Vec<String>,
}

fn write_lines(f: &mut fmt::Formatter<'_>, what: &str, lines: &[String]) -> fmt::Result {
    lines.iter().try_for_each(|line| writeln!(f, "{what}: {line}"))
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, "waiting", &self.waiting)?;
        write_lines(f, "differs", &self.differs)?;
        write_lines(f, "warning", &self.warnings)?;
        write!(f, "{} changes to make; nothing was sent", self.changes)
    }
}

impl Deploy {
    pub async fn run(&self, path: &Path, output: Output) -> Result<()> {
        let config = Config::load(path)?;
        if self.dry_run {
            let Plan { changes, waiting, differs, warnings, .. } = plan(&config).await?;
            changes.iter().try_for_each(|change| output.say(change))?;
            return output.say(&Planned { changes: changes.len(), waiting, differs, warnings });
        }
        let mut changes = 0;
        let mut approve = |change: &Change| {
            output.say(change)?;
            let go = self.yes || ask()?;
            changes += usize::from(go);
            Ok(go)
        };
        let (manifest, Plan { waiting, differs, warnings, .. }) =
            Deployment::open(&config).await?.run(&mut approve).await?;
        output.say(&Done { manifest, changes, waiting, differs, warnings })
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

/// Asked before each change; `false` leaves it unmade and ends the run.
pub type Approve<'a> = dyn FnMut(&Change) -> Result<bool> + Send + 'a;

pub async fn deploy(config: &Config, approve: &mut Approve<'_>) -> Result<Manifest> {
    Ok(Deployment::open(config).await?.run(approve).await?.0)
}

/// What `deploy` would change now.
pub async fn plan(config: &Config) -> Result<Plan> {
    Deployment::open(config).await?.plan().await
}

enum Link {
    Cosmos(Arc<CosmosClient>),
    Evm(Box<EvmDeployer>),
    Bitcoin(Box<BitcoinDeployer>),
}

struct Deployment<'a> {
    config: &'a Config,
    deploy: &'a DeployConfig,
    home: Arc<CosmosClient>,
    /// one connection a chain, and so one sequence; the home chain's is `home`
    links: BTreeMap<ChainId, Link>,
    /// none before there is a coordinator
    manifest: Option<Manifest>,
}

impl<'a> Deployment<'a> {
    async fn open(config: &'a Config) -> Result<Self> {
        let deploy = config.deploy()?;
        deploy.attestor_set.validate()?;
        let home = CosmosClient::new(&deploy.home, config.chain(&deploy.home)?)?;
        let mut links = BTreeMap::new();
        for id in deploy.chains.keys() {
            let link = match id.kind() {
                ChainKind::Evm => Link::Evm(Box::new(EvmDeployer::connect(id.clone(), config.chain(id)?).await?)),
                ChainKind::Cosmos if *id == deploy.home => Link::Cosmos(home.clone()),
                ChainKind::Cosmos => Link::Cosmos(CosmosClient::new(id, config.chain(id)?)?),
                ChainKind::Bitcoin => Link::Bitcoin(Box::new(BitcoinDeployer::new(id.clone(), config.chain(id)?)?)),
            };
            links.insert(id.clone(), link);
        }
        let manifest = config.manifest.exists().then(|| Manifest::load(&config.manifest)).transpose()?;
        if let Some(manifest) = manifest.as_ref().filter(|manifest| manifest.domain.home_chain != deploy.home) {
            let there = &manifest.domain.home_chain;
            bail!("deploy.home is {}, the manifest's home chain is {there}; name another manifest", deploy.home);
        }
        let mut deployment = Self { config, deploy, home, links, manifest };
        if let Some(found) = deployment.find_again().await? {
            deployment.manifest = Some(found);
        }
        Ok(deployment)
    }

    /// What a run that broke off had sent and no manifest has yet.
    async fn find_again(&self) -> Result<Option<Manifest>> {
        let Some(intent) = Intent::load(&self.config.manifest)? else { return Ok(None) };
        if !intent.is_missing_in(self.manifest.as_ref()) {
            return Ok(None);
        }
        let Intent { chain, what, address, .. } = &intent;
        let found = match (what, self.links.get(chain)) {
            (Creation::Coordinator, _) => match self.home.made_at(address).await? {
                Some(_) => Some(coordinator::begin_manifest(&self.home, self.deploy, address.clone()).await?),
                None => None,
            },
            (_, Some(Link::Evm(deployer))) => evm::find(deployer, &self.site(chain)?, &intent).await?,
            (_, Some(Link::Cosmos(client))) => match client.made_at(address).await? {
                Some(height) => Some(cosmos::with_escrow(client, &self.site(chain)?, address.clone(), height).await?),
                None => None,
            },
            (_, Some(Link::Bitcoin(_)) | None) => None,
        };
        if found.is_some() {
            tracing::info!(%chain, %address, "found again: {what:?} of a run that broke off");
        }
        Ok(found)
    }

    fn site<'s>(&'s self, id: &'s ChainId) -> Result<Site<'s>> {
        let chain = self.deploy.chains.get(id).with_context(|| format!("deploy.chains has no {id}"))?;
        let public = !self.config.chain(id)?.rpc.iter().all(Endpoint::is_loopback);
        Ok(Site { id, deploy: self.deploy, chain, manifest: self.manifest.as_ref(), public })
    }

    async fn plan(&self) -> Result<Plan> {
        let mut plan = Plan::default();
        let coordinator = coordinator::survey(&self.home, self.deploy, self.manifest.as_ref(), &mut plan).await?;
        for (id, link) in &self.links {
            let site = self.site(id)?;
            match link {
                Link::Evm(deployer) => evm::survey(deployer, &site, &coordinator, &mut plan).await?,
                Link::Cosmos(client) => cosmos::survey(client, &site, &coordinator, &mut plan).await?,
                Link::Bitcoin(deployer) => bitcoin::survey(deployer, &site, &coordinator, &mut plan).await?,
            }
        }
        coordinator.survey_handover(&mut plan).await?;
        let known = self.manifest.iter().flat_map(|manifest| manifest.chains.keys());
        for id in known.filter(|id| !self.links.contains_key(id)) {
            plan.differs.push(format!(
                "{id}: the manifest has this chain, the deployment file does not; it stays in the deployment and is not \
                 looked at: add [deploy.chains.\"{id}\"] again"
            ));
        }
        plan.checked()
    }

    async fn run(mut self, approve: &mut Approve<'_>) -> Result<(Manifest, Plan)> {
        let plan = self.plan().await?;
        if let Some(manifest) = &mut self.manifest {
            // what was found again, and what the chains show
            manifest.filled.extend(plan.filled.iter().cloned());
            for (id, link) in &self.links {
                if let Link::Bitcoin(deployer) = link {
                    bitcoin::anchor(deployer, id, manifest).await?;
                }
            }
            manifest.save(&self.config.manifest)?;
        }
        // before the first approval
        plan.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        for change in &plan.changes {
            if !approve(change)? {
                bail!("stopped before: {change}; run `aes deploy` again to go on");
            }
            self.make(change).await.with_context(|| format!("{change}; run `aes deploy` again to go on"))?;
        }
        Ok((self.manifest.context("no manifest")?, plan))
    }

    async fn make(&mut self, change: &Change) -> Result<()> {
        let (id, path) = (&change.chain, &self.config.manifest);
        let manifest = match (&change.act, self.links.get(id)) {
            (Act::Coordinator, _) => coordinator::create(&self.home, self.deploy, path).await?,
            (Act::OfCoordinator(call), _) => return coordinator::call(&self.home, self.manifest()?, call).await,
            (Act::Token { .. } | Act::Escrow, Some(Link::Evm(deployer))) => {
                evm::create(deployer, &self.site(id)?, &change.act, path).await?
            }
            (Act::Escrow, Some(Link::Cosmos(client))) => cosmos::escrow(client, &self.site(id)?, path).await?,
            (Act::Escrow, Some(Link::Bitcoin(deployer))) => bitcoin::etch(deployer, &self.site(id)?).await?,
            (Act::Register(chain), _) => return coordinator::register(&self.home, self.manifest()?, chain).await,
            (Act::KnowAsset(code), _) => {
                let mut manifest = self.manifest()?.clone();
                manifest.asset_code.insert(id.clone(), *code);
                manifest
            }
            (act, Some(link)) => {
                match link {
                    Link::Evm(deployer) => evm::make(deployer, &self.site(id)?, act).await?,
                    Link::Cosmos(client) => cosmos::make(client, &self.site(id)?, act).await?,
                    Link::Bitcoin(_) => bail!("{id}: {act:?} is not for a Bitcoin chain"),
                }
                let mut manifest = self.manifest()?.clone();
                if let Act::Vault { .. } = act {
                    manifest.filled.insert(id.clone());
                }
                manifest
            }
            (_, None) => bail!("deploy.chains has no {id}"),
        };
        manifest.save(path)?;
        self.manifest = Some(manifest);
        Ok(())
    }

    fn manifest(&self) -> Result<&Manifest> {
        self.manifest.as_ref().context("there is no coordinator yet")
    }
}

/// On a devnet: ALZ from the deploying key to an account on every chain.
pub async fn fund(config: &Config, manifest: &Manifest, to: &Accounts, amount: u128) -> Result<()> {
    for (id, entry) in &manifest.chains {
        match id.kind() {
            ChainKind::Evm => {
                let deployer = EvmDeployer::connect(id.clone(), config.chain(id)?).await?;
                deployer.transfer(&entry.asset, &to.evm.to_string(), amount).await?;
            }
            // there the whole supply is in the vault, and comes out of it by an unlock
            ChainKind::Bitcoin => {}
            ChainKind::Cosmos => {
                let client = CosmosClient::new(id, config.chain(id)?)?;
                let tx = client.send(&to.cosmos, &Coin { amount, denom: entry.asset.clone() }).await?;
                client.wait_for(&tx, cosmos::WAIT).await?;
            }
        }
    }
    Ok(())
}
