//! The config file, TOML. One file serves all roles; each reads its own table. `aes.example.toml` explains every key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aes_protocol::{AttestorSet, ChainId, ChainKind, Conservation};
use serde::{Deserialize, Serialize};

use crate::endpoint::{AttestorAt, Endpoint};
use crate::http::HttpConfig;
use crate::keys::KeyRef;
use crate::manifest::Anchor;
use crate::meant::mistake;
use crate::token::TokenRef;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("config file {}: {cause}; write one (aes.example.toml explains every key) or name it with --config", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    /// without the text itself: a line of it can hold a secret
    #[error("config file {}, line {line}: {cause}", path.display())]
    Parse { path: PathBuf, line: usize, cause: String },
    #[error("config file {}: {mistake}", path.display())]
    Mistake { path: PathBuf, mistake: String },
    #[error("config file: no [{0}] table, which this command needs; aes.example.toml shows one")]
    NoTable(&'static str),
    #[error("config file: no chain {0}; add [chains.\"{0}\"]")]
    NoChain(ChainId),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// where `aes deploy` writes the manifest and everything else reads it; relative to the config file
    pub manifest: PathBuf,
    pub chains: BTreeMap<ChainId, ChainConfig>,
    pub deploy: Option<DeployConfig>,
    pub relay: Option<RelayConfig>,
    pub attest: Option<AttestConfig>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// what people call it: polygon, ethereum, allianza
    pub name: String,
    /// JSON-RPC (EVM; Bitcoin, with user and password in the URL) or CometBFT RPC (CosmWasm) endpoints, the first that
    /// answers is used
    pub rpc: Vec<Endpoint>,
    /// seconds to wait for one answer
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// milliseconds between looks for a new block where nothing pushes them
    #[serde(default = "default_poll")]
    pub poll: u64,
    /// signs and pays for this process's transactions; leave out where it only looks
    pub key: Option<KeyRef>,
    /// CosmWasm only: price of gas with its denom, e.g. "0.025stake"
    pub gas_price: Option<String>,
    /// CosmWasm only: bech32 prefix of its accounts, e.g. "wasm"
    pub prefix: Option<String>,
    /// never pay more than this: EVM for a unit of gas, in gwei; Bitcoin for a virtual byte, in sat
    pub max_fee: Option<u64>,
    /// Bitcoin only
    pub bitcoin: Option<BitcoinConfig>,
    /// CosmWasm only: how an attestor follows its headers
    #[serde(default)]
    pub follow: FollowConfig,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowConfig {
    /// where to start, instead of the manifest's: needed once that is older than the trusting period
    pub anchor: Option<Anchor>,
    /// seconds for which validators are believed after their block: less than the chain's unbonding time
    #[serde(default = "default_trusting_period")]
    pub trusting_period: u64,
}

impl Default for FollowConfig {
    fn default() -> Self {
        Self { anchor: None, trusting_period: default_trusting_period() }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitcoinConfig {
    /// file of what was read of the chain, so that a start need not read it again; relative to the config file
    pub index: PathBuf,
    /// instead of `key`: a depositor's wallet elsewhere, by its key with the origin (BIP-380), `[fingerprint/path]x-only`; its
    /// account is P2TR (BIP-86)
    pub wallet: Option<String>,
    /// blocks, its own one included, from which on a transaction counts as final
    #[serde(default = "default_depth")]
    pub depth: u64,
    /// into how many outputs a relayer splits the vault ahead of need: as many reserve-sourced legs can be prepared a block
    #[serde(default = "default_vault_outputs")]
    pub vault_outputs: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployConfig {
    /// the chain with the coordinator
    pub home: ChainId,
    /// folder with aes_coordinator.wasm, aes_escrow.wasm, AesEscrow.json, AlzToken.json (`make contracts`)
    pub artifacts: PathBuf,
    pub conservation: Conservation,
    /// seconds a deadline may be ahead
    pub max_horizon: u64,
    /// seconds after a deadline until an undecided hold can be escaped from
    pub escape_delay: u64,
    /// seconds a change of limits is in the open
    pub limits_delay: u64,
    /// seconds an old attestor set is still taken after the last deadline it could have served
    pub set_grace: u64,
    pub attestor_set: AttestorSet,
    /// per chain: the asset and its limits
    pub chains: BTreeMap<ChainId, DeployChain>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployChain {
    /// EVM: address of an existing ERC-20 ALZ; CosmWasm: a bank denom or a cw20 address. EVM without one: AlzToken is deployed
    pub asset: Option<String>,
    /// the admin, as the chain writes accounts; without one, the deploying key
    pub admin: Option<String>,
    /// EVM with no asset: base units of ALZ that the deployed token starts with, given to the deploying key
    pub initial_supply: Option<String>,
    /// base units: the largest leg
    pub max_leg: String,
    /// base units of reserve that may leave an hour
    pub reserve_per_hour: String,
    /// base units that may be minted and not burned
    pub mint_cap: String,
    /// base units the deploying key puts into the vault
    pub vault: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// SQLite file; relative to the config file
    pub database: PathBuf,
    /// base URLs of the attestors, each with the token that lets this relayer in where one is asked for
    pub attestors: Vec<AttestorAt>,
    /// seconds a transaction may wait before its fee is raised
    #[serde(default = "default_bump")]
    pub bump_after: u64,
    /// per chain, seconds without a newer final block after which nothing new goes there
    #[serde(default)]
    pub stalled_after: BTreeMap<ChainId, u64>,
    /// where it answers `GET /metrics` and `GET /v1/health`
    pub listen: Option<SocketAddr>,
    /// what it takes from others there, and from whom
    #[serde(default)]
    pub http: HttpConfig,
}

impl RelayConfig {
    /// Well beyond what is usual: CometBFT blocks come in seconds, Ethereum finalizes every 6.4 minutes, and a Bitcoin block
    /// takes longer than three hours once in centuries.
    pub fn stalled_after(&self, chain: &ChainId) -> Duration {
        let usual = match chain.kind() {
            ChainKind::Cosmos => 120,
            ChainKind::Evm => 1_800,
            ChainKind::Bitcoin => 10_800,
        };
        Duration::from_secs(self.stalled_after.get(chain).copied().unwrap_or(usual))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestConfig {
    pub listen: SocketAddr,
    /// what it takes from others, and from whom
    #[serde(default)]
    pub http: HttpConfig,
    /// EVM: whether one endpoint alone may say which blocks are final; with several, two always have to
    #[serde(default)]
    pub one_endpoint: bool,
    pub key: KeyRef,
    /// signs on Bitcoin (BIP-340), where the deployment has it: never the same as `key`
    pub bitcoin_key: Option<KeyRef>,
    /// SQLite file of all that was ever signed, synced before a signature leaves; relative to the config file
    pub journal: PathBuf,
}

fn default_timeout() -> u64 {
    10
}
/// Two of the three weeks that most chains unbond for.
fn default_trusting_period() -> u64 {
    14 * 24 * 3600
}
fn default_depth() -> u64 {
    6
}
fn default_vault_outputs() -> u32 {
    16
}
fn default_poll() -> u64 {
    500
}
fn default_bump() -> u64 {
    30
}

impl Config {
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.into(), cause })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line = before.matches('\n').count().saturating_add(1);
            let key = key_in(before.rsplit('\n').next().unwrap_or_default());
            ConfigError::Parse { path: path.into(), line, cause: format!("{key}{}", error.message()) }
        })?;
        if let Some(mistake) = mistake(&config) {
            return Err(ConfigError::Mistake { path: path.into(), mistake });
        }
        config.resolve(path.parent().unwrap_or(Path::new(".")));
        Ok(config)
    }

    /// Paths in the file are relative to it.
    fn resolve(&mut self, base: &Path) {
        let mut paths = vec![&mut self.manifest];
        paths.extend(self.deploy.iter_mut().map(|deploy| &mut deploy.artifacts));
        if let Some(relay) = &mut self.relay {
            paths.push(&mut relay.database);
            paths.extend(relay.attestors.iter_mut().filter_map(|at| at.token.as_mut()?.path_mut()));
            paths.extend(relay.http.token.as_mut().and_then(TokenRef::path_mut));
        }
        if let Some(attest) = &mut self.attest {
            paths.push(&mut attest.journal);
            paths.extend(attest.http.token.as_mut().and_then(TokenRef::path_mut));
            paths.extend(attest.key.path_mut());
            paths.extend(attest.bitcoin_key.as_mut().and_then(KeyRef::path_mut));
        }
        for chain in self.chains.values_mut() {
            paths.extend(chain.key.as_mut().and_then(KeyRef::path_mut));
            paths.extend(chain.bitcoin.as_mut().map(|bitcoin| &mut bitcoin.index));
        }
        for path in paths {
            *path = base.join(&path);
        }
    }

    pub fn chain(&self, id: &ChainId) -> Result<&ChainConfig, ConfigError> {
        self.chains.get(id).ok_or_else(|| ConfigError::NoChain(id.clone()))
    }
    pub fn deploy(&self) -> Result<&DeployConfig, ConfigError> {
        self.deploy.as_ref().ok_or(ConfigError::NoTable("deploy"))
    }
    pub fn relay(&self) -> Result<&RelayConfig, ConfigError> {
        self.relay.as_ref().ok_or(ConfigError::NoTable("relay"))
    }
    pub fn attest(&self) -> Result<&AttestConfig, ConfigError> {
        self.attest.as_ref().ok_or(ConfigError::NoTable("attest"))
    }
}

/// `key: ` where a line begins with one; of the rest, which can hold a secret, nothing is said.
fn key_in(line: &str) -> String {
    let bare = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let key = line.split_once('=').map(|(key, _)| key.trim()).filter(bare);
    key.map(|key| format!("{key}: ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../aes.example.toml");

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("aes.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn the_example_is_read_and_names_every_table() {
        let config = parse(EXAMPLE).unwrap();
        assert!(config.deploy().is_ok() && config.relay().is_ok() && config.attest().is_ok());
        assert!(config.deploy().unwrap().attestor_set.validate().is_ok());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for table in ["manifest = ", "name = \"polygon\"", "home = ", "database = ", "listen = ", "initial_supply = "] {
            let text = EXAMPLE.replacen(table, &format!("surprise = 1\n{table}"), 1);
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains("surprise"), "{table}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_found_by_its_line_and_no_secret_is_repeated() {
        let (before, rest) = EXAMPLE.split_once("rpc = [").unwrap();
        let text = format!("{before}rpc = [\"htp://user:secret@host\", {rest}");
        let error = parse(&text).unwrap_err().to_string();
        let line = format!("line {}:", before.matches('\n').count() + 1);
        assert!(error.contains(&line) && error.contains("http://host:port"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_key_of_another_kind_of_chain_and_a_price_in_another_unit_are_named() {
        let cosmos = "name = \"allianza\"\n";
        let (evm, bitcoin) = ("name = \"polygon\"\n", "name = \"bitcoin\"\n");
        let index = "[chains.\"eip155:80002\".bitcoin]\nindex = \"bitcoin.json\"\n\n[chains.\"bip122";
        for (place, with, named) in [
            (cosmos, format!("{cosmos}max_fee = 5\n"), "chains.\"cosmos:allianza-1\".max_fee: only EVM and Bitcoin"),
            (evm, format!("{evm}prefix = \"wasm\"\n"), "chains.\"eip155:80002\".prefix: only CosmWasm"),
            (evm, format!("{evm}gas_price = \"1stake\"\n"), "chains.\"eip155:80002\".gas_price: only CosmWasm"),
            (
                evm,
                format!("{evm}follow = {{ trusting_period = 1 }}\n"),
                "chains.\"eip155:80002\".follow: only CosmWasm",
            ),
            ("[chains.\"bip122", index.into(), "chains.\"eip155:80002\".bitcoin: only Bitcoin"),
            (bitcoin, format!("{bitcoin}prefix = \"bc\"\n"), ".prefix: only CosmWasm"),
            (
                "max_fee = 500",
                "max_fee = 30000000000".into(),
                "chains.\"eip155:80002\".max_fee: it is in gwei for a unit",
            ),
            ("max_fee = 500", "max_fee = 0".into(), "chains.\"eip155:80002\".max_fee: it is in gwei for a unit"),
            ("max_fee = 100", "max_fee = 500000".into(), ".max_fee: it is in sat for a virtual byte"),
            ("asset = \"aalz\"", "asset = \"aalz\"\ninitial_supply = \"1\"".into(), "\".initial_supply: only EVM and"),
            ("\"eip155:80002\" = 600", "\"eip155:1\" = 600".into(), "relay.stalled_after.\"eip155:1\": there is no"),
        ] {
            assert!(EXAMPLE.contains(place), "{place}");
            let error = parse(&EXAMPLE.replacen(place, &with, 1)).unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }

    #[test]
    fn a_reference_that_is_none_is_named_and_not_repeated() {
        for (right, wrong, named) in [
            ("key = { env = \"AES_POLYGON_KEY\" }", "key = { evn = \"secret\" }", ": key: write { env"),
            ("key = { env = \"AES_POLYGON_KEY\" }", "key = \"secret\"", ": key: write { env"),
            ("bitcoin_key = {", "bitcoin_key = { secret = 1, ", ": bitcoin_key: write { env"),
            (
                "token = { env = \"AES_ATTESTOR_TOKEN\" }\n# bytes",
                "token = \"secret\"\n# bytes",
                ": token: write { env",
            ),
            ("attestors = [", "attestors = [{ secret = 1 }, ", ": attestors: write \"URL\""),
        ] {
            assert!(EXAMPLE.contains(right), "{right}");
            let error = parse(&EXAMPLE.replacen(right, wrong, 1)).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("secret"), "{named}: {error}");
        }
    }

    #[test]
    fn a_chain_is_stalled_after_what_the_file_says_or_what_is_usual_for_its_kind() {
        let config = parse(EXAMPLE).unwrap();
        let after = |chain: &str| config.relay().unwrap().stalled_after(&chain.parse().unwrap()).as_secs();
        assert_eq!((after("eip155:80002"), after("eip155:1"), after("cosmos:allianza-1")), (600, 1_800, 120));
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let error = Config::load(Path::new("nowhere/aes.toml")).unwrap_err().to_string();
        assert!(error.contains("nowhere/aes.toml") && error.contains("--config"), "{error}");
    }
}
