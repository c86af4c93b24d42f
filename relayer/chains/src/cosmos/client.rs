//! One CosmWasm chain, as one account sees and uses it: queries, blocks, and transactions in their order.
//! Shared where the home chain and an escrow's chain are the same, so that one account has one sequence.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aes_config::{ChainConfig, KeyError};
use aes_protocol::{ChainId, Hash32};
use cosmrs::proto::cosmos::auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse};
use cosmrs::proto::cosmos::bank::v1beta1::{QueryBalanceRequest, QueryBalanceResponse};
use cosmrs::proto::cosmos::tx::v1beta1::{SimulateRequest, SimulateResponse};
use cosmrs::proto::cosmwasm::wasm::v1::{
    QueryRawContractStateRequest, QueryRawContractStateResponse, QuerySmartContractStateRequest,
    QuerySmartContractStateResponse,
};
use cosmrs::proto::traits::{Message, Name};
use cosmrs::Any;
use serde::de::DeserializeOwned;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tendermint_rpc::endpoint::{block, block_results, header, status, tx};
use tendermint_rpc::{Client, WebSocketClientUrl};
use tokio::sync::watch;

use super::endpoints::{Endpoints, NodeError};
use super::fee::{with_margin, Gas, GasPrice};
use super::refusal::{expected_sequence, words};
use super::signer::{Position, Signer};
use super::ticks::Ticks;
use crate::chain::{GasAccount, Head, Outcome, TxId};
use crate::error::ChainError;

/// How long a transaction that we sent, and that no block shows, counts as on its way.
const PENDING: Duration = Duration::from_secs(60);
/// Tries to agree with the node on the sequence.
const TRIES: usize = 4;
/// Codes of the SDK's own errors.
const WRONG_SEQUENCE: u32 = 32;
const INSUFFICIENT_FUNDS: u32 = 5;
const IN_MEMPOOL: u32 = 19;
const MEMPOOL_FULL: u32 = 20;
const OUT_OF_GAS: u32 = 11;

/// The config of a chain does not add up; found before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{0}: {1}")]
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
    poll: Duration,
    endpoints: Arc<Endpoints>,
    ticks: watch::Receiver<u64>,
    signer: Option<Signer>,
    /// when we sent what we do not know the outcome of yet
    sent: Mutex<HashMap<String, Instant>>,
    /// a computed bound was too small on this chain: from now on the node is asked
    bounds_fail: AtomicBool,
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
        let urls = config.rpc.iter().map(|url| websocket_url(url)).collect::<Result<_, _>>().map_err(wrong_url)?;
        let poll = Duration::from_millis(config.poll);
        let ticks = Ticks { endpoints: endpoints.clone(), urls, poll }.start();
        Ok(Arc::new(Self {
            id: id.clone(),
            name: config.name.clone(),
            prefix,
            poll,
            endpoints,
            ticks,
            signer,
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

    // ---- what there is

    /// The node's newest committed block, which on CometBFT is final.
    pub async fn head(&self) -> Result<Head, ChainError> {
        let status: status::Response = self.must(|client| async move { client.status().await }).await?;
        self.check_network(status.node_info.network.as_str())?;
        Ok(Head {
            height: status.sync_info.latest_block_height.value(),
            hash: self.hash(status.sync_info.latest_block_hash)?,
            time: self.seconds(status.sync_info.latest_block_time)?,
        })
    }

    pub(super) async fn block(&self, height: u64) -> Result<block::Response, ChainError> {
        let height = self.height(height)?;
        let answer: block::Response = self.must(|client| async move { client.block(height).await }).await?;
        self.check_network(answer.block.header.chain_id.as_str())?;
        Ok(answer)
    }

    pub(super) async fn block_results(&self, height: u64) -> Result<block_results::Response, ChainError> {
        let height = self.height(height)?;
        self.must(|client| async move { client.block_results(height).await }).await
    }

    /// Unix seconds of a block's header, which is what contracts see as their time.
    pub(super) async fn block_time(&self, height: u64) -> Result<u64, ChainError> {
        let height = self.height(height)?;
        let answer: header::Response = self.must(|client| async move { client.header(height).await }).await?;
        self.seconds(answer.header.time)
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

    /// What a contract has stored under a key, empty for nothing, and the height at which it was so.
    pub(super) async fn raw(&self, contract: &str, key: Vec<u8>) -> Result<(Vec<u8>, u64), ChainError> {
        let request = QueryRawContractStateRequest { address: contract.into(), query_data: key };
        let (answer, height): (QueryRawContractStateResponse, _) =
            self.query("/cosmwasm.wasm.v1.Query/RawContractState", &request).await?;
        Ok((answer.data, height))
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
            return Err(self.refused(words(&answer.log)));
        }
        let decoded =
            A::decode(answer.value.as_slice()).map_err(|error| self.bad_answer(format!("{path}: {error}")))?;
        Ok((decoded, answer.height.value()))
    }

    // ---- transactions

    /// Signs and hands over, in the order of the calls. Ok: the node has it in its mempool.
    pub(super) async fn broadcast(&self, messages: Vec<Any>, gas: Gas) -> Result<TxId, ChainError> {
        let signer = self.signer()?;
        let gas = match gas {
            Gas::Bound(gas) if !self.bounds_fail.load(Ordering::Relaxed) => gas,
            _ => with_margin(self.simulate(messages.clone()).await?),
        };
        let number = self.account_number(signer).await?;
        let mut next = signer.sequence.lock().await;
        for _ in 0..TRIES {
            let sequence = match *next {
                Some(sequence) => sequence,
                None => self.account(signer).await?.sequence,
            };
            // unknown again if this ends early: the node may or may not have taken it
            *next = None;
            let bytes = signer
                .sign(messages.clone(), gas, Position { number, sequence })
                .map_err(|cause| self.refused(format!("cannot sign: {cause}")))?;
            let id = TxId(hex::encode_upper(Sha256::digest(&bytes)));
            let answer = self.endpoints.ask(|client| {
                let bytes = bytes.clone();
                async move { client.broadcast_tx_sync(bytes).await }
            });
            let answer = match answer.await? {
                Ok(answer) => answer,
                // these very bytes: handed over by a try whose answer got lost
                Err(NodeError(text)) if text.contains("already exists in cache") => {
                    *next = sequence.checked_add(1);
                    return Ok(self.handed_over(id));
                }
                Err(NodeError(cause)) => return Err(ChainError::Unreachable { chain: self.id.clone(), cause }),
            };
            let sdk = answer.codespace == "sdk";
            match answer.code.value() {
                0 => {
                    *next = sequence.checked_add(1);
                    return Ok(self.handed_over(id));
                }
                IN_MEMPOOL if sdk => {
                    *next = sequence.checked_add(1);
                    return Ok(self.handed_over(id));
                }
                WRONG_SEQUENCE if sdk => *next = expected_sequence(&answer.log),
                INSUFFICIENT_FUNDS if sdk => {
                    *next = Some(sequence);
                    return Err(self.insufficient_gas(signer, Some(gas)).await);
                }
                MEMPOOL_FULL if sdk => {
                    *next = Some(sequence);
                    return Err(ChainError::Unreachable { chain: self.id.clone(), cause: answer.log });
                }
                _ => {
                    *next = Some(sequence);
                    return Err(self.refused(words(&answer.log)));
                }
            }
        }
        let cause = format!("it does not agree on the sequence of {}", signer.address);
        Err(ChainError::Unreachable { chain: self.id.clone(), cause })
    }

    /// The fee that `broadcast` would pay; the node runs the messages, so a refusal shows here.
    pub(super) async fn estimate(&self, messages: Vec<Any>, gas: Gas) -> Result<u128, ChainError> {
        let signer = self.signer()?;
        let simulated = self.simulate(messages).await?;
        Ok(signer.price.fee(match gas {
            Gas::Bound(gas) if !self.bounds_fail.load(Ordering::Relaxed) => gas,
            _ => with_margin(simulated),
        }))
    }

    /// Gas used, run on top of what is in the node's mempool.
    pub(super) async fn simulate(&self, messages: Vec<Any>) -> Result<u64, ChainError> {
        let signer = self.signer()?;
        let counted = *signer.sequence.lock().await;
        let mut sequence = match counted {
            Some(sequence) => sequence,
            None => self.account(signer).await?.sequence,
        };
        for _ in 0..TRIES {
            let tx_bytes = signer
                .unsigned(messages.clone(), sequence)
                .map_err(|cause| self.refused(format!("cannot encode: {cause}")))?;
            let request = SimulateRequest { tx_bytes, ..Default::default() };
            let answer: Result<(SimulateResponse, _), _> =
                self.query("/cosmos.tx.v1beta1.Service/Simulate", &request).await;
            match answer {
                Ok((answer, _)) => {
                    return answer.gas_info.map(|gas| gas.gas_used).ok_or_else(|| self.bad_answer("no gas_info"));
                }
                Err(ChainError::Refused { chain, cause }) => {
                    sequence = expected_sequence(&cause).ok_or(ChainError::Refused { chain, cause })?;
                }
                Err(error) => return Err(error),
            }
        }
        let cause = format!("it does not agree on the sequence of {}", signer.address);
        Err(ChainError::Unreachable { chain: self.id.clone(), cause })
    }

    pub async fn outcome(&self, id: &TxId) -> Result<Outcome, ChainError> {
        let Some(found) = self.find(id).await? else {
            let sent = self.lock_sent().get(&id.0).copied();
            return Ok(if sent.is_some_and(|at| at.elapsed() < PENDING) { Outcome::Pending } else { Outcome::Unknown });
        };
        self.lock_sent().remove(&id.0);
        let height = found.height.value();
        if found.tx_result.code.is_ok() {
            return Ok(Outcome::Included { height, time: self.block_time(height).await? });
        }
        if found.tx_result.codespace == "sdk" && found.tx_result.code.value() == OUT_OF_GAS {
            self.bounds_fail.store(true, Ordering::Relaxed);
        }
        Ok(Outcome::Failed { height, cause: words(&found.tx_result.log) })
    }

    /// Looks at each block, until `limit`.
    pub(super) async fn included(&self, id: &TxId, limit: Duration) -> Result<tx::Response, ChainError> {
        let mut ticks = self.ticks();
        let look = async {
            loop {
                match self.find(id).await? {
                    Some(found) if found.tx_result.code.is_ok() => return Ok(found),
                    Some(found) => return Err(self.refused(words(&found.tx_result.log))),
                    // the index of transactions may lag behind the block: look again soon
                    None => _ = tokio::time::timeout(self.poll, ticks.changed()).await,
                }
            }
        };
        let late = || ChainError::Unreachable {
            chain: self.id.clone(),
            cause: format!("transaction {} is in no block after {} s", id.0, limit.as_secs()),
        };
        tokio::time::timeout(limit, look).await.map_err(|_| late())?
    }

    pub async fn wait_for(&self, id: &TxId, limit: Duration) -> Result<u64, ChainError> {
        Ok(self.included(id, limit).await?.height.value())
    }

    async fn find(&self, id: &TxId) -> Result<Option<tx::Response>, ChainError> {
        let hash: tendermint::Hash =
            id.0.parse().map_err(|_| self.refused(format!("'{}' is no transaction id", id.0)))?;
        match self.endpoints.ask(|client| async move { client.tx(hash, false).await }).await? {
            Ok(found) => Ok(Some(found)),
            Err(NodeError(text)) if text.contains("not found") => Ok(None),
            Err(NodeError(text)) => Err(self.bad_answer(text)),
        }
    }

    fn handed_over(&self, id: TxId) -> TxId {
        let mut sent = self.lock_sent();
        sent.retain(|_, at| at.elapsed() < PENDING);
        sent.insert(id.0.clone(), Instant::now());
        id
    }

    fn lock_sent(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        // a map of times is whole whenever its lock is free, even after a panic elsewhere
        self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    // ---- the account

    pub(super) fn signer(&self) -> Result<&Signer, ChainError> {
        self.signer.as_ref().ok_or_else(|| ChainError::NoKey { chain: self.id.clone() })
    }

    async fn account_number(&self, signer: &Signer) -> Result<u64, ChainError> {
        let ask = || async { Ok(self.account(signer).await?.account_number) };
        signer.number.get_or_try_init(ask).await.copied()
    }

    async fn account(&self, signer: &Signer) -> Result<BaseAccount, ChainError> {
        let request = QueryAccountRequest { address: signer.address.clone() };
        let answer: Result<(QueryAccountResponse, _), _> =
            self.query("/cosmos.auth.v1beta1.Query/Account", &request).await;
        match answer {
            Ok((answer, _)) => {
                let any = answer.account.ok_or_else(|| self.bad_answer("no account in the answer"))?;
                BaseAccount::decode(any.value.as_slice()).map_err(|error| self.bad_answer(error.to_string()))
            }
            // an account that never received anything does not exist
            Err(ChainError::Refused { cause, .. }) if cause.contains("not found") => {
                Err(self.insufficient_gas(signer, None).await)
            }
            Err(error) => Err(error),
        }
    }

    async fn insufficient_gas(&self, signer: &Signer, gas: Option<u64>) -> ChainError {
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
    async fn must<T, F>(&self, request: impl Fn(tendermint_rpc::HttpClient) -> F) -> Result<T, ChainError>
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

    pub(super) fn bad_answer(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.id.clone(), cause: cause.into() }
    }
}

pub(super) fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

/// CometBFT serves both at one address.
fn websocket_url(rpc: &str) -> Result<WebSocketClientUrl, tendermint_rpc::Error> {
    format!("{}/websocket", rpc.replacen("http", "ws", 1).trim_end_matches('/')).parse()
}
