//! The home chain: the coordinator, where executions are opened and decided.

use std::sync::{Arc, Mutex, PoisonError};

use aes_authority::{SetResponse, CURRENT_SET};
use aes_coordinator::msg::{
    ConfigResponse, ExecuteMsg, ExecutionResponse, ExecutionSummary, ExecutionsResponse, QueryMsg, State,
};
use aes_coordinator::state::{Record, RECORDS};
use aes_protocol::{AttestorSet, Domain, Hash32};
use async_trait::async_trait;
use cosmrs::Any;
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::account::account_of;
use super::announce::decisions;
use super::client::CosmosClient;
use super::fee::{bound, Gas};
use crate::chain::{Outcome, TxId};
use crate::error::ChainError;
use crate::home::{Announced, Home};

pub struct CosmosHome {
    client: Arc<CosmosClient>,
    /// bech32
    coordinator: String,
    domain: Domain,
    /// The one that was current when last asked. What a set is never changes under its id.
    current_set: Mutex<Option<AttestorSet>>,
}

impl CosmosHome {
    pub fn new(client: Arc<CosmosClient>, coordinator: &str) -> Result<Self, super::AccountTextError> {
        let account = account_of(coordinator, &client.prefix)?;
        let domain = Domain { home_chain: client.id.clone(), coordinator: account };
        Ok(Self { client, coordinator: coordinator.into(), domain, current_set: Mutex::default() })
    }

    /// What the coordinator has stored under a key.
    async fn stored<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, ChainError> {
        let stored = self.client.stored(&self.coordinator, key).await?;
        if stored.value.is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_slice(&stored.value);
        value.map(Some).map_err(|error| self.client.bad_answer(format!("storage of {}: {error}", self.coordinator)))
    }

    fn current_set(&self) -> std::sync::MutexGuard<'_, Option<AttestorSet>> {
        // a set is put there whole
        self.current_set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encode(&self, message: &ExecuteMsg) -> Result<(Any, Gas), ChainError> {
        let bytes = || Ok(self.client.json(message)?.len());
        let gas = match message {
            ExecuteMsg::Commit { evidence, certificate, .. } | ExecuteMsg::Record { evidence, certificate, .. } => {
                bound(bytes()?, certificate.signatures.len(), evidence.len())
            }
            ExecuteMsg::Rollback { .. } => bound(bytes()?, 0, 0),
            _ => Gas::Simulated,
        };
        Ok((self.client.call(&self.coordinator, message, &[])?, gas))
    }
}

#[async_trait]
impl Home for CosmosHome {
    fn domain(&self) -> &Domain {
        &self.domain
    }

    fn ticks(&self) -> watch::Receiver<u64> {
        self.client.ticks()
    }

    fn announced(&self) -> BoxStream<'static, Announced> {
        decisions(self.client.events(), self.coordinator.clone())
    }

    async fn time(&self) -> Result<u64, ChainError> {
        Ok(self.client.head().await?.time)
    }

    async fn config(&self) -> Result<ConfigResponse, ChainError> {
        self.client.smart(&self.coordinator, &QueryMsg::Config {}).await
    }

    async fn execution(&self, execution_id: &Hash32) -> Result<Option<ExecutionResponse>, ChainError> {
        if let Some(prover) = self.client.prover.get() {
            return self.client.proved_execution(prover, &self.coordinator, execution_id).await;
        }
        let query = QueryMsg::Execution { execution_id: *execution_id };
        match self.client.smart(&self.coordinator, &query).await {
            Ok(execution) => Ok(Some(execution)),
            // the coordinator's own words for one that was never opened; a query has no error codes
            Err(ChainError::Refused { cause, .. })
                if cause.contains(&format!("execution {execution_id} is not known")) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn record(&self, execution_id: &Hash32) -> Result<Option<Record>, ChainError> {
        self.stored(&RECORDS.key(&execution_id.0)).await
    }

    async fn executions(&self, state: State, start_after: Option<u64>) -> Result<Vec<ExecutionSummary>, ChainError> {
        let query = QueryMsg::ExecutionsByState { state, start_after, limit: None };
        let answer: ExecutionsResponse = self.client.smart(&self.coordinator, &query).await?;
        Ok(answer.executions)
    }

    async fn attestor_set(&self, id: Option<u64>) -> Result<SetResponse, ChainError> {
        let known = self.current_set().clone();
        if let (None, Some(set)) = (id, known) {
            if self.stored(CURRENT_SET.as_slice()).await? == Some(set.id) {
                return Ok(SetResponse { set, current: true, expires_at: None });
            }
        }
        let answer: SetResponse = match self.client.prover.get() {
            Some(prover) => self.client.proved_set(prover, &self.coordinator, id).await?,
            None => self.client.smart(&self.coordinator, &QueryMsg::AttestorSet { id }).await?,
        };
        if answer.current {
            *self.current_set() = Some(answer.set.clone());
        }
        Ok(answer)
    }

    async fn send(&self, message: &ExecuteMsg) -> Result<TxId, ChainError> {
        let (call, gas) = self.encode(message)?;
        self.client.broadcast(vec![call], gas).await
    }

    async fn estimate(&self, message: &ExecuteMsg) -> Result<u128, ChainError> {
        let (call, gas) = self.encode(message)?;
        self.client.estimate(vec![call], gas).await
    }

    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        self.client.outcome(tx).await
    }
}
