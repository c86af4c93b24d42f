//! One real wasmd for all tests of this file, with the contracts of `artifacts/` deployed through the adapter itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aes_chains::cosmos::{account_of, bech32_of, Coin, CosmosChain, CosmosClient, CosmosHome};
use aes_chains::{Chain, ChainError, Home, Outcome, TxId};
use aes_config::{ChainConfig, KeyRef, ManifestChain};
use aes_devnet::{GenesisAccount, Wasmd, WasmdOptions, ALZ_DENOM, GAS_DENOM};
use aes_protocol::{
    address_of_public_key, Attestor, AttestorSet, Bytes, Certificate, ChainId, Conservation, Domain, Function, Leg,
    Statement,
};
use k256::ecdsa::SigningKey;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

pub const ALZ: u128 = 1_000_000_000_000_000_000;
pub const WAIT: Duration = Duration::from_secs(20);
/// so that a test does not wait long for it, and yet prepares before it
pub const ESCAPE_DELAY: u64 = 1;

/// Genesis accounts: each test pays with its own, since one account is one sequence. POOR is not among them.
const ACCOUNTS: [&str; 9] = ["DEPLOYER", "ROLLBACK", "COMMIT", "REFUSED", "ABSENT", "ORDER", "CW20", "GAS", "ESCAPE"];

pub struct Net {
    pub node: Wasmd,
    pub coordinator: String,
    pub escrow: ManifestChain,
    /// made of the same code, with ALZ as a cw20 that it mints
    pub cw20_escrow: ManifestChain,
    pub cw20: String,
    _folder: tempfile::TempDir,
}

/// Ends with the test process: the devnet's guard sees to it.
static NET: OnceCell<Net> = OnceCell::const_new();

pub async fn net() -> &'static Net {
    NET.get_or_init(start).await
}

pub fn chain_id() -> ChainId {
    "cosmos:allianza-1".parse().unwrap()
}

pub fn key(name: &str) -> SigningKey {
    SigningKey::from_slice(&Sha256::digest(name)).unwrap()
}

fn env_name(account: &str) -> String {
    format!("AES_COSMOS_TEST_{account}")
}

pub fn config(rpc: Vec<String>, account: Option<&str>) -> ChainConfig {
    ChainConfig {
        name: "allianza".into(),
        rpc: rpc.iter().map(|url| url.parse().unwrap()).collect(),
        timeout: 10,
        poll: 200,
        key: account.map(|account| {
            let env = env_name(account);
            std::env::set_var(&env, hex::encode(key(account).to_bytes()));
            KeyRef::Env { env }
        }),
        gas_price: Some(aes_devnet::MIN_GAS_PRICE.into()),
        prefix: Some("wasm".into()),
        max_fee: None,
        bitcoin: None,
        follow: Default::default(),
    }
}

/// A bank account's address from its key, by the books and not by the code under test.
pub fn address(account: &str) -> String {
    let key = cosmrs::crypto::secp256k1::SigningKey::from_slice(&key(account).to_bytes()).unwrap();
    key.public_key().account_id("wasm").unwrap().to_string()
}

pub fn account(name: &str) -> Bytes {
    account_of(&address(name), "wasm").unwrap()
}

pub fn artifact(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../artifacts").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make contracts cw20`", path.display()))
}

// ---- attestors

pub fn attestor_set(id: u64) -> AttestorSet {
    let signer =
        |n: u8| address_of_public_key(key(&format!("attestor {n}")).verifying_key().to_encoded_point(false).as_bytes());
    let mut attestors: Vec<_> = (0..3)
        .map(|n| Attestor { signer: signer(n).unwrap().to_vec().into(), bitcoin_key: Default::default() })
        .collect();
    attestors.sort_by(|a, b| a.signer.cmp(&b.signer));
    AttestorSet { id, threshold: 2, attestors }
}

/// Signed by two of the three.
pub fn certificate(statement: &Statement, domain: &Domain) -> Certificate {
    let digest = statement.digest(domain, 1);
    let signed: BTreeMap<[u8; 20], Bytes> = (0..2)
        .map(|n| {
            let key = key(&format!("attestor {n}"));
            let (signature, recovery) = key.sign_prehash_recoverable(&digest.0).unwrap();
            let mut bytes = signature.to_bytes().to_vec();
            bytes.push(27 + recovery.to_byte());
            (address_of_public_key(key.verifying_key().to_encoded_point(false).as_bytes()).unwrap(), bytes.into())
        })
        .collect();
    Certificate { attestor_set: 1, signatures: signed.into_values().collect() }
}

// ---- the deployment

async fn start() -> Net {
    let folder = tempfile::tempdir().unwrap();
    let coin = |denom: &str, amount| aes_devnet::Coin { denom: denom.into(), amount };
    let node = Wasmd::start(WasmdOptions {
        data_dir: folder.path().join("wasmd"),
        chain_id: chain_id().reference().into(),
        block_time: Duration::from_millis(200),
        accounts: ACCOUNTS
            .iter()
            .map(|name| GenesisAccount {
                address: address(name),
                coins: vec![coin(ALZ_DENOM, 1_000_000 * ALZ), coin(GAS_DENOM, 1_000_000_000)],
            })
            .collect(),
    })
    .await
    .unwrap();

    let client = CosmosClient::new(&chain_id(), &config(vec![node.rpc_url.clone()], Some("DEPLOYER"))).unwrap();
    let admin = address("DEPLOYER");
    let coordinator_code = client.store_code(&artifact("aes_coordinator.wasm")).await.unwrap();
    let (coordinator, _) = client
        .instantiate(
            coordinator_code,
            "aes coordinator",
            Some(&admin),
            &json!({
                "admin": admin, "home_chain": chain_id(), "attestor_set": attestor_set(1),
                "conservation": Conservation::Off, "settings": { "max_horizon": 3600, "set_grace": 60 },
            }),
        )
        .await
        .unwrap();

    // unpacked it is larger than a node takes at once
    let cw20_code = client.store_code(&padded(artifact("cw20_base.wasm"), 750_000)).await.unwrap();
    let escrow_code = client.store_code(&artifact("aes_escrow.wasm")).await.unwrap();
    let token = json!({
        "name": "ALZ", "symbol": "ALZ", "decimals": 18,
        "initial_balances": [{ "address": address("CW20"), "amount": (1_000 * ALZ).to_string() }],
        "mint": { "minter": admin },
    });
    let (cw20, _) = client.instantiate(cw20_code, "alz", None, &token).await.unwrap();
    let escrow =
        escrow(&client, &coordinator, escrow_code, json!({ "native": { "denom": ALZ_DENOM } }), ALZ_DENOM).await;
    let cw20_escrow =
        self::escrow(&client, &coordinator, escrow_code, json!({ "cw20": { "address": cw20 } }), &cw20).await;
    let minter = json!({ "update_minter": { "new_minter": cw20_escrow.escrow_address } });
    let tx = client.execute(&cw20, &minter, &[]).await.unwrap();
    client.wait_for(&tx, WAIT).await.unwrap();
    // one escrow a chain: the cw20's is for tests that need no coordinator
    let register = json!({ "register_chain": { "chain": chain_id(), "escrow": escrow.escrow } });
    let tx = client.execute(&coordinator, &register, &[]).await.unwrap();
    client.wait_for(&tx, WAIT).await.unwrap();
    Net { node, coordinator, escrow, cw20_escrow, cw20, _folder: folder }
}

async fn escrow(
    client: &CosmosClient,
    coordinator: &str,
    code: u64,
    asset: serde_json::Value,
    written: &str,
) -> ManifestChain {
    let msg = json!({
        "admin": address("DEPLOYER"), "chain": chain_id(),
        "domain": { "home_chain": chain_id(), "coordinator": account_of(coordinator, "wasm").unwrap() },
        "asset": asset, "attestor_set": attestor_set(1),
        "limits": {
            "max_leg": (1_000 * ALZ).to_string(), "reserve_per_hour": (100_000 * ALZ).to_string(),
            "mint_cap": (100_000 * ALZ).to_string(),
        },
        "settings": { "max_horizon": 3600, "escape_delay": ESCAPE_DELAY, "limits_delay": 1, "set_grace": 60 },
    });
    let (address, height) =
        client.instantiate(code, "aes escrow", Some(&self::address("DEPLOYER")), &msg).await.unwrap();
    let code_hash = client.code_hash(&address).await.unwrap();
    assert_eq!(code_hash.0, <[u8; 32]>::from(Sha256::digest(artifact("aes_escrow.wasm"))));
    let escrow = account_of(&address, "wasm").unwrap();
    assert_eq!(bech32_of(&escrow, "wasm").unwrap(), address);
    ManifestChain { escrow, escrow_address: address, asset: written.into(), code_hash, height }
}

/// With a custom section of zeros at its end, which changes nothing about the code.
fn padded(mut wasm: Vec<u8>, length: usize) -> Vec<u8> {
    let leb128 = |mut n: usize| {
        let mut bytes = Vec::new();
        while n >= 0x80 {
            bytes.push(0x80 | (n & 0x7f) as u8);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    };
    let section = [vec![1, b'x'], vec![0; length - wasm.len()]].concat();
    wasm.push(0);
    wasm.extend(leb128(section.len()));
    wasm.extend(section);
    wasm
}

// ---- one test's view of it

pub struct User {
    pub client: Arc<CosmosClient>,
    pub home: CosmosHome,
    pub chain: CosmosChain,
    pub name: &'static str,
}

impl User {
    pub async fn new(name: &'static str) -> Self {
        let net = net().await;
        Self::of(name, &net.escrow, vec![net.node.rpc_url.clone()]).await
    }

    pub async fn of(name: &'static str, escrow: &ManifestChain, rpc: Vec<String>) -> Self {
        let client = CosmosClient::new(&chain_id(), &config(rpc, Some(name))).unwrap();
        let home = CosmosHome::new(client.clone(), &net().await.coordinator).unwrap();
        let chain = CosmosChain::new(client.clone(), escrow);
        Self { client, home, chain, name }
    }

    pub fn leg(&self, escrow: &ManifestChain, index: u8, function: Function, amount: u128) -> Leg {
        let own = |present: bool| if present { account(self.name) } else { Bytes::default() };
        Leg {
            index,
            chain: chain_id(),
            escrow: escrow.escrow.clone(),
            function,
            from: own(function.is_account_sourced()),
            to: own(function.has_recipient()),
            amount: amount.into(),
        }
    }

    pub async fn now(&self) -> u64 {
        self.home.time().await.unwrap()
    }

    /// The transaction is in a block, and what became of it there.
    pub async fn done(&self, tx: Result<TxId, ChainError>) -> Outcome {
        let tx = tx.unwrap();
        let mut ticks = self.chain.ticks();
        let look = async {
            loop {
                match self.chain.outcome(&tx).await.unwrap() {
                    Outcome::Pending => _ = tokio::time::timeout(Duration::from_millis(100), ticks.changed()).await,
                    outcome => return outcome,
                }
            }
        };
        tokio::time::timeout(WAIT, look).await.expect("the transaction is in a block in time")
    }

    pub async fn included(&self, tx: Result<TxId, ChainError>) {
        let outcome = self.done(tx).await;
        assert!(matches!(outcome, Outcome::Included { .. }), "{outcome:?}");
    }

    pub async fn alz(&self) -> u128 {
        self.chain.alz_balance(&account(self.name)).await.unwrap()
    }

    /// Waits for a block of this time.
    pub async fn until(&self, time: u64) {
        let mut ticks = self.chain.ticks();
        let wait = async {
            while self.now().await < time {
                ticks.changed().await.unwrap();
            }
        };
        tokio::time::timeout(WAIT, wait).await.expect("the chain's time goes on")
    }
}

pub fn coin(amount: u128, denom: &str) -> Coin {
    Coin { amount, denom: denom.into() }
}

pub async fn node_get(path: &str) -> serde_json::Value {
    let url = format!("{}/{path}", net().await.node.rpc_url);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().json::<serde_json::Value>().await.unwrap()["result"].take()
}

/// The bounds of `fee.rs` are measured here: what goes without a simulation fits, and does not pay for an abyss.
pub async fn fits_its_gas(what: &str, tx: &TxId) {
    let result = node_get(&format!("tx?hash=0x{}", tx.0)).await["tx_result"].take();
    let number = |key: &str| result[key].as_str().unwrap().parse::<u64>().unwrap();
    let (used, wanted) = (number("gas_used"), number("gas_wanted"));
    println!("{what}: used {used} of {wanted}");
    assert!(used * 12 / 10 < wanted && wanted < used * 3, "{what}: used {used} of {wanted}");
}
