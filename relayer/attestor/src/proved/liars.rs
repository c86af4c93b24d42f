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
