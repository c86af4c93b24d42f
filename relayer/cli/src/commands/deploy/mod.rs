//! `aes deploy`: contracts on every chain, and the manifest that everything else reads. What is there is compared with
//! the deployment file first; each change is shown before it is made, and the manifest is saved after each, so that a
//! run that broke off is gone on with where it stopped.

mod bitcoin;
mod coordinator;
mod cosmos;
mod evm;
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
use aes_config::{Config, DeployConfig, Manifest};
use aes_protocol::{ChainId, ChainKind};
use anyhow::{bail, Context as _, Result};
use serde::Serialize;

pub use self::coordinator::registered;
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
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "coordinator              {}", self.manifest.coordinator)?;
        for (id, chain) in &self.manifest.chains {
            writeln!(f, "{:<24} {}", id.as_str(), chain.escrow_address)?;
        }
        for waiting in &self.waiting {
            writeln!(f, "waiting: {waiting}")?;
        }
        write!(f, "{} changes made", self.changes)
    }
}

#[derive(Debug, Serialize)]
struct Planned {
    changes: usize,
    waiting: Vec<String>,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for waiting in &self.waiting {
            writeln!(f, "waiting: {waiting}")?;
        }
        write!(f, "{} changes to make; nothing was sent", self.changes)
    }
}

impl Deploy {
    pub async fn run(&self, path: &Path, output: Output) -> Result<()> {
        let config = Config::load(path)?;
        if self.dry_run {
            let Plan { changes, waiting, .. } = plan(&config).await?;
            changes.iter().try_for_each(|change| output.say(change))?;
            return output.say(&Planned { changes: changes.len(), waiting });
        }
        let mut changes = 0;
        let mut approve = |change: &Change| {
            output.say(change)?;
            let go = self.yes || ask()?;
            changes += usize::from(go);
            Ok(go)
        };
        let (manifest, waiting) = Deployment::open(&config).await?.run(&mut approve).await?;
        output.say(&Done { manifest, changes, waiting })
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
        Ok(Self { config, deploy, home, links, manifest })
    }

    fn site<'s>(&'s self, id: &'s ChainId) -> Result<Site<'s>> {
        let chain = self.deploy.chains.get(id).with_context(|| format!("deploy.chains has no {id}"))?;
        Ok(Site { id, deploy: self.deploy, chain, manifest: self.manifest.as_ref() })
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
        plan.checked()
    }

    async fn run(mut self, approve: &mut Approve<'_>) -> Result<(Manifest, Vec<String>)> {
        let plan = self.plan().await?;
        for change in &plan.changes {
            if !approve(change)? {
                bail!("stopped before: {change}; run `aes deploy` again to go on");
            }
            self.make(change).await.with_context(|| format!("{change}; run `aes deploy` again to go on"))?;
        }
        Ok((self.manifest.context("no manifest")?, plan.waiting))
    }

    async fn make(&mut self, change: &Change) -> Result<()> {
        let id = &change.chain;
        let manifest = match (&change.act, self.links.get(id)) {
            (Act::Coordinator, _) => coordinator::create(&self.home, self.deploy).await?,
            (Act::OfCoordinator(call), _) => return coordinator::call(&self.home, self.manifest()?, call).await,
            (Act::Token { .. } | Act::Escrow, Some(Link::Evm(deployer))) => {
                evm::create(deployer, &self.site(id)?, &change.act).await?
            }
            (Act::Escrow, Some(Link::Cosmos(client))) => cosmos::escrow(client, &self.site(id)?).await?,
            (Act::Escrow, Some(Link::Bitcoin(deployer))) => bitcoin::etch(deployer, &self.site(id)?).await?,
            (Act::Register(chain), _) => return coordinator::register(&self.home, self.manifest()?, chain).await,
            (act, Some(Link::Evm(deployer))) => return evm::make(deployer, &self.site(id)?, act).await,
            (act, Some(Link::Cosmos(client))) => return cosmos::make(client, &self.site(id)?, act).await,
            (act, Some(Link::Bitcoin(_))) => bail!("{id}: {act:?} is not for a Bitcoin chain"),
            (_, None) => bail!("deploy.chains has no {id}"),
        };
        manifest.save(&self.config.manifest)?;
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
