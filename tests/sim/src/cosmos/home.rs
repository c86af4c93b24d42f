//! One process's adapter for the coordinator on the simulated home chain.

use aes_authority::SetResponse;
use aes_chains::{Announced, ChainError, Home, Outcome, TxId};
use aes_coordinator::msg::{
    ConfigResponse, ExecuteMsg, ExecutionResponse, ExecutionSummary, ExecutionsResponse, QueryMsg, State,
};
use aes_coordinator::state::{Record, RECORDS};
use aes_protocol::{ChainId, Domain, Hash32};
use async_trait::async_trait;
use cosmwasm_std::Addr;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::alz::call;
use crate::fault::Fault;
use crate::wire::Link;
use crate::world::{with, World};

pub struct HomeLink {
    link: Link,
    id: ChainId,
    domain: Domain,
    account: Addr,
}

/// Executions in one page, few, so that there are several.
const PAGE: u32 = 3;

impl HomeLink {
    pub fn new(link: Link, account: Addr) -> Self {
        let (id, domain) = with(|world| (world.home.id.clone(), world.domain.clone()));
        Self { link, id, domain, account }
    }

    fn bad(&self, cause: String) -> ChainError {
        ChainError::BadAnswer { chain: self.id.clone(), cause }
    }

    fn query<T: serde::de::DeserializeOwned>(&self, world: &World, back: u64, msg: &QueryMsg) -> Result<T, ChainError> {
        world.home.query(back, &world.home.coordinator, msg).map_err(|cause| self.bad(cause))
    }
}

#[async_trait]
impl Home for HomeLink {
    fn domain(&self) -> &Domain {
        &self.domain
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        with(|world| world.home.ticks.subscribe())
    }
    fn announced(&self) -> BoxStream<'static, Announced> {
        let news = with(|world| world.home.announced.subscribe());
        let heard = stream::unfold(news, |mut news| async move {
            loop {
                match news.recv().await {
                    Ok(_) if with(|world| world.strikes(Fault::MissedNews, 0.3)) => {}
                    Ok(announced) => return Some((announced, news)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        heard.boxed()
    }
    async fn time(&self) -> Result<u64, ChainError> {
        self.link.ask(|world, back| Ok(world.home.head(back).time)).await
    }
    async fn config(&self) -> Result<ConfigResponse, ChainError> {
        with(|world| self.query(world, 0, &QueryMsg::Config {}))
    }
    async fn execution(&self, execution_id: &Hash32) -> Result<Option<ExecutionResponse>, ChainError> {
        let ask = QueryMsg::Execution { execution_id: *execution_id };
        let read = |world: &World, back| {
            // an unknown execution is an error of the contract's
            let key = RECORDS.key(&execution_id.0[..]).to_vec();
            match world.home.stored(back, &world.home.coordinator, key) {
                None => Ok(None),
                Some(_) => self.query(world, back, &ask).map(Some),
            }
        };
        self.link.ask(read).await
    }
    async fn record(&self, execution_id: &Hash32) -> Result<Option<Record>, ChainError> {
        let key = RECORDS.key(&execution_id.0[..]).to_vec();
        let read = |world: &World, back| {
            let stored = world.home.stored(back, &world.home.coordinator, key);
            stored.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| self.bad(error.to_string()))).transpose()
        };
        self.link.ask(read).await
    }
    async fn executions(&self, state: State, start_after: Option<u64>) -> Result<Vec<ExecutionSummary>, ChainError> {
        let ask = QueryMsg::ExecutionsByState { state, start_after, limit: Some(PAGE) };
        let read = |world: &World, back| {
            let page: ExecutionsResponse = self.query(world, back, &ask)?;
            Ok(page.executions)
        };
        self.link.ask(read).await
    }
    async fn attestor_set(&self, id: Option<u64>) -> Result<SetResponse, ChainError> {
        self.link.ask(|world, back| self.query(world, back, &QueryMsg::AttestorSet { id })).await
    }
    async fn send(&self, message: &ExecuteMsg) -> Result<TxId, ChainError> {
        let act = |world: &mut World| {
            let call = call(&world.home.coordinator, message, Vec::new());
            let ran = world.home.simulate(&self.account, call.clone());
            ran.map_err(|cause| ChainError::Refused { chain: self.id.clone(), cause })?;
            Ok(world.take_home(self.link.seat, &self.account, call))
        };
        self.link.tell(act).await
    }
    async fn estimate(&self, _: &ExecuteMsg) -> Result<u128, ChainError> {
        Ok(1)
    }
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        self.link.ask(|world, _| Ok(world.home.outcome(tx))).await
    }
}
