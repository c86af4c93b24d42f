//! Reading without believing the node: a process that signs gives the client a prover, and from then on everything it
//! reads of the chain comes from there. Which proofs those are is not this crate's business.

use std::sync::Arc;

use aes_authority::{query_set, set_key, SetResponse, CURRENT_SET};
use aes_coordinator::msg::ExecutionResponse;
use aes_coordinator::state::{LEGS, PREPARED, PRESIGNED, RECORDS, SETTLED};
use aes_protocol::{Bytes, ChainKind, Hash32, Leg};
use async_trait::async_trait;
use cosmwasm_std::testing::MockStorage as MemoryStorage;
use cosmwasm_std::Storage;

use super::account::account_of;
use super::client::CosmosClient;
use crate::chain::Head;
use crate::error::ChainError;

#[async_trait]
pub trait Prover: Send + Sync {
    /// What a contract has stored under each of the keys, empty for nothing, all after the same block, whose height
    /// comes with it; proved.
    async fn stored(&self, contract: &Bytes, keys: &[Vec<u8>]) -> Result<(Vec<Vec<u8>>, u64), ChainError>;
    /// A block that the chain's validators have signed.
    async fn block(&self, height: u64) -> Result<Head, ChainError>;
    /// The newest of them.
    async fn newest(&self) -> Result<Head, ChainError>;
}

impl CosmosClient {
    /// Believe `prover` alone from now on. The first one stays.
    pub fn believe(&self, prover: Arc<dyn Prover>) {
        self.prover.get_or_init(|| prover);
    }

    /// A part of a contract's storage, as proved, for the contract's own code to answer from.
    async fn storage(
        &self,
        prover: &Arc<dyn Prover>,
        contract: &str,
        keys: &[Vec<u8>],
    ) -> Result<MemoryStorage, ChainError> {
        let account = account_of(contract, &self.prefix).map_err(|error| self.refused(error.to_string()))?;
        let (values, _) = prover.stored(&account, keys).await?;
        let mut storage = MemoryStorage::new();
        for (key, value) in keys.iter().zip(values) {
            if !value.is_empty() {
                storage.set(key, &value);
            }
        }
        Ok(storage)
    }

    /// As the coordinator answers `execution`, from what is proved of its storage.
    pub(super) async fn proved_execution(
        &self,
        prover: &Arc<dyn Prover>,
        coordinator: &str,
        execution_id: &Hash32,
    ) -> Result<Option<ExecutionResponse>, ChainError> {
        let id: &[u8] = &execution_id.0;
        let mut keys =
            vec![RECORDS.key(id).to_vec(), LEGS.key(id).to_vec(), PREPARED.key(id).to_vec(), SETTLED.key(id).to_vec()];
        let nonsense = |cause: String| self.bad_answer(format!("storage of {coordinator}: {cause}"));
        let mut storage = self.storage(prover, coordinator, &keys).await?;
        if !RECORDS.has(&storage, id) {
            return Ok(None);
        }
        let legs: Vec<Leg> = LEGS.load(&storage, id).map_err(|error| nonsense(error.to_string()))?;
        let presigned = legs.iter().filter(|leg| leg.chain.kind() == ChainKind::Bitcoin);
        keys.extend(presigned.map(|leg| PRESIGNED.key((id, leg.index)).to_vec()));
        if keys.len() > 4 {
            // all again, so that all is of one block
            storage = self.storage(prover, coordinator, &keys).await?;
        }
        let answer = aes_coordinator::execution(&storage, *execution_id);
        answer.map(Some).map_err(|error| nonsense(error.to_string()))
    }

    /// As the coordinator answers `attestor_set`, from what is proved of its storage.
    pub(super) async fn proved_set(
        &self,
        prover: &Arc<dyn Prover>,
        coordinator: &str,
        id: Option<u64>,
    ) -> Result<SetResponse, ChainError> {
        let nonsense = |cause: String| self.bad_answer(format!("storage of {coordinator}: {cause}"));
        let current = vec![CURRENT_SET.as_slice().to_vec()];
        let storage = self.storage(prover, coordinator, &current).await?;
        let wanted = match id {
            Some(id) => id,
            None => CURRENT_SET.load(&storage).map_err(|error| nonsense(error.to_string()))?,
        };
        let storage = self.storage(prover, coordinator, &[current, vec![set_key(wanted)]].concat()).await?;
        query_set(&storage, Some(wanted)).map_err(|error| nonsense(error.to_string()))
    }
}
