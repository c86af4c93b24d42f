//! The real nodes, started, frozen, restarted and stopped: what the devnet and the fault tests rely on.
//! Needs the binaries of `make nodes`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aes_devnet::{
    Anvil, AnvilOptions, Btcd, BtcdOptions, Coin, GenesisAccount, Wasmd, WasmdOptions, ALZ_DENOM, GAS_DENOM,
};
use bech32::{Bech32, Hrp};
use serde_json::{json, Value};
use tempfile::TempDir;

const HOLDER: &str = "0x00000000000000000000000000000000000a15ce";
const MINER: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const ETHER: u128 = 1_000_000_000_000_000_000;

fn wasmd_options(folder: &TempDir, address: String) -> WasmdOptions {
    let coin = |denom: &str, amount| Coin { denom: denom.into(), amount };
    WasmdOptions {
        data_dir: folder.path().join("wasmd"),
        chain_id: "allianza-1".into(),
        block_time: Duration::from_millis(200),
        accounts: vec![GenesisAccount {
            address,
            // More than 64 bits: ALZ has 18 decimals.
            coins: vec![coin(ALZ_DENOM, 1_000_000 * ETHER), coin(GAS_DENOM, 5_000_000)],
        }],
    }
}

fn anvil_options(folder: &TempDir) -> AnvilOptions {
    AnvilOptions {
        data_dir: folder.path().join("anvil"),
        chain_id: 80002,
        block_time: Some(Duration::from_millis(200)),
        slots_in_an_epoch: 1,
        funded: vec![(HOLDER.into(), 7 * ETHER)],
    }
}

async fn call(url: &str, method: &str, params: Value) -> Option<Value> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build().unwrap();
    let response = client.post(url).json(&request).send().await.ok()?;
    Some(response.json::<Value>().await.ok()?["result"].take())
}

fn number(value: &Value) -> u128 {
    let text = value.as_str().unwrap();
    match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

async fn wasmd_height(node: &Wasmd) -> u128 {
    let status = call(&node.rpc_url, "status", json!({})).await.unwrap();
    number(&status["sync_info"]["latest_block_height"])
}

async fn anvil_block(node: &Anvil, tag: &str) -> u128 {
    let block = call(&node.rpc_url, "eth_getBlockByNumber", json!([tag, false])).await;
    number(&block.unwrap()["number"])
}

async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !check().await {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A zombie counts as gone: reaping an orphan is init's business.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

#[tokio::test]
async fn wasmd_makes_blocks_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let address = bech32::encode::<Bech32>(Hrp::parse("wasm").unwrap(), &[7; 20]).unwrap();
    let mut node = Wasmd::start(wasmd_options(&folder, address.clone())).await.unwrap();
    let genesis = call(&node.rpc_url, "genesis", json!({})).await.unwrap();
    let balances = &genesis["genesis"]["app_state"]["bank"]["balances"];
    let ours = balances.as_array().unwrap().iter().find(|b| b["address"] == address);
    assert_eq!(ours.unwrap()["coins"][0]["amount"], "1000000000000000000000000");
    assert!(wasmd_height(&node).await >= 2);

    let (url, height) = (node.rpc_url.clone(), wasmd_height(&node).await);
    node.restart().await.unwrap();
    assert_eq!(node.rpc_url, url, "clients keep their address");
    assert!(wasmd_height(&node).await > height, "it goes on where it was");

    node.pause().await.unwrap();
    assert_eq!(call(&url, "status", json!({})).await, None);
    node.resume().unwrap();
    eventually("answers again", async || call(&url, "status", json!({})).await.is_some()).await;

    let pid = node.pid().unwrap();
    assert!(runs(pid));
    node.stop().await.unwrap();
    assert!(!runs(pid));
    assert_eq!(node.pid(), None);
}

#[tokio::test]
async fn anvil_makes_blocks_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Anvil::start(anvil_options(&folder)).await.unwrap();
    assert_eq!(number(&call(&node.rpc_url, "eth_chainId", json!([])).await.unwrap()), 80002);
    let accounts = call(&node.rpc_url, "eth_accounts", json!([])).await.unwrap();
    assert_eq!(accounts, json!([]), "no account of anvil's own");
    eventually("a finalized block", async || anvil_block(&node, "finalized").await > 0).await;

    let (url, height) = (node.rpc_url.clone(), anvil_block(&node, "latest").await);
    node.restart().await.unwrap();
    assert_eq!(node.rpc_url, url);
    assert!(anvil_block(&node, "latest").await >= height);
    let balance = call(&url, "eth_getBalance", json!([HOLDER, "latest"])).await;
    assert_eq!(number(&balance.unwrap()), 7 * ETHER);

    let hash_of =
        async |height: &str| call(&url, "eth_getBlockByNumber", json!([height, false])).await.unwrap()["hash"].take();
    let newest = format!("0x{:x}", anvil_block(&node, "latest").await);
    let before = hash_of(&newest).await;
    node.reorg(1).await.unwrap();
    eventually("another block in its place", async || hash_of(&newest).await != before).await;

    node.pause().await.unwrap();
    assert_eq!(call(&url, "eth_chainId", json!([])).await, None);
    let pid = node.pid().unwrap();
    drop(node);
    assert!(!runs(pid), "even a frozen one ends with its handle");
}

#[tokio::test]
async fn btcd_makes_blocks_and_keeps_them_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = BtcdOptions {
        data_dir: folder.path().join("btcd"),
        mining_address: MINER.into(),
        blocks: 101,
        block_time: Some(Duration::from_millis(100)),
    };
    let mut node = Btcd::start(options).await.unwrap();
    let height = async |node: &Btcd| node.call("getblockcount", json!([])).await.unwrap().as_u64().unwrap();
    eventually("a block at the interval", async || height(&node).await > 101).await;
    node.stop_mining();
    let mined = node.generate(2).await.unwrap();
    let (url, before) = (node.rpc_url.clone(), height(&node).await);

    node.restart().await.unwrap();
    assert_eq!(node.rpc_url, url);
    assert!(height(&node).await >= before, "btcd deletes a regtest chain, the restart gives it back");
    let kept = node.call("getblockheader", json!([mined.last().unwrap(), true])).await.unwrap();
    assert!(kept["confirmations"].as_i64().unwrap() >= 1, "{kept}");

    let watched = url.clone();
    let watching = tokio::spawn(async move {
        let mut last = Value::Null;
        while let Some(newest) = call(&watched, "getbestblockhash", json!([])).await {
            last = newest;
        }
        last
    });
    node.restart().await.unwrap();
    let last = watching.await.unwrap();
    let kept = node.call("getblockheader", json!([last, true])).await.unwrap();
    assert!(kept["confirmations"].as_i64().unwrap() >= 1, "what was mined until it stopped is kept too: {kept}");

    let before = height(&node).await;
    let gone = node.reorg().await.unwrap();
    assert!(height(&node).await > before);
    let gone = node.call("getblockheader", json!([gone, true])).await;
    assert!(!gone.is_ok_and(|header| header["confirmations"].as_i64().unwrap() > 0), "the old tip counts no more");

    let pid = node.pid().unwrap();
    node.stop().await.unwrap();
    assert!(!runs(pid));
}

#[tokio::test]
async fn two_nodes_of_a_kind_run_side_by_side() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = tokio::try_join!(Anvil::start(anvil_options(&one)), Anvil::start(anvil_options(&two))).unwrap();
    assert_ne!(one.rpc_url, two.rpc_url);
}

#[tokio::test]
async fn a_bad_genesis_account_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Wasmd::start(wasmd_options(&folder, "wasm1nonsense".into())).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("bulk-add-genesis-account") && text.contains("wasm1nonsense"), "{text}");
}

/// The test runs itself again as the process that starts the node, and kills that one with SIGKILL.
#[tokio::test]
async fn a_killed_parent_leaves_no_node() {
    const CHILD: &str = "AES_DEVNET_TEST_PARENT";
    if let Some(folder) = std::env::var_os(CHILD) {
        let options = AnvilOptions { data_dir: folder.into(), ..anvil_options(&tempfile::tempdir().unwrap()) };
        let node = Anvil::start(options).await.unwrap();
        println!("\nnode {}", node.pid().unwrap());
        std::future::pending::<()>().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_parent_leaves_no_node", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid: u32 = BufReader::new(parent.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("node ")?.parse().ok())
        .expect("the parent says the node's pid");
    assert!(runs(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the orphan ends", async || !runs(pid)).await;
}
