//! One chain's nodes: the calls that are made of them, answers with optional fields as Core and btcd give them, and their
//! failures in the words of `ChainError`. docs/bitcoin.md lists the calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aes_config::ChainConfig;
use aes_protocol::{ChainId, ChainKind};
use bitcoin::block::Header;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Amount, Block, BlockHash, FeeRate, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use serde::Deserialize;
use serde_json::{json, Value};

use super::rpc::{self, Endpoints, Http, NodeError, RpcError, Wire};
use crate::error::ChainError;
use crate::liars::Liars;

/// How a coinbase's output commits to the block's witnesses (BIP-141).
const COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

#[derive(Debug)]
pub struct Node {
    pub id: ChainId,
    rpc: Endpoints,
}

/// What a node says to a transaction that it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broadcast {
    /// in its mempool, now or already
    Taken,
    /// in a block already
    Mined,
    /// an input is spent or unknown there
    InputsMissing(String),
    /// it pays less than the mempool takes of one transaction alone
    FeeTooLow(String),
    /// against its rules: the fee too low for a replacement, a lock time not over, a bad signature
    Rejected(String),
}

#[derive(Deserialize)]
struct SmartFee {
    /// BTC a kilobyte; missing where the node has not seen enough
    feerate: Option<f64>,
}

#[derive(Deserialize)]
struct MempoolInfo {
    mempoolminfee: Option<f64>,
}

#[derive(Deserialize)]
struct Package {
    package_msg: String,
    #[serde(rename = "tx-results", default)]
    results: BTreeMap<String, PackageResult>,
}

#[derive(Deserialize)]
struct PackageResult {
    error: Option<String>,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.package_msg)?;
        self.results.values().filter_map(|result| result.error.as_ref()).try_for_each(|error| write!(f, ", {error}"))
    }
}

#[derive(Debug, Deserialize)]
struct RawTransaction {
    hex: String,
}

#[derive(Debug, Deserialize)]
struct Unspent {
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    value: Amount,
    #[serde(rename = "scriptPubKey")]
    script: Script,
}

#[derive(Debug, Deserialize)]
struct Script {
    hex: ScriptBuf,
}

impl Node {
    pub fn new(id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        let http = Http::new(Duration::from_secs(config.timeout.max(1)));
        let http = http.map_err(|cause| ChainError::Unreachable { chain: id.clone(), cause })?;
        Self::over(Arc::new(http), id, config)
    }

    /// The same with another wire than HTTP.
    pub fn over(wire: Arc<dyn Wire>, id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        if id.kind() != ChainKind::Bitcoin {
            let cause = "not a Bitcoin chain: write bip122 and how its first block's hash begins".into();
            return Err(ChainError::Unreachable { chain: id, cause });
        }
        let rpc = Endpoints::new(&id, &config.rpc, wire);
        Ok(Self { id, rpc })
    }

    /// A node for each host of the rpc list, by its name. What one is caught at, all know.
    pub fn each(&self) -> Vec<(String, Self)> {
        self.rpc.each().into_iter().map(|(name, rpc)| (name, Self { id: self.id.clone(), rpc })).collect()
    }

    pub fn liars(&self) -> &Liars {
        self.rpc.liars()
    }

    /// It has not answered lately.
    pub fn rests(&self) -> bool {
        self.rpc.rest()
    }

    pub fn unreachable(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Unreachable { chain: self.id.clone(), cause: cause.into() }
    }

    pub fn bad_answer(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.id.clone(), cause: cause.into() }
    }

    pub fn refused(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Refused { chain: self.id.clone(), cause: cause.into() }
    }

    /// Nothing is wrong; it is only not the time.
    pub fn later(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Later { chain: self.id.clone(), cause: cause.into() }
    }

    pub fn failure(&self, error: RpcError) -> ChainError {
        match error {
            RpcError::NoAnswer(cause) => ChainError::Unreachable { chain: self.id.clone(), cause },
            error @ (RpcError::Refused(_) | RpcError::Form { .. }) => self.bad_answer(error.to_string()),
        }
    }

    pub async fn tip(&self) -> Result<BlockHash, ChainError> {
        self.rpc.call("getbestblockhash", json!([])).await.map_err(|error| self.failure(error))
    }

    pub async fn height(&self) -> Result<u64, ChainError> {
        self.rpc.call("getblockcount", json!([])).await.map_err(|error| self.failure(error))
    }

    /// `None` above the tip.
    pub async fn hash_at(&self, height: u64) -> Result<Option<BlockHash>, ChainError> {
        match self.rpc.call("getblockhash", json!([height])).await {
            Ok(hash) => Ok(Some(hash)),
            // Core: "Block height out of range" is -8, btcd's -1
            Err(RpcError::Refused(NodeError { code: -8 | -1, .. })) => Ok(None),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// `None` where the node does not have it (any more).
    pub async fn block(&self, hash: BlockHash) -> Result<Option<Block>, ChainError> {
        let block = self.block_as_told(hash).await?;
        let sound = block.as_ref().is_none_or(|block| is_block(block, &hash));
        sound.then_some(block).ok_or_else(|| self.bad_answer(format!("block {hash} does not hash to its id")))
    }

    /// Whatever the node gives for it.
    pub async fn block_as_told(&self, hash: BlockHash) -> Result<Option<Block>, ChainError> {
        let raw: String = match self.rpc.call("getblock", json!([hash, 0])).await {
            Ok(raw) => raw,
            Err(RpcError::Refused(NodeError { code: rpc::NO_SUCH_THING | -1, .. })) => return Ok(None),
            Err(error) => return Err(self.failure(error)),
        };
        let block = deserialize_hex(&raw).map_err(|error| self.bad_answer(format!("block {hash}: {error}")))?;
        Ok(Some(block))
    }

    pub async fn header(&self, hash: BlockHash) -> Result<Header, ChainError> {
        let asked = self.rpc.call("getblockheader", json!([hash, false])).await;
        let raw: String = asked.map_err(|error| self.failure(error))?;
        let header: Header =
            deserialize_hex(&raw).map_err(|error| self.bad_answer(format!("header {hash}: {error}")))?;
        let sound = header.block_hash() == hash;
        sound.then_some(header).ok_or_else(|| self.bad_answer(format!("header {hash} does not hash to its id")))
    }

    /// From the mempool, or from a block where the node keeps an index of transactions.
    pub async fn transaction(&self, txid: Txid) -> Result<Option<Transaction>, ChainError> {
        let raw: RawTransaction = match self.rpc.call("getrawtransaction", json!([txid, 1])).await {
            Ok(raw) => raw,
            Err(RpcError::Refused(NodeError { code: rpc::NO_SUCH_THING, .. })) => return Ok(None),
            Err(error) => return Err(self.failure(error)),
        };
        let tx: Transaction =
            deserialize_hex(&raw.hex).map_err(|error| self.bad_answer(format!("transaction {txid}: {error}")))?;
        let sound = tx.compute_txid() == txid;
        sound.then_some(Some(tx)).ok_or_else(|| self.bad_answer(format!("transaction {txid} does not hash to its id")))
    }

    /// With the mempool's spends and outputs counted; `None` also for what was never there.
    pub async fn unspent(&self, outpoint: OutPoint) -> Result<Option<TxOut>, ChainError> {
        let asked = self.rpc.call::<Option<Unspent>>("gettxout", json!([outpoint.txid, outpoint.vout, true])).await;
        let unspent = asked.map_err(|error| self.failure(error))?;
        Ok(unspent.map(|Unspent { value, script }| TxOut { value, script_pubkey: script.hex }))
    }

    pub async fn is_unspent(&self, outpoint: OutPoint) -> Result<bool, ChainError> {
        Ok(self.unspent(outpoint).await?.is_some())
    }

    /// Ok says what the node made of it; a node that does not answer is the only error.
    pub async fn broadcast(&self, tx: &Transaction) -> Result<Broadcast, ChainError> {
        let refused = match self.rpc.call::<Value>("sendrawtransaction", json!([serialize_hex(tx)])).await {
            Ok(_) => return Ok(Broadcast::Taken),
            Err(RpcError::Refused(refused)) => refused,
            Err(error) => return Err(self.failure(error)),
        };
        if refused.code == rpc::ALREADY_IN_CHAIN {
            return Ok(Broadcast::Mined);
        }
        // btcd refuses what it has already; the words differ between nodes, so ask whether it is there
        if self.transaction(tx.compute_txid()).await?.is_some() {
            return Ok(Broadcast::Taken);
        }
        Ok(match refused.code {
            rpc::VERIFY_ERROR => Broadcast::InputsMissing(refused.message),
            rpc::VERIFY_REJECTED if refused.message.contains("orphan") => Broadcast::InputsMissing(refused.message),
            _ if is_below_the_floor(&refused.message) => Broadcast::FeeTooLow(refused.message),
            _ => Broadcast::Rejected(refused.to_string()),
        })
    }

    /// A parent that pays too little and the child that pays for both, judged together (BIP-331). `None` where the node knows
    /// no packages: btcd.
    pub async fn broadcast_with_child(
        &self,
        parent: &Transaction,
        child: &Transaction,
    ) -> Result<Option<Broadcast>, ChainError> {
        let package = json!([[serialize_hex(parent), serialize_hex(child)]]);
        match self.rpc.call::<Package>("submitpackage", package).await {
            Ok(package) if package.package_msg == "success" => Ok(Some(Broadcast::Taken)),
            Ok(package) => Ok(Some(Broadcast::Rejected(package.to_string()))),
            Err(RpcError::Refused(NodeError { code: rpc::METHOD_NOT_FOUND, .. })) => Ok(None),
            Err(RpcError::Refused(refused)) => Ok(Some(Broadcast::Rejected(refused.to_string()))),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// The node's guess for inclusion within so many blocks. `None` where it has none: a young regtest chain, or btcd.
    pub async fn estimated_fee(&self, blocks: u16) -> Result<Option<FeeRate>, ChainError> {
        match self.rpc.call::<SmartFee>("estimatesmartfee", json!([blocks])).await {
            Ok(fee) => Ok(fee.feerate.and_then(rate_of)),
            Err(RpcError::Refused(NodeError { code: rpc::METHOD_NOT_FOUND, .. })) => Ok(None),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Below this a full mempool takes nothing.
    pub async fn mempool_floor(&self) -> Result<Option<FeeRate>, ChainError> {
        let info: MempoolInfo =
            self.rpc.call("getmempoolinfo", json!([])).await.map_err(|error| self.failure(error))?;
        Ok(info.mempoolminfee.and_then(rate_of))
    }
}

/// All of it is under the hash: no transaction twice (CVE-2012-2459), no inner nodes of the tree in the place of transactions,
/// no witness left out.
pub fn is_block(block: &Block, hash: &BlockHash) -> bool {
    let Some(coinbase) = block.txdata.first().filter(|first| first.is_coinbase()) else { return false };
    let mut once = BTreeSet::new();
    let commits = |script: &bitcoin::Script| script.len() >= 38 && script.as_bytes().starts_with(&COMMITMENT);
    let witnesses = coinbase.output.iter().any(|output| commits(&output.script_pubkey));
    block.block_hash() == *hash
        && block.txdata.iter().all(|tx| once.insert(tx.compute_txid()))
        && block.check_merkle_root()
        && block.check_witness_commitment()
        && (!witnesses || coinbase.input.iter().any(|input| !input.witness.is_empty()))
}

/// In the words of Core ("mempool min fee not met", "min relay fee not met") and of btcd ("has 9 fees which is under the
/// required amount of 10").
fn is_below_the_floor(message: &str) -> bool {
    ["min fee not met", "min relay fee not met", "under the required amount"]
        .iter()
        .any(|words| message.contains(words))
}

/// A node writes BTC a kilobyte as a decimal number: 0.00001 is 1 sat/vB, 250 sat/kwu.
fn rate_of(btc_a_kilobyte: f64) -> Option<FeeRate> {
    let sat_a_kilobyte = Amount::from_btc(btc_a_kilobyte).ok()?;
    Some(FeeRate::from_sat_per_kwu(sat_a_kilobyte.to_sat().div_ceil(4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_says_what_is_wrong_with_it() {
        let answer = r#"{"package_msg":"transaction failed","tx-results":{"aa":{"txid":"bb","error":"min relay fee not met"},
            "cc":{"txid":"dd","vsize":111}},"replaced-transactions":[]}"#;
        let package: Package = serde_json::from_str(answer).unwrap();
        assert_eq!(package.to_string(), "transaction failed, min relay fee not met");
        assert!(is_below_the_floor("mempool min fee not met, 200 < 400"));
        assert!(!is_below_the_floor("insufficient fee, rejecting replacement"));
    }

    #[test]
    fn a_fee_of_a_node_is_read_as_sat_a_virtual_byte() {
        assert_eq!(rate_of(0.00001), FeeRate::from_sat_per_vb(1));
        assert_eq!(rate_of(0.0002), FeeRate::from_sat_per_vb(20));
        assert_eq!(rate_of(-1.0), None);
        assert_eq!(rate_of(f64::NAN), None);
        assert_eq!(rate_of(1e300), None);
    }
}
