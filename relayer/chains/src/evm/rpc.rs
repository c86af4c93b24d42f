//! The wire: JSON-RPC over HTTP to a list of endpoints. One that does not answer is rested for a while and the next
//! is asked, so a dead node costs one time-out and not one for each request. The simulation has a wire of its own.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aes_telemetry::{fault, metrics, Fault};
use async_trait::async_trait;
use ethers_core::types::U256;
use ethers_providers::{JsonRpcClient, JsonRpcError, ProviderError, RpcError};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Value};

use crate::http::{self, cause_of};

const REST: Duration = Duration::from_secs(15);
/// EIP-1474: more requests than the node takes
const LIMIT_EXCEEDED: i64 = -32005;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RpcFailure {
    #[error("{0}")]
    NoAnswer(String),
    #[error("{0}")]
    Refused(JsonRpcError),
    #[error("{0}")]
    Form(#[from] serde_json::Error),
}

impl RpcError for RpcFailure {
    fn as_error_response(&self) -> Option<&JsonRpcError> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
    fn as_serde_error(&self) -> Option<&serde_json::Error> {
        match self {
            Self::Form(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RpcFailure> for ProviderError {
    fn from(failure: RpcFailure) -> Self {
        Self::JsonRpcClientError(Box::new(failure))
    }
}

/// What a node said, as far as it is JSON-RPC: its result or its error.
pub type Answer = Result<Value, JsonRpcError>;

/// How a question comes to a node.
#[async_trait]
pub trait Wire: Debug + Send + Sync {
    /// `Err`: nobody answered, and why.
    async fn exchange(&self, method: &str, params: &Value) -> Result<Answer, String>;
}

/// What ethers speaks over.
#[derive(Debug)]
pub(crate) struct Rpc(pub Arc<dyn Wire>);

#[async_trait]
impl JsonRpcClient for Rpc {
    type Error = RpcFailure;

    async fn request<T, R>(&self, method: &str, params: T) -> Result<R, RpcFailure>
    where
        T: Debug + Serialize + Send + Sync,
        R: DeserializeOwned + Send,
    {
        let params = match serde_json::to_value(params)? {
            Value::Null => json!([]),
            params => params,
        };
        let answer = self.0.exchange(method, &params).await.map_err(RpcFailure::NoAnswer)?;
        Ok(serde_json::from_value(answer.map_err(RpcFailure::Refused)?)?)
    }
}

#[derive(Debug)]
struct Endpoint {
    at: aes_config::Endpoint,
    /// it has said once that it is of the right chain
    checked: AtomicBool,
    /// it was said that it is of another chain
    denounced: AtomicBool,
    resting_until: Mutex<Option<Instant>>,
}

impl Endpoint {
    fn rests(&self) -> bool {
        let until = *self.resting_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        until.is_some_and(|until| Instant::now() < until)
    }
    fn rest_until(&self, until: Option<Instant>) {
        *self.resting_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = until;
    }
}

#[derive(Debug)]
pub(crate) struct Endpoints {
    chain_number: u64,
    http: reqwest::Client,
    endpoints: Vec<Endpoint>,
    next_id: AtomicU64,
}

impl Endpoints {
    pub fn new(chain_number: u64, endpoints: &[aes_config::Endpoint], timeout: Duration) -> Result<Self, String> {
        let endpoint = |at: &aes_config::Endpoint| Endpoint {
            at: at.clone(),
            checked: AtomicBool::new(false),
            denounced: AtomicBool::new(false),
            resting_until: Mutex::new(None),
        };
        let endpoints = endpoints.iter().map(endpoint).collect();
        let http = http::client(timeout).map_err(|error| cause_of(&error))?;
        Ok(Self { chain_number, http, endpoints, next_id: AtomicU64::new(1) })
    }

    async fn post(&self, endpoint: &Endpoint, method: &str, params: &Value) -> Result<Answer, String> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let sent = self.http.post(endpoint.at.expose().clone()).json(&body).send().await;
        let response = sent.map_err(|error| cause_of(&error.without_url()))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(format!("HTTP {status}"));
        }
        // Some nodes give a JSON-RPC error another HTTP status than 200: the body decides.
        let read = response.json().await;
        let mut answer: Value = read.map_err(|error| format!("HTTP {status}, {}", cause_of(&error.without_url())))?;
        match (answer.get_mut("error").map(Value::take), answer.get_mut("result").map(Value::take)) {
            (Some(error), _) if !error.is_null() => {
                let error: JsonRpcError =
                    serde_json::from_value(error).map_err(|error| format!("HTTP {status}, its error: {error}"))?;
                // some providers say so with HTTP 200: the next endpoint may have time
                if error.code == LIMIT_EXCEEDED {
                    return Err(error.to_string());
                }
                Ok(Err(error))
            }
            (_, Some(result)) => Ok(Ok(result)),
            _ => Err(format!("HTTP {status}, neither a result nor an error")),
        }
    }

    /// A wrong URL in the list must not show another chain's state after a fail-over.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<(), String> {
        if endpoint.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answer = self.post(endpoint, "eth_chainId", &json!([])).await?;
        let number = answer.map_err(|error| format!("eth_chainId: {error}"))?;
        let got: U256 = serde_json::from_value(number).map_err(|error| format!("eth_chainId: {error}"))?;
        if got != self.chain_number.into() {
            let cause = format!("is a node of chain {got}, not {}; correct the rpc list", self.chain_number);
            if !endpoint.denounced.swap(true, Ordering::Relaxed) {
                fault!(Fault::WrongChain, "rpc {}: {cause}; it is never asked for anything else", endpoint.at);
            }
            return Err(cause);
        }
        endpoint.checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn ask(&self, endpoint: &Endpoint, method: &str, params: &Value) -> Result<Answer, String> {
        self.check_chain(endpoint).await?;
        self.post(endpoint, method, params).await
    }
}

#[async_trait]
impl Wire for Endpoints {
    async fn exchange(&self, method: &str, params: &Value) -> Result<Answer, String> {
        // In the order of the config; the resting ones last, for they may be all there is.
        let (resting, awake): (Vec<_>, Vec<_>) = self.endpoints.iter().partition(|endpoint| endpoint.rests());
        let mut causes = Vec::new();
        for endpoint in awake.into_iter().chain(resting) {
            let answer = self.ask(endpoint, method, params).await;
            let outcome = if answer.is_ok() { "answered" } else { "failed" };
            metrics()
                .endpoint_answers
                .add([&format!("eip155:{}", self.chain_number), &endpoint.at.to_string(), outcome], 1);
            match answer {
                Ok(answer) => {
                    endpoint.rest_until(None);
                    return Ok(answer);
                }
                Err(cause) => {
                    endpoint.rest_until(Instant::now().checked_add(REST));
                    causes.push(format!("{}: {cause}", endpoint.at));
                }
            }
        }
        Err(if causes.is_empty() { "the rpc list is empty".into() } else { causes.join("; ") })
    }
}
