//! A node as a process sees it: JSON-RPC as Bitcoin Core speaks it, under the real adapter. There are two endpoints: what
//! lies to a relayer is the first.

use std::sync::Arc;
use std::time::Duration;

use aes_chains::bitcoin::{Answer, BitcoinChain, Node, NodeError, Wire};
use aes_chains::{Chain, ChainError, Home};
use aes_config::{ChainConfig, Endpoint};
use async_trait::async_trait;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Block, BlockHash, OutPoint, Transaction};
use serde::de::DeserializeOwned;
use serde_json::{json, Value};
use tokio::time::timeout;

use super::ledger::BitcoinLedger;
use crate::keys::Key;
use crate::wire::{Link, Seat};
use crate::world::{with, World};

/// Milliseconds between two looks for a new block.
const POLL: u64 = 2_000;
/// As long as the HTTP client waits.
const PATIENCE: Duration = Duration::from_secs(10);
const HONEST: &str = "http://honest:1";

/// The real adapter, for an account or for one who only looks.
pub fn adapter(link: Link, payer: Option<&str>, home: Arc<dyn Home>) -> Arc<dyn Chain> {
    let (deployed, id, depth, key, index) = with(|world| {
        let ledger = world.bitcoin();
        let key = payer.map(|payer| Key::named(payer).file(&world.folder));
        let hasty = world.hasty && link.seat != Seat::User;
        let index = world.folder.join(format!("{}.index", link.disk(payer)));
        (world.deployed().clone(), ledger.id.clone(), if hasty { 1 } else { ledger.depth }, key, index)
    });
    let mut config = json!({
        "name": id.reference(), "rpc": ["http://other:1", HONEST], "poll": POLL,
        "bitcoin": { "index": index, "depth": depth, "vault_outputs": 4 },
    });
    if let Some(key) = key {
        config["key"] = json!({ "file": key });
    }
    let config: ChainConfig = serde_json::from_value(config).expect("a config");
    let node = Node::over(Arc::new(SimNode { link }), id, &config).expect("a Bitcoin chain");
    BitcoinChain::new(node, &config, &deployed.entry, &deployed.terms, deployed.anchor, home).expect("an adapter")
}

#[derive(Debug)]
struct SimNode {
    link: Link,
}

impl SimNode {
    async fn ask(&self, endpoint: &Endpoint, method: &str, params: &Value) -> Result<Answer, ChainError> {
        let link = &self.link;
        match method {
            "sendrawtransaction" => return link.tell(|world| Ok(take(world, link, params))).await,
            "submitpackage" => return link.tell(|world| Ok(take_package(world, params))).await,
            _ => {}
        }
        let is_vouched_for = matches!(link.seat, Seat::Relayer(_)) && endpoint.expose().as_str().starts_with(HONEST);
        let read = |world: &World, back| {
            let answer = answer(world.bitcoin(), back, method, params);
            Ok(Said { method: method.into(), answer, is_vouched_for })
        };
        link.ask(read).await.map(|said| said.answer)
    }
}

#[async_trait]
impl Wire for SimNode {
    async fn exchange(&self, endpoint: &Endpoint, method: &str, params: &Value) -> Result<Answer, String> {
        let asked = timeout(PATIENCE, self.ask(endpoint, method, params));
        asked.await.map_err(|_| "timed out".to_string())?.map_err(|error| error.to_string())
    }
}

/// With its question, so that a liar knows what about.
pub struct Said {
    pub method: String,
    pub answer: Answer,
    /// by a node that does not lie
    pub is_vouched_for: bool,
}

fn refusal(code: i64, message: impl Into<String>) -> NodeError {
    NodeError { code, message: message.into() }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, NodeError> {
    serde_json::from_value(value.clone()).map_err(|error| refusal(-8, error.to_string()))
}

fn transaction(value: &Value) -> Result<Transaction, NodeError> {
    deserialize_hex(&read::<String>(value)?).map_err(|error| refusal(-22, error.to_string()))
}

fn take(world: &mut World, link: &Link, params: &Value) -> Answer {
    let tx = transaction(&params[0])?;
    let txid = tx.compute_txid();
    world.take_bitcoin(link, tx)?;
    Ok(json!(txid))
}

fn take_package(world: &mut World, params: &Value) -> Answer {
    let (parent, child) = (transaction(&params[0][0])?, transaction(&params[0][1])?);
    world.bitcoin_mut().take_package(&parent, &child)?;
    Ok(json!({ "package_msg": "success" }))
}

/// BTC a kilobyte.
fn rate(sat_a_vbyte: u64) -> f64 {
    sat_a_vbyte as f64 / 100_000.0
}

/// By a node that is `back` blocks behind; its mempool is as new as any.
fn answer(ledger: &BitcoinLedger, back: u64, method: &str, params: &Value) -> Answer {
    let height = ledger.height().saturating_sub(back);
    let known = &ledger.blocks[..=height as usize];
    let block = |hash: BlockHash| -> Result<&Block, NodeError> {
        let block = ledger.block(&hash).filter(|_| known.iter().any(|(other, _)| *other == hash));
        block.ok_or_else(|| refusal(-5, "Block not found"))
    };
    Ok(match method {
        "getblockcount" => json!(height),
        "getbestblockhash" => json!(known[height as usize].0),
        "getblockhash" => {
            let at: usize = read(&params[0])?;
            json!(known.get(at).ok_or_else(|| refusal(-8, "Block height out of range"))?.0)
        }
        "getblockheader" => json!(serialize_hex(&block(read(&params[0])?)?.header)),
        "getblock" => json!(serialize_hex(block(read(&params[0])?)?)),
        "getrawtransaction" => {
            let tx = ledger.waiting(&read(&params[0])?);
            let tx = tx.ok_or_else(|| refusal(-5, "No such mempool transaction"))?;
            json!({ "hex": serialize_hex(tx) })
        }
        "gettxout" => {
            let unspent = ledger.unspent(&OutPoint { txid: read(&params[0])?, vout: read(&params[1])? });
            json!(unspent.map(|output| json!({
                "value": output.value.to_btc(),
                "scriptPubKey": { "hex": output.script_pubkey.to_hex_string() },
            })))
        }
        "getmempoolinfo" => json!({ "mempoolminfee": rate(ledger.floor) }),
        "estimatesmartfee" => json!({ "feerate": rate(ledger.floor) }),
        _ => return Err(refusal(-32601, format!("the simulated node knows no {method}"))),
    })
}
