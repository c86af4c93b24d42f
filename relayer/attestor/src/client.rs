//! Asks one attestor over HTTP, on a connection that stays open.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::refusal::Problem;
use crate::wire::{Answer, AttestBody, Identity, Request};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the attestor's own, so that its reason is heard.
const TIMEOUT: Duration = Duration::from_secs(12);
/// 64 decisions or 16 pieces of evidence take a tenth of it.
const ANSWER_LIMIT: usize = 256 * 1024;

#[derive(Debug, Clone, thiserror::Error)]
pub enum AttestRefusal {
    #[error("attestor {url}: {cause}; write its base URL, e.g. http://127.0.0.1:7070")]
    Url { url: String, cause: String },
    #[error("attestor {url}: {cause}; is it running?")]
    Unreachable { url: String, cause: String },
    #[error("attestor {url}: {}", problem.detail)]
    Refused { url: String, problem: Problem },
    /// it does not keep to the protocol; count it as lost
    #[error("attestor {url}: {cause}; tell its operator")]
    BadAnswer { url: String, cause: String },
}

#[derive(Debug, Clone)]
pub struct AttestorClient {
    http: reqwest::Client,
    url: String,
    attest_url: Url,
    identity_url: Url,
}

impl AttestorClient {
    pub fn new(url: &str) -> Result<Self, AttestRefusal> {
        let fail = |cause: String| AttestRefusal::Url { url: url.into(), cause };
        let parse = |text: &str| Url::parse(text).map_err(|error| fail(error.to_string()));
        let base = parse(url)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(fail(format!("scheme {} is not http", base.scheme())));
        }
        let root = url.trim_end_matches('/');
        // No proxy of the environment: attestors are near, and listen on loopback.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(None)
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(|error| fail(error.to_string()))?;
        let attest_url = parse(&format!("{root}/v1/attest"))?;
        let identity_url = parse(&format!("{root}/v1/identity"))?;
        Ok(Self { http, url: root.into(), attest_url, identity_url })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn attest(&self, request: &Request) -> Result<Answer, AttestRefusal> {
        let body = AttestBody { statement: request.clone() };
        self.ask(self.http.post(self.attest_url.clone()).json(&body)).await
    }

    /// Also opens the connection, so that the first `attest` need not.
    pub async fn identity(&self) -> Result<Identity, AttestRefusal> {
        self.ask(self.http.get(self.identity_url.clone())).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, AttestRefusal> {
        let unreachable = |error: reqwest::Error| AttestRefusal::Unreachable {
            url: self.url.clone(),
            cause: causes(&error.without_url()),
        };
        let bad = |cause: String| AttestRefusal::BadAnswer { url: self.url.clone(), cause };

        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_LIMIT {
                return Err(bad(format!("answers with more than {ANSWER_LIMIT} bytes")));
            }
        }
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|error| bad(format!("its answer is unreadable: {error}")));
        }
        let problem = serde_json::from_slice(&body)
            .map_err(|_| bad(format!("answers {status} without saying why: is it an attestor?")))?;
        Err(AttestRefusal::Refused { url: self.url.clone(), problem })
    }
}

/// reqwest's own message stops before the cause, e.g. "connection refused".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
