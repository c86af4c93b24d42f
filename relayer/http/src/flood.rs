//! How often one peer asks: so many requests a second, and what is above is refused at once.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Peers remembered until those that ask no more are forgotten.
const PEERS: usize = 1_024;

#[derive(Clone, Copy)]
pub struct Peer(pub IpAddr);

#[derive(Clone)]
pub struct Peers(Arc<DefaultKeyedRateLimiter<IpAddr>>);

impl Peers {
    pub fn new(requests_a_second: NonZeroU32) -> Self {
        Self(Arc::new(DefaultKeyedRateLimiter::keyed(Quota::per_second(requests_a_second))))
    }

    fn may_ask(&self, peer: IpAddr) -> bool {
        if self.0.len() > PEERS {
            self.0.retain_recent();
        }
        self.0.check_key(&peer).is_ok()
    }
}

pub async fn not_too_often(
    State(peers): State<Peers>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peers.may_ask(peer) {
        return next.run(request).await;
    }
    (StatusCode::TOO_MANY_REQUESTS, "too many requests a second; ask less often, or raise http.requests")
        .into_response()
}
