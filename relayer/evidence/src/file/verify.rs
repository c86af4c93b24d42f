//! A file read against what its reader trusts. Everything is looked at, so that the report names every fault at once.

use aes_coordinator::msg::State;
use aes_coordinator::state::Record;
use aes_protocol::{evidence_root, manifest_root, Decision, Domain, Evidence, Hash32, Leg, LegStatus, Statement};

use super::report::{trust, CertificateReport, Finding, HomeReport, LegReport, PhaseReport, Report, Verdict};
use super::{certificate, Anchor, Anchors, Certified, LegProofs, ProofFile, Shown};
use crate::cosmos::HomeRecord;
use crate::{ProofError, Subject};

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
        let certificates = self.certificates(&execution_id, record.as_ref().map(|home| &home.record), anchors);

        let ended = matches!(home.state, Some(State::Finalized | State::RolledBack));
        let held = |leg: &LegReport| Some(leg.held.finding.verdict()).filter(|_| !leg.was_never_held());
        let verdicts = legs.iter().flat_map(|leg| [Some(leg.settled.finding.verdict()), held(leg)]).flatten();
        // The coordinator checked them: where its record is proved, none need be at hand.
        let needless = |finding: &Finding| *finding == Finding::Missing && home.finding == Finding::Proved;
        let signed = certificates.iter().map(|certificate| &certificate.finding);
        let verdicts = verdicts.chain(signed.filter(|finding| !needless(finding)).map(Finding::verdict));
        let whole = if ended { Verdict::Proved } else { Verdict::Incomplete };
        let verdict = verdicts.chain([home.finding.verdict()]).fold(whole, Verdict::max);
        let phases = legs.iter().flat_map(|leg| [&leg.held, &leg.settled]).flat_map(|phase| &phase.anchors);
        let rests_on = once(self.home_rests_on().into_iter().chain(phases.cloned()));
        let mut report =
            Report { execution_id, verdict, home, legs, certificates, anchors: rests_on, trust: Vec::new() };
        report.trust = trust(&report, anchors);
        Ok(report)
    }

    /// The blocks that must be trusted, each once. A proof that cannot be read rests on nothing and proves nothing.
    pub fn rests_on(&self) -> Vec<Anchor> {
        let of_leg = |proofs: &LegProofs| {
            let shown = [&proofs.held, &proofs.settled].into_iter().flatten();
            shown.filter_map(|shown| shown.proof.rests_on(&proofs.leg.chain).ok()).flatten().collect::<Vec<_>>()
        };
        once(self.home_rests_on().into_iter().chain(self.legs.iter().flat_map(of_leg)))
    }

    fn home_rests_on(&self) -> Vec<Anchor> {
        let home = self.home.as_ref().and_then(|home| home.rests_on(&self.execution.home_chain).ok());
        home.unwrap_or_default()
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
                let claimed = || proof.claimed(&domain.home_chain, anchors);
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
        match &anchors.deployment {
            Some(pinned) if *pinned == domain => {}
            Some(_) => finding = Finding::wrong("the execution is of another deployment than the anchors name"),
            // A coordinator and escrows of the file's maker would prove all of it.
            None if finding.fault().is_none() => {
                let needs = format!("the deployment ({}, coordinator {})", domain.home_chain, domain.coordinator);
                finding = Finding::NotAnchored { needs };
            }
            None => {}
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
            let held = recorded(home.map(|home| &home.prepared), at);
            let settled = recorded(home.map(|home| &home.settled), at);
            let was_held = proofs.held.is_some();
            let ended = |status| self.is_end(status) && !(was_held && status == LegStatus::Absent);
            reports.push(LegReport {
                leg: proofs.leg.clone(),
                held: self.phase(proofs.held.as_ref(), held, &subject, anchors, |status| status == LegStatus::Held),
                settled: self.phase(proofs.settled.as_ref(), settled, &subject, anchors, ended),
            });
        }
        reports
    }

    /// As the coordinator takes it: escaped fits both decisions and none (P6).
    fn is_end(&self, status: LegStatus) -> bool {
        match status {
            LegStatus::Held => false,
            LegStatus::Finalized => self.decision == Some(Decision::Commit),
            LegStatus::Released | LegStatus::Absent => self.decision == Some(Decision::Abort),
            LegStatus::Escaped => true,
        }
    }

    fn phase(
        &self,
        shown: Option<&Shown>,
        recorded: Option<Evidence>,
        subject: &Subject,
        anchors: &Anchors,
        fits: impl Fn(LegStatus) -> bool,
    ) -> PhaseReport {
        let Some(shown) = shown else {
            return PhaseReport { finding: Finding::Missing, leaf: None, anchors: Vec::new() };
        };
        let chain = &subject.leg.chain;
        let verify = |anchors: &Anchors| shown.proof.verify(subject, &self.domain(), anchors);
        let finding = match believed_or_read(verify, || shown.proof.claimed(chain, anchors), anchors) {
            Err(error) => error.into(),
            Ok((_, proved)) if proved != shown.leaf => {
                Finding::wrong("the proof shows another leaf than the file says")
            }
            Ok((_, proved)) if !fits(proved.status) => {
                let decided = self.decision.map_or("no decision".into(), |decision| format!("{decision:?}"));
                Finding::wrong(format!("{:?} is no state of the leg here, under {decided}", proved.status))
            }
            Ok((_, proved)) if recorded.is_some_and(|recorded| recorded != proved) => {
                Finding::wrong("the home chain has another leaf")
            }
            Ok((finding, _)) => finding,
        };
        let anchors = shown.proof.rests_on(chain).unwrap_or_default();
        PhaseReport { finding, leaf: Some(shown.leaf.clone()), anchors }
    }

    fn certificates(&self, id: &Hash32, record: Option<&Record>, anchors: &Anchors) -> Vec<CertificateReport> {
        let leaves = |of: fn(&LegProofs) -> Option<&Shown>| {
            let leaves: Option<Vec<Evidence>> =
                self.legs.iter().map(|proofs| of(proofs).map(|shown| shown.leaf.clone())).collect();
            leaves.and_then(|leaves| evidence_root(&leaves))
        };
        let execution_id = *id;
        let mut reports = Vec::new();
        if let Some(prepared) = &self.prepared {
            let evidence_root = prepared.evidence_root;
            let statement = Some(Statement::Prepared { execution_id, evidence_root });
            let root = leaves(|proofs| proofs.held.as_ref());
            let stands = root == Some(evidence_root) && record.is_none_or(|record| record.prepared_root == root);
            reports.push(self.certificate("Prepared", prepared, stands, statement, anchors));
        }
        if let Some(settled) = &self.settled {
            let evidence_root = settled.evidence_root;
            let statement = |decision: Decision| Statement::Settled { execution_id, decision, evidence_root };
            let root = leaves(|proofs| proofs.settled.as_ref());
            let stands = root == Some(evidence_root) && record.is_none_or(|record| record.settled_root == root);
            reports.push(self.certificate("Settled", settled, stands, self.decision.map(statement), anchors));
        }
        reports
    }

    fn certificate(
        &self,
        name: &'static str,
        certified: &Certified,
        stands: bool,
        statement: Option<Statement>,
        anchors: &Anchors,
    ) -> CertificateReport {
        let certificate = certified.certificate.as_ref();
        let finding = match (certificate, statement) {
            _ if !stands => {
                Finding::wrong("the leaves do not hash to the evidence root, or the home chain has another")
            }
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

fn once(anchors: impl Iterator<Item = Anchor>) -> Vec<Anchor> {
    anchors.fold(Vec::new(), |mut once, anchor| {
        if !once.contains(&anchor) {
            once.push(anchor);
        }
        once
    })
}

/// What is proved; where only the anchor is missing, what would be proved with it.
fn believed_or_read<T>(
    verify: impl Fn(&Anchors) -> Result<T, ProofError>,
    claimed: impl Fn() -> Result<Anchors, ProofError>,
    anchors: &Anchors,
) -> Result<(Finding, T), ProofError> {
    match verify(anchors) {
        Ok(read) => Ok((Finding::Proved, read)),
        Err(ProofError::NotAnchored { what }) => {
            let read = verify(&claimed()?)?;
            Ok((Finding::NotAnchored { needs: what }, read))
        }
        Err(error) => Err(error),
    }
}
