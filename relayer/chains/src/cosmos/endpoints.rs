//! One chain's CometBFT RPC endpoints: the one that answered last is asked first, the next where it does not.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aes_protocol::ChainId;
use aes_telemetry::{fault, metrics, Fault};
use tendermint_rpc::client::CompatMode;
use tendermint_rpc::error::{Error, ErrorDetail};
use tendermint_rpc::{Client, HttpClient, HttpClientUrl};

use crate::error::ChainError;
use crate::http;

pub(super) struct Endpoints {
    chain: ChainId,
    endpoints: Vec<Endpoint>,
    current: AtomicUsize,
}

struct Endpoint {
    /// host and port: the rest of a URL may be secret
    name: String,
    client: HttpClient,
    /// it has said once that it is of the right chain
    checked: AtomicBool,
    /// it was said that it is of another chain
    denounced: AtomicBool,
}

/// The node understood the request and answered with an error.
pub(super) struct NodeError(pub String);

/// Why the next endpoint is asked.
enum Failure {
    Silence(String),
    Nonsense(String),
}

impl Endpoints {
    pub fn new(chain: ChainId, urls: &[aes_config::Endpoint], timeout: Duration) -> Result<Self, Error> {
        let endpoint = |at: &aes_config::Endpoint| {
            Ok(Endpoint {
                name: at.to_string(),
                client: rpc_client(at, timeout)?,
                checked: AtomicBool::new(false),
                denounced: AtomicBool::new(false),
            })
        };
        let endpoints = urls.iter().map(endpoint).collect::<Result<Vec<_>, Error>>()?;
        Ok(Self { chain, endpoints, current: AtomicUsize::new(0) })
    }

    pub async fn ask<T, F>(&self, request: impl Fn(HttpClient) -> F) -> Result<Result<T, NodeError>, ChainError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let first = self.current.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        let mut nonsense = false;
        for offset in 0..self.endpoints.len() {
            let position = (first + offset) % self.endpoints.len();
            let endpoint = &self.endpoints[position];
            let answer = self.ask_one(endpoint, &request).await;
            let outcome = if answer.is_ok() { "answered" } else { "failed" };
            metrics().endpoint_answers.add([self.chain.as_str(), &endpoint.name, outcome], 1);
            match answer {
                Ok(answer) => {
                    self.current.store(position, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(failure) => {
                    nonsense = matches!(failure, Failure::Nonsense(_));
                    let (Failure::Silence(cause) | Failure::Nonsense(cause)) = failure;
                    failures.push(cause);
                }
            }
        }
        let (chain, cause) = (self.chain.clone(), failures.join("; "));
        Err(if nonsense { ChainError::BadAnswer { chain, cause } } else { ChainError::Unreachable { chain, cause } })
    }

    async fn ask_one<T, F>(
        &self,
        endpoint: &Endpoint,
        request: impl Fn(HttpClient) -> F,
    ) -> Result<Result<T, NodeError>, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.check_chain(endpoint).await?;
        match request(endpoint.client.clone()).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) if matches!(error.detail(), ErrorDetail::Response(_)) => Ok(Err(NodeError(words_of(&error)))),
            Err(error) => Err(failure_of(&error)),
        }
    }

    /// A wrong URL in the list must not show another chain's state after a fail-over.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        if endpoint.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let status = endpoint.client.status().await.map_err(|error| failure_of(&error))?;
        let network = status.node_info.network;
        if network.as_str() != self.chain.reference() {
            let cause = format!("a node of the list is of chain '{network}'; correct the rpc list");
            if !endpoint.denounced.swap(true, Ordering::Relaxed) {
                fault!(Fault::WrongChain, "{}: {cause}; it is never asked for anything else", self.chain);
            }
            return Err(Failure::Nonsense(cause));
        }
        endpoint.checked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Asks nothing yet.
pub fn rpc_client(at: &aes_config::Endpoint, timeout: Duration) -> Result<HttpClient, Error> {
    let url: HttpClientUrl = at.expose().as_str().parse()?;
    let client = http::client(timeout).map_err(Error::http)?;
    HttpClient::builder(url).compat_mode(CompatMode::V0_38).client(client).build()
}

/// No answer at all, or one that cannot be read.
fn failure_of(error: &Error) -> Failure {
    let detail = error.detail();
    let silent = matches!(
        detail,
        ErrorDetail::Http(_) | ErrorDetail::HttpRequestFailed(_) | ErrorDetail::Io(_) | ErrorDetail::Timeout(_)
    );
    if silent {
        Failure::Silence(words_of(error))
    } else {
        Failure::Nonsense(words_of(error))
    }
}

/// The same, of one node that was asked alone.
pub fn rpc_failure(chain: &ChainId, error: &Error) -> ChainError {
    let chain = chain.clone();
    match failure_of(error) {
        Failure::Silence(cause) => ChainError::Unreachable { chain, cause },
        Failure::Nonsense(cause) => ChainError::BadAnswer { chain, cause },
    }
}

/// What it says by itself is a report of several lines, with places in source files.
pub fn words_of(error: &Error) -> String {
    match error.detail() {
        ErrorDetail::Response(answered) => answered.source.to_string(),
        detail => detail.to_string(),
    }
}
