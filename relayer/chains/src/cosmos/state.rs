//! What contracts have stored, read from the chain's own store and not asked of the contract: it costs the node a
//! fraction of a smart query, and it is the very key and value that an ICS-23 proof is about.

use aes_protocol::Bytes;
use tendermint_rpc::Client;

use super::account::account_of;
use super::client::CosmosClient;
use super::refusal::words;
use crate::error::ChainError;

/// Where x/wasm keeps the contracts' storage: this, the contract's canonical address, the contract's own key.
const CONTRACT_STORE: u8 = 0x03;

/// One key of the chain's `wasm` store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub key: Vec<u8>,
    /// empty for nothing
    pub value: Vec<u8>,
    /// the block after which it was so; the next block's header has the `app_hash` over it
    pub height: u64,
}

impl CosmosClient {
    /// What a contract has stored under a key of its own.
    pub(super) async fn stored(&self, contract: &str, key: &[u8]) -> Result<Stored, ChainError> {
        let account = account_of(contract, &self.prefix).map_err(|error| self.refused(error.to_string()))?;
        if let Some(prover) = self.prover.get() {
            let (mut values, height) = prover.stored(&account, &[key.to_vec()]).await?;
            return Ok(Stored { key: store_key(&account, key), value: values.pop().unwrap_or_default(), height });
        }
        let key = store_key(&account, key);
        let answer = self
            .must(|client| {
                let key = key.clone();
                async move { client.abci_query(Some("/store/wasm/key".into()), key, None, false).await }
            })
            .await?;
        if answer.code.is_err() {
            return Err(self.bad_answer(words(&answer.log)));
        }
        if answer.key != key {
            return Err(self.bad_answer(format!("the value of another key than was asked of {contract}")));
        }
        Ok(Stored { key, value: answer.value, height: answer.height.value() })
    }
}

fn store_key(contract: &Bytes, key: &[u8]) -> Vec<u8> {
    [&[CONTRACT_STORE], contract.as_slice(), key].concat()
}
