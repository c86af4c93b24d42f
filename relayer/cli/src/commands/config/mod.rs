//! `aes config check`: asks every endpoint, compares what is deployed with the manifest, and names each problem with
//! its cure.

mod contracts;
mod roles;

use std::fmt;
use std::path::Path;

use aes_chains::Depth;
use aes_config::{Config, Endpoint, Manifest};
use aes_protocol::ChainId;
use anyhow::{bail, Result};
use futures::future::join_all;
use serde::Serialize;

#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// asks each endpoint, contract and attestor, and compares them with the manifest
    Check,
}

#[derive(Debug, Serialize)]
pub struct Check {
    chain: ChainId,
    /// an endpoint, `escrow`, `coordinator`, `fees`, an attestor
    what: String,
    ok: bool,
    /// what was found, or what is wrong and how to cure it
    finding: String,
}

impl Check {
    fn new(chain: &ChainId, what: impl Into<String>, found: Result<String>) -> Self {
        let ok = found.is_ok();
        let finding = found.unwrap_or_else(|error| format!("{error:#}"));
        Self { chain: chain.clone(), what: what.into(), ok, finding }
    }
}

#[derive(Debug, Serialize)]
pub struct Checks {
    checks: Vec<Check>,
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let mark = if check.ok { "ok  " } else { "BAD " };
            writeln!(f, "{mark} {:<22} {:<28} {}", check.chain.as_str(), check.what, check.finding)?;
        }
        let bad = self.checks.iter().filter(|check| !check.ok).count();
        write!(f, "{} checks, {bad} problems", self.checks.len())
    }
}

impl Checks {
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

impl ConfigCommand {
    pub async fn run(&self, path: &Path) -> Result<Checks> {
        let config = Config::load(path)?;
        let manifest = Manifest::load(&config.manifest)?;
        if config.chains.is_empty() {
            bail!("config file {}: no chains; add a [chains.\"<CAIP-2 id>\"] table for each", path.display());
        }
        let mut checks = contracts::coordinator(&config, &manifest).await;
        let chains = config.chains.keys().map(|id| check_chain(&config, &manifest, id));
        checks.extend(join_all(chains).await.into_iter().flatten());
        for id in manifest.chains.keys().filter(|id| !config.chains.contains_key(id)) {
            let missing = format!("the deployment has this chain and the config does not; add [chains.\"{id}\"]");
            checks.push(Check::new(id, "config", Err(anyhow::Error::msg(missing))));
        }
        checks.extend(roles::check(&config, &manifest).await);
        Ok(Checks { checks })
    }
}

async fn check_chain(config: &Config, manifest: &Manifest, id: &ChainId) -> Vec<Check> {
    let Some(chain) = config.chains.get(id) else { return vec![] };
    if chain.rpc.is_empty() {
        let none = Err(anyhow::Error::msg(format!("no endpoints; give chains.\"{id}\".rpc")));
        return vec![Check::new(id, "endpoints", none)];
    }
    let asked = chain.rpc.iter().map(|endpoint| async move {
        Check::new(id, endpoint.to_string(), check_endpoint(config, manifest, id, endpoint).await)
    });
    let mut checks = join_all(asked).await;
    // what one answers of the contracts, all answer: the first that is right is asked
    match chain.rpc.iter().zip(&checks).find(|(_, check)| check.ok) {
        Some((right, _)) => {
            let alone = with_endpoint(config, id, right);
            checks.extend(contracts::escrow(&alone, manifest, id).await);
        }
        None => {
            let unseen = Err(anyhow::Error::msg("no endpoint is right, so nothing is known of it; cure those first"));
            checks.push(Check::new(id, "escrow", unseen));
        }
    }
    checks
}

fn with_endpoint(config: &Config, id: &ChainId, endpoint: &Endpoint) -> Config {
    let mut alone = config.clone();
    if let Some(chain) = alone.chains.get_mut(id) {
        chain.rpc = vec![endpoint.clone()];
    }
    alone
}

/// Each endpoint by itself: one that is right must not hide one that is wrong.
async fn check_endpoint(config: &Config, manifest: &Manifest, id: &ChainId, endpoint: &Endpoint) -> Result<String> {
    let chain = aes_chains::connect_chain(&with_endpoint(config, id, endpoint), manifest, id)?;
    let head = chain.head(Depth::Final).await?;
    chain.check_contract().await?;
    let gas = match &config.chain(id)?.key {
        None => "no key: it only looks".into(),
        Some(_) => {
            let account = chain.gas_account().await?;
            if account.balance == 0 {
                bail!("{} has no {}; fill it, it pays this process's fees", account.address, account.denom);
            }
            format!("{} has {} {}", account.address, account.balance, account.denom)
        }
    };
    Ok(format!("final block {}; {gas}", head.height))
}
