//! Endpoints that were caught lying: named once in the log, kept until the next start.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_config::Endpoint;
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

/// The URLs of each host, in the order of the list: whoever runs it can lie behind all of them.
pub(super) fn by_host(endpoints: &[Endpoint]) -> Vec<(String, Vec<Endpoint>)> {
    let mut hosts: Vec<(String, Vec<Endpoint>)> = vec![];
    for endpoint in endpoints {
        let name = endpoint.to_string();
        match hosts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, same)) => same.push(endpoint.clone()),
            None => hosts.push((name, vec![endpoint.clone()])),
        }
    }
    hosts
}
