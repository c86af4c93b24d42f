//! The headers of one chain that are believed, without a gap from the oldest to the newest: each is the parent of the
//! one after it by its hash, and the newest is signed by the validators.

use std::collections::BTreeMap;

use aes_chains::Head;
use aes_evidence::cosmos::{hash32, seconds};
use aes_evidence::ProofError;
use aes_protocol::Hash32;
use tendermint::block::Header;

/// So many blocks a leg's moments may be behind the newest header: a day of blocks of five seconds.
pub(super) const FURTHEST_BACK: u64 = 20_000;
/// More than that: what was looked up at the edge stays while the newest goes on.
const KEPT: usize = 24_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Believed {
    pub head: Head,
    /// of the state before this block
    pub app_hash: Vec<u8>,
    pub parent: Option<Hash32>,
}

impl Believed {
    pub fn of(header: &Header) -> Result<Self, ProofError> {
        Ok(Self {
            head: Head { height: header.height.value(), hash: hash32(header.hash())?, time: seconds(header)? },
            app_hash: header.app_hash.as_bytes().to_vec(),
            parent: header.last_block_id.map(|id| hash32(id.hash)).transpose()?,
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Headers(BTreeMap<u64, Believed>);

impl Headers {
    pub fn at(&self, height: u64) -> Option<&Believed> {
        self.0.get(&height)
    }

    pub fn newest(&self) -> Option<&Believed> {
        self.0.last_key_value().map(|(_, newest)| newest)
    }

    pub fn oldest(&self) -> Option<&Believed> {
        self.0.first_key_value().map(|(_, oldest)| oldest)
    }

    /// A signed header above the newest, with those between the two, newest first. Where they do not reach down to it,
    /// what was known goes: a gap would break the chain of hashes.
    pub fn extend(&mut self, signed: Believed, between: Vec<Believed>) {
        let reached = between.last().unwrap_or(&signed).head.height.checked_sub(1);
        if self.newest().map(|newest| newest.head.height) != reached {
            self.0.clear();
        }
        for header in between.into_iter().chain([signed]) {
            self.0.insert(header.head.height, header);
        }
        while self.0.len() > KEPT {
            self.0.pop_first();
        }
    }

    /// `header` is the parent of the oldest one.
    pub fn extend_down(&mut self, header: Believed) -> bool {
        let fits = self.oldest().is_some_and(|oldest| is_parent(&header, oldest));
        if fits {
            self.0.insert(header.head.height, header);
        }
        fits
    }
}

pub(super) fn is_parent(parent: &Believed, child: &Believed) -> bool {
    parent.head.height.checked_add(1) == Some(child.head.height) && child.parent == Some(parent.head.hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(height: u64) -> Believed {
        let hash = |height: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&height.to_be_bytes());
            Hash32(bytes)
        };
        let head = Head { height, hash: hash(height), time: height };
        Believed { head, app_hash: vec![], parent: Some(hash(height - 1)) }
    }

    #[test]
    fn what_was_looked_up_at_the_edge_stays_while_the_chain_goes_on() {
        let newest = FURTHEST_BACK + 1_000;
        let edge = newest - FURTHEST_BACK;
        let mut headers = Headers::default();
        headers.extend(header(newest), vec![]);
        assert!((edge..newest).rev().all(|height| headers.extend_down(header(height))));
        for height in newest + 1..newest + 100 {
            headers.extend(header(height), vec![]);
        }
        assert_eq!(headers.at(edge), Some(&header(edge)));
    }
}
