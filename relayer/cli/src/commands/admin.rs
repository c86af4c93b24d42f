//! `aes admin`: what the admin of the contracts does at once, on all of them or on those named. What the deployment
//! file says (limits, settings, the admin itself) is changed there, and `aes deploy` shows and makes the change.

mod migrate;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aes_authority::AdminResponse;
use aes_chains::cosmos::CosmosClient;
use aes_chains::evm::{AdminCall, EvmDeployer};
use aes_config::{Config, Manifest};
use aes_protocol::{ChainId, ChainKind};
use anyhow::{anyhow, bail, ensure, Result};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::legs::find_chain;

const WAIT: std::time::Duration = std::time::Duration::from_secs(60);
/// What `--on` calls it.
const COORDINATOR: &str = "coordinator";

#[derive(Debug, clap::Subcommand)]
pub enum Admin {
    /// stops what begins (`open`, `prepare`); what has begun still ends
    Pause(Where),
    /// lets executions begin again; at the coordinator refused while its current set is one that equivocated
    Unpause(Where),
    /// takes over as the admin where this config's key was proposed
    Accept(Where),
    /// puts the coordinator's code from `deploy.artifacts` under the coordinator; escrows keep theirs for life
    Migrate {
        /// say what would be sent and what it costs; send nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct Where {
    /// only there: `coordinator`, or a chain by its name or CAIP-2 id (its escrow); all contracts where not given.
    /// Bitcoin has none: what the coordinator does not open begins nowhere
    #[arg(long = "on")]
    on: Vec<String>,
    /// say what would be sent and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
pub struct Report {
    action: &'static str,
    contracts: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    contract: String,
    address: String,
    ok: bool,
    answer: String,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.contracts.iter().all(|contract| contract.ok)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.contracts.iter().filter(|contract| !contract.ok).count();
        for Answer { contract, address, ok, answer } in &self.contracts {
            writeln!(f, "{:<4} {contract:<30} {address}: {answer}", if *ok { "ok" } else { "BAD" })?;
        }
        write!(f, "{}: {} contracts, {failed} failed", self.action, self.contracts.len())
    }
}

/// What the admin does to any contract.
#[derive(Clone, Copy, PartialEq)]
enum Action {
    Pause,
    Unpause,
    Accept,
}

/// A contract with an admin.
struct Contract {
    name: String,
    address: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Coordinator,
    Escrow,
    /// has an admin and no pause
    Token,
}

enum Link {
    Cosmos(Arc<CosmosClient>),
    Evm(Box<EvmDeployer>),
}

/// What a contract says of itself.
struct State {
    admin: String,
    pending: Option<String>,
    paused: bool,
    /// the coordinator, after an equivocation
    halted: bool,
}

impl Admin {
    pub async fn run(&self, config: &Config) -> Result<Report> {
        let (action, place) = match self {
            Self::Pause(place) => (Action::Pause, place),
            Self::Unpause(place) => (Action::Unpause, place),
            Self::Accept(place) => (Action::Accept, place),
            Self::Migrate { dry_run } => return migrate::migrate(config, *dry_run).await,
        };
        let manifest = Manifest::load(&config.manifest)?;
        let contracts = action.contracts(config, &manifest, &place.on)?;
        // each chain by itself: one that is down must not keep the others from pausing
        let answers = contracts.into_iter().map(|(id, contracts)| action.on_chain(config, id, contracts, place));
        let contracts = join_all(answers).await.into_iter().flatten().collect();
        Ok(Report { action: action.name(), contracts })
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Accept => "accept",
        }
    }

    fn contracts(
        self,
        config: &Config,
        manifest: &Manifest,
        on: &[String],
    ) -> Result<BTreeMap<ChainId, Vec<Contract>>> {
        let chains = on.iter().filter(|word| *word != COORDINATOR).map(|word| find_chain(config, word));
        let chains: Vec<ChainId> = chains.collect::<Result<_>>()?;
        let home = &manifest.domain.home_chain;
        let mut contracts: BTreeMap<ChainId, Vec<Contract>> = BTreeMap::new();
        if on.is_empty() || on.iter().any(|word| word == COORDINATOR) {
            let (name, address) = (format!("coordinator on {home}"), manifest.coordinator.clone());
            contracts.entry(home.clone()).or_default().push(Contract { name, address, kind: Kind::Coordinator });
        }
        for id in chains.iter().filter(|id| !manifest.chains.contains_key(id)) {
            manifest.chain(id)?;
        }
        let is_meant = |id: &ChainId| chains.contains(id) || (on.is_empty() && id.kind() != ChainKind::Bitcoin);
        for (id, entry) in manifest.chains.iter().filter(|(id, _)| is_meant(id)) {
            let here = contracts.entry(id.clone()).or_default();
            let (name, address) = (format!("escrow on {id}"), entry.escrow_address.clone());
            here.push(Contract { name, address, kind: Kind::Escrow });
            if id.kind() == ChainKind::Evm && self == Self::Accept {
                let (name, address) = (format!("ALZ token on {id}"), entry.asset.clone());
                here.push(Contract { name, address, kind: Kind::Token });
            }
        }
        Ok(contracts)
    }

    /// One after the other: they share an account.
    async fn on_chain(self, config: &Config, id: ChainId, contracts: Vec<Contract>, place: &Where) -> Vec<Answer> {
        let link = Link::open(config, &id).await;
        let mut answers = Vec::new();
        for contract in contracts {
            let answer = match &link {
                Ok(link) => self.on_contract(link, &contract, place).await,
                Err(error) => Err(anyhow!("{error:#}")),
            };
            let (ok, answer) = match answer {
                Ok(answer) => (true, answer),
                Err(error) => (false, format!("{error:#}")),
            };
            answers.push(Answer { contract: contract.name, address: contract.address, ok, answer });
        }
        answers
    }

    async fn on_contract(self, link: &Link, contract: &Contract, place: &Where) -> Result<String> {
        let (state, own) = (link.state(contract).await?, link.address()?);
        let State { admin, pending, .. } = &state;
        let found = match self {
            Self::Pause if state.paused => Some("paused already".to_owned()),
            Self::Unpause if !state.paused && !state.halted => Some("not paused".to_owned()),
            Self::Accept if *admin == own && pending.is_none() => Some(format!("{own} is the admin already")),
            // without --on everything is looked at, what was proposed to somebody else too
            Self::Accept if pending.as_ref() != Some(&own) && place.on.is_empty() => {
                Some(format!("not proposed to {own}; its admin is {admin}"))
            }
            _ => None,
        };
        if let Some(found) = found {
            return Ok(format!("{found}; nothing was sent"));
        }
        if self == Self::Accept {
            let proposed = pending.as_deref().unwrap_or("nobody");
            ensure!(
                proposed == own,
                "proposed is {proposed}, not {own}; its admin {admin} proposes in the deployment file"
            );
        } else {
            ensure!(
                *admin == own,
                "its admin is {admin}, this config's key is {own}; use the config with the admin's key"
            );
        }
        if place.dry_run {
            let (amount, unit) = link.cost(contract, self).await?;
            return Ok(format!("would be sent, for about {amount} {unit}"));
        }
        Ok(format!("done in block {}", link.send(contract, self).await?))
    }

    fn of_cosmos(self) -> Value {
        match self {
            Self::Pause => json!({ "pause": {} }),
            Self::Unpause => json!({ "unpause": {} }),
            Self::Accept => json!({ "accept_admin": {} }),
        }
    }

    fn of_evm(self) -> AdminCall {
        match self {
            Self::Pause => AdminCall::Pause,
            Self::Unpause => AdminCall::Unpause,
            Self::Accept => AdminCall::AcceptAdmin,
        }
    }
}

impl Link {
    async fn open(config: &Config, id: &ChainId) -> Result<Self> {
        Ok(match id.kind() {
            ChainKind::Evm => Self::Evm(Box::new(EvmDeployer::connect(id.clone(), config.chain(id)?).await?)),
            ChainKind::Cosmos => Self::Cosmos(CosmosClient::new(id, config.chain(id)?)?),
            ChainKind::Bitcoin => {
                bail!("{id} has no contract with an admin; pause the coordinator, and nothing begins here")
            }
        })
    }

    fn address(&self) -> Result<String> {
        Ok(match self {
            Self::Cosmos(client) => client.address()?.to_owned(),
            Self::Evm(deployer) => deployer.address(),
        })
    }

    async fn state(&self, contract: &Contract) -> Result<State> {
        /// coordinator and escrow answer alike here
        #[derive(Deserialize)]
        struct Config {
            authority: AdminResponse,
            #[serde(default)]
            equivocated: bool,
        }
        Ok(match self {
            Self::Cosmos(client) => {
                let Config { authority, equivocated } = client.ask(&contract.address, &json!({ "config": {} })).await?;
                let AdminResponse { admin, pending_admin, paused } = authority;
                State { admin, pending: pending_admin, paused, halted: equivocated }
            }
            Self::Evm(deployer) => {
                let (admin, pending) = deployer.admins(&contract.address).await?;
                let paused = contract.kind == Kind::Escrow && deployer.escrow(&contract.address).await?.paused;
                State { admin, pending, paused, halted: false }
            }
        })
    }

    async fn cost(&self, contract: &Contract, action: Action) -> Result<(u128, String)> {
        Ok(match self {
            Self::Cosmos(client) => {
                let cost = client.cost(&contract.address, &action.of_cosmos(), &[]).await?;
                (cost, client.fee_denom()?.to_owned())
            }
            Self::Evm(deployer) => (deployer.cost_of_call(&contract.address, &action.of_evm()).await?, "wei".into()),
        })
    }

    async fn send(&self, contract: &Contract, action: Action) -> Result<u64> {
        Ok(match self {
            Self::Cosmos(client) => {
                let tx = client.execute(&contract.address, &action.of_cosmos(), &[]).await?;
                client.wait_for(&tx, WAIT).await?
            }
            Self::Evm(deployer) => deployer.admin_call(&contract.address, &action.of_evm()).await?,
        })
    }
}
