//! What is asked of the home chain, where the coordinator decides.

use aes_authority::SetResponse;
use aes_coordinator::msg::{ConfigResponse, ExecuteMsg, ExecutionResponse, ExecutionSummary, State};
use aes_coordinator::state::Record;
use aes_protocol::{Decision, Domain, Hash32};
use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chain::{Outcome, TxId};
use crate::error::ChainError;

/// What a block has decided, as its events say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    pub heard_at: Instant,
    pub decisions: Vec<(Hash32, Decision)>,
}

#[async_trait]
pub trait Home: Send + Sync {
    fn domain(&self) -> &Domain;
    fn ticks(&self) -> watch::Receiver<u64>;
    /// Decisions, from now on, as blocks announce them. A hint that spares a question: some may be missed, and what is
    /// there is read.
    fn announced(&self) -> BoxStream<'static, Announced>;
    /// Unix seconds of the newest block
    async fn time(&self) -> Result<u64, ChainError>;
    async fn config(&self) -> Result<ConfigResponse, ChainError>;
    async fn execution(&self, execution_id: &Hash32) -> Result<Option<ExecutionResponse>, ChainError>;
    /// The record as the coordinator stores it, without the legs: all that the execution's id covers, and its state.
    async fn record(&self, execution_id: &Hash32) -> Result<Option<Record>, ChainError>;
    /// one page, in the order they were opened
    async fn executions(&self, state: State, start_after: Option<u64>) -> Result<Vec<ExecutionSummary>, ChainError>;
    /// the current one where no id is given
    async fn attestor_set(&self, id: Option<u64>) -> Result<SetResponse, ChainError>;
    async fn send(&self, message: &ExecuteMsg) -> Result<TxId, ChainError>;
    /// the fee `send` would pay, asked of the node; sends nothing
    async fn estimate(&self, message: &ExecuteMsg) -> Result<u128, ChainError>;
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError>;
}
