//! EVM proofs from plain JSON-RPC: a block with its transactions, its receipts, and `eth_getProof` for absence.

use std::sync::Arc;

use aes_chains::evm::Node;
use aes_chains::ChainError;
use aes_protocol::{Bytes, Evidence, Hash32, LegStatus};
use alloy_consensus::{Eip658Value, Header, Receipt, ReceiptWithBloom, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, Bloom, Log, B256, U64, U8};
use alloy_rlp::Encodable;
use serde::Deserialize;
use serde_json::{json, Value};

use super::{trie, BuildError};
use crate::evm::{hold_slot, prepared_log, EvmAnchors, EvmProof, EvmShown, MAX_HEADERS};
use crate::subject::Block;
use crate::Subject;

pub struct EvmProofBuilder {
    node: Arc<Node>,
}

#[derive(Debug, Deserialize)]
struct BlockJson {
    #[serde(flatten)]
    header: Header,
    hash: B256,
    transactions: Vec<Value>,
    /// a field that no header has which this release can hash
    #[serde(skip)]
    unknown: Option<String>,
}

/// What a block's JSON has beside its header's fields.
const BESIDE_HEADER: [&str; 6] = ["hash", "transactions", "uncles", "withdrawals", "size", "totalDifficulty"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptJson {
    #[serde(rename = "type", default)]
    kind: U8,
    status: U64,
    cumulative_gas_used: U64,
    logs_bloom: Bloom,
    logs: Vec<Log>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    account_proof: Vec<alloy_primitives::Bytes>,
    storage_proof: Vec<SlotJson>,
}

#[derive(Debug, Deserialize)]
struct SlotJson {
    proof: Vec<alloy_primitives::Bytes>,
}

impl EvmProofBuilder {
    pub fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// A proof of `leaf`, which a look at the chain gave, up to block `anchor` (the leaf's own, where none is given).
    pub async fn build(
        &self,
        subject: &Subject<'_>,
        leaf: &Evidence,
        anchor: Option<u64>,
    ) -> Result<EvmProof, BuildError> {
        let block = self.block(json!(leaf.block_hash), "eth_getBlockByHash", true).await?;
        let mut headers = vec![self.encoded(&block)?];
        for height in leaf.height.saturating_add(1)..=anchor.unwrap_or(leaf.height) {
            if headers.len() >= MAX_HEADERS {
                return Err(self.wrong(format!("block {height} is more than {MAX_HEADERS} blocks further")).into());
            }
            headers.push(self.encoded(&self.at(height).await?)?);
        }
        let shown = if leaf.status == LegStatus::Absent && leaf.tx_id == Hash32::default() {
            self.absence(subject, &block).await?
        } else {
            self.event(subject, leaf, &block).await?
        };
        let proof = EvmProof { headers, shown };
        let blocks = proof.rests_on()?.into_iter().map(|(hash, _)| hash).collect();
        let proved = proof.verify(subject, &EvmAnchors { blocks, ..Default::default() })?;
        if proved != *leaf {
            return Err(BuildError::Contradiction(format!("it proves {proved:?}, not {leaf:?}")));
        }
        Ok(proof)
    }

    /// Hash of the finalized block at or before which `height` lies; `None` while it is not final.
    pub async fn final_hash(&self, height: u64) -> Result<Option<Hash32>, BuildError> {
        let finalized = self.block(json!("finalized"), "eth_getBlockByNumber", false).await?;
        if finalized.header.number < height {
            return Ok(None);
        }
        Ok(Some(Hash32(self.at(height).await?.hash.0)))
    }

    async fn event(&self, subject: &Subject<'_>, leaf: &Evidence, block: &BlockJson) -> Result<EvmShown, BuildError> {
        let (transactions, hashes) = self.transactions(block)?;
        // With a transaction left out that this release cannot read, another root is no wonder.
        let whole = hashes.len() == block.transactions.len();
        let no_proof = |cause: String| match whole {
            true => BuildError::Contradiction(cause),
            false => BuildError::NotUnderstood(cause),
        };
        let index = hashes.iter().position(|hash| hash.0 == leaf.tx_id.0);
        let index = index.ok_or_else(|| no_proof(format!("block {} has no {}", leaf.height, leaf.tx_id)))?;
        let receipts = self.receipts(block, &hashes).await?;
        let encoded: Vec<Vec<u8>> = receipts.iter().map(encode_receipt).collect();
        let root = |what: &str| no_proof(format!("the {what} of block {} have another root", leaf.height));
        let transaction = trie::path(&transactions, index, block.header.transactions_root);
        let receipt = trie::path(&encoded, index, block.header.receipts_root);
        let escrow = Address::try_from(subject.leg.escrow.as_slice()).unwrap_or_default();
        let logs = receipts.get(index).map(|receipt| receipt.logs.as_slice()).unwrap_or_default();
        let log = logs.iter().position(|log| is_of(log, escrow, subject, &leaf.event_hash));
        let log = log.and_then(|log| u32::try_from(log).ok());
        Ok(EvmShown::Event {
            transaction_index: u64::try_from(index).unwrap_or(u64::MAX),
            transaction: transaction.ok_or_else(|| root("transactions"))?,
            receipt: receipt.ok_or_else(|| root("receipts"))?,
            log: log.ok_or_else(|| no_proof(format!("{} logged nothing of the leg", leaf.tx_id)))?,
        })
    }

    /// Under the block's own state, and where the node has forgotten that, under the finalized block's.
    async fn absence(&self, subject: &Subject<'_>, block: &BlockJson) -> Result<EvmShown, BuildError> {
        let parent = self.encoded(&self.block(json!(block.header.parent_hash), "eth_getBlockByHash", false).await?)?;
        let (state, account) = match self.account(subject, block.header.number).await {
            Ok(account) => (None, account),
            Err(_) => {
                let finalized = self.block(json!("finalized"), "eth_getBlockByNumber", false).await?;
                let account = self.account(subject, finalized.header.number).await?;
                (Some(self.encoded(&finalized)?), account)
            }
        };
        let slot = account.storage_proof.into_iter().next();
        let slot = slot.ok_or_else(|| self.wrong("eth_getProof gave no slot"))?;
        Ok(EvmShown::Absence { parent, state, account: nodes(account.account_proof), slot: nodes(slot.proof) })
    }

    async fn account(&self, subject: &Subject<'_>, height: u64) -> Result<AccountJson, ChainError> {
        let slot = hold_slot(subject.execution_id, &subject.leg.hash());
        self.node.ask("eth_getProof", json!([subject.leg.escrow, [slot], U64::from(height)])).await
    }

    /// That the leg was held: the escrow's event in the block that its hold names.
    pub async fn held(&self, subject: &Subject<'_>, height: u64) -> Result<Evidence, BuildError> {
        let block = self.block(json!(U64::from(height)), "eth_getBlockByNumber", true).await?;
        let (_, hashes) = self.transactions(&block)?;
        let receipts = self.receipts(&block, &hashes).await?;
        let prepared = prepared_log(subject);
        let made =
            receipts.iter().zip(&hashes).find(|(receipt, _)| receipt.logs.iter().any(|log| log_bytes(log) == prepared));
        let (_, transaction) = made.ok_or_else(|| self.wrong(format!("block {height} logged no hold of the leg")))?;
        let block = Block { height, hash: Hash32(block.hash.0), time: block.header.timestamp };
        Ok(subject.leaf(LegStatus::Held, block, Hash32(transaction.0), aes_protocol::keccak(&prepared)))
    }

    fn transactions(&self, block: &BlockJson) -> Result<(Vec<Vec<u8>>, Vec<B256>), BuildError> {
        let mut encoded = Vec::with_capacity(block.transactions.len());
        let mut hashes = Vec::with_capacity(block.transactions.len());
        for transaction in &block.transactions {
            let envelope = match TxEnvelope::deserialize(transaction) {
                Ok(envelope) => envelope,
                // Polygon's own one at the end, which nobody signed and which is in no trie
                Err(_) if encoded.len().checked_add(1) == Some(block.transactions.len()) => break,
                Err(error) => {
                    let cause = format!("a transaction of block {}: {error}", block.header.number);
                    return Err(BuildError::NotUnderstood(cause));
                }
            };
            hashes.push(*envelope.tx_hash());
            encoded.push(envelope.encoded_2718());
        }
        Ok((encoded, hashes))
    }

    async fn receipts(&self, block: &BlockJson, hashes: &[B256]) -> Result<Vec<ReceiptJson>, ChainError> {
        match self.node.ask("eth_getBlockReceipts", json!([U64::from(block.header.number)])).await {
            // A node that does not know the call is asked one by one.
            Err(ChainError::BadAnswer { .. }) => {}
            answer => return answer,
        }
        let mut receipts = Vec::with_capacity(hashes.len());
        for hash in hashes {
            let receipt: Option<ReceiptJson> = self.node.ask("eth_getTransactionReceipt", json!([hash])).await?;
            receipts.push(receipt.ok_or_else(|| self.wrong(format!("no receipt of {hash}")))?);
        }
        Ok(receipts)
    }

    async fn at(&self, height: u64) -> Result<BlockJson, BuildError> {
        self.block(json!(U64::from(height)), "eth_getBlockByNumber", false).await
    }

    async fn block(&self, id: Value, method: &str, whole: bool) -> Result<BlockJson, BuildError> {
        let found: Option<Value> = self.node.ask(method, json!([id, whole])).await?;
        let found = found.ok_or_else(|| self.wrong(format!("no block {id}")))?;
        let not_understood = |cause: serde_json::Error| BuildError::NotUnderstood(format!("block {id}: {cause}"));
        let mut block = BlockJson::deserialize(&found).map_err(not_understood)?;
        let known = serde_json::to_value(&block.header).map_err(not_understood)?;
        let fields = found.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let mut unknown =
            fields.filter(|(name, _)| known.get(name).is_none() && !BESIDE_HEADER.contains(&name.as_str()));
        block.unknown = unknown.next().map(|(name, _)| name.clone());
        Ok(block)
    }

    /// The header's bytes; their hash says whether the node gave every field.
    fn encoded(&self, block: &BlockJson) -> Result<Bytes, BuildError> {
        let bytes = alloy_rlp::encode(&block.header);
        if aes_protocol::keccak(&bytes).0 == block.hash.0 {
            return Ok(bytes.into());
        }
        let cause = format!("the header of block {} does not hash to {}", block.header.number, block.hash);
        Err(match &block.unknown {
            Some(field) => BuildError::NotUnderstood(format!("{cause}: it has a field {field}")),
            None => BuildError::Contradiction(cause),
        })
    }

    fn wrong(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.node.id.clone(), cause: cause.into() }
    }
}

/// EIP-2718: type and payload, and a legacy receipt without a type.
fn encode_receipt(receipt: &ReceiptJson) -> Vec<u8> {
    let mut bytes = Vec::new();
    if !receipt.kind.is_zero() {
        bytes.push(receipt.kind.to::<u8>());
    }
    let inner = Receipt {
        status: Eip658Value::Eip658(!receipt.status.is_zero()),
        cumulative_gas_used: receipt.cumulative_gas_used.to(),
        logs: receipt.logs.clone(),
    };
    ReceiptWithBloom { receipt: inner, logs_bloom: receipt.logs_bloom }.encode(&mut bytes);
    bytes
}

fn is_of(log: &Log, escrow: Address, subject: &Subject, event_hash: &Hash32) -> bool {
    let execution_id = log.data.topics().get(1);
    log.address == escrow
        && execution_id.is_some_and(|id| id.0 == subject.execution_id.0)
        && aes_protocol::keccak(&log_bytes(log)) == *event_hash
}

/// What an event's hash is over.
fn log_bytes(log: &Log) -> Vec<u8> {
    let topics = log.data.topics().iter().flat_map(|topic| topic.0);
    log.address.iter().copied().chain(topics).chain(log.data.data.iter().copied()).collect()
}

fn nodes(nodes: Vec<alloy_primitives::Bytes>) -> Vec<Bytes> {
    nodes.into_iter().map(|node| node.to_vec().into()).collect()
}
