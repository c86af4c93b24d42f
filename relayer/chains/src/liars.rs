//! Endpoints that were caught lying, named once in the log and kept until the next start; and how the following of a chain goes
//! on without them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_config::Endpoint;
use aes_protocol::ChainId;
use aes_telemetry::{fault, Fault};
use serde::{Deserialize, Serialize};

/// As an attestor's `GET /v1/health` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowHealth {
    /// of the newest header that is believed
    pub height: Option<u64>,
    /// Unix seconds of it
    pub time: Option<u64>,
    /// endpoints that are still asked
    pub endpoints: usize,
    /// endpoints that were caught lying since the start, and at what
    pub liars: BTreeMap<String, String>,
    /// why no newer header is believed, until that is over
    #[serde(default)]
    pub trouble: Option<String>,
    /// why nothing of this chain is signed any more
    pub stopped: Option<String>,
}

#[derive(Debug)]
pub struct Liars {
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

/// The URLs of each host, in the order of the list: whoever runs it can lie behind all of them.
pub fn by_host(endpoints: &[Endpoint]) -> Vec<(String, Vec<Endpoint>)> {
    grouped(endpoints, Endpoint::to_string)
}

/// The same of anything that has a host's name.
pub(crate) fn grouped<T: Clone>(endpoints: &[T], name: impl Fn(&T) -> String) -> Vec<(String, Vec<T>)> {
    let mut hosts: Vec<(String, Vec<T>)> = vec![];
    for endpoint in endpoints {
        let name = name(endpoint);
        match hosts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, same)) => same.push(endpoint.clone()),
            None => hosts.push((name, vec![endpoint.clone()])),
        }
    }
    hosts
}
