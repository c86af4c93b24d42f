//! What a reader is told of a file: what is proved, against which anchors, and what stays a matter of trust.

use aes_coordinator::msg::{RollbackReason, State};
use aes_protocol::{ChainKind, Evidence, Hash32, Leg, LegStatus};
use serde::Serialize;

use super::{Anchor, Anchors};
use crate::ProofError;

/// The best a report comes to, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// all of it, down to pinned anchors
    Proved,
    /// what is there is proved; the execution has not ended, or a leg has no proof
    Incomplete,
    /// all fits together, but rests on something that nobody pinned
    NotAnchored,
    /// something is not what it says
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    Proved,
    Missing,
    NotAnchored { needs: String },
    Wrong { cause: String },
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub execution_id: Hash32,
    pub verdict: Verdict,
    pub home: HomeReport,
    pub legs: Vec<LegReport>,
    pub certificates: Vec<CertificateReport>,
    /// blocks that the file rests on
    pub anchors: Vec<Anchor>,
    /// what stays a matter of trust, whatever was pinned
    pub trust: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct HomeReport {
    #[serde(flatten)]
    pub finding: Finding,
    pub state: Option<State>,
    pub opened_at: Option<u64>,
    pub decided_at: Option<u64>,
    pub settled_at: Option<u64>,
    pub reason: Option<RollbackReason>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LegReport {
    pub leg: Leg,
    pub held: PhaseReport,
    pub settled: PhaseReport,
}

#[derive(Debug, Clone, Serialize)]
pub struct PhaseReport {
    #[serde(flatten)]
    pub finding: Finding,
    pub leaf: Option<Evidence>,
    /// what the native proof rests on
    pub anchors: Vec<Anchor>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CertificateReport {
    pub statement: &'static str,
    pub attestor_set: Option<u64>,
    #[serde(flatten)]
    pub finding: Finding,
}

impl LegReport {
    /// Then there is nothing to prove of its beginning.
    pub(super) fn was_never_held(&self) -> bool {
        let ended_as = self.settled.leaf.as_ref().map(|leaf| leaf.status);
        self.held.leaf.is_none() && ended_as == Some(LegStatus::Absent)
    }
}

impl From<ProofError> for Finding {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::NotAnchored { what } => Self::NotAnchored { needs: what },
            wrong => Self::Wrong { cause: wrong.to_string() },
        }
    }
}

impl Finding {
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Proved => Verdict::Proved,
            Self::Missing => Verdict::Incomplete,
            Self::NotAnchored { .. } => Verdict::NotAnchored,
            Self::Wrong { .. } => Verdict::Wrong,
        }
    }

    /// What is wrong, where something is.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Wrong { cause } => Some(cause),
            _ => None,
        }
    }

    pub(super) fn wrong(cause: impl Into<String>) -> Self {
        Self::Wrong { cause: cause.into() }
    }
}

/// What nobody can prove to the reader, whatever was pinned.
pub(super) fn trust(report: &Report, anchors: &Anchors) -> Vec<String> {
    let mut trust = vec!["that the pinned blocks and validator sets are their chains' own, and final".to_owned()];
    for leg in &report.legs {
        let pinned = anchors.evm.get(&leg.leg.chain).is_some_and(|evm| evm.code_hashes.contains_key(&leg.leg.escrow));
        let absent = leg.settled.leaf.as_ref().is_some_and(|leaf| leaf.event_hash == Hash32::default());
        if !(pinned && absent) {
            let line = format!("that {} on {} is an AES escrow", leg.leg.escrow, leg.leg.chain);
            if !trust.contains(&line) {
                trust.push(line);
            }
        }
        if leg.leg.chain.kind() == ChainKind::Bitcoin {
            let (index, chain) = (leg.leg.index, &leg.leg.chain);
            trust.push(if absent {
                format!("leg {index}: that nothing was held on {chain} before the deadline: no block shows that")
            } else {
                format!(
                    "leg {index}: that its output on {chain} had the ALZ, and is the one attached at the home chain"
                )
            });
        }
    }
    if report.home.finding != Finding::Missing {
        trust.push("that the coordinator's address is an AES coordinator".into());
    }
    for certificate in &report.certificates {
        if let Some(set) = certificate.attestor_set {
            trust.push(format!("{}: that fewer attestors of set {set} lie than its threshold", certificate.statement));
        }
    }
    trust
}
