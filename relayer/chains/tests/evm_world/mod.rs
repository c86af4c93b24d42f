//! One anvil with ALZ and an escrow on it, deployed by the adapter's own deployer, and three attestors' keys.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant, SystemTime};

use aes_chains::evm::{AdminCall, Artifact, EscrowSettings, EscrowState, EvmChain, EvmDeployer, Limits};
use aes_chains::{Chain, ChainError, EscrowMessage, Outcome, SettlementItem, TxId};
use aes_config::{ChainConfig, KeyRef, ManifestChain};
use aes_devnet::{Anvil, AnvilOptions};
use aes_protocol::{
    decisions_tree, Attestor, AttestorSet, Bytes, Certificate, ChainId, Decision, DecisionLeaf, Domain, Evidence,
    Function, Hash32, Leg, LegStatus, Statement,
};
use ethers_core::types::H256;
use ethers_signers::{LocalWallet, Signer};
use serde_json::{json, Value};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub const ETHER: u128 = 1_000_000_000_000_000_000;
pub const ALZ: u128 = ETHER;
pub const LIMITS: Limits =
    Limits { max_leg: 100_000 * ALZ, reserve_per_hour: 1_000_000 * ALZ, mint_cap: 1_000_000 * ALZ };
const CHAIN: u64 = 80002;
const PATIENCE: Duration = Duration::from_secs(30);

/// Test keys: a byte, 32 times.
fn wallet(key: u8) -> LocalWallet {
    LocalWallet::from_bytes(&[key; 32]).unwrap()
}
const USERS: [(&str, u8); 3] = [("ADMIN", 1), ("ALICE", 2), ("RELAYER", 3)];

fn address(user: &str) -> String {
    let (_, key) = USERS.into_iter().find(|(name, _)| *name == user).unwrap();
    ethers_core::utils::to_checksum(&wallet(key).address(), None)
}

fn key(user: &str) -> KeyRef {
    static KEYS: Once = Once::new();
    KEYS.call_once(|| {
        for (name, key) in USERS {
            std::env::set_var(format!("AES_TEST_{name}"), hex::encode([key; 32]));
        }
    });
    KeyRef::Env { env: format!("AES_TEST_{user}") }
}

pub fn hash(byte: u8) -> Hash32 {
    Hash32([byte; 32])
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

pub async fn eventually(what: &str, within: Duration, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + within;
    while !check().await {
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An endpoint that answers everything alike.
pub async fn answers(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            // The request is small enough to come whole.
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

pub struct World {
    pub anvil: Anvil,
    pub deployer: EvmDeployer,
    pub settings: EscrowSettings,
    pub entry: ManifestChain,
    attestors: Vec<LocalWallet>,
    _folder: TempDir,
}

/// From `make contracts`, else from forge's own output.
fn artifact(name: &str) -> Artifact {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places: [PathBuf; 2] =
        [root.join(format!("artifacts/{name}.json")), root.join(format!("contracts/evm/out/{name}.sol/{name}.json"))];
    let file = places.iter().find(|file| file.exists()).unwrap_or(&places[0]);
    Artifact::load(file).unwrap()
}

impl World {
    pub async fn anvil(chain_id: u64) -> (TempDir, Anvil) {
        let folder = tempfile::tempdir().unwrap();
        let options = AnvilOptions {
            data_dir: folder.path().join("anvil"),
            chain_id,
            block_time: Some(Duration::from_millis(150)),
            slots_in_an_epoch: 1,
            funded: USERS.iter().map(|(user, _)| (address(user), 100 * ETHER)).collect(),
        };
        let anvil = Anvil::start(options).await.unwrap();
        (folder, anvil)
    }

    /// 50,000 ALZ for Alice.
    pub async fn start() -> Self {
        let (folder, anvil) = Self::anvil(CHAIN).await;
        let id: ChainId = format!("eip155:{CHAIN}").parse().unwrap();
        let deployer = EvmDeployer::connect(id, &config(&[&anvil.rpc_url], Some("ADMIN"))).await.unwrap();

        let mut attestors: Vec<_> = (11..14).map(wallet).collect();
        attestors.sort_by_key(Signer::address);
        let member = |wallet: &LocalWallet| Attestor {
            signer: wallet.address().as_bytes().into(),
            bitcoin_key: Hash32::default(),
        };
        let admin = deployer.address();
        let token = deployer.deploy_token(&artifact("AlzToken"), &admin, &admin, 100_000 * ALZ).await.unwrap();
        let settings = EscrowSettings {
            domain: Domain { home_chain: "cosmos:allianza-1".parse().unwrap(), coordinator: vec![5; 32].into() },
            token: token.address.clone(),
            attestor_set: AttestorSet { id: 1, threshold: 2, attestors: attestors.iter().map(member).collect() },
            limits: LIMITS,
            max_horizon: 3600,
            escape_delay: 7200,
            limits_delay: 600,
            set_grace: 86_400,
            admin,
        };
        let escrow = deployer.deploy_escrow(&artifact("AesEscrow"), &settings).await.unwrap();
        deployer.admin_call(&token.address, &AdminCall::SetBridge(escrow.address.clone())).await.unwrap();
        deployer.transfer(&token.address, &address("ALICE"), 50_000 * ALZ).await.unwrap();
        let entry = ManifestChain {
            escrow: escrow.account,
            escrow_address: escrow.address,
            asset: token.address,
            code_hash: escrow.code_hash,
            height: escrow.height,
        };
        Self { anvil, deployer, settings, entry, attestors, _folder: folder }
    }

    pub fn id(&self) -> ChainId {
        format!("eip155:{CHAIN}").parse().unwrap()
    }

    pub fn config(&self, rpc: &[&str], user: Option<&str>) -> ChainConfig {
        config(rpc, user)
    }

    pub async fn chain(&self, user: &str) -> Arc<EvmChain> {
        self.chain_with(&[&self.anvil.rpc_url], Some(user))
    }

    pub fn chain_with(&self, rpc: &[&str], user: Option<&str>) -> Arc<EvmChain> {
        EvmChain::new(self.id(), &config(rpc, user), &self.entry).unwrap()
    }

    pub async fn state(&self) -> EscrowState {
        self.deployer.escrow(&self.entry.escrow_address).await.unwrap()
    }

    /// Alice's where it has a `from`, the relayer's where it has a `to`.
    pub fn leg(&self, index: u8, function: Function, amount: u128) -> Leg {
        let account =
            |there: bool, user| if there { address(user).to_lowercase().parse().unwrap() } else { Bytes::default() };
        Leg {
            index,
            chain: self.id(),
            escrow: self.entry.escrow.clone(),
            function,
            from: account(function.is_account_sourced(), "ALICE"),
            to: account(function.has_recipient(), "RELAYER"),
            amount: amount.into(),
        }
    }

    /// By the first two of the three.
    pub fn certify(&self, statement: Statement) -> Certificate {
        let set = &self.settings.attestor_set;
        let digest = H256(statement.digest(&self.settings.domain, set.id).0);
        let sign = |wallet: &LocalWallet| wallet.sign_hash(digest).unwrap().to_vec().into();
        Certificate { attestor_set: set.id, signatures: self.attestors.iter().take(2).map(sign).collect() }
    }

    pub fn settle(&self, decision: Decision, execution_id: Hash32, legs: Vec<Leg>) -> EscrowMessage {
        let leaf = DecisionLeaf { execution_id, decision };
        let tree = decisions_tree(&[leaf, DecisionLeaf { execution_id: hash(0xee), decision }]).unwrap();
        let path = tree.path(&leaf.hash()).unwrap();
        let certificate = self.certify(Statement::Decided { decisions_root: tree.root() });
        EscrowMessage::Settle { decision, certificate, items: vec![SettlementItem { execution_id, path, legs }] }
    }

    /// The height it is included at, or why it failed.
    pub async fn outcome(&self, chain: &EvmChain, tx: &TxId) -> Result<u64, String> {
        let end = Instant::now() + PATIENCE;
        loop {
            match chain.outcome(tx).await.unwrap() {
                Outcome::Included { height, .. } => return Ok(height),
                Outcome::Failed { cause, .. } => return Err(cause),
                Outcome::Pending if Instant::now() < end => self.next_block(chain).await,
                outcome => panic!("{outcome:?}"),
            }
        }
    }

    pub async fn included(&self, chain: &EvmChain, message: &EscrowMessage) -> u64 {
        let tx = chain.submit(message).await.unwrap();
        self.outcome(chain, &tx).await.unwrap()
    }

    pub async fn next_block(&self, chain: &EvmChain) {
        let mut ticks = chain.ticks();
        ticks.borrow_and_update();
        tokio::time::timeout(PATIENCE, ticks.changed()).await.unwrap().unwrap();
    }

    /// Waits for finality.
    pub async fn evidence(&self, chain: &EvmChain, id: &Hash32, leg: &Leg, deadline: u64) -> Evidence {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(evidence) = chain.evidence(id, leg, deadline).await.unwrap() {
                return evidence;
            }
            assert!(Instant::now() < end, "no evidence");
            self.next_block(chain).await;
        }
    }

    pub async fn evidence_as(
        &self,
        chain: &EvmChain,
        id: &Hash32,
        leg: &Leg,
        deadline: u64,
        status: LegStatus,
    ) -> Evidence {
        let end = Instant::now() + PATIENCE;
        loop {
            let evidence = self.evidence(chain, id, leg, deadline).await;
            if evidence.status == status {
                return evidence;
            }
            assert!(Instant::now() < end, "still {evidence:?}");
            self.next_block(chain).await;
        }
    }

    pub async fn refused<T: std::fmt::Debug>(&self, answer: Result<T, ChainError>, words: &str) {
        let error = answer.unwrap_err();
        assert!(matches!(error, ChainError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.post(&self.anvil.rpc_url).json(&request).send().await.unwrap();
        let mut answer: Value = response.json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    pub async fn block_time(&self, height: u64) -> u64 {
        let block = self.rpc("eth_getBlockByNumber", json!([format!("0x{height:x}"), false])).await;
        u64::from_str_radix(block["timestamp"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }
}

fn config(rpc: &[&str], user: Option<&str>) -> ChainConfig {
    ChainConfig {
        name: "polygon".into(),
        rpc: rpc.iter().map(|url| url.parse().unwrap()).collect(),
        timeout: 10,
        poll: 30,
        key: user.map(key),
        gas_price: None,
        prefix: None,
        max_fee: Some(500),
        bitcoin: None,
        follow: Default::default(),
    }
}
