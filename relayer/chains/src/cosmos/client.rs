//! One CosmWasm chain, as one account sees it: queries, blocks, the account itself; `transactions.rs` is how it acts.
//! Shared where the home chain and an escrow's chain are the same, so that one account has one sequence.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use aes_config::{ChainConfig, KeyError};
use aes_protocol::{ChainId, Hash32};
use cosmrs::proto::cosmos::auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse};
use cosmrs::proto::cosmos::bank::v1beta1::{QueryBalanceRequest, QueryBalanceResponse};
use cosmrs::proto::cosmwasm::wasm::v1::{QuerySmartContractStateRequest, QuerySmartContractStateResponse};
use cosmrs::proto::traits::{Message, Name};
use cosmrs::Any;
use serde::de::DeserializeOwned;
use serde::Serialize;
use tendermint_rpc::endpoint::{header, status};
use tendermint_rpc::Client;
use tokio::sync::{broadcast, watch};

use super::announce::BlockEvents;
use super::endpoints::{Endpoints, NodeError};
use super::fee::GasPrice;
use super::proved::Prover;
use super::refusal::{is_refusal, words};
use super::signer::Signer;
use super::ticks::Ticks;
use crate::chain::{GasAccount, Head};
use crate::error::ChainError;

/// The config of a chain does not add up; found before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("chains.\"{0}\".key: {1}")]
    Key(ChainId, KeyError),
    #[error("{chain}: no {name} in the config; give chains.\"{chain}\".{name}")]
    Missing { chain: ChainId, name: &'static str },
    #[error("{chain}: gas_price: {cause}")]
    GasPrice { chain: ChainId, cause: String },
    #[error("{chain}: rpc: {cause}; write http://host:port")]
    Rpc { chain: ChainId, cause: String },
}

pub struct CosmosClient {
    pub(super) id: ChainId,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) poll: Duration,
    pub(super) endpoints: Arc<Endpoints>,
    ticks: watch::Receiver<u64>,
    events: broadcast::Sender<Arc<BlockEvents>>,
    signer: Option<Signer>,
    /// believed instead of the node
    pub(super) prover: OnceLock<Arc<dyn Prover>>,
    /// when we sent what we do not know the outcome of yet
    pub(super) sent: Mutex<HashMap<String, Instant>>,
    /// a computed bound was too small on this chain: from now on the node is asked
    pub(super) bounds_fail: AtomicBool,
}

impl CosmosClient {
    /// Asks nothing of the node yet, so a node that is down at the start is like one that goes down later.
    /// Must be called inside a tokio runtime: it watches the chain's height in a task of its own.
    pub fn new(id: &ChainId, config: &ChainConfig) -> Result<Arc<Self>, SetupError> {
        let missing = |name| SetupError::Missing { chain: id.clone(), name };
        let wrong_url = |cause: tendermint_rpc::Error| SetupError::Rpc { chain: id.clone(), cause: cause.to_string() };
        if config.rpc.is_empty() {
            return Err(missing("rpc"));
        }
        let prefix = config.prefix.clone().ok_or_else(|| missing("prefix"))?;
        let signer = match &config.key {
            None => None,
            Some(reference) => {
                let price = config.gas_price.as_ref().ok_or_else(|| missing("gas_price"))?;
                let price: GasPrice =
                    price.parse().map_err(|cause| SetupError::GasPrice { chain: id.clone(), cause })?;
                let key = reference.load().map_err(|cause| SetupError::Key(id.clone(), cause))?;
                let signer = Signer::new(&key, id, &prefix, price);
                Some(signer.map_err(|cause| SetupError::Key(id.clone(), cause))?)
            }
        };
        let timeout = Duration::from_secs(config.timeout);
        let endpoints = Arc::new(Endpoints::new(id.clone(), &config.rpc, timeout).map_err(wrong_url)?);
        let poll = Duration::from_millis(config.poll);
        let (ticks, events) =
            Ticks { chain: id.clone(), endpoints: endpoints.clone(), pushing: config.rpc.clone(), poll }.start();
        Ok(Arc::new(Self {
            id: id.clone(),
            name: config.name.clone(),
            prefix,
            poll,
            endpoints,
            ticks,
            events,
            signer,
            prover: OnceLock::new(),
            sent: Mutex::default(),
            bounds_fail: AtomicBool::new(false),
        }))
    }

    /// bech32 prefix of the chain's accounts
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.clone()
    }

    /// What the blocks from now on say by their events, where they are pushed.
    pub(super) fn events(&self) -> broadcast::Receiver<Arc<BlockEvents>> {
        self.events.subscribe()
    }

    // ---- what there is

    /// The node's newest committed block, which on CometBFT is final.
    pub async fn head(&self) -> Result<Head, ChainError> {
        if let Some(prover) = self.prover.get() {
            return prover.newest().await;
        }
        let status: status::Response = self.must(|client| async move { client.status().await }).await?;
        self.check_network(status.node_info.network.as_str())?;
        Ok(Head {
            height: status.sync_info.latest_block_height.value(),
            hash: self.hash(status.sync_info.latest_block_hash)?,
            time: self.seconds(status.sync_info.latest_block_time)?,
        })
    }

    pub(super) async fn block(&self, height: u64) -> Result<Head, ChainError> {
        if let Some(prover) = self.prover.get() {
            return prover.block(height).await;
        }
        let height = self.height(height)?;
        let answer: header::Response = self.must(|client| async move { client.header(height).await }).await?;
        self.check_network(answer.header.chain_id.as_str())?;
        Ok(Head {
            height: height.value(),
            hash: self.hash(answer.header.hash())?,
            time: self.seconds(answer.header.time)?,
        })
    }

    /// Unix seconds of a block's header, which is what contracts see as their time.
    pub(super) async fn block_time(&self, height: u64) -> Result<u64, ChainError> {
        Ok(self.block(height).await?.time)
    }

    pub(super) async fn smart<T: DeserializeOwned>(
        &self,
        contract: &str,
        msg: &impl Serialize,
    ) -> Result<T, ChainError> {
        let request = QuerySmartContractStateRequest { address: contract.into(), query_data: self.json(msg)? };
        let (answer, _): (QuerySmartContractStateResponse, _) =
            self.query("/cosmwasm.wasm.v1.Query/SmartContractState", &request).await?;
        serde_json::from_slice(&answer.data).map_err(|error| self.bad_answer(format!("{contract}: {error}")))
    }

    pub async fn balance(&self, address: &str, denom: &str) -> Result<u128, ChainError> {
        let request = QueryBalanceRequest { address: address.into(), denom: denom.into() };
        let (answer, _): (QueryBalanceResponse, _) = self.query("/cosmos.bank.v1beta1.Query/Balance", &request).await?;
        let amount = answer.balance.map_or_else(|| "0".into(), |coin| coin.amount);
        amount.parse().map_err(|_| self.bad_answer(format!("balance '{amount}' of {address} is no 128-bit amount")))
    }

    pub async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        let signer = self.signer()?;
        Ok(GasAccount {
            address: signer.address.clone(),
            account: signer.account.clone(),
            balance: self.balance(&signer.address, &signer.price.denom).await?,
            denom: signer.price.denom.clone(),
        })
    }

    /// One gRPC query over ABCI: the answer and the height it is of.
    pub(super) async fn query<A: Message + Default>(
        &self,
        path: &str,
        request: &impl Message,
    ) -> Result<(A, u64), ChainError> {
        let bytes = request.encode_to_vec();
        let answer = self
            .must(|client| {
                let (path, bytes) = (path.to_owned(), bytes.clone());
                async move { client.abci_query(Some(path), bytes, None, false).await }
            })
            .await?;
        if answer.code.is_err() {
            let cause = words(&answer.log);
            let refused = is_refusal(&answer.log);
            // the query service has one code for all: what is not the chain's own no is the node's trouble
            return Err(if refused { self.refused(cause) } else { self.unreachable(cause) });
        }
        let decoded =
            A::decode(answer.value.as_slice()).map_err(|error| self.bad_answer(format!("{path}: {error}")))?;
        Ok((decoded, answer.height.value()))
    }

    // ---- the account

    pub(super) fn signer(&self) -> Result<&Signer, ChainError> {
        self.signer.as_ref().ok_or_else(|| ChainError::NoKey { chain: self.id.clone() })
    }

    pub(super) async fn account_number(&self, signer: &Signer) -> Result<u64, ChainError> {
        let ask = || async { Ok(self.account(signer).await?.account_number) };
        signer.number.get_or_try_init(ask).await.copied()
    }

    pub(super) async fn account(&self, signer: &Signer) -> Result<BaseAccount, ChainError> {
        let Some(any) = self.account_at(&signer.address).await? else {
            return Err(self.insufficient_gas(signer, None).await);
        };
        BaseAccount::decode(any.value.as_slice()).map_err(|error| self.bad_answer(error.to_string()))
    }

    /// `None`: an account that never received anything does not exist.
    pub(super) async fn account_at(&self, address: &str) -> Result<Option<Any>, ChainError> {
        let request = QueryAccountRequest { address: address.into() };
        let answer: Result<(QueryAccountResponse, _), _> =
            self.query("/cosmos.auth.v1beta1.Query/Account", &request).await;
        match answer {
            Ok((answer, _)) => Ok(Some(answer.account.ok_or_else(|| self.bad_answer("no account in the answer"))?)),
            Err(ChainError::Refused { cause, .. }) if cause.contains("not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn insufficient_gas(&self, signer: &Signer, gas: Option<u64>) -> ChainError {
        let denom = &signer.price.denom;
        match self.balance(&signer.address, denom).await {
            Ok(balance) => ChainError::InsufficientGas {
                chain: self.id.clone(),
                address: signer.address.clone(),
                balance: format!("{balance}{denom}"),
                needed: gas.map_or_else(|| "more".into(), |gas| format!("{}{denom}", signer.price.fee(gas))),
            },
            Err(error) => error,
        }
    }

    // ---- answers

    /// Asks, and takes an error for nonsense: what is asked for here a healthy node has.
    pub(super) async fn must<T, F>(&self, request: impl Fn(tendermint_rpc::HttpClient) -> F) -> Result<T, ChainError>
    where
        F: std::future::Future<Output = Result<T, tendermint_rpc::Error>>,
    {
        self.endpoints.ask(request).await?.map_err(|NodeError(text)| self.bad_answer(text))
    }

    fn check_network(&self, network: &str) -> Result<(), ChainError> {
        if network == self.id.reference() {
            Ok(())
        } else {
            Err(self.bad_answer(format!("it is of chain '{network}'; correct the rpc list")))
        }
    }

    pub(super) fn hash(&self, hash: tendermint::Hash) -> Result<Hash32, ChainError> {
        Hash32::try_from(hash.as_bytes()).map_err(|error| self.bad_answer(error.to_string()))
    }

    pub(super) fn seconds(&self, time: tendermint::Time) -> Result<u64, ChainError> {
        u64::try_from(time.unix_timestamp()).map_err(|_| self.bad_answer(format!("a block of {time}")))
    }

    fn height(&self, height: u64) -> Result<tendermint::block::Height, ChainError> {
        height.try_into().map_err(|_| self.bad_answer(format!("height {height}")))
    }

    pub(super) fn json(&self, value: &impl Serialize) -> Result<Vec<u8>, ChainError> {
        serde_json::to_vec(value).map_err(|error| self.refused(error.to_string()))
    }

    pub(super) fn refused(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Refused { chain: self.id.clone(), cause: cause.into() }
    }

    fn unreachable(&self, cause: String) -> ChainError {
        ChainError::Unreachable { chain: self.id.clone(), cause }
    }

    pub(super) fn bad_answer(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.id.clone(), cause: cause.into() }
    }
}

pub(super) fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}
