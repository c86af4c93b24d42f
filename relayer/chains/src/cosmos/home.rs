//! The home chain: the coordinator, where executions are opened and decided.

use std::sync::Arc;

use aes_authority::SetResponse;
use aes_coordinator::msg::{
    ConfigResponse, ExecuteMsg, ExecutionResponse, ExecutionSummary, ExecutionsResponse, QueryMsg, State,
};
use aes_protocol::{Domain, Hash32};
use async_trait::async_trait;
use cosmrs::Any;
use tokio::sync::watch;

use super::account::account_of;
use super::client::CosmosClient;
use super::fee::{bound, Gas};
use crate::chain::{Outcome, TxId};
use crate::error::ChainError;
use crate::home::Home;

pub struct CosmosHome {
    client: Arc<CosmosClient>,
    /// bech32
    coordinator: String,
    domain: Domain,
}

impl CosmosHome {
    pub fn new(client: Arc<CosmosClient>, coordinator: &str) -> Result<Self, super::AccountTextError> {
        let account = account_of(coordinator, &client.prefix)?;
        let domain = Domain { home_chain: client.id.clone(), coordinator: account };
        Ok(Self { client, coordinator: coordinator.into(), domain })
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

    async fn time(&self) -> Result<u64, ChainError> {
        Ok(self.client.head().await?.time)
    }

    async fn config(&self) -> Result<ConfigResponse, ChainError> {
        self.client.smart(&self.coordinator, &QueryMsg::Config {}).await
    }

    async fn execution(&self, execution_id: &Hash32) -> Result<Option<ExecutionResponse>, ChainError> {
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

    async fn executions(&self, state: State, start_after: Option<u64>) -> Result<Vec<ExecutionSummary>, ChainError> {
        let query = QueryMsg::ExecutionsByState { state, start_after, limit: None };
        let answer: ExecutionsResponse = self.client.smart(&self.coordinator, &query).await?;
        Ok(answer.executions)
    }

    async fn attestor_set(&self, id: Option<u64>) -> Result<SetResponse, ChainError> {
        self.client.smart(&self.coordinator, &QueryMsg::AttestorSet { id }).await
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
