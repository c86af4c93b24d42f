//! What is done to processes, nodes and links. Each kind is counted when it really struck: a run in which one never did
//! shows nothing about it.

use std::collections::BTreeMap;
use std::fmt;

use crate::step::{Step, STEPS};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Allianza,
    Polygon,
    Ethereum,
    Bitcoin,
}

impl Node {
    pub const ALL: [Self; 4] = [Self::Allianza, Self::Polygon, Self::Ethereum, Self::Bitcoin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Allianza => "allianza",
            Self::Polygon => "polygon",
            Self::Ethereum => "ethereum",
            Self::Bitcoin => "bitcoin",
        }
    }
}

/// To processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    RelayerKilled,
    /// killed, and its database deleted
    RelayerDiskLost,
    /// one or two of the three
    AttestorKilled,
    KilledAt(&'static Step),
}

/// To nodes and to what leads to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    NodePaused(Node),
    NodeStopped(Node),
    /// below finality; a block of CometBFT is final at once
    Reorg(Node),
    LinkLate,
    LinkReset,
    LinkCutShort,
    LinkFalse,
    NoGas,
}

impl Blow {
    /// Random moments as often as named steps.
    pub fn all() -> Vec<Self> {
        let any_time = [Self::RelayerKilled, Self::RelayerDiskLost, Self::AttestorKilled];
        let often = std::iter::repeat_n(any_time, STEPS.len() / any_time.len()).flatten();
        STEPS.iter().map(Self::KilledAt).chain(often).collect()
    }
}

impl Trouble {
    /// That there can be without this node.
    pub fn without(node: Node) -> Vec<Self> {
        let is_its = |trouble: &Self| matches!(trouble, Self::NodePaused(of) | Self::NodeStopped(of) | Self::Reorg(of) if *of == node);
        Self::all().into_iter().filter(|trouble| !is_its(trouble)).collect()
    }

    pub fn all() -> Vec<Self> {
        let nodes = Node::ALL.into_iter().flat_map(|node| [Self::NodePaused(node), Self::NodeStopped(node)]);
        let reorgs = [Node::Polygon, Node::Ethereum, Node::Bitcoin].map(Self::Reorg);
        let links = [Self::LinkLate, Self::LinkReset, Self::LinkCutShort, Self::LinkFalse];
        nodes.chain(reorgs).chain(links).chain([Self::NoGas]).collect()
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RelayerKilled => f.write_str("relayer_killed"),
            Self::RelayerDiskLost => f.write_str("relayer_disk_lost"),
            Self::AttestorKilled => f.write_str("attestor_killed"),
            Self::KilledAt(step) => write!(f, "killed_at.{}", step.name),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodePaused(node) => write!(f, "node_paused.{}", node.name()),
            Self::NodeStopped(node) => write!(f, "node_stopped.{}", node.name()),
            Self::Reorg(node) => write!(f, "reorg.{}", node.name()),
            Self::LinkLate => f.write_str("link_late"),
            Self::LinkReset => f.write_str("link_reset"),
            Self::LinkCutShort => f.write_str("link_cut_short"),
            Self::LinkFalse => f.write_str("link_false"),
            Self::NoGas => f.write_str("no_gas"),
        }
    }
}

/// How often each kind struck, by name; all kinds are in it from the start.
#[derive(Debug)]
pub struct Fired(pub BTreeMap<String, u64>);

impl Fired {
    pub fn none() -> Self {
        let blows = Blow::all().into_iter().map(|blow| blow.to_string());
        let troubles = Trouble::all().into_iter().map(|trouble| trouble.to_string());
        Self(blows.chain(troubles).map(|kind| (kind, 0)).collect())
    }

    pub fn count(&mut self, kind: impl fmt::Display) {
        *self.0.entry(kind.to_string()).or_default() += 1;
    }

    pub fn has(&self, kind: impl fmt::Display) -> bool {
        self.0.get(&kind.to_string()).is_some_and(|count| *count > 0)
    }

    /// The kinds that never struck.
    pub fn silent(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, count)| **count == 0).map(|(kind, _)| kind.as_str()).collect()
    }
}
