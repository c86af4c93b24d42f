//! The whole deployment on loopback with everything real: wasmd as the home chain, two anvils as Polygon Amoy and
//! Sepolia, btcd on regtest where it is asked for, three attestors (2 of 3), a relayer. Used by `aes devnet`, `aes demo` and the end-to-end tests.
//! It writes the same files an operator would write, and starts its parts from them.

mod bitcoin;

use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aes_chains::bitcoin::{account_of, key_of};
use aes_config::{
    AttestConfig, ChainConfig, Config, DeployChain, DeployConfig, Endpoint, HttpConfig, KeyRef, Manifest, RelayConfig,
    SecretKey,
};
use aes_devnet::{Anvil, AnvilOptions, Btcd, Coin, GenesisAccount, Wasmd, WasmdOptions, ALZ_DENOM, GAS_DENOM};
use aes_protocol::{Attestor, AttestorSet, Bytes, ChainId, Conservation, Hash32};
use anyhow::{anyhow, ensure, Context as _, Result};
use tokio::net::TcpListener;
use tokio::sync::{watch, Mutex};
use tokio::task::JoinSet;

pub use self::bitcoin::{BitcoinOptions, BITCOIN};
use crate::commands::deploy::{deploy, fund};
use crate::commands::keys::Accounts;
use crate::context::Context;
use crate::{amount, commands};

pub const ALLIANZA: &str = "cosmos:allianza-1";
pub const POLYGON: &str = "eip155:80002";
pub const ETHEREUM: &str = "eip155:11155111";
const PREFIX: &str = "wasm";
const WEI: u128 = 1_000_000_000_000_000_000;

#[derive(Debug, Clone)]
pub struct Options {
    /// where nodes, keys and files go; made if missing
    pub data_dir: PathBuf,
    pub artifacts: PathBuf,
    pub block_time: Duration,
    pub evm_block_time: Duration,
    pub max_horizon: u64,
    pub escape_delay: u64,
    pub set_grace: u64,
    pub conservation: Conservation,
    /// none: no Bitcoin chain
    pub bitcoin: Option<BitcoinOptions>,
    /// whether the attestors run from the start; where not, `aes attest` with their config files starts each
    pub attestors: bool,
    /// whether a relayer runs from the start
    pub relayer: bool,
}

impl Options {
    pub fn new(data_dir: PathBuf, artifacts: PathBuf) -> Self {
        Self {
            data_dir,
            artifacts,
            block_time: Duration::from_millis(200),
            evm_block_time: Duration::from_secs(1),
            max_horizon: 7 * 86_400,
            escape_delay: 86_400,
            set_grace: 86_400,
            conservation: Conservation::On,
            bitcoin: None,
            attestors: true,
            relayer: true,
        }
    }
}

/// Who takes part, by the names their key files and config files have.
pub const DEPLOYER: &str = "deployer";
pub const RELAYER: &str = "relayer";
pub const USER: &str = "user";
pub const RECIPIENT: &str = "recipient";
pub const ATTESTORS: [&str; 3] = ["attestor-1", "attestor-2", "attestor-3"];
const BITCOIN_KEYS: [&str; 3] = ["attestor-1-bitcoin", "attestor-2-bitcoin", "attestor-3-bitcoin"];

pub struct Devnet {
    pub options: Options,
    pub wasmd: Wasmd,
    pub polygon: Anvil,
    pub ethereum: Anvil,
    pub bitcoin: Option<Btcd>,
    pub manifest: Manifest,
    keys: BTreeMap<&'static str, SecretKey>,
    stop: watch::Sender<bool>,
    /// attestors and relayers, each with its name
    parts: Mutex<JoinSet<(String, Result<()>)>>,
}

impl Devnet {
    /// Nodes side by side, then the deployment, then attestors and relayer. `progress` is told each step.
    pub async fn start(options: Options, progress: impl Fn(&str)) -> Result<Self> {
        let dir = &options.data_dir;
        // btcd deletes a regtest chain when it starts, and ALZ with it
        let there = dir.display();
        ensure!(!dir.join("keys").exists(), "{there}: a devnet was here, and none goes on; give another folder");
        std::fs::create_dir_all(dir.join("keys")).with_context(|| format!("make {}", dir.display()))?;
        let mut keys = BTreeMap::new();
        for name in [DEPLOYER, RELAYER, USER, RECIPIENT].into_iter().chain(ATTESTORS).chain(BITCOIN_KEYS) {
            let key = SecretKey::generate();
            write_secret(&key_file(dir, name), &hex::encode(key.expose()))?;
            keys.insert(name, key);
        }
        let (btcd, chains) = if options.bitcoin.is_some() { (", btcd", "four") } else { ("", "three") };
        progress(&format!("starting wasmd, two anvils{btcd}"));
        let (wasmd, polygon, ethereum, bitcoin) = tokio::try_join!(
            start_wasmd(&options, &keys),
            start_anvil(&options, &keys, "polygon", 80002),
            start_anvil(&options, &keys, "ethereum", 11_155_111),
            bitcoin::start(&options, &keys),
        )?;
        let (stop, _) = watch::channel(false);
        let rpc = [wasmd.rpc_url.parse()?, polygon.rpc_url.parse()?, ethereum.rpc_url.parse()?];
        progress(&format!("deploying on {chains} chains"));
        let bitcoin_rpc = bitcoin.as_ref().map(|node| node.rpc_url.parse()).transpose()?;
        let files = Files { options: &options, rpc: &rpc, bitcoin: bitcoin_rpc.as_ref() };
        files.write(DEPLOYER, Some(DEPLOYER), |config| {
            config.deploy = Some(deployment(&options, &keys)?);
            Ok(())
        })?;
        let config = Config::load(&config_file(dir, DEPLOYER))?;
        let manifest = bitcoin::hurried(bitcoin.as_ref(), deploy(&config, &mut |_| Ok(true))).await?;
        let mut devnet = Self {
            wasmd,
            polygon,
            ethereum,
            bitcoin,
            manifest,
            keys,
            stop,
            parts: Mutex::default(),
            options: options.clone(),
        };
        files.write(USER, Some(USER), |_| Ok(()))?;
        fund(&config, &devnet.manifest, &devnet.account(USER)?, amount::parse("10000")?).await?;
        if let Some(options) = &options.bitcoin {
            bitcoin::pay_sats(options, &config_file(dir, DEPLOYER), &devnet.keys).await?;
        }
        progress(match options.attestors {
            true => "starting three attestors and a relayer",
            false => "writing the attestors' and the relayer's config",
        });
        let mut attestors = Vec::new();
        for (name, bitcoin_name) in ATTESTORS.into_iter().zip(BITCOIN_KEYS) {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let listen = listener.local_addr()?;
            attestors.push(format!("http://{listen}").parse::<Endpoint>()?.into());
            let key = KeyRef::File { file: key_file(Path::new(""), name) };
            let journal = format!("{name}.journal.sqlite").into();
            files.write(name, None, |config| {
                let bitcoin_key = KeyRef::File { file: key_file(Path::new(""), bitcoin_name) };
                let bitcoin_key = options.bitcoin.as_ref().map(|_| bitcoin_key);
                config.attest = Some(AttestConfig {
                    listen,
                    http: HttpConfig::default(),
                    one_endpoint: true,
                    key,
                    bitcoin_key,
                    journal,
                });
                Ok(())
            })?;
            if !options.attestors {
                continue;
            }
            let config = Config::load(&config_file(dir, name))?;
            let (manifest, shutdown) = (Manifest::load(&config.manifest)?, devnet.shutdown());
            devnet.run(name, async move { commands::attest::serve(&config, &manifest, listener, shutdown).await });
        }
        files.write(RELAYER, Some(RELAYER), |config| {
            config.relay = Some(RelayConfig {
                database: "relayer.sqlite".into(),
                attestors,
                bump_after: 30,
                stalled_after: BTreeMap::new(),
                listen: None,
                http: HttpConfig::default(),
            });
            Ok(())
        })?;
        if options.relayer {
            devnet.start_relayer().await?;
        }
        Ok(devnet)
    }

    /// One more relayer from the same config; the first where the options said none.
    pub async fn start_relayer(&mut self) -> Result<()> {
        let context = Context::open(&self.config_file(RELAYER)).await?;
        let shutdown = self.shutdown();
        self.run(RELAYER, async move { commands::relay::run_until(&context, shutdown).await });
        Ok(())
    }

    fn run(&mut self, name: &str, part: impl Future<Output = Result<()>> + Send + 'static) {
        let name = name.to_owned();
        self.parts.get_mut().spawn(async move { (name, part.await) });
    }

    /// Returns when an attestor or a relayer has ended by itself, with what is to be said of it.
    pub async fn broken(&self) -> anyhow::Error {
        match self.parts.lock().await.join_next().await {
            Some(Ok((name, Err(error)))) => error.context(format!("{name} has ended")),
            Some(Ok((name, Ok(())))) => anyhow!("{name} has ended"),
            Some(Err(panic)) => anyhow!("a part of the devnet has ended: {panic}"),
            None => std::future::pending().await,
        }
    }

    pub fn config_file(&self, who: &str) -> PathBuf {
        config_file(&self.options.data_dir, who)
    }

    pub fn key_file(&self, who: &str) -> PathBuf {
        key_file(&self.options.data_dir, who)
    }

    pub fn key(&self, who: &str) -> Result<&SecretKey> {
        self.keys.get(who).with_context(|| format!("the devnet has no key for {who}"))
    }

    pub fn account(&self, who: &str) -> Result<Accounts> {
        Accounts::of(self.key(who)?, PREFIX)
    }

    /// Its script and its address.
    pub fn bitcoin_account(&self, who: &str) -> Result<(Bytes, String)> {
        account_of(self.key(who)?, &BITCOIN.parse()?).context("the key has no account on Bitcoin")
    }

    /// The attestors' keys in the order of their set.
    pub fn attestor_keys(&self) -> Vec<&SecretKey> {
        ATTESTORS.iter().filter_map(|name| self.keys.get(name)).collect()
    }

    fn shutdown(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopped = self.stop.subscribe();
        async move {
            // an error means that the devnet itself is gone
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    }

    /// Attestors and relayer first, then the nodes; says what of it went wrong.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.send_replace(true);
        while let Some(ended) = self.parts.get_mut().join_next().await {
            let (name, ended) = ended?;
            ended.context(name)?;
        }
        self.wasmd.stop().await?;
        self.polygon.stop().await?;
        self.ethereum.stop().await?;
        if let Some(bitcoin) = &mut self.bitcoin {
            bitcoin.stop().await?;
        }
        Ok(())
    }
}

fn config_file(dir: &Path, who: &str) -> PathBuf {
    dir.join(format!("{who}.toml"))
}

fn key_file(dir: &Path, who: &str) -> PathBuf {
    dir.join("keys").join(who)
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("write {}", path.display()))
}

struct Files<'a> {
    options: &'a Options,
    rpc: &'a [Endpoint; 3],
    bitcoin: Option<&'a Endpoint>,
}

impl Files<'_> {
    fn write(&self, who: &str, key: Option<&str>, role: impl FnOnce(&mut Config) -> Result<()>) -> Result<()> {
        let [wasmd, polygon, ethereum] = self.rpc;
        let chain = |name: &str, rpc: &Endpoint, cosmos: bool| ChainConfig {
            name: name.into(),
            rpc: vec![rpc.clone()],
            timeout: 10,
            poll: 100,
            key: key.map(|who| KeyRef::File { file: key_file(Path::new(""), who) }),
            gas_price: cosmos.then(|| format!("0.025{GAS_DENOM}")),
            prefix: cosmos.then(|| PREFIX.into()),
            max_fee: (!cosmos).then_some(500),
            bitcoin: None,
            follow: Default::default(),
        };
        let chains = [
            (ALLIANZA.parse()?, chain("allianza", wasmd, true)),
            (POLYGON.parse()?, chain("polygon", polygon, false)),
            (ETHEREUM.parse()?, chain("ethereum", ethereum, false)),
        ];
        let mut chains = BTreeMap::from(chains);
        if let (Some(rpc), Some(options)) = (self.bitcoin, &self.options.bitcoin) {
            let bitcoin = Some(bitcoin::config(options, who));
            chains
                .insert(BITCOIN.parse()?, ChainConfig { bitcoin, max_fee: Some(100), ..chain("bitcoin", rpc, false) });
        }
        let mut config = Config { manifest: "manifest.json".into(), chains, deploy: None, relay: None, attest: None };
        role(&mut config)?;
        let path = config_file(&self.options.data_dir, who);
        std::fs::write(&path, toml::to_string(&config)?).with_context(|| format!("write {}", path.display()))
    }
}

fn deployment(options: &Options, keys: &BTreeMap<&'static str, SecretKey>) -> Result<DeployConfig> {
    let mut attestors = Vec::new();
    for (name, bitcoin_name) in ATTESTORS.into_iter().zip(BITCOIN_KEYS) {
        let key = keys.get(name).context("an attestor's key")?;
        let bitcoin_key = match &options.bitcoin {
            Some(_) => key_of(keys.get(bitcoin_name).context("an attestor's Bitcoin key")?).context("a key")?,
            None => Hash32::default(),
        };
        attestors.push(Attestor { signer: Accounts::of(key, PREFIX)?.evm, bitcoin_key });
    }
    attestors.sort_by(|a, b| a.signer.cmp(&b.signer));
    let alz = |text: &str| amount::parse(text).map(|amount| amount.to_string());
    let (max_leg, reserve_per_hour, mint_cap) = (alz("10000")?, alz("1000000")?, alz("1000000")?);
    let mut chains: BTreeMap<ChainId, DeployChain> = BTreeMap::new();
    for id in [ALLIANZA, POLYGON, ETHEREUM] {
        let cosmos = id == ALLIANZA;
        let chain = DeployChain {
            asset: cosmos.then(|| ALZ_DENOM.into()),
            admin: None,
            initial_supply: if cosmos { None } else { Some(alz("1000000")?) },
            max_leg: max_leg.clone(),
            reserve_per_hour: reserve_per_hour.clone(),
            mint_cap: mint_cap.clone(),
            vault: Some(alz("100000")?),
        };
        chains.insert(id.parse()?, chain);
    }
    if options.bitcoin.is_some() {
        chains.insert(BITCOIN.parse()?, bitcoin::deployment(max_leg)?);
    }
    Ok(DeployConfig {
        home: ALLIANZA.parse()?,
        artifacts: std::path::absolute(&options.artifacts)?,
        conservation: options.conservation,
        max_horizon: options.max_horizon,
        escape_delay: options.escape_delay,
        limits_delay: 86_400,
        set_grace: options.set_grace,
        attestor_set: AttestorSet { id: 1, threshold: 2, attestors },
        chains,
    })
}

async fn start_wasmd(options: &Options, keys: &BTreeMap<&'static str, SecretKey>) -> Result<Wasmd> {
    let mut accounts = Vec::new();
    for name in [DEPLOYER, RELAYER, USER] {
        let key = keys.get(name).context("a key")?;
        let mut coins = vec![Coin { denom: GAS_DENOM.into(), amount: 1_000_000_000_000 }];
        if name == DEPLOYER {
            coins.push(Coin { denom: ALZ_DENOM.into(), amount: amount::parse("1000000000")? });
        }
        accounts.push(GenesisAccount { address: Accounts::of(key, PREFIX)?.cosmos, coins });
    }
    let options = WasmdOptions {
        data_dir: options.data_dir.join("wasmd"),
        chain_id: "allianza-1".into(),
        block_time: options.block_time,
        accounts,
    };
    Ok(Wasmd::start(options).await?)
}

async fn start_anvil(
    options: &Options,
    keys: &BTreeMap<&'static str, SecretKey>,
    name: &str,
    chain_id: u64,
) -> Result<Anvil> {
    let mut funded = Vec::new();
    for name in [DEPLOYER, RELAYER, USER] {
        let key = keys.get(name).context("a key")?;
        funded.push((Accounts::of(key, PREFIX)?.evm.to_string(), 1000 * WEI));
    }
    let options = AnvilOptions {
        data_dir: options.data_dir.join(name),
        chain_id,
        block_time: Some(options.evm_block_time),
        slots_in_an_epoch: 1,
        funded,
    };
    Ok(Anvil::start(options).await?)
}
