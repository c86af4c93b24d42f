//! `aes config check`: asks every endpoint, compares what answers with the manifest, and names each problem with its cure.

use std::fmt;
use std::path::Path;

use aes_chains::Depth;
use aes_config::{Config, Manifest};
use aes_protocol::ChainId;
use anyhow::{bail, Result};
use serde::Serialize;

#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// asks each endpoint and compares chain id, balance and contracts with the manifest
    Check,
}

#[derive(Debug, Serialize)]
pub struct Check {
    chain: ChainId,
    endpoint: String,
    ok: bool,
    /// what was found, or what is wrong and how to cure it
    finding: String,
}

#[derive(Debug, Serialize)]
pub struct Checks {
    checks: Vec<Check>,
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let mark = if check.ok { "ok  " } else { "BAD " };
            writeln!(f, "{mark} {:<22} {:<28} {}", check.chain.as_str(), check.endpoint, check.finding)?;
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
        let mut checks = Vec::new();
        for (id, chain) in &config.chains {
            if chain.rpc.is_empty() {
                let finding = format!("no endpoints; give chains.\"{id}\".rpc");
                checks.push(Check { chain: id.clone(), endpoint: "-".into(), ok: false, finding });
            }
            for endpoint in &chain.rpc {
                let found = check_endpoint(&config, &manifest, id, endpoint).await;
                let ok = found.is_ok();
                let finding = found.unwrap_or_else(|error| format!("{error:#}"));
                checks.push(Check { chain: id.clone(), endpoint: endpoint.clone(), ok, finding });
            }
        }
        Ok(Checks { checks })
    }
}

/// Each endpoint by itself: one that is right must not hide one that is wrong.
async fn check_endpoint(config: &Config, manifest: &Manifest, id: &ChainId, endpoint: &str) -> Result<String> {
    let mut alone = config.clone();
    for (other, chain) in &mut alone.chains {
        if other == id {
            chain.rpc = vec![endpoint.into()];
        }
    }
    let chain = aes_chains::connect_chain(&alone, manifest, id).await?;
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
