//! The wire: JSON-RPC over HTTP to a list of endpoints, as Bitcoin Core and btcd both speak it (docs/bitcoin.md). One that
//! does not answer is rested for a while and the next is asked, so a dead node costs one time-out and not one a request. The
//! simulation has a wire of its own.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aes_protocol::ChainId;
use aes_telemetry::metrics;
use async_trait::async_trait;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::{json, Value};
use tokio::time::Instant;

use crate::http::{self, cause_of};
use crate::liars::{grouped, Liars};

pub const NO_ONE_HONEST: &str = "every endpoint was caught lying; the log and GET /v1/health say at what";
const REST: Duration = Duration::from_secs(15);

/// What the codes of a node's errors mean, as far as we act on them.
pub const VERIFY_ERROR: i64 = -25;
pub const VERIFY_REJECTED: i64 = -26;
pub const ALREADY_IN_CHAIN: i64 = -27;
pub const NO_SUCH_THING: i64 = -5;
pub const METHOD_NOT_FOUND: i64 = -32601;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeError {
    pub code: i64,
    pub message: String,
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum RpcError {
    /// try again later
    #[error("{0}")]
    NoAnswer(String),
    /// the node understood, and says no
    #[error("{0}")]
    Refused(NodeError),
    #[error("{method}: {cause}")]
    Form { method: &'static str, cause: String },
}

#[derive(Debug)]
struct Endpoint {
    at: aes_config::Endpoint,
    /// it has shown once that it is of the right chain
    checked: AtomicBool,
    resting_until: Mutex<Option<Instant>>,
}

impl Endpoint {
    fn rests(&self) -> bool {
        let until = *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest_until(&self, until: Option<Instant>) {
        *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// What a node said, as far as it is JSON-RPC: its result or its error.
pub type Answer = Result<Value, NodeError>;

/// How a question comes to an endpoint.
#[async_trait]
pub trait Wire: Debug + Send + Sync {
    /// `Err`: it did not answer, and why.
    async fn exchange(&self, endpoint: &aes_config::Endpoint, method: &str, params: &Value) -> Result<Answer, String>;
}

#[derive(Debug)]
pub struct Http {
    client: reqwest::Client,
    next_id: AtomicU64,
}

impl Http {
    pub fn new(timeout: Duration) -> Result<Self, String> {
        let client = http::client(timeout).map_err(|error| cause_of(&error))?;
        Ok(Self { client, next_id: AtomicU64::new(1) })
    }
}

#[derive(Debug)]
pub struct Endpoints {
    /// CAIP-2 reference: how the hash of the chain's first block begins
    genesis: String,
    wire: Arc<dyn Wire>,
    endpoints: Vec<Arc<Endpoint>>,
    liars: Arc<Liars>,
}

impl Endpoints {
    /// User and password stand in the URL.
    pub fn new(chain: &ChainId, endpoints: &[aes_config::Endpoint], wire: Arc<dyn Wire>) -> Self {
        let endpoint = |at: &aes_config::Endpoint| {
            let (checked, resting_until) = (AtomicBool::new(false), Mutex::new(None));
            Arc::new(Endpoint { at: at.clone(), checked, resting_until })
        };
        let endpoints = endpoints.iter().map(endpoint).collect();
        Self { genesis: chain.reference().into(), wire, endpoints, liars: Arc::new(Liars::new(chain)) }
    }

    /// Those of each host by themselves, under its name: whoever runs it can lie behind all its URLs.
    pub fn each(&self) -> Vec<(String, Self)> {
        let alone = |(name, endpoints)| {
            let (genesis, wire, liars) = (self.genesis.clone(), self.wire.clone(), self.liars.clone());
            (name, Self { genesis, wire, endpoints, liars })
        };
        grouped(&self.endpoints, |endpoint| endpoint.at.to_string()).into_iter().map(alone).collect()
    }

    pub fn liars(&self) -> &Liars {
        &self.liars
    }

    /// None has answered lately.
    pub fn rest(&self) -> bool {
        self.endpoints.iter().all(|endpoint| endpoint.rests())
    }

    pub async fn call<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        // In the order of the config; the resting ones last, for they may be all there is.
        let honest = self.endpoints.iter().filter(|endpoint| !self.liars.contains(&endpoint.at.to_string()));
        let (resting, awake): (Vec<_>, Vec<_>) = honest.partition(|endpoint| endpoint.rests());
        let mut causes = Vec::new();
        for endpoint in awake.into_iter().chain(resting) {
            let answer = self.ask(endpoint, method, &params).await;
            let outcome = if answer.is_ok() { "answered" } else { "failed" };
            metrics().endpoint_answers.add([&format!("bip122:{}", self.genesis), &endpoint.at.to_string(), outcome], 1);
            match answer {
                Ok(answer) => {
                    endpoint.rest_until(None);
                    let value = answer.map_err(RpcError::Refused)?;
                    return serde_json::from_value(value)
                        .map_err(|error| RpcError::Form { method, cause: error.to_string() });
                }
                Err(cause) => {
                    endpoint.rest_until(Instant::now().checked_add(REST));
                    causes.push(format!("{}: {cause}", endpoint.at));
                }
            }
        }
        Err(RpcError::NoAnswer(match (causes.is_empty(), self.endpoints.is_empty()) {
            (false, _) => causes.join("; "),
            (_, true) => "the rpc list is empty".into(),
            (_, false) => NO_ONE_HONEST.into(),
        }))
    }

    async fn ask(&self, endpoint: &Endpoint, method: &str, params: &Value) -> Result<Answer, String> {
        self.check_chain(endpoint).await?;
        self.wire.exchange(&endpoint.at, method, params).await
    }

    /// A wrong URL in the list must not show another chain's state after a fail-over.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<(), String> {
        if endpoint.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let first = self.wire.exchange(&endpoint.at, "getblockhash", &json!([0])).await?;
        let first = first.map_err(|error| format!("getblockhash 0: {error}"))?;
        let hash = first.as_str().ok_or("getblockhash 0: no hash")?;
        if !hash.starts_with(&self.genesis) {
            return Err(format!("is a node of the chain whose first block is {hash}; correct the rpc list"));
        }
        endpoint.checked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Wire for Http {
    async fn exchange(&self, endpoint: &aes_config::Endpoint, method: &str, params: &Value) -> Result<Answer, String> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let sent = self.client.post(endpoint.expose().clone()).json(&body).send().await;
        let response = sent.map_err(|error| cause_of(&error.without_url()))?;
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(format!(
                    "HTTP {status}: write user and password into the URL, http://user:password@host:port"
                ))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => return Err(format!("HTTP {status}")),
            _ => {}
        }
        // Bitcoin Core gives its errors other HTTP statuses than 200: the body decides.
        let read = response.json().await;
        let mut answer: Value = read.map_err(|error| format!("HTTP {status}, {}", cause_of(&error.without_url())))?;
        match (answer.get_mut("error").map(Value::take), answer.get_mut("result").map(Value::take)) {
            (Some(error), _) if !error.is_null() => {
                let error: NodeError =
                    serde_json::from_value(error).map_err(|error| format!("HTTP {status}, its error: {error}"))?;
                Ok(Err(error))
            }
            (_, Some(result)) => Ok(Ok(result)),
            _ => Err(format!("HTTP {status}, neither a result nor an error")),
        }
    }
}
