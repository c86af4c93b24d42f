//! A file read against what its reader trusts. Everything is looked at, so that the report names every fault at once.

use aes_coordinator::msg::{RollbackReason, State};
use aes_protocol::{evidence_root, manifest_root, Decision, Domain, Evidence, Hash32, Leg, LegStatus, Statement};
use serde::Serialize;

use super::{certificate, Anchor, Anchors, Certified, ProofFile, Shown};
use crate::cosmos::HomeRecord;
use crate::{ProofError, Subject};

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

impl From<ProofError> for Finding {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::NotAnchored { what } => Self::NotAnchored { needs: what },
            wrong => Self::Wrong { cause: wrong.to_string() },
        }
    }
}

impl Finding {
    fn verdict(&self) -> Verdict {
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

    fn wrong(cause: impl Into<String>) -> Self {
        Self::Wrong { cause: cause.into() }
    }
}

impl ProofFile {
    /// An error only where the file is no whole: another version, or legs that are not the execution's.
    pub fn verify(&self, anchors: &Anchors) -> Result<Report, ProofError> {
        if self.version != Self::VERSION {
            let cause = format!("version {}, this program reads {}", self.version, Self::VERSION);
            return Err(ProofError::malformed("file", cause));
        }
        let legs: Vec<Leg> = self.legs.iter().map(|proofs| proofs.leg.clone()).collect();
        if manifest_root(&legs) != Some(self.execution.manifest_root) {
            return Err(ProofError::mismatch("legs", "they do not hash to the execution's manifest root"));
        }
        let execution_id = self.execution.execution_id();
        let (home, record) = self.home(&execution_id, &legs, anchors);
        let legs = self.legs(&execution_id, record.as_ref(), anchors);
        let certificates = self.certificates(&execution_id, anchors);

        let ended = matches!(home.state, Some(State::Finalized | State::RolledBack));
        let held = |leg: &LegReport| Some(leg.held.finding.verdict()).filter(|_| leg.held.leaf.is_some());
        let verdicts = legs.iter().flat_map(|leg| [Some(leg.settled.finding.verdict()), held(leg)]).flatten();
        // The coordinator checked them: where its record is proved, none need be at hand.
        let needless = |finding: &Finding| *finding == Finding::Missing && home.finding == Finding::Proved;
        let signed = certificates.iter().map(|certificate| &certificate.finding);
        let verdicts = verdicts.chain(signed.filter(|finding| !needless(finding)).map(Finding::verdict));
        let whole = if ended { Verdict::Proved } else { Verdict::Incomplete };
        let verdict = verdicts.chain([home.finding.verdict()]).fold(whole, Verdict::max);
        let mut report =
            Report { execution_id, verdict, home, legs, certificates, anchors: self.rests_on()?, trust: Vec::new() };
        report.trust = trust(&report, anchors);
        Ok(report)
    }

    /// The blocks that must be trusted, each once.
    pub fn rests_on(&self) -> Result<Vec<Anchor>, ProofError> {
        let mut all = Vec::new();
        if let Some(home) = &self.home {
            all.extend(home.rests_on(&self.execution.home_chain)?);
        }
        for proofs in &self.legs {
            for shown in [&proofs.held, &proofs.settled].into_iter().flatten() {
                all.extend(shown.proof.rests_on(&proofs.leg.chain)?);
            }
        }
        let mut once: Vec<Anchor> = Vec::with_capacity(all.len());
        for anchor in all {
            if !once.contains(&anchor) {
                once.push(anchor);
            }
        }
        Ok(once)
    }

    fn domain(&self) -> Domain {
        Domain { home_chain: self.execution.home_chain.clone(), coordinator: self.execution.coordinator.clone() }
    }

    fn home(&self, id: &Hash32, legs: &[Leg], anchors: &Anchors) -> (HomeReport, Option<HomeRecord>) {
        let domain = self.domain();
        let (mut finding, record) = match &self.home {
            None => (Finding::Missing, None),
            Some(proof) => {
                let verify = |anchors: &Anchors| proof.verify(id, &domain, &anchors.of_cosmos(&domain.home_chain));
                let claimed = || proof.rests_on(&domain.home_chain);
                match believed_or_read(verify, claimed, anchors) {
                    Ok((finding, record)) => (finding, Some(record)),
                    Err(error) => (error.into(), None),
                }
            }
        };
        if let Some(record) = &record {
            if record.legs != legs || record.record.decision != self.decision {
                finding = Finding::wrong("the file's legs or decision are not those of the home chain");
            }
        }
        if anchors.deployment.as_ref().is_some_and(|pinned| *pinned != domain) {
            finding = Finding::wrong("the execution is of another deployment than the anchors name");
        }
        let told = record.as_ref().map(|home| &home.record);
        let report = HomeReport {
            finding,
            state: told.map(|record| record.state),
            opened_at: told.map(|record| record.opened_at),
            decided_at: told.and_then(|record| record.decided_at),
            settled_at: told.and_then(|record| record.settled_at),
            reason: told.and_then(|record| record.reason.clone()),
        };
        (report, record)
    }

    fn legs(&self, id: &Hash32, home: Option<&HomeRecord>, anchors: &Anchors) -> Vec<LegReport> {
        let recorded = |leaves: Option<&Vec<Evidence>>, at: usize| leaves.and_then(|leaves| leaves.get(at)).cloned();
        let mut reports = Vec::with_capacity(self.legs.len());
        for (at, proofs) in self.legs.iter().enumerate() {
            let subject = Subject { execution_id: id, leg: &proofs.leg, deadline: self.execution.deadline };
            let ended = |status| status != LegStatus::Held;
            let held = recorded(home.map(|home| &home.prepared), at);
            let settled = recorded(home.map(|home| &home.settled), at);
            reports.push(LegReport {
                leg: proofs.leg.clone(),
                held: phase(proofs.held.as_ref(), held, &subject, anchors, |status| !ended(status)),
                settled: phase(proofs.settled.as_ref(), settled, &subject, anchors, ended),
            });
        }
        reports
    }

    fn certificates(&self, execution_id: &Hash32, anchors: &Anchors) -> Vec<CertificateReport> {
        let leaves = |of: fn(&super::LegProofs) -> Option<&Shown>| {
            let leaves: Option<Vec<Evidence>> =
                self.legs.iter().map(|proofs| of(proofs).map(|shown| shown.leaf.clone())).collect();
            leaves.and_then(|leaves| evidence_root(&leaves))
        };
        let execution_id = *execution_id;
        let mut reports = Vec::new();
        if let Some(prepared) = &self.prepared {
            let evidence_root = prepared.evidence_root;
            let statement = Some(Statement::Prepared { execution_id, evidence_root });
            let root = leaves(|proofs| proofs.held.as_ref());
            reports.push(self.certificate("Prepared", prepared, root, statement, anchors));
        }
        if let Some(settled) = &self.settled {
            let evidence_root = settled.evidence_root;
            let statement = |decision: Decision| Statement::Settled { execution_id, decision, evidence_root };
            let root = leaves(|proofs| proofs.settled.as_ref());
            reports.push(self.certificate("Settled", settled, root, self.decision.map(statement), anchors));
        }
        reports
    }

    fn certificate(
        &self,
        name: &'static str,
        certified: &Certified,
        root: Option<Hash32>,
        statement: Option<Statement>,
        anchors: &Anchors,
    ) -> CertificateReport {
        let certificate = certified.certificate.as_ref();
        let finding = match (certificate, statement) {
            _ if root != Some(certified.evidence_root) => Finding::wrong("the leaves do not hash to the evidence root"),
            (_, None) => Finding::wrong("settled without a decision"),
            (None, _) => Finding::Missing,
            (Some(certificate), Some(statement)) => {
                match anchors.attestor_sets.iter().find(|set| set.id == certificate.attestor_set) {
                    None => Finding::NotAnchored { needs: format!("attestor set {}", certificate.attestor_set) },
                    Some(set) => match certificate::verify(certificate, &statement, &self.domain(), set) {
                        Ok(()) => Finding::Proved,
                        Err(error) => Finding::wrong(error.to_string()),
                    },
                }
            }
        };
        CertificateReport { statement: name, attestor_set: certificate.map(|of| of.attestor_set), finding }
    }
}

fn phase(
    shown: Option<&Shown>,
    recorded: Option<Evidence>,
    subject: &Subject,
    anchors: &Anchors,
    fits: impl Fn(LegStatus) -> bool,
) -> PhaseReport {
    let Some(shown) = shown else {
        return PhaseReport { finding: Finding::Missing, leaf: None, anchors: Vec::new() };
    };
    let claimed = || shown.proof.rests_on(&subject.leg.chain);
    let finding = match believed_or_read(|anchors| shown.proof.verify(subject, anchors), claimed, anchors) {
        Err(error) => error.into(),
        Ok((_, proved)) if proved != shown.leaf => Finding::wrong("the proof shows another leaf than the file says"),
        Ok((_, proved)) if !fits(proved.status) => Finding::wrong("the leaf is of another moment of the leg"),
        Ok((_, proved)) if recorded.is_some_and(|recorded| recorded != proved) => {
            Finding::wrong("the home chain has another leaf")
        }
        Ok((finding, _)) => finding,
    };
    PhaseReport { finding, leaf: Some(shown.leaf.clone()), anchors: claimed().unwrap_or_default() }
}

/// What is proved; where only the anchor is missing, what would be proved with it.
fn believed_or_read<T>(
    verify: impl Fn(&Anchors) -> Result<T, ProofError>,
    claimed: impl Fn() -> Result<Vec<Anchor>, ProofError>,
    anchors: &Anchors,
) -> Result<(Finding, T), ProofError> {
    match verify(anchors) {
        Ok(read) => Ok((Finding::Proved, read)),
        Err(ProofError::NotAnchored { what }) => {
            let read = verify(&anchors.and(&claimed()?))?;
            Ok((Finding::NotAnchored { needs: what }, read))
        }
        Err(error) => Err(error),
    }
}

fn trust(report: &Report, anchors: &Anchors) -> Vec<String> {
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
