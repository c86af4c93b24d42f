//! One chain's CometBFT RPC endpoints: the one that answered last is asked first, the next where it does not.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aes_protocol::ChainId;
use tendermint_rpc::client::CompatMode;
use tendermint_rpc::error::{Error, ErrorDetail};
use tendermint_rpc::{HttpClient, HttpClientUrl};

use crate::error::ChainError;

pub(super) struct Endpoints {
    chain: ChainId,
    clients: Vec<HttpClient>,
    current: AtomicUsize,
}

/// The node understood the request and answered with an error.
pub(super) struct NodeError(pub String);

impl Endpoints {
    pub fn new(chain: ChainId, urls: &[String], timeout: Duration) -> Result<Self, Error> {
        let client = |url: &String| {
            let url: HttpClientUrl = url.parse()?;
            HttpClient::builder(url).compat_mode(CompatMode::V0_38).timeout(timeout).build()
        };
        let clients = urls.iter().map(client).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { chain, clients, current: AtomicUsize::new(0) })
    }

    pub async fn ask<T, F>(&self, request: impl Fn(HttpClient) -> F) -> Result<Result<T, NodeError>, ChainError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let first = self.current.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        let mut nonsense = false;
        for offset in 0..self.clients.len() {
            let position = (first + offset) % self.clients.len();
            match request(self.clients[position].clone()).await {
                Ok(answer) => {
                    self.current.store(position, Ordering::Relaxed);
                    return Ok(Ok(answer));
                }
                Err(Error(ErrorDetail::Response(error), _)) => {
                    self.current.store(position, Ordering::Relaxed);
                    return Ok(Err(NodeError(error.source.to_string())));
                }
                Err(error) => {
                    nonsense = !is_silence(error.detail());
                    failures.push(error.detail().to_string());
                }
            }
        }
        let (chain, cause) = (self.chain.clone(), failures.join("; "));
        Err(if nonsense { ChainError::BadAnswer { chain, cause } } else { ChainError::Unreachable { chain, cause } })
    }
}

/// Whether there was no answer at all, rather than one that cannot be read.
fn is_silence(detail: &ErrorDetail) -> bool {
    matches!(
        detail,
        ErrorDetail::Http(_) | ErrorDetail::HttpRequestFailed(_) | ErrorDetail::Io(_) | ErrorDetail::Timeout(_)
    )
}
