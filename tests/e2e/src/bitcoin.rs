//! The devnet's Bitcoin by hand: blocks with a time of one's own and without the transactions that wait, what is in the
//! mempool, and a relayer that can be stopped.

use aes_cli::commands::relay::run_until;
use aes_cli::context::Context as Connected;
use aes_cli::devnet::RELAYER;
use aes_devnet::Btcd;
use anyhow::{ensure, Context as _, Result};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version as BlockVersion};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::transaction::Version;
use bitcoin::{
    script, Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Txid, Witness,
};
use serde::Deserialize;
use serde_json::{json, Value};
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

pub fn node(net: &Net) -> Result<&Btcd> {
    net.devnet.bitcoin.as_ref().context("the devnet has no Bitcoin")
}

/// The ids of what is in no block yet.
pub async fn mempool(net: &Net) -> Result<Vec<Txid>> {
    Ok(serde_json::from_value(node(net)?.call("getrawmempool", json!([])).await?)?)
}

/// A relayer of the test's own, which it can stop.
pub struct Relayer {
    stop: oneshot::Sender<()>,
    runs: JoinHandle<Result<()>>,
}

impl Relayer {
    pub async fn start(net: &Net) -> Result<Self> {
        let context = Connected::open(&net.devnet.config_file(RELAYER)).await?;
        let (stop, stopped) = oneshot::channel();
        let runs = tokio::spawn(async move {
            // an error means that the test is gone
            let shutdown = async move { drop(stopped.await) };
            run_until(&context, shutdown).await
        });
        Ok(Self { stop, runs })
    }

    pub async fn stop(self) -> Result<()> {
        ensure!(self.stop.send(()).is_ok(), "the relayer has ended by itself");
        self.runs.await?
    }
}
