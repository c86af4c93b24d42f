//! The loop that takes connections.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aes_config::HttpConfig;
use axum::extract::{DefaultBodyLimit, Extension, Request};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state, Next};
use axum::response::{IntoResponse, Response};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::access::only_with;
use crate::flood::{not_too_often, Peer, Peers};
use crate::ServeError;

/// A router within its bounds.
pub struct Server {
    router: Router,
    connections: Arc<Semaphore>,
    http1: http1::Builder,
    /// for one request
    patience: Duration,
}

impl Server {
    /// Refuses to listen beyond loopback without a token.
    pub fn new(router: Router, address: SocketAddr, config: &HttpConfig) -> Result<Self, ServeError> {
        let patience = Duration::from_secs(config.request);
        let mut router = router
            .layer(DefaultBodyLimit::max(config.body))
            .layer(from_fn(move |request, next| within(patience, request, next)));
        match &config.token {
            Some(token) => router = router.layer(from_fn_with_state(token.load()?, only_with)),
            None if address.ip().is_loopback() => {}
            None => return Err(ServeError::NoToken(address)),
        }
        // outermost: a flood of wrong tokens is a flood
        let router = router.layer(from_fn_with_state(Peers::new(config.requests), not_too_often));
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(config.head));
        Ok(Self { router, connections: Arc::new(Semaphore::new(config.connections)), http1, patience })
    }
}

/// Serves until `shutdown`, then lets the requests under way end, each within its time.
pub async fn serve(
    server: Server,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let under_way = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // of one connection, or of a limit that others have to leave: the next may do
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        server.take(stream, peer, &under_way);
    }
    if tokio::time::timeout(server.patience, under_way.shutdown()).await.is_err() {
        tracing::warn!("connections still open after the shutdown were cut");
    }
    Ok(())
}

impl Server {
    /// One connection too many is closed at once: waiting for a place, it would cost one.
    fn take(&self, stream: TcpStream, peer: SocketAddr, under_way: &GracefulShutdown) {
        let Ok(place) = self.connections.clone().try_acquire_owned() else {
            tracing::debug!(%peer, "closed: as many connections are open as may be");
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set: answers may wait for the client's acknowledgement");
        }
        let service = TowerToHyperService::new(self.router.clone().layer(Extension(Peer(peer.ip()))));
        let connection = under_way.watch(self.http1.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection ended early");
            }
            drop(place);
        });
    }
}

async fn within(patience: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, format!("not done within {patience:?}; ask again")).into_response(),
    }
}
