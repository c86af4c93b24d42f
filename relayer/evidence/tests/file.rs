//! A whole file, put together from what a real wasmd showed of one execution (`testdata/cosmos`): what its reader believes
//! of it, and what is found in it when a part is missing or another's.

mod support;

use aes_coordinator::msg::State;
use aes_evidence::cosmos::{CosmosAnchors, CosmosProof, RecordProof};
use aes_evidence::file::{
    Anchors, Certified, Finding, HomeReport, LegProofs, NativeProof, ProofFile, Report, Shown, Verdict,
};
use aes_evidence::ProofError;
use aes_protocol::{Decision, Domain, Evidence, Hash32, Leg};
use serde::Deserialize;

#[derive(Deserialize)]
struct OfLeg {
    leg: Leg,
    leaf: Evidence,
    proof: CosmosProof,
}

#[derive(Deserialize)]
struct OfHome {
    execution_id: Hash32,
    domain: Domain,
    anchors: CosmosAnchors,
    proof: RecordProof,
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/testdata/cosmos/wasmd-{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The file, and anchors that are enough to prove it.
fn proved() -> (ProofFile, Anchors) {
    let (home, held, settled): (OfHome, OfLeg, OfLeg) = (read("record"), read("held"), read("finalized"));
    let record = home.proof.verify(&home.execution_id, &home.domain, &home.anchors).unwrap();
    let shown = |of: OfLeg| Some(Shown { leaf: of.leaf, proof: NativeProof::Cosmos(of.proof) });
    let certified = |root: Option<Hash32>| root.map(|evidence_root| Certified { evidence_root, certificate: None });
    let file = ProofFile {
        version: ProofFile::VERSION,
        execution: record.execution(&home.domain).unwrap(),
        legs: vec![LegProofs { leg: held.leg.clone(), held: shown(held), settled: shown(settled) }],
        decision: record.record.decision,
        prepared: certified(record.record.prepared_root),
        settled: certified(record.record.settled_root),
        home: Some(home.proof),
    };
    let cosmos = [(home.domain.home_chain.clone(), home.anchors)].into();
    (file, Anchors { deployment: Some(home.domain), cosmos, ..Anchors::default() })
}

fn verdict(file: &ProofFile, anchors: &Anchors) -> Verdict {
    file.verify(anchors).unwrap().verdict
}

#[test]
fn it_is_proved_down_to_what_its_reader_pinned() {
    let (file, anchors) = proved();
    let report = file.verify(&anchors).unwrap();
    assert_eq!((report.verdict, report.home.state), (Verdict::Proved, Some(State::Finalized)));
    let pinned: Anchors = file.rests_on().iter().fold(Anchors::default(), |mut anchors, anchor| {
        anchors.pin(anchor);
        anchors
    });
    let pinned = Anchors { deployment: anchors.deployment, ..pinned };
    assert_eq!(verdict(&file, &pinned), Verdict::Proved);
    assert_eq!(verdict(&file, &Anchors::default()), Verdict::NotAnchored);
}

#[test]
fn without_the_deployment_a_coordinator_of_anyones_own_would_do() {
    let (file, anchors) = proved();
    let unnamed = Anchors { deployment: None, ..anchors.clone() };
    let report = file.verify(&unnamed).unwrap();
    assert_eq!(report.verdict, Verdict::NotAnchored);
    assert!(matches!(&report.home.finding, Finding::NotAnchored { needs } if needs.contains("deployment")));
    let mut other = anchors.deployment.clone().unwrap();
    other.coordinator = vec![9; 32].into();
    assert_eq!(verdict(&file, &Anchors { deployment: Some(other), ..anchors }), Verdict::Wrong);
}

#[test]
fn what_is_missing_is_said() {
    let (file, anchors) = proved();
    let without: [fn(&mut ProofFile); 3] =
        [|file| file.legs[0].settled = None, |file| file.legs[0].held = None, |file| file.home = None];
    for (position, strip) in without.into_iter().enumerate() {
        let mut stripped = file.clone();
        (stripped.prepared, stripped.settled) = (None, None);
        assert_eq!(verdict(&stripped, &anchors), Verdict::Proved, "the record is proved: no certificate is needed");
        strip(&mut stripped);
        assert_eq!(verdict(&stripped, &anchors), Verdict::Incomplete, "{position}");
    }
}

fn home(report: &Report) -> &str {
    report.home.finding.fault().unwrap_or_default()
}

#[test]
fn a_record_without_the_leaves_that_it_has_a_root_of_is_none() {
    let (file, anchors) = proved();
    let strips: [fn(&mut RecordProof); 2] = [|home| home.settled = None, |home| home.prepared = None];
    for strip in strips {
        let mut stripped = file.clone();
        strip(stripped.home.as_mut().unwrap());
        let report = stripped.verify(&anchors).unwrap();
        assert_eq!(report.verdict, Verdict::Wrong);
        assert!(home(&report).contains("does not hash to its roots"), "{}", home(&report));
    }
}

#[test]
fn the_end_is_the_decisions_and_the_roots_are_the_home_chains() {
    let (file, anchors) = proved();
    // With no home record to contradict it, a finalized leg still is none of an abort, nor of no decision.
    for decision in [Some(Decision::Abort), None] {
        let mut other = ProofFile { decision, home: None, ..file.clone() };
        (other.prepared, other.settled) = (None, None);
        let report = other.verify(&anchors).unwrap();
        assert!(report.legs[0].settled.finding.fault().unwrap().contains("Finalized is no state"));
        assert_eq!(report.verdict, Verdict::Wrong);
    }
    let mut swapped = file.clone();
    swapped.settled = swapped.prepared.clone();
    assert_eq!(verdict(&swapped, &anchors), Verdict::Wrong);
    // a leg's leaf in the place of another moment
    let mut moved = file.clone();
    moved.legs[0].held = moved.legs[0].settled.clone();
    assert_eq!(verdict(&moved, &anchors), Verdict::Wrong);
    let mut version = file;
    version.version = 2;
    assert!(version.verify(&anchors).is_err());
}

#[test]
fn no_change_of_a_file_proves_another_execution_or_another_end() {
    let (file, anchors) = proved();
    let told = |report: Report| {
        let legs: Vec<_> = report.legs.into_iter().map(|leg| (leg.leg, leg.held.leaf, leg.settled.leaf)).collect();
        let HomeReport { state, opened_at, decided_at, settled_at, reason, .. } = report.home;
        (report.execution_id, legs, state, [opened_at, decided_at, settled_at], reason)
    };
    let verify = |file: &ProofFile| match file.verify(&anchors)? {
        report if report.verdict == Verdict::Proved => Ok(told(report)),
        _ => Err(ProofError::NotAnchored { what: "a part".into() }),
    };
    let untouched = told(file.verify(&anchors).unwrap());
    support::mutate::none_proves_another("file", &file, verify, &untouched);
}
