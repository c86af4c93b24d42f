//! `aes devnet`: the whole deployment on loopback until Ctrl-C, which leaves nothing running.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::devnet::{BitcoinOptions, Devnet as Net, Options, DEPLOYER, RECIPIENT, RELAYER, USER};
use crate::output::Output;
use crate::signals::Stop;

#[derive(Debug, clap::Args)]
pub struct Devnet {
    /// folder for nodes, keys and config files; a temporary one, removed at the end, where not given
    #[arg(long)]
    data: Option<PathBuf>,
    /// folder with the built contracts (`make contracts`)
    #[arg(long, default_value = "artifacts")]
    artifacts: PathBuf,
}

impl Devnet {
    pub async fn run(&self, output: Output) -> Result<()> {
        let mut stop = Stop::listen()?;
        let temporary = tempfile::tempdir()?;
        let data = self.data.clone().unwrap_or_else(|| temporary.path().into());
        let mut options = Options::new(data, self.artifacts.clone());
        options.bitcoin = Some(BitcoinOptions::default());
        let starting = Net::start(options, |step| eprintln!("{step} …"));
        let net = tokio::select! {
            started = starting => started?,
            () = stop.asked() => return Ok(()),
        };
        output.say(&addresses(&net)?)?;
        let broken = tokio::select! {
            broken = net.broken() => Err(broken),
            () = stop.asked() => Ok(()),
        };
        let stopped = net.stop().await;
        broken.and(stopped)
    }
}

#[derive(serde::Serialize)]
struct Addresses {
    config: PathBuf,
    /// folder with this binary
    bin: PathBuf,
    home_rpc: String,
    polygon_rpc: String,
    ethereum_rpc: String,
    bitcoin_rpc: String,
    coordinator: String,
    escrows: Vec<(String, String)>,
    accounts: Vec<Account>,
}

#[derive(serde::Serialize)]
struct Account {
    name: &'static str,
    evm: String,
    cosmos: String,
    bitcoin: String,
    key_file: PathBuf,
}

fn addresses(net: &Net) -> Result<Addresses> {
    let mut accounts = Vec::new();
    for name in [DEPLOYER, RELAYER, USER, RECIPIENT] {
        let (account, (_, bitcoin)) = (net.account(name)?, net.bitcoin_account(name)?);
        let (evm, cosmos, key_file) = (account.evm.to_string(), account.cosmos, net.key_file(name));
        accounts.push(Account { name, evm, cosmos, bitcoin, key_file });
    }
    let binary = std::env::current_exe()?;
    Ok(Addresses {
        config: net.config_file(USER),
        bin: binary.parent().context("the binary's folder")?.into(),
        home_rpc: net.wasmd.rpc_url.clone(),
        polygon_rpc: net.polygon.rpc_url.clone(),
        ethereum_rpc: net.ethereum.rpc_url.clone(),
        bitcoin_rpc: net.bitcoin.as_ref().context("btcd runs")?.rpc_url.clone(),
        coordinator: net.manifest.coordinator.clone(),
        escrows: net.manifest.chains.iter().map(|(id, c)| (id.to_string(), c.escrow_address.clone())).collect(),
        accounts,
    })
}

impl std::fmt::Display for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "allianza (home)  {}", self.home_rpc)?;
        writeln!(f, "polygon          {}", self.polygon_rpc)?;
        writeln!(f, "ethereum         {}", self.ethereum_rpc)?;
        writeln!(f, "bitcoin          {}", self.bitcoin_rpc)?;
        writeln!(f, "coordinator      {}", self.coordinator)?;
        for (chain, address) in &self.escrows {
            writeln!(f, "escrow           {chain} {address}")?;
        }
        for Account { name, evm, cosmos, bitcoin, key_file } in &self.accounts {
            writeln!(f, "{name:<16} {evm}  {cosmos}  {bitcoin}  key in {}", key_file.display())?;
        }
        let (config, bin) = (self.config.display(), self.bin.display());
        writeln!(f, "\nIn another terminal, as the user: export AES_CONFIG={config} PATH={bin}:$PATH")?;
        write!(f, "Ctrl-C stops everything.")
    }
}
