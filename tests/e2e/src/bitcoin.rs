//! The devnet's Bitcoin by hand: blocks with a time of one's own and without the transactions that wait, what is in the
//! mempool and what it pays, and parts that can be stopped.

use std::future::Future;
use std::pin::Pin;

use aes_cli::commands::attest::serve;
use aes_cli::commands::relay::run_until;
use aes_cli::context::Context as Connected;
use aes_cli::devnet::RELAYER;
use aes_config::Config;
use aes_devnet::Btcd;
use anyhow::{ensure, Context as _, Result};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version as BlockVersion};
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::transaction::Version;
use bitcoin::{
    script, Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Txid, Witness,
};
use serde::Deserialize;
use serde_json::{json, Value};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::net::Net;

#[derive(Deserialize)]
struct Template {
    bits: String,
    height: i64,
    previousblockhash: BlockHash,
    curtime: u32,
    mintime: u32,
}

/// The next block, with nothing in it; `ahead` seconds in the future, at most two hours.
pub async fn mine_empty(node: &Btcd, ahead: u32) -> Result<()> {
    let template = node.call("getblocktemplate", json!([{ "rules": ["segwit"] }])).await?;
    let template: Template = serde_json::from_value(template)?;
    let coinbase = Transaction {
        version: Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            // BIP-34: the height; and a script is at least two bytes long
            script_sig: script::Builder::new().push_int(template.height).push_int(0).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from(vec![0x51]) }],
    };
    let bits = u32::from_str_radix(&template.bits, 16)?;
    let mut block = Block {
        header: Header {
            version: BlockVersion::from_consensus(0x2000_0000),
            prev_blockhash: template.previousblockhash,
            merkle_root: TxMerkleNode::from_raw_hash(coinbase.compute_txid().to_raw_hash()),
            time: template.curtime.max(template.mintime).saturating_add(ahead),
            bits: CompactTarget::from_consensus(bits),
            nonce: 0,
        },
        txdata: vec![coinbase],
    };
    let target = block.header.target();
    block.header.nonce = (0..u32::MAX)
        .find(|nonce| Header { nonce: *nonce, ..block.header }.validate_pow(target).is_ok())
        .context("no nonce")?;
    let refused = node.call("submitblock", json!([serialize_hex(&block)])).await?;
    ensure!(refused == Value::Null, "the block is refused: {refused}");
    Ok(())
}

/// The chain's clock so far ahead: it is the median of the times of eleven blocks.
pub async fn pass_time(net: &Net, seconds: u32) -> Result<()> {
    let node = node(net)?;
    node.stop_mining();
    let mined = async {
        for _ in 0..6 {
            mine_empty(node, seconds).await?;
        }
        Ok(())
    };
    let mined = mined.await;
    node.mine_at_interval();
    mined
}

pub fn node(net: &Net) -> Result<&Btcd> {
    net.devnet.bitcoin.as_ref().context("the devnet has no Bitcoin")
}

/// The ids of what is in no block yet.
pub async fn mempool(net: &Net) -> Result<Vec<Txid>> {
    Ok(serde_json::from_value(node(net)?.call("getrawmempool", json!([])).await?)?)
}

/// As the mempool has it; also from a block, where the node has an index of transactions, as the devnet's has.
pub async fn transaction(net: &Net, txid: Txid) -> Result<Transaction> {
    let raw = node(net)?.call("getrawtransaction", json!([txid, 0])).await?;
    Ok(deserialize_hex(raw.as_str().context("a transaction in hex")?)?)
}

/// What is in no block yet.
pub async fn waiting(net: &Net) -> Result<Vec<Transaction>> {
    let mut all = Vec::new();
    for txid in mempool(net).await? {
        match transaction(net, txid).await {
            Ok(tx) => all.push(tx),
            // another is in its place by now
            Err(_) if !mempool(net).await?.contains(&txid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// What in the mempool spends it.
pub async fn spender(net: &Net, outpoint: OutPoint) -> Result<Option<Transaction>> {
    let spends = |tx: &Transaction| tx.input.iter().any(|input| input.previous_output == outpoint);
    Ok(waiting(net).await?.into_iter().find(spends))
}

/// What it pays: the outputs that it spends are looked up.
pub async fn fee_of(net: &Net, tx: &Transaction) -> Result<Amount> {
    let mut fee = Amount::ZERO;
    for input in &tx.input {
        let OutPoint { txid, vout } = input.previous_output;
        let spent = transaction(net, txid).await?.output.into_iter().nth(usize::try_from(vout)?);
        fee += spent.context("the output that is spent")?.value;
    }
    Ok(fee - tx.output.iter().map(|output| output.value).sum())
}

/// A relayer or an attestor of the test's own, which it can stop.
pub struct Part {
    stop: oneshot::Sender<()>,
    runs: JoinHandle<Result<()>>,
}

impl Part {
    pub async fn relayer(net: &Net) -> Result<Self> {
        let context = Connected::open(&net.devnet.config_file(RELAYER)).await?;
        Ok(Self::run(|stopped| async move { run_until(&context, stopped).await }))
    }

    /// Of a devnet that runs none.
    pub async fn attestor(net: &Net, name: &str) -> Result<Self> {
        let config = Config::load(&net.devnet.config_file(name))?;
        let (manifest, listener) = (net.devnet.manifest.clone(), TcpListener::bind(config.attest()?.listen).await?);
        Ok(Self::run(|stopped| async move { serve(&config, &manifest, listener, stopped).await }))
    }

    fn run<R: Future<Output = Result<()>> + Send + 'static>(
        part: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>) -> R,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        // an error means that the test is gone
        let runs = tokio::spawn(part(Box::pin(async move { drop(stopped.await) })));
        Self { stop, runs }
    }

    pub async fn stop(self) -> Result<()> {
        ensure!(self.stop.send(()).is_ok(), "it has ended by itself");
        self.runs.await?
    }
}
