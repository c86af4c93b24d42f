//! An EVM chain's node as a process sees it: JSON-RPC, under the real adapter.

use std::sync::Arc;
use std::time::Duration;

use aes_chains::evm::{Answer, EvmChain, Node, Wire};
use aes_chains::{Chain, ChainError};
use aes_config::{ChainConfig, ManifestChain};
use aes_protocol::{keccak, Hash32};
use async_trait::async_trait;
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{self as eth, H256, U256, U64};
use ethers_core::utils::rlp::Rlp;
use ethers_providers::JsonRpcError;
use revm::primitives::{Address, Log};
use serde::de::DeserializeOwned;
use serde_json::{json, Value};
use tokio::time::timeout;

use super::abi::to_ethers;
use super::ledger::{Block, EvmLedger, Receipt, Tx};
use super::vm::{self, Done};
use crate::keys::Key;
use crate::wire::{Link, Seat};
use crate::world::{with, World};

/// Milliseconds between two looks for a new block.
const POLL: u64 = 2_000;
/// As long as the HTTP client waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// The real adapter, for an account or for one who only looks.
pub fn adapter(link: Link, payer: Option<&str>) -> Arc<dyn Chain> {
    let (id, entry, key) = with(|world| {
        let ledger = world.evm(link.chain);
        let entry = ManifestChain {
            escrow: ledger.escrow.as_slice().into(),
            escrow_address: ledger.escrow.to_string(),
            asset: ledger.token.to_string(),
            code_hash: keccak(&vm::code(&ledger.newest().state, ledger.escrow)),
            height: 0,
        };
        (ledger.id.clone(), entry, payer.map(|payer| Key::named(payer).file(&world.folder)))
    });
    let mut config = json!({ "name": id.reference(), "rpc": [], "poll": POLL });
    if let Some(key) = key {
        config["key"] = json!({ "file": key });
    }
    let config: ChainConfig = serde_json::from_value(config).expect("a config");
    let node = Node::over(Arc::new(SimNode { link }), id, &config).expect("an EVM chain");
    EvmChain::over(node, &config, &entry).expect("an adapter")
}

#[derive(Debug)]
struct SimNode {
    link: Link,
}

impl SimNode {
    async fn ask(&self, method: &str, params: &Value) -> Result<Answer, ChainError> {
        let link = &self.link;
        if method == "eth_sendRawTransaction" {
            return link.tell(|world| Ok(take(world, link, params))).await;
        }
        let is_broke = method == "eth_getBalance" && with(|world| world.is_broke(link.seat, link.chain));
        let read = |world: &World, back| {
            let hasty = world.hasty && link.seat != Seat::User;
            let view = View { ledger: world.evm(link.chain), back, hasty, is_broke };
            Ok(Said { method: method.into(), params: params.clone(), answer: view.answer(method, params) })
        };
        link.ask(read).await.map(|said| said.answer)
    }
}

#[async_trait]
impl Wire for SimNode {
    async fn exchange(&self, method: &str, params: &Value) -> Result<Answer, String> {
        let answered = timeout(PATIENCE, self.ask(method, params)).await;
        answered.map_err(|_| "timed out".to_string())?.map_err(|error| error.to_string())
    }
}

/// With its question, so that a liar knows what about.
pub struct Said {
    pub method: String,
    pub params: Value,
    pub answer: Answer,
}

fn refusal(code: i64, message: impl Into<String>) -> JsonRpcError {
    JsonRpcError { code, message: message.into(), data: None }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, JsonRpcError> {
    serde_json::from_value(value.clone()).map_err(|error| refusal(-32602, error.to_string()))
}

fn from_ethers(address: eth::Address) -> Address {
    Address::from(address.0)
}

/// A signed transaction, given to the node.
fn take(world: &mut World, link: &Link, params: &Value) -> Answer {
    let raw: eth::Bytes = read(&params[0])?;
    let (request, _) =
        TypedTransaction::decode_signed(&Rlp::new(&raw)).map_err(|error| refusal(-32602, error.to_string()))?;
    let number = world.evm(link.chain).number;
    let (TypedTransaction::Eip1559(request), true) = (&request, request.chain_id() == Some(number.into())) else {
        return Err(refusal(-32000, "not of this chain"));
    };
    let to = request.to.as_ref().and_then(|to| to.as_address());
    let (Some(from), Some(to)) = (request.from, to) else { return Err(refusal(-32602, "from whom, to whom?")) };
    let tx = Tx {
        id: keccak(&raw),
        from: from_ethers(from),
        to: from_ethers(*to),
        nonce: request.nonce.unwrap_or_default().as_u64(),
        data: request.data.clone().unwrap_or_default().0.into(),
        gas: request.gas.unwrap_or_default().as_u64(),
        max_fee: request.max_fee_per_gas.unwrap_or_default().as_u128(),
    };
    if world.is_broke(link.seat, link.chain) {
        return Err(refusal(-32000, "insufficient funds for gas * price + value"));
    }
    let id = tx.id;
    world.take_evm(link, tx).map_err(|cause| refusal(-32000, cause))?;
    Ok(json!(H256(id.0)))
}

/// The chain as this node has it: some blocks behind, perhaps.
struct View<'a> {
    ledger: &'a EvmLedger,
    back: u64,
    hasty: bool,
    is_broke: bool,
}

impl View<'_> {
    fn newest(&self) -> &Block {
        self.ledger.block_at(self.back, false)
    }

    fn block(&self, at: &Value) -> Result<Option<&Block>, JsonRpcError> {
        let height = match at.as_str() {
            None | Some("latest" | "pending") => return Ok(Some(self.newest())),
            Some("finalized") => return Ok(Some(self.ledger.block_at(self.back, !self.hasty))),
            Some(_) => read::<U64>(at)?.as_u64(),
        };
        Ok(self.ledger.blocks.get(height as usize).filter(|block| block.head.height <= self.newest().head.height))
    }

    fn state(&self, at: &Value) -> Result<&Block, JsonRpcError> {
        self.block(at)?.ok_or_else(|| refusal(-32000, "header not found"))
    }

    fn answer(&self, method: &str, params: &Value) -> Answer {
        let ledger = self.ledger;
        Ok(match method {
            "eth_blockNumber" => json!(U64::from(self.newest().head.height)),
            "eth_getBlockByNumber" => json!(self.block(&params[0])?.map(header)),
            "eth_call" => match self.run(&params[0], self.state(&params[1])?)? {
                Done::Ok { output, .. } => json!(eth::Bytes(output.0)),
                Done::Reverted { data, .. } => return Err(reverted(&data)),
                Done::OutOfGas => return Err(refusal(-32000, "out of gas")),
            },
            "eth_estimateGas" => match self.run(&params[0], self.newest())? {
                Done::Ok { gas, .. } => json!(U256::from(gas)),
                Done::Reverted { data, .. } => return Err(reverted(&data)),
                Done::OutOfGas => return Err(refusal(-32000, "gas required exceeds allowance")),
            },
            "eth_getCode" => {
                let address = from_ethers(read(&params[0])?);
                json!(eth::Bytes(vm::code(&self.state(&params[1])?.state, address).0))
            }
            "eth_getBalance" if self.is_broke => json!(U256::zero()),
            "eth_getBalance" => json!(U256::from(vm::balance(&self.newest().state, from_ethers(read(&params[0])?)))),
            "eth_getTransactionCount" => {
                let account = from_ethers(read(&params[0])?);
                let is_pending = params[1] == "pending" && self.back == 0;
                json!(U64::from(if is_pending {
                    ledger.pending_nonce(account)
                } else {
                    vm::nonce(&self.newest().state, account)
                }))
            }
            "eth_gasPrice" => json!(U256::from(ledger.base_fee + 1)),
            "eth_feeHistory" => json!({
                "baseFeePerGas": [U256::from(ledger.base_fee), U256::from(ledger.base_fee)],
                "gasUsedRatio": [0.5],
                "oldestBlock": U64::from(self.newest().head.height),
            }),
            "eth_getTransactionByHash" => json!(ledger
                .find(&id_in(params)?, self.back)
                .map(|(tx, in_block)| { transaction(tx, in_block.map(|(block, _)| block)) })),
            "eth_getTransactionReceipt" => {
                let found = ledger.find(&id_in(params)?, self.back);
                json!(found.and_then(|(tx, in_block)| Some(receipt(tx, in_block?))))
            }
            "eth_getLogs" => {
                let hash: H256 = read(&params[0]["blockHash"])?;
                let block = ledger.blocks.iter().find(|block| block.head.hash.0 == hash.0);
                let block = block.ok_or_else(|| refusal(-32000, "unknown block"))?;
                let address: eth::Address = read(&params[0]["address"])?;
                let topics: Vec<H256> = read(&params[0]["topics"])?;
                json!(block
                    .logs()
                    .filter(|log| log.address == address && log.topics.starts_with(&topics))
                    .collect::<Vec<_>>())
            }
            _ => return Err(refusal(-32601, format!("the simulated node knows no {method}"))),
        })
    }

    fn run(&self, request: &Value, on: &Block) -> Result<Done, JsonRpcError> {
        let from: Option<eth::Address> = read(&request["from"])?;
        let to = from_ethers(read(&request["to"])?);
        let data: eth::Bytes = read(&request["data"])?;
        let done = self.ledger.call(on, from_ethers(from.unwrap_or_default()), to, data.0.into());
        done.map_err(|cause| refusal(-32000, cause))
    }
}

fn id_in(params: &Value) -> Result<Hash32, JsonRpcError> {
    Ok(Hash32(read::<H256>(&params[0])?.0))
}

fn reverted(data: &[u8]) -> JsonRpcError {
    let data = Some(json!(format!("0x{}", hex::encode(data))));
    JsonRpcError { code: 3, message: "execution reverted".into(), data }
}

fn header(block: &Block) -> eth::Block<H256> {
    eth::Block {
        hash: Some(H256(block.head.hash.0)),
        number: Some(block.head.height.into()),
        timestamp: block.head.time.into(),
        author: Some(eth::Address::zero()),
        ..eth::Block::default()
    }
}

fn transaction(tx: &Tx, block: Option<&Block>) -> eth::Transaction {
    eth::Transaction {
        hash: H256(tx.id.0),
        nonce: tx.nonce.into(),
        block_hash: block.map(|block| H256(block.head.hash.0)),
        block_number: block.map(|block| block.head.height.into()),
        from: to_ethers(tx.from),
        to: Some(to_ethers(tx.to)),
        gas: tx.gas.into(),
        gas_price: Some(tx.max_fee.into()),
        input: eth::Bytes(tx.data.0.clone()),
        transaction_type: Some(2.into()),
        max_fee_per_gas: Some(tx.max_fee.into()),
        max_priority_fee_per_gas: Some(U256::one()),
        ..eth::Transaction::default()
    }
}

fn receipt(tx: &Tx, (block, receipt): (&Block, &Receipt)) -> eth::TransactionReceipt {
    eth::TransactionReceipt {
        transaction_hash: H256(tx.id.0),
        block_hash: Some(H256(block.head.hash.0)),
        block_number: Some(block.head.height.into()),
        from: to_ethers(tx.from),
        to: Some(to_ethers(tx.to)),
        gas_used: Some(receipt.gas.into()),
        status: Some(u64::from(receipt.failure.is_none()).into()),
        ..eth::TransactionReceipt::default()
    }
}

impl Block {
    pub fn logs(&self) -> impl Iterator<Item = eth::Log> + '_ {
        let log = |tx: &Tx, log: &Log| eth::Log {
            address: to_ethers(log.address),
            topics: log.topics().iter().map(|topic| H256(topic.0)).collect(),
            data: eth::Bytes(log.data.data.0.clone()),
            block_hash: Some(H256(self.head.hash.0)),
            block_number: Some(self.head.height.into()),
            transaction_hash: Some(H256(tx.id.0)),
            ..eth::Log::default()
        };
        self.txs.iter().flat_map(move |(tx, receipt)| receipt.logs.iter().map(move |entry| log(tx, entry)))
    }
}
