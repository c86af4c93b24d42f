//! Asks one attestor over HTTP, on a connection that stays open.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use aes_chains::bitcoin::Cosigned;
use aes_config::{AttestorAt, Endpoint, Token, TokenRef};
use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::bitcoin::CosignBody;
use crate::refusal::Problem;
use crate::wire::{Answer, AttestBody, Identity, Request};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the attestor's own, so that its reason is heard.
const TIMEOUT: Duration = Duration::from_secs(15);
/// 64 decisions or 16 pieces of evidence take a tenth of it.
const ANSWER_LIMIT: usize = 256 * 1024;

#[derive(Debug, Clone, thiserror::Error)]
pub enum AttestRefusal {
    #[error("attestor {url}: no HTTP client: {cause}")]
    Client { url: String, cause: String },
    #[error("attestor {url}: {cause}; is it running?")]
    Unreachable { url: String, cause: String },
    #[error("attestor {url}: {}", problem.detail)]
    Refused { url: String, problem: Box<Problem> },
    /// it does not keep to the protocol; count it as lost
    #[error("attestor {url}: {cause}; tell its operator")]
    BadAnswer { url: String, cause: String },
}

/// What carries a question to an attestor and brings its answer back.
#[async_trait]
pub trait Wire: Debug + Send + Sync {
    /// GET where there is no body, else POST of JSON: the status and the body of the answer, or why there is none.
    async fn exchange(&self, path: &str, body: Option<Vec<u8>>) -> Result<(u16, Vec<u8>), String>;
}

#[derive(Debug, Clone)]
pub struct AttestorClient {
    wire: Arc<dyn Wire>,
    url: String,
}

impl AttestorClient {
    pub fn new(at: &Endpoint) -> Result<Self, AttestRefusal> {
        let http = Http::with(at, None).map_err(|cause| AttestRefusal::Client { url: at.to_string(), cause })?;
        Ok(Self::over(Arc::new(http), &at.to_string()))
    }

    /// As the config names it: where it is, and what lets us in.
    pub fn of(named: &AttestorAt) -> Result<Self, AttestRefusal> {
        let url = named.url.to_string();
        let no_client = |cause: String| AttestRefusal::Client { url: url.clone(), cause };
        let token =
            named.token.as_ref().map(TokenRef::load).transpose().map_err(|error| no_client(error.to_string()))?;
        let http = Http::with(&named.url, token).map_err(no_client)?;
        Ok(Self::over(Arc::new(http), &url))
    }

    /// Over another wire than HTTP; `url` is what it is called in errors.
    pub fn over(wire: Arc<dyn Wire>, url: &str) -> Self {
        Self { wire, url: url.into() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn attest(&self, request: &Request) -> Result<Answer, AttestRefusal> {
        self.ask("/v1/attest", Some(&AttestBody { statement: request.clone() })).await
    }

    pub async fn cosign(&self, body: &CosignBody) -> Result<Cosigned, AttestRefusal> {
        self.ask("/v1/bitcoin", Some(body)).await
    }

    /// Also opens the connection, so that the first `attest` need not.
    pub async fn identity(&self) -> Result<Identity, AttestRefusal> {
        self.ask("/v1/identity", None::<&AttestBody>).await
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, body: Option<&impl Serialize>) -> Result<T, AttestRefusal> {
        let bad = |cause: String| AttestRefusal::BadAnswer { url: self.url.clone(), cause };
        let body = body.map(serde_json::to_vec).transpose().map_err(|error| bad(format!("no question: {error}")))?;
        let answered = self.wire.exchange(path, body).await;
        let (status, body) = answered.map_err(|cause| AttestRefusal::Unreachable { url: self.url.clone(), cause })?;
        if body.len() > ANSWER_LIMIT {
            return Err(bad(format!("answers with more than {ANSWER_LIMIT} bytes")));
        }
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|error| bad(format!("its answer is unreadable: {error}")));
        }
        // what the bounds of its server refuse is said in plain words
        let words = || String::from_utf8_lossy(&body).chars().take(200).collect::<String>();
        let problem = serde_json::from_slice(&body)
            .map_err(|_| bad(format!("answers {status}: is it an attestor? {}", words())))?;
        Err(AttestRefusal::Refused { url: self.url.clone(), problem })
    }
}

#[derive(Debug)]
struct Http {
    client: reqwest::Client,
    /// ends in a slash, so that paths join below it
    root: Url,
    token: Option<Token>,
}

impl Http {
    fn with(at: &Endpoint, token: Option<Token>) -> Result<Self, String> {
        let root = Url::parse(&format!("{}/", at.expose().as_str().trim_end_matches('/')));
        let root = root.map_err(|error| error.to_string())?;
        // No proxy of the environment: attestors are near, and listen on loopback.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(None)
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, root, token })
    }
}

#[async_trait]
impl Wire for Http {
    /// Stops reading where the answer gets longer than it may be.
    async fn exchange(&self, path: &str, body: Option<Vec<u8>>) -> Result<(u16, Vec<u8>), String> {
        let failed = |error: reqwest::Error| causes(&error.without_url());
        let url = self.root.join(path.trim_start_matches('/')).map_err(|error| error.to_string())?;
        let request = match body {
            Some(body) => self.client.post(url).header(CONTENT_TYPE, "application/json").body(body),
            None => self.client.get(url),
        };
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > ANSWER_LIMIT {
                break;
            }
        }
        Ok((status, answer))
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
