//! One real wasmd with a coordinator and an escrow, whose one attestor is the test's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aes_attestor::{Attestor, AttestorClient, Health, Proved, Request, Signer};
use aes_chains::cosmos::{account_of, CosmosChain, CosmosClient, CosmosHome};
use aes_chains::{Chain, Home, TxId};
use aes_config::{Anchor, ChainConfig, Config, FollowConfig, HttpConfig, KeyRef, Manifest, ManifestChain, SecretKey};
use aes_devnet::{GenesisAccount, Wasmd, WasmdOptions, ALZ_DENOM, GAS_DENOM, MIN_GAS_PRICE};
use aes_protocol::{AttestorSet, Bytes, ChainId, Conservation, Domain, Function, Hash32, Leg};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, OnceCell};
use tokio::task::JoinHandle;

pub const WAIT: Duration = Duration::from_secs(30);
/// each test's own account, since one account is one sequence
const ACCOUNTS: [&str; 8] = ["DEPLOYER", "HONEST", "LIES", "ABSENT", "BEHIND", "TOLD", "LAGS", "EARLY"];

pub struct Net {
    pub node: Wasmd,
    pub manifest: Manifest,
    folder: tempfile::TempDir,
}

/// Of the chain's only validator.
pub fn validator_key(net: &Net) -> ed25519_consensus::SigningKey {
    let file = net.folder.path().join("wasmd/config/priv_validator_key.json");
    let key: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let bytes = cosmwasm_std::Binary::from_base64(key["priv_key"]["value"].as_str().unwrap()).unwrap();
    ed25519_consensus::SigningKey::try_from(&bytes.as_slice()[..32]).unwrap()
}

static NET: OnceCell<Net> = OnceCell::const_new();

pub async fn net() -> &'static Net {
    NET.get_or_init(start).await
}

pub fn chain_id() -> ChainId {
    "cosmos:allianza-1".parse().unwrap()
}

fn secret(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

fn address(name: &str) -> String {
    let key = cosmrs::crypto::secp256k1::SigningKey::from_slice(&secret(name)).unwrap();
    key.public_key().account_id("wasm").unwrap().to_string()
}

pub fn account(name: &str) -> Bytes {
    account_of(&address(name), "wasm").unwrap()
}

fn attestor_key() -> SecretKey {
    SecretKey::new(&secret("attestor"), "test").unwrap()
}

pub fn attestor_set() -> AttestorSet {
    let signer = Signer::new(&attestor_key()).unwrap().address().to_vec().into();
    let attestors = vec![aes_protocol::Attestor { signer, bitcoin_key: Hash32::default() }];
    AttestorSet { id: 1, threshold: 1, attestors }
}

pub fn chain_config(rpc: Vec<String>, account: Option<&str>) -> ChainConfig {
    let key = account.map(|account| {
        let env = format!("AES_PROVED_TEST_{account}");
        std::env::set_var(&env, hex::encode(secret(account)));
        KeyRef::Env { env }
    });
    ChainConfig {
        name: "allianza".into(),
        rpc: rpc.iter().map(|url| url.parse().unwrap()).collect(),
        timeout: 10,
        poll: 100,
        key,
        gas_price: Some(MIN_GAS_PRICE.into()),
        prefix: Some("wasm".into()),
        max_fee: None,
        bitcoin: None,
        follow: FollowConfig::default(),
    }
}

fn wasm(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../artifacts").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run tools/wasm/build.sh", path.display()))
}

async fn start() -> Net {
    let folder = tempfile::tempdir().unwrap();
    let coin = |denom: &str| aes_devnet::Coin { denom: denom.into(), amount: 1_000_000_000 };
    let account =
        |name: &&str| GenesisAccount { address: address(name), coins: vec![coin(ALZ_DENOM), coin(GAS_DENOM)] };
    let node = Wasmd::start(WasmdOptions {
        data_dir: folder.path().join("wasmd"),
        chain_id: chain_id().reference().into(),
        block_time: Duration::from_millis(200),
        accounts: ACCOUNTS.iter().map(account).collect(),
    })
    .await
    .unwrap();
    let client = CosmosClient::new(&chain_id(), &chain_config(vec![node.rpc_url.clone()], Some("DEPLOYER"))).unwrap();
    let head = client.head().await.unwrap();
    let admin = address("DEPLOYER");
    let code = client.store_code(&wasm("aes_coordinator.wasm")).await.unwrap();
    let init = json!({
        "admin": admin, "home_chain": chain_id(), "attestor_set": attestor_set(),
        "conservation": Conservation::Off, "settings": { "max_horizon": 3600, "set_grace": 60 },
    });
    let (coordinator, _) = client.instantiate(code, "coordinator", Some(&admin), &init).await.unwrap();
    let domain = Domain { home_chain: chain_id(), coordinator: account_of(&coordinator, "wasm").unwrap() };
    let code = client.store_code(&wasm("aes_escrow.wasm")).await.unwrap();
    let init = json!({
        "admin": admin, "chain": chain_id(), "domain": domain, "asset": { "native": { "denom": ALZ_DENOM } },
        "attestor_set": attestor_set(),
        "limits": { "max_leg": "1000000", "reserve_per_hour": "1000000", "mint_cap": "1000000" },
        "settings": { "max_horizon": 3600, "escape_delay": 1, "limits_delay": 1, "set_grace": 60 },
    });
    let (escrow_address, height) = client.instantiate(code, "escrow", Some(&admin), &init).await.unwrap();
    let escrow = account_of(&escrow_address, "wasm").unwrap();
    let register = json!({ "register_chain": { "chain": chain_id(), "escrow": escrow } });
    let tx = client.execute(&coordinator, &register, &[]).await.unwrap();
    client.wait_for(&tx, WAIT).await.unwrap();
    let entry = ManifestChain { escrow, escrow_address, asset: ALZ_DENOM.into(), code_hash: Hash32::default(), height };
    let manifest = Manifest {
        version: Manifest::VERSION,
        domain,
        coordinator,
        coordinator_code_hash: Hash32::default(),
        conservation: Conservation::Off,
        chains: BTreeMap::from([(chain_id(), entry)]),
        tokens: BTreeMap::new(),
        asset_code: BTreeMap::new(),
        filled: Default::default(),
        bitcoin: BTreeMap::new(),
        anchors: BTreeMap::from([(chain_id(), Anchor { height: head.height, hash: head.hash })]),
    };
    Net { node, manifest, folder }
}

/// One account's doings.
pub struct User {
    pub client: Arc<CosmosClient>,
    pub home: CosmosHome,
    pub chain: CosmosChain,
    name: &'static str,
}

impl User {
    pub async fn new(name: &'static str) -> Self {
        let net = net().await;
        let config = chain_config(vec![net.node.rpc_url.clone()], Some(name));
        let client = CosmosClient::new(&chain_id(), &config).unwrap();
        let home = CosmosHome::new(client.clone(), &net.manifest.coordinator).unwrap();
        let chain = CosmosChain::new(client.clone(), &net.manifest.chains[&chain_id()]);
        Self { client, home, chain, name }
    }

    pub async fn leg(&self) -> Leg {
        Leg {
            index: 0,
            chain: chain_id(),
            escrow: net().await.manifest.chains[&chain_id()].escrow.clone(),
            function: Function::Transfer,
            from: account(self.name),
            to: account("DEPLOYER"),
            amount: 5u128.into(),
        }
    }

    pub async fn done(&self, tx: Result<TxId, aes_chains::ChainError>) -> u64 {
        self.client.wait_for(&tx.unwrap(), WAIT).await.unwrap()
    }

    /// Opens an execution of its one leg; with its deadline.
    pub async fn open(&self, salt: u8, seconds: u64) -> (Hash32, u64) {
        let legs = vec![self.leg().await];
        let deadline = self.home.time().await.unwrap() + seconds;
        let salt = Hash32([salt; 32]);
        let open = aes_coordinator::msg::ExecuteMsg::Open { legs: legs.clone(), salt, deadline, relayer: None };
        self.done(self.home.send(&open).await).await;
        let domain = self.home.domain();
        let execution = aes_protocol::Execution {
            home_chain: domain.home_chain.clone(),
            coordinator: domain.coordinator.clone(),
            opener: account(self.name),
            salt,
            manifest_root: aes_protocol::manifest_root(&legs).unwrap(),
            deadline,
            relayer: Bytes::default(),
        };
        (execution.execution_id(), deadline)
    }

    pub async fn prepare(&self, execution_id: Hash32, deadline: u64) {
        let leg = self.leg().await;
        let message = aes_chains::EscrowMessage::Prepare { execution_id, deadline, leg };
        self.done(self.chain.submit(&message).await).await;
    }
}

/// An attestor that believes no node, on these endpoints.
pub struct Running {
    pub client: AttestorClient,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Running {
    pub async fn start(rpc: Vec<String>, folder: &Path, follow: FollowConfig) -> Self {
        let manifest = &net().await.manifest;
        let chain = ChainConfig { follow, ..chain_config(rpc, None) };
        let config = Config {
            manifest: PathBuf::new(),
            chains: BTreeMap::from([(chain_id(), chain)]),
            deploy: None,
            relay: None,
            attest: None,
        };
        let journal = folder.join("journal.sqlite");
        let proved = Proved::connect(&config, manifest, &journal).unwrap();
        let attestor = Arc::new(Attestor::proved(proved, &attestor_key(), &journal).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client =
            AttestorClient::new(&format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let shutdown = async move { drop(stopped.await) };
            attestor.serve(listener, &HttpConfig::default(), shutdown).await.unwrap();
        });
        Self { client, stop, served }
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
    }

    pub async fn health(&self) -> Health {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/v1/health", self.client.url());
        http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Until the followed chain's health is so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&aes_chains::FollowHealth) -> bool) {
        let waiting = async {
            while !is_so(&self.health().await.followed[&chain_id()]) {
                tokio::task::yield_now().await;
            }
        };
        let shown = tokio::time::timeout(WAIT, waiting).await;
        assert!(shown.is_ok(), "not {what}: {:?}", self.health().await.followed);
    }
}

pub fn prepared(execution_id: Hash32) -> Request {
    Request::Prepared { execution_id }
}
