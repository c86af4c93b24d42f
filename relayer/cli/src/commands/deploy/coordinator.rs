//! The coordinator. Its admin is the deploying key until every chain is registered, and is handed over then; it is
//! never replaced, so what it cannot change is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aes_authority::SetResponse;
use aes_chains::cosmos::CosmosClient;
use aes_config::{DeployConfig, Manifest};
use aes_coordinator::msg::{ChainsResponse, ConfigResponse, ExecuteMsg, InstantiateMsg, QueryMsg, Settings};
use aes_protocol::{Bytes, ChainId, Domain, Hash32};
use anyhow::{Context as _, Result};

use super::cosmos::{anchor, sha256, wasm, WAIT};
use super::intent::{Creation, Intent};
use super::plan::{Act, CoordinatorCall, Cost, Plan};
use super::site::{compare_set, Site};

/// What the survey of the chains must know of it.
pub(super) struct Coordinator<'a> {
    client: &'a CosmosClient,
    deploy: &'a DeployConfig,
    /// bech32; none before it is there
    address: Option<String>,
    /// the step that makes it
    pub step: Option<usize>,
    /// who may register chains and hand over
    admin: String,
    pending_admin: Option<String>,
    migrator: Option<String>,
    registered: BTreeMap<ChainId, Bytes>,
}

pub(super) async fn survey<'a>(
    client: &'a CosmosClient,
    deploy: &'a DeployConfig,
    manifest: Option<&Manifest>,
    plan: &mut Plan,
) -> Result<Coordinator<'a>> {
    let own = client.address()?.to_owned();
    let Some(manifest) = manifest else {
        let code = wasm(deploy, "aes_coordinator.wasm")?;
        let what = format!("new coordinator, code {}, admin {own} until every chain is registered", sha256(&code));
        let cost = Cost::at_least(client.cost_of_code(&code), client.fee_denom()?).await;
        let step = Some(plan.add(&deploy.home, Act::Coordinator, what, &[], cost));
        let migrator = Some(wanted_admin(client, deploy)?);
        let registered = BTreeMap::new();
        return Ok(Coordinator {
            client,
            deploy,
            address: None,
            step,
            admin: own,
            pending_admin: None,
            migrator,
            registered,
        });
    };
    let (home, address) = (&deploy.home, &manifest.coordinator);
    let is_it = || format!("{home}: coordinator {address}; is this the chain the manifest was written for?");
    let there: ConfigResponse = client.ask(address, &QueryMsg::Config {}).await.with_context(is_it)?;
    let set: SetResponse = client.ask(address, &QueryMsg::AttestorSet { id: None }).await?;
    let code = client.code_hash(address).await?;
    if code != manifest.coordinator_code_hash {
        let wanted = manifest.coordinator_code_hash;
        plan.problem(format!(
            "{home}: coordinator {address} runs code {code}, the manifest says {wanted}; was it migrated?"
        ));
    }
    if let Some(built) =
        wasm(deploy, "aes_coordinator.wasm").ok().map(|wasm| sha256(&wasm)).filter(|built| *built != code)
    {
        plan.differs.push(format!(
            "{home}: coordinator {address} runs code {code}, artifacts has {built}; `aes admin migrate` puts that under it"
        ));
    }
    if there.conservation != deploy.conservation {
        let (is, file) = (there.conservation, deploy.conservation);
        plan.problem(format!(
            "{home}: conservation: the coordinator's is {is:?}, the deployment file says {file:?}; it is fixed when a \
             coordinator is made: write it into the file, or deploy anew under another manifest"
        ));
    }
    compare_set(home, "the coordinator", &set.set, &deploy.attestor_set, plan);
    let coordinator = Coordinator {
        client,
        deploy,
        address: Some(address.clone()),
        step: None,
        admin: there.authority.admin,
        pending_admin: there.authority.pending_admin,
        migrator: client.migrator(address).await?,
        registered: registered(client, address).await?,
    };
    let wanted = settings(deploy);
    if there.settings != wanted {
        let Settings { max_horizon, set_grace } = there.settings;
        let what = format!(
            "coordinator: max_horizon {max_horizon} -> {}, set_grace {set_grace} -> {}, at once",
            wanted.max_horizon, wanted.set_grace
        );
        let call = CoordinatorCall::Execute(ExecuteMsg::UpdateSettings { settings: wanted });
        coordinator.change(call, what, "its settings are others than the deployment file's", &[], plan).await?;
    }
    Ok(coordinator)
}

fn settings(deploy: &DeployConfig) -> Settings {
    Settings { max_horizon: deploy.max_horizon, set_grace: deploy.set_grace }
}

/// The home chain's admin is the coordinator's too.
fn wanted_admin(client: &CosmosClient, deploy: &DeployConfig) -> Result<String> {
    let named = deploy.chains.get(&deploy.home).and_then(|chain| chain.admin.clone());
    Ok(named.map_or_else(|| client.address().map(ToOwned::to_owned), Ok)?)
}

pub async fn registered(client: &CosmosClient, address: &str) -> Result<BTreeMap<ChainId, Bytes>> {
    let mut registered = BTreeMap::new();
    let mut start_after = None;
    loop {
        let page: ChainsResponse = client.ask(address, &QueryMsg::Chains { start_after, limit: None }).await?;
        let Some(last) = page.chains.last() else { return Ok(registered) };
        start_after = Some(last.chain.clone());
        registered.extend(page.chains.into_iter().map(|entry| (entry.chain, entry.escrow)));
    }
}

impl Coordinator<'_> {
    /// Whether it knows the chain's escrow.
    pub async fn survey_chain(&self, site: &Site<'_>, escrow_step: Option<usize>, plan: &mut Plan) -> Result<()> {
        let id = site.id;
        let escrow = site.entry().map(|entry| entry.escrow.clone());
        match (self.registered.get(id), escrow) {
            (Some(registered), Some(escrow)) if *registered == escrow => Ok(()),
            (Some(registered), _) => {
                plan.problem(format!(
                    "{id}: the coordinator has escrow {registered} registered, which is not the manifest's; a chain's \
                     escrow is for good: take the manifest that has it"
                ));
                Ok(())
            }
            (None, escrow) => {
                let which = escrow_step.map(|step| format!("the escrow of step {step}"));
                let which = which.or(escrow.map(|escrow| format!("escrow {escrow}"))).context("no escrow")?;
                let why = format!("{id} is not registered");
                if self.admin != self.client.address()? {
                    plan.problem(self.only_admin(&why));
                    return Ok(());
                }
                let cost = match (&self.address, site.entry()) {
                    (Some(address), Some(entry)) => {
                        let message = ExecuteMsg::RegisterChain { chain: id.clone(), escrow: entry.escrow.clone() };
                        Cost::about(self.client.cost(address, &message, &[]), self.client.fee_denom()?).await
                    }
                    _ => Cost::Later,
                };
                let what = format!("coordinator: {id} has {which}, for good");
                plan.add(&self.deploy.home, Act::Register(id.clone()), what, &[self.step, escrow_step], cost);
                Ok(())
            }
        }
    }

    /// After everything that only the admin may do.
    pub async fn survey_handover(&self, plan: &mut Plan) -> Result<()> {
        let next = wanted_admin(self.client, self.deploy)?;
        let last = plan.changes.iter().rfind(|change| matches!(change.act, Act::Register(_))).map(|change| change.step);
        if self.pending_admin.as_ref() == Some(&next) {
            plan.waiting.push(format!("{}: coordinator: {next} takes over with `aes admin accept`", self.deploy.home));
        } else if self.admin != next {
            let what = format!("coordinator: admin {} -> {next}, who takes over with `aes admin accept`", self.admin);
            let call = CoordinatorCall::Execute(ExecuteMsg::ProposeAdmin { admin: next.clone() });
            self.change(call, what, &format!("its admin is to be {next}"), &[self.step, last], plan).await?;
        }
        if self.migrator.as_ref() == Some(&next) {
            return Ok(());
        }
        let own = self.client.address()?;
        match self.migrator.as_deref() {
            Some(migrator) if migrator == own => {
                let what = format!("coordinator: {next} may migrate it, {migrator} no more, at once");
                let call = CoordinatorCall::Migrator(next);
                plan.add(&self.deploy.home, Act::OfCoordinator(call), what, &[last], Cost::Later);
            }
            Some(migrator) => plan.waiting.push(format!(
                "{}: coordinator: {migrator} may still migrate it; run `aes deploy` with its key to hand that to {next}",
                self.deploy.home
            )),
            None => plan.waiting.push(format!("{}: coordinator: nobody may migrate it", self.deploy.home)),
        }
        Ok(())
    }

    async fn change(
        &self,
        call: CoordinatorCall,
        what: String,
        why: &str,
        after: &[Option<usize>],
        plan: &mut Plan,
    ) -> Result<()> {
        if self.admin != self.client.address()? {
            plan.problem(self.only_admin(why));
            return Ok(());
        }
        let cost = match (&self.address, &call) {
            (Some(address), CoordinatorCall::Execute(message)) => {
                Cost::about(self.client.cost(address, message, &[]), self.client.fee_denom()?).await
            }
            _ => Cost::Later,
        };
        plan.add(&self.deploy.home, Act::OfCoordinator(call), what, after, cost);
        Ok(())
    }

    fn only_admin(&self, why: &str) -> String {
        let (home, admin) = (&self.deploy.home, &self.admin);
        format!("{home}: coordinator: {why}; only its admin {admin} may change that: run `aes deploy` with that key")
    }
}

pub(super) async fn create(client: &CosmosClient, deploy: &DeployConfig, manifest: &Path) -> Result<Manifest> {
    let code = wasm(deploy, "aes_coordinator.wasm")?;
    let code_id = client.store_code(&code).await?;
    let msg = InstantiateMsg {
        admin: client.address()?.into(),
        home_chain: deploy.home.clone(),
        attestor_set: deploy.attestor_set.clone(),
        conservation: deploy.conservation,
        settings: settings(deploy),
    };
    let salt = Hash32(rand::random());
    let address = client.address_of_instance(&sha256(&code), &salt)?;
    let height = client.head().await?.height;
    let (chain, what) = (deploy.home.clone(), Creation::Coordinator);
    Intent { chain, what, address: address.clone(), nonce: None, height }.save(manifest)?;
    let migrator = wanted_admin(client, deploy)?;
    client.instantiate_at(code_id, "aes-coordinator", Some(&migrator), &salt, &msg).await?;
    begin_manifest(client, deploy, address).await
}

/// The manifest of a deployment that has its coordinator and nothing else.
pub(super) async fn begin_manifest(client: &CosmosClient, deploy: &DeployConfig, address: String) -> Result<Manifest> {
    let config: ConfigResponse = client.ask(&address, &QueryMsg::Config {}).await?;
    Ok(Manifest {
        version: Manifest::VERSION,
        domain: Domain { home_chain: deploy.home.clone(), coordinator: config.coordinator },
        coordinator_code_hash: client.code_hash(&address).await?,
        coordinator: address,
        conservation: config.conservation,
        chains: BTreeMap::new(),
        tokens: BTreeMap::new(),
        asset_code: BTreeMap::new(),
        filled: BTreeSet::new(),
        bitcoin: BTreeMap::new(),
        anchors: BTreeMap::from([(deploy.home.clone(), anchor(client).await?)]),
    })
}

pub(super) async fn register(client: &CosmosClient, manifest: &Manifest, chain: &ChainId) -> Result<()> {
    let escrow = manifest.chain(chain)?.escrow.clone();
    let message = ExecuteMsg::RegisterChain { chain: chain.clone(), escrow };
    call(client, manifest, &CoordinatorCall::Execute(message)).await
}

pub(super) async fn call(client: &CosmosClient, manifest: &Manifest, call: &CoordinatorCall) -> Result<()> {
    let address = &manifest.coordinator;
    let tx = match call {
        CoordinatorCall::Execute(message) => client.execute(address, message, &[]).await?,
        CoordinatorCall::Migrator(next) => client.set_migrator(address, next).await?,
    };
    client.wait_for(&tx, WAIT).await?;
    Ok(())
}
