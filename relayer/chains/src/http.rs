//! HTTP to nodes: one client for every kind of chain, and what its errors say.

use std::error::Error;
use std::time::Duration;

/// Nodes close a connection that nobody used for a while (CometBFT after 10 seconds, Bitcoin Core after 30). Who asks on it in
/// that very moment gets no answer, so ours are closed earlier.
const IDLE: Duration = Duration::from_secs(5);

pub fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(timeout).pool_idle_timeout(IDLE).no_proxy().build()
}

/// reqwest says what failed, and only its sources say why.
pub fn cause_of(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", cause_of(source)),
        None => error.to_string(),
    }
}
