//! Endpoints made up of mined regtest blocks: whose chain is followed, and who is named.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use aes_config::{ChainConfig, FollowConfig};
use aes_protocol::ChainId;
use axum::extract::State as Shared;
use axum::routing::post;
use axum::{Json, Router};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version as BlockVersion};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{
    script, Amount, Block, CompactTarget, Network, OutPoint, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Txid,
    Witness,
};
use serde_json::{json, Value};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::evidence::written;
use super::*;

const WAIT: Duration = Duration::from_secs(30);
const DEPTH: u64 = 3;

fn regtest() -> ChainId {
    "bip122:0f9188f13cb7b2c71f2a335e3a4fc328".parse().unwrap()
}

/// On the last of them; of the same height and another `salt` it is another block.
fn next(chain: &[Block], salt: i64, bits: u32) -> Block {
    let before = chain.last().unwrap().header;
    let height = i64::try_from(chain.len()).unwrap();
    let coinbase = Transaction {
        version: Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: script::Builder::new().push_int(height).push_int(salt).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from(vec![0x51]) }],
    };
    let header = Header {
        version: BlockVersion::from_consensus(0x2000_0000),
        prev_blockhash: before.block_hash(),
        merkle_root: TxMerkleNode::from_raw_hash(coinbase.compute_txid().to_raw_hash()),
        time: before.time + 1,
        bits: CompactTarget::from_consensus(bits),
        nonce: 0,
    };
    Block { header, txdata: vec![coinbase] }
}

fn has_work(header: &Header) -> bool {
    header.validate_pow(header.target()).is_ok()
}

fn mined(chain: &[Block], salt: i64, bits: u32) -> Block {
    let mut block = next(chain, salt, bits);
    while !has_work(&block.header) {
        block.header.nonce += 1;
    }
    block
}

const BITS: u32 = 0x207f_ffff;

fn with(chain: &[Block], blocks: usize, salt: i64) -> Vec<Block> {
    let mut chain = chain.to_vec();
    for _ in 0..blocks {
        chain.push(mined(&chain, salt, BITS));
    }
    chain
}

fn genesis() -> Vec<Block> {
    vec![genesis_block(Network::Regtest)]
}

/// A node that says whatever it was given.
struct Told {
    url: String,
    says: Arc<Says>,
    served: JoinHandle<()>,
}

#[derive(Default)]
struct Says {
    chain: Mutex<Vec<Block>>,
    /// how often it was asked for its newest block
    asked: AtomicUsize,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Told {
    async fn of(chain: Vec<Block>) -> Self {
        let says = Arc::new(Says { chain: Mutex::new(chain), asked: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(answer)).with_state(says.clone());
        let served = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, says, served }
    }

    fn says(&self, chain: Vec<Block>) {
        *self.says.chain.lock().unwrap() = chain;
    }

    fn asked(&self) -> usize {
        self.says.asked.load(Ordering::Relaxed)
    }
}

async fn answer(Shared(says): Shared<Arc<Says>>, Json(request): Json<Value>) -> Json<Value> {
    let chain = says.chain.lock().unwrap();
    let of_hash = || chain.iter().find(|block| json!(block.block_hash()) == request["params"][0]);
    let result = match request["method"].as_str().unwrap() {
        "getbestblockhash" => {
            says.asked.fetch_add(1, Ordering::Relaxed);
            json!(chain.last().map(Block::block_hash))
        }
        "getblockcount" => json!(chain.len() - 1),
        "getblockhash" => {
            let height = usize::try_from(request["params"][0].as_u64().unwrap()).unwrap();
            json!(chain.get(height).map(Block::block_hash))
        }
        "getblockheader" => json!(of_hash().map(|block| serialize_hex(&block.header))),
        "getblock" => json!(of_hash().map(serialize_hex)),
        other => panic!("{other} is not for a follower"),
    };
    let error = if result.is_null() { json!({ "code": -1, "message": "not here" }) } else { Value::Null };
    Json(json!({ "result": result, "error": error, "id": request["id"] }))
}

fn follow(endpoints: &[&Told], anchor: &[Block], folder: &Path) -> Following {
    let config = ChainConfig {
        name: "bitcoin".into(),
        rpc: endpoints.iter().map(|told| told.url.parse().unwrap()).collect(),
        timeout: 10,
        poll: 10,
        key: None,
        gas_price: None,
        prefix: None,
        max_fee: None,
        bitcoin: None,
        follow: FollowConfig::default(),
    };
    let height = u64::try_from(anchor.len() - 1).unwrap();
    let etched = Etched { id: "900000:1".parse().unwrap(), txid: Txid::all_zeros(), premine: 1 };
    let followed = Followed {
        etched,
        anchor: Anchor { height, hash: written(&anchor.last().unwrap().block_hash()) },
        first: if height == 0 { 1 } else { height + 12 },
        own: None,
        file: folder.join("bitcoin.json"),
        depth: DEPTH,
        poll: Duration::from_millis(10),
    };
    Follower::start(Arc::new(Node::new(regtest(), &config).unwrap()), followed)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(WAIT, waiting).await.is_ok(), "not {what}");
}

async fn until_at(following: &Following, chain: &[Block]) {
    let hash = chain.last().unwrap().block_hash();
    let waiting = async {
        while following.follower.index(Index::tip).ok().map(|tip| tip.hash) != Some(hash) {
            tokio::task::yield_now().await;
        }
    };
    let health = || following.follower.health();
    assert!(tokio::time::timeout(WAIT, waiting).await.is_ok(), "not at {}: {:?}", chain.len() - 1, health());
}

#[tokio::test]
async fn the_chain_of_most_work_is_followed_whichever_endpoint_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let common = with(&genesis(), 20, 0);
    let (one, two) = (with(&common, 1, 1), with(&common, 2, 2));
    let (first, second) = (Told::of(one.clone()).await, Told::of(two.clone()).await);
    let following = follow(&[&first, &second], &genesis(), folder.path());
    until_at(&following, &two).await;
    let three = with(&common, 3, 3);
    first.says(three.clone());
    until_at(&following, &three).await;
    let health = following.follower.health();
    assert_eq!((health.height, health.endpoints, health.stopped), (Some(23), 2, None));
    assert!(health.liars.is_empty());

    // what was final is gone: it goes on there, and says so
    let deep = with(&common, 4, 4);
    second.says(deep.clone());
    until_at(&following, &deep).await;
    let stopped = following.follower.health().stopped.unwrap();
    assert!(stopped.contains("a reorg of 3 blocks") && stopped.contains("since height 20"), "{stopped}");
}

#[tokio::test]
async fn an_endpoint_that_is_behind_is_no_reorg_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let chain = with(&genesis(), 20, 0);
    let told = Told::of(chain.clone()).await;
    let following = follow(&[&told], &genesis(), folder.path());
    until_at(&following, &chain).await;
    told.says(chain[..5].to_vec());
    let asked = told.asked();
    until("asked again", || told.asked() > asked + 2).await;
    until_at(&following, &chain).await;
    assert_eq!(following.follower.health().stopped, None);

    drop(following);
    let following = follow(&[&told], &genesis(), folder.path());
    until_at(&following, &chain).await;
    let on = with(&chain, 3, 0);
    told.says(on.clone());
    until_at(&following, &on).await;
    assert_eq!(following.follower.health().stopped, None);
}

#[tokio::test]
async fn headers_without_their_work_are_named_and_the_rest_goes_on() {
    let common = with(&genesis(), 20, 0);
    let honest = with(&common, 1, 0);
    let mut easier = with(&common, 2, 1);
    easier.push(mined(&easier, 1, 0x2070_0000));
    let mut idle = with(&common, 2, 1);
    let mut block = next(&idle, 1, BITS);
    while has_work(&block.header) {
        block.header.nonce += 1;
    }
    idle.push(block);
    let mut hollow = with(&common, 2, 1);
    hollow[21].txdata = hollow[20].txdata.clone();
    let mut doubled = with(&common, 2, 1);
    let coinbase = doubled[21].txdata[0].clone();
    doubled[21].txdata.push(coinbase);
    for (chain, because) in [
        (easier, "its target is 20700000, the rules say 207fffff"),
        (idle, "its hash does not meet the target"),
        (hollow, "does not hash to its id"),
        (doubled, "does not hash to its id"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (liar, told) = (Told::of(chain).await, Told::of(honest.clone()).await);
        let following = follow(&[&liar, &told], &genesis(), folder.path());
        until(because, || !following.follower.health().liars.is_empty()).await;
        let on = with(&honest, 3, 0);
        told.says(on.clone());
        until_at(&following, &on).await;
        let health = following.follower.health();
        let (name, lie) = health.liars.into_iter().next().unwrap();
        assert!(liar.url.ends_with(&name) && lie.contains(because), "{name}: {lie}");
        assert_eq!((health.endpoints, health.stopped), (1, None), "{because}");
        let (asked, more) = (liar.asked(), told.asked() + 2);
        until("asked again", || told.asked() > more).await;
        assert_eq!(liar.asked(), asked, "{because}");
    }
}

#[tokio::test]
async fn a_chain_without_the_anchor_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (with(&genesis(), 2_040, 0), with(&genesis(), 2_050, 1));
    let (told, liar) = (Told::of(own.clone()).await, Told::of(other).await);
    // the one that is asked first knows nothing yet
    let syncing = Told::of(genesis()).await;
    let following = follow(&[&syncing, &told, &liar], &own[..=2_016], folder.path());
    until_at(&following, &own).await;
    until("named", || !following.follower.health().liars.is_empty()).await;
    let liars = following.follower.health().liars;
    let (name, lie) = liars.into_iter().next().unwrap();
    assert!(liar.url.ends_with(&name) && lie.contains("is not the manifest's anchor"), "{name}: {lie}");
    assert_eq!(following.follower.health().liars.len(), 1);
}

#[test]
fn headers_are_checked_when_they_are_read_back() {
    let chain = with(&genesis(), 20, 0);
    let anchor = chain[0].header;
    let mut headers = Headers::new(&regtest(), 0, anchor).unwrap();
    let mut branch = headers.branch(0).unwrap();
    chain[1..].iter().for_each(|block| branch.extend(block.header).unwrap());
    assert!(headers.follow(branch));
    let bytes = headers.bytes();
    let tip = |bytes: &[u8]| Headers::read(&regtest(), 0, bytes).unwrap().tip().height;
    assert_eq!((tip(&bytes), tip(&bytes[..100])), (20, 0));
    let mut changed = bytes;
    changed[10 * 80 + 40] ^= 1;
    assert_eq!(tip(&changed), 9);
    // less or as much work is not followed
    let mut branch = headers.branch(19).unwrap();
    branch.extend(with(&chain[..20], 1, 1)[20].header).unwrap();
    assert!(!headers.follow(branch));
    // its targets are not known
    let testnet3 = "bip122:000000000933ea01ad0ee984209779ba".parse().unwrap();
    assert!(Headers::new(&testnet3, 0, anchor).is_err());
}
