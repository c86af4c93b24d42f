//! One chain's nodes: what is asked of them, and their failures in the words of `ChainError`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aes_config::ChainConfig;
use aes_protocol::{keccak, ChainId, ChainKind, Hash32};
use ethers_contract::ContractError;
use ethers_core::types::{Address, Block, BlockId, TransactionReceipt, H256, U256};
use ethers_providers::{JsonRpcClient, JsonRpcError, Middleware, Provider, ProviderError, RpcError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::abi::revert_text;
use super::rpc::{Endpoints, Rpc, Wire};
use crate::chain::Head;
use crate::error::ChainError;

pub(crate) type Client = Provider<Rpc>;

/// How long to wait for a transaction of ours to be in a block where the next one needs it there.
const MINED_WITHIN: Duration = Duration::from_secs(180);

#[derive(Debug)]
pub struct Node {
    pub id: ChainId,
    pub(super) number: u64,
    pub(super) client: Arc<Client>,
    pub(super) poll: Duration,
}

impl Node {
    /// Asks nothing yet, so a node that is down at the start is like one that goes down later.
    pub fn new(id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        let timeout = Duration::from_secs(config.timeout.max(1));
        let endpoints = Endpoints::new(number_of(&id)?, &config.rpc, timeout);
        let unreachable = |cause: String| ChainError::Unreachable { chain: id.clone(), cause };
        let wire = Arc::new(endpoints.map_err(unreachable)?);
        Self::over(wire, id, config)
    }

    /// The same with another wire than HTTP.
    pub fn over(wire: Arc<dyn Wire>, id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        let (number, client) = (number_of(&id)?, Arc::new(Provider::new(Rpc(wire))));
        Ok(Self { id, number, client, poll: Duration::from_millis(config.poll.max(10)) })
    }

    pub fn bad_answer(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.id.clone(), cause: cause.into() }
    }
    pub fn refused(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Refused { chain: self.id.clone(), cause: cause.into() }
    }

    pub fn failure(&self, error: ProviderError) -> ChainError {
        if let Some(answer) = error.as_error_response() {
            return match answer.as_revert_data() {
                Some(revert) => self.refused(revert_text(&revert)),
                None if passes(&answer.message) => {
                    ChainError::Later { chain: self.id.clone(), cause: answer.message.clone() }
                }
                None => self.bad_answer(format!("{} (code {})", answer.message, answer.code)),
            };
        }
        let cause = error.to_string();
        match error {
            ProviderError::JsonRpcClientError(inner) if inner.as_serde_error().is_none() => {
                ChainError::Unreachable { chain: self.id.clone(), cause }
            }
            _ => self.bad_answer(cause),
        }
    }

    pub(super) fn contract_failure(&self, error: ContractError<Client>) -> ChainError {
        match error {
            ContractError::Revert(revert) => self.refused(revert_text(&revert)),
            ContractError::MiddlewareError { e } | ContractError::ProviderError { e } => self.failure(e),
            other => self
                .bad_answer(format!("{other}; is the manifest of this chain, and the contract there at that block?")),
        }
    }

    /// What no adapter needs, in the chain's own words: a proof's parts.
    pub async fn ask<R>(&self, method: &str, params: Value) -> Result<R, ChainError>
    where
        R: DeserializeOwned + Send,
    {
        let rpc: &Rpc = self.client.as_ref().as_ref();
        rpc.request(method, params).await.map_err(|error| self.failure(error.into()))
    }

    pub async fn height(&self) -> Result<u64, ChainError> {
        Ok(self.client.get_block_number().await.map_err(|error| self.failure(error))?.as_u64())
    }

    pub async fn head(&self, at: impl Into<BlockId> + Send + Sync) -> Result<Head, ChainError> {
        let at = at.into();
        let block = self.client.get_block(at).await.map_err(|error| self.failure(error))?;
        let head = |block: Block<H256>| {
            let time = u64::try_from(block.timestamp).ok()?;
            Some(Head { height: block.number?.as_u64(), hash: Hash32(block.hash?.0), time })
        };
        block.and_then(head).ok_or_else(|| self.bad_answer(format!("no block {at:?}")))
    }

    /// keccak-256 of the code there; `None` where there is none.
    pub async fn code_hash(&self, address: Address) -> Result<Option<Hash32>, ChainError> {
        let code = self.client.get_code(address, None).await.map_err(|error| self.failure(error))?;
        Ok((!code.is_empty()).then(|| keccak(&code)))
    }

    pub async fn receipt(&self, tx: H256) -> Result<Option<TransactionReceipt>, ChainError> {
        let receipt = self.client.get_transaction_receipt(tx).await.map_err(|error| self.failure(error))?;
        // A node may give the receipt of a transaction that is not in a block yet.
        Ok(receipt.filter(|receipt| receipt.block_number.is_some()))
    }

    /// Waits until it is in a block, and refuses what failed there.
    pub async fn mined(&self, tx: H256) -> Result<TransactionReceipt, ChainError> {
        let receipt = self.wait_for(tx, || self.receipt(tx)).await?;
        if receipt.status == Some(0.into()) {
            return Err(self.refused(format!("transaction {tx:?} reverted")));
        }
        Ok(receipt)
    }

    /// Waits until it is in a block, whatever became of it there, or dropped or replaced.
    pub async fn done_with(&self, tx: H256) -> Result<(), ChainError> {
        let done = || async move {
            let known = self.client.get_transaction(tx).await.map_err(|error| self.failure(error))?;
            Ok(known.is_none_or(|known| known.block_number.is_some()).then_some(()))
        };
        self.wait_for(tx, done).await
    }

    async fn wait_for<T, F>(&self, tx: H256, done: impl Fn() -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<Option<T>, ChainError>>,
    {
        let wait = async {
            let mut every = tokio::time::interval(self.poll);
            loop {
                every.tick().await;
                if let Some(found) = done().await? {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(MINED_WITHIN, wait).await.unwrap_or_else(|_| {
            let cause = format!("transaction {tx:?} is in no block after {} s", MINED_WITHIN.as_secs());
            Err(ChainError::Unreachable { chain: self.id.clone(), cause })
        })
    }

    /// A number of the chain that must fit the protocol's 128 bits.
    pub fn amount(&self, number: U256, what: &str) -> Result<u128, ChainError> {
        u128::try_from(number).map_err(|_| self.bad_answer(format!("{what} {number} does not fit 128 bits")))
    }
}

fn number_of(id: &ChainId) -> Result<u64, ChainError> {
    match (id.kind(), id.reference().parse()) {
        (ChainKind::Evm, Ok(number)) => Ok(number),
        _ => {
            let cause = "not an EVM chain: write eip155 and the chain's number".into();
            Err(ChainError::Unreachable { chain: id.clone(), cause })
        }
    }
}

/// What is over by itself: a full pool, fees that rose meanwhile. In the words of geth, and of the clients that took them over.
fn passes(message: &str) -> bool {
    let message = message.to_lowercase();
    ["pool is full", "less than block base fee", "fee too low", "underpriced"]
        .iter()
        .any(|words| message.contains(words))
}

/// What the contract answered where the call reverted.
pub(crate) fn revert_data(error: &ProviderError) -> Option<Vec<u8>> {
    error.as_error_response().and_then(JsonRpcError::as_revert_data).map(|data| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_by_itself_is_no_nonsense() {
        let later = [
            "txpool is full",
            "transaction pool is full",
            "max fee per gas less than block base fee: address 0x0, maxFeePerGas: 1, baseFee: 7",
            "replacement transaction underpriced",
            "FeeTooLow, EffectivePriorityFeePerGas too low 0 < 1, BaseFee too low: fee too low",
        ];
        assert!(later.into_iter().all(passes));
        assert!(!["intrinsic gas too low", "missing trie node", "method not found"].into_iter().any(passes));
    }
}
