//! What is asked of the home chain, where the coordinator decides.

use aes_authority::SetResponse;
use aes_coordinator::msg::{ConfigResponse, ExecuteMsg, ExecutionResponse, ExecutionSummary, State};
use aes_protocol::{Domain, Hash32};
use async_trait::async_trait;
use tokio::sync::watch;

use crate::chain::{Outcome, TxId};
use crate::error::ChainError;

#[async_trait]
pub trait Home: Send + Sync {
    fn domain(&self) -> &Domain;
    fn ticks(&self) -> watch::Receiver<u64>;
    /// Unix seconds of the newest block
    async fn time(&self) -> Result<u64, ChainError>;
    async fn config(&self) -> Result<ConfigResponse, ChainError>;
    async fn execution(&self, execution_id: &Hash32) -> Result<Option<ExecutionResponse>, ChainError>;
    /// one page, in the order they were opened
    async fn executions(&self, state: State, start_after: Option<u64>) -> Result<Vec<ExecutionSummary>, ChainError>;
    /// the current one where no id is given
    async fn attestor_set(&self, id: Option<u64>) -> Result<SetResponse, ChainError>;
    async fn send(&self, message: &ExecuteMsg) -> Result<TxId, ChainError>;
    /// the fee `send` would pay, asked of the node; sends nothing
    async fn estimate(&self, message: &ExecuteMsg) -> Result<u128, ChainError>;
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError>;
}
