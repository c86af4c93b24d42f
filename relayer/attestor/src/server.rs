//! The attestor's HTTP API: `POST /v1/attest`, `POST /v1/bitcoin`, `GET /v1/health`, `GET /v1/identity`,
//! `GET /metrics`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aes_chains::bitcoin::Cosigned;
use aes_config::HttpConfig;
use aes_http::{serve, Server};
use aes_telemetry::{fault, metrics, Fault, Page};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::attestor::Attestor;
use crate::bitcoin::CosignBody;
use crate::health::Health;
use crate::refusal::Refusal;
use crate::start::StartError;
use crate::wire::{Answer, AttestBody, Identity};

/// For all that is looked at for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

impl Attestor {
    /// Serves until `shutdown`, then lets the requests under way end.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        bounds: &HttpConfig,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        let address = listener.local_addr()?;
        let server = Server::new(router(self), address, bounds)?;
        tracing::info!(%address, "attestor listens");
        Ok(serve(server, listener, shutdown).await?)
    }
}

/// Everything that is answered over HTTP; as a service of its own, for a wire that is none.
pub fn router(attestor: Arc<Attestor>) -> Router {
    Router::new()
        .route("/v1/attest", post(attest))
        .route("/v1/bitcoin", post(cosign))
        .route("/v1/health", get(health))
        .route("/v1/identity", get(identity))
        .route("/metrics", get(page))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(within_the_timeout))
        .with_state(attestor)
}

async fn within_the_timeout(request: HttpRequest, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::Timeout(REQUEST_TIMEOUT).into_response(),
    }
}

async fn attest(
    State(attestor): State<Arc<Attestor>>,
    body: Result<Json<AttestBody>, JsonRejection>,
) -> Result<Json<Answer>, Refusal> {
    let Json(AttestBody { statement: request }) =
        body.map_err(|error| Refusal::Http { status: error.status(), detail: error.body_text() })?;
    match attestor.attest(&request).await {
        Ok(answer) => {
            tracing::info!(statement = ?answer.statement, attestor_set = answer.attestor_set, "signed");
            metrics().statements.add(["signed"], 1);
            Ok(Json(answer))
        }
        Err(refusal) => {
            tracing::info!(?request, refused = refusal.code().name(), %refusal, "refused");
            Err(counted(refusal))
        }
    }
}

async fn cosign(
    State(attestor): State<Arc<Attestor>>,
    body: Result<Json<CosignBody>, JsonRejection>,
) -> Result<Json<Cosigned>, Refusal> {
    let Json(body) = body.map_err(|error| Refusal::Http { status: error.status(), detail: error.body_text() })?;
    match attestor.cosign(&body).await {
        Ok(cosigned) => {
            tracing::info!(chain = %body.chain, request = %body.request, "signed");
            metrics().statements.add(["signed"], 1);
            Ok(Json(cosigned))
        }
        Err(refusal) => {
            tracing::info!(chain = %body.chain, request = %body.request, refused = refusal.code().name(), %refusal, "refused");
            Err(counted(refusal))
        }
    }
}

/// Most refusals are the day's work; these are not.
fn counted(refusal: Refusal) -> Refusal {
    metrics().statements.add([refusal.code().name()], 1);
    match &refusal {
        Refusal::OppositeDecision { .. } => fault!(Fault::Equivocation, "{refusal}"),
        Refusal::Journal(_) | Refusal::Signing(_) => fault!(Fault::Unavailable, "{refusal}"),
        _ => {}
    }
    refusal
}

async fn page(State(attestor): State<Arc<Attestor>>) -> Page {
    for (id, chain) in attestor.followed() {
        let of_chain = [id.as_str()];
        metrics().followed_height.set(of_chain, chain.height.unwrap_or_default() as f64);
        metrics().lying_endpoints.set(of_chain, chain.liars.len() as f64);
        metrics().stopped.set(of_chain, f64::from(chain.stopped.is_some()));
    }
    metrics().page()
}

async fn health(State(attestor): State<Arc<Attestor>>) -> (StatusCode, Json<Health>) {
    let health = attestor.health().await;
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

async fn identity(State(attestor): State<Arc<Attestor>>) -> Json<Identity> {
    Json(Identity { signer: attestor.signer.address().to_vec().into() })
}

async fn no_such_path(uri: Uri) -> Refusal {
    let detail = format!(
        "no {}: there are POST /v1/attest, POST /v1/bitcoin, GET /v1/health, GET /v1/identity and GET /metrics",
        uri.path()
    );
    Refusal::Http { status: StatusCode::NOT_FOUND, detail }
}

async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    let detail = format!(
        "{method} {}: there are POST /v1/attest, POST /v1/bitcoin, GET /v1/health, GET /v1/identity and GET /metrics",
        uri.path()
    );
    Refusal::Http { status: StatusCode::METHOD_NOT_ALLOWED, detail }
}
