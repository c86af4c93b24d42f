//! What an HTTP server of ours takes from others.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::token::TokenRef;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// whoever asks must send it; needed where it listens beyond loopback
    pub token: Option<TokenRef>,
    /// bytes of a request's body
    pub body: usize,
    /// seconds for a request's head to arrive
    pub head: u64,
    /// seconds for one request: for its body to arrive, and for the answer
    pub request: u64,
    /// connections at once; one more is closed
    pub connections: usize,
    /// requests of one peer a second; more are refused
    pub requests: NonZeroU32,
}

/// A relayer asks a handful of questions an execution: this is far above what any of ours asks.
const REQUESTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

impl Default for HttpConfig {
    fn default() -> Self {
        Self { token: None, body: 64 * 1024, head: 10, request: 12, connections: 256, requests: REQUESTS }
    }
}
