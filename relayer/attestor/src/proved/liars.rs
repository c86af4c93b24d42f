//! Endpoints that were caught lying: named once in the log, kept until the next start.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_protocol::ChainId;
use aes_telemetry::{fault, Fault};

pub(super) struct Liars {
    chain: ChainId,
    /// name and lie
    caught: Mutex<BTreeMap<String, String>>,
}

impl Liars {
    pub fn new(chain: &ChainId) -> Self {
        Self { chain: chain.clone(), caught: Mutex::default() }
    }

    pub fn caught(&self, endpoint: &str, lie: &str) {
        if self.map().insert(endpoint.into(), lie.into()).is_none() {
            fault!(Fault::EndpointLies, chain = %self.chain, endpoint, lie, "an endpoint lies: it is not asked any more");
        }
    }

    pub fn contains(&self, endpoint: &str) -> bool {
        self.map().contains_key(endpoint)
    }

    pub fn all(&self) -> BTreeMap<String, String> {
        self.map().clone()
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // entries go in whole
        self.caught.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Host and port: the rest of a URL may be secret.
pub(super) fn name_of(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let name = parsed.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    name.unwrap_or_else(|| "an endpoint without a host".into())
}
