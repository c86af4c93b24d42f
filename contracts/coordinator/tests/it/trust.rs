//! Whose signatures count: certificates, rotation, and attestors that signed both decisions.

use aes_authority::SetResponse;
use aes_coordinator::msg::{ConfigResponse, EquivocationsResponse, ExecuteMsg, QueryMsg, State};
use aes_protocol::{AttestorSet, Bytes, Certificate, Decision, Evidence, Hash32, LegStatus};
use cosmwasm_std::Addr;

use crate::support::keys::{Attestors, Decides};
use crate::support::{evidence, paper, refused, repeated, Outcome, World, DAY, HOUR};

fn held() -> Vec<Evidence> {
    evidence(&paper(), &[LegStatus::Held; 3])
}

#[test]
fn a_certificate_that_is_not_exactly_the_threshold_of_the_set_is_refused() {
    let mut world = World::new();
    let (id, stranger) = (world.open(&paper()), world.stranger.clone());
    let good = world.prepared(id, &held());
    let edited = |edit: fn(&mut Vec<Bytes>)| {
        let mut signatures = good.signatures.clone();
        edit(&mut signatures);
        Certificate { signatures, ..good.clone() }
    };
    let outsiders = Attestors::new(1, 3, 2, 8);
    let root = aes_protocol::evidence_root(&held()).unwrap();
    let statement = aes_protocol::Statement::Prepared { execution_id: id, evidence_root: root };
    for (certificate, error) in [
        (edited(|signatures| signatures.truncate(1)), "1 signatures, the set's threshold is 2"),
        (edited(|signatures| signatures.push(signatures[1].clone())), "3 signatures, the set's threshold is 2"),
        (edited(|signatures| signatures.swap(0, 1)), "signatures stand in ascending order"),
        (edited(|signatures| signatures[1] = signatures[0].clone()), "signatures stand in ascending order"),
        (edited(|signatures| signatures[0].0[64] = 29), "signature 0: not r (32 bytes)"),
        (edited(|signatures| signatures[0].0[32] = 0xff), "signature 0: not r (32 bytes)"),
        (edited(|signatures| signatures[1].0.truncate(64)), "signature 1: not r (32 bytes)"),
        (edited(|signatures| signatures[0].0[..32].fill(0)), "signature 0: recovers to no key"),
        (outsiders.sign(&world.domain, &statement), "which is not in attestor set 1"),
        (Certificate { attestor_set: 7, ..good.clone() }, "attestor set 7 is not known here"),
    ] {
        let msg = ExecuteMsg::Commit { execution_id: id, evidence: held(), certificate };
        refused(&world.send(&stranger, &msg), error);
    }
    assert_eq!(world.state(id), State::Open);
    let msg = ExecuteMsg::Commit { execution_id: id, evidence: held(), certificate: good };
    world.send(&stranger, &msg).unwrap();
}

fn rotate(world: &mut World, set: &AttestorSet, certificate: Certificate) -> Outcome {
    world.send(&world.stranger.clone(), &ExecuteMsg::Rotate { set: set.clone(), certificate })
}

fn set(world: &World, id: Option<u64>) -> SetResponse {
    world.ask(&QueryMsg::AttestorSet { id })
}

#[test]
fn a_rotation_lets_the_old_set_finish_and_then_expires_it() {
    let mut world = World::new();
    let (old, new) = (world.attestors.clone(), Attestors::new(2, 1, 1, 9));
    let [first, second] = [1, 2].map(|_| {
        world.advance(1);
        world.open(&paper())
    });
    let certificate = old.rotate_to(&world.domain, &new.set);
    assert!(!repeated(&rotate(&mut world, &new.set, certificate.clone())));
    assert!(repeated(&rotate(&mut world, &new.set, certificate)));
    // the last deadline it could have served, and the grace
    let expires_at = world.now() + DAY + 2 * DAY;
    assert_eq!(
        set(&world, Some(1)),
        SetResponse { set: old.set.clone(), current: false, expires_at: Some(expires_at) }
    );
    assert_eq!(set(&world, None), SetResponse { set: new.set.clone(), current: true, expires_at: None });

    world.commit(first, held()).unwrap();
    world.attestors = new;
    world.commit(second, held()).unwrap();

    let finalized = evidence(&paper(), &[LegStatus::Finalized; 3]);
    world.advance(3 * DAY);
    world.attestors = old;
    world.record(first, Decision::Commit, finalized.clone()).unwrap();
    world.advance(1);
    let error = format!(
        "attestor set 1 expired at {expires_at}, now is {}; get a certificate of the current set 2",
        world.now()
    );
    refused(&world.record(second, Decision::Commit, finalized), &error);
}

#[test]
fn only_the_current_set_names_the_next_one() {
    let mut world = World::new();
    let (one, domain) = (world.attestors.clone(), world.domain.clone());
    let (two, three) = (Attestors::new(2, 1, 1, 9), Attestors::new(3, 1, 1, 10));
    let other_two = Attestors::new(2, 1, 1, 11);
    let invalid = AttestorSet { id: 2, threshold: 1, attestors: vec![] };

    refused(&rotate(&mut world, &three.set, one.rotate_to(&domain, &three.set)), "attestor set 3 cannot follow set 1");
    refused(&rotate(&mut world, &two.set, two.rotate_to(&domain, &two.set)), "signed by the current set 1");
    refused(&rotate(&mut world, &two.set, one.rotate_to(&domain, &other_two.set)), "the certificate: signature 0: ");
    refused(&rotate(&mut world, &invalid, one.rotate_to(&domain, &invalid)), "a set has 1 to 32 attestors, got 0");
    rotate(&mut world, &two.set, one.rotate_to(&domain, &two.set)).unwrap();
    let again = rotate(&mut world, &other_two.set, one.rotate_to(&domain, &other_two.set));
    refused(&again, "attestor set 2 is there already and is another one");
    refused(&rotate(&mut world, &three.set, one.rotate_to(&domain, &three.set)), "signed by the current set 2");
    rotate(&mut world, &three.set, two.rotate_to(&domain, &three.set)).unwrap();
    assert_eq!(set(&world, None).set, three.set);
}

// ---- equivocation

fn report(world: &mut World, by: &Attestors, execution_id: Hash32) -> Outcome {
    let commit = by.decided(&world.domain, execution_id, Decision::Commit);
    let abort = by.decided(&world.domain, execution_id, Decision::Abort);
    world.send(&world.stranger.clone(), &ExecuteMsg::ReportEquivocation { execution_id, commit, abort })
}

fn open_by(world: &mut World, opener: &Addr) -> Outcome {
    let msg = world.open_msg(&paper());
    world.send(opener, &msg)
}

fn equivocated(world: &World) -> bool {
    world.ask::<ConfigResponse>(&QueryMsg::Config {}).equivocated
}

#[test]
fn an_equivocation_stops_new_executions_until_the_set_is_gone_and_the_admin_says_so() {
    let mut world = World::new();
    let (opener, stranger) = (world.opener.clone(), world.stranger.clone());
    let (bad, good) = (world.attestors.clone(), Attestors::new(2, 1, 1, 9));
    let id = world.open(&paper());
    assert!(!repeated(&report(&mut world, &bad, id)));
    let all = QueryMsg::Equivocations { start_after: None, limit: None };
    let before = world.ask::<EquivocationsResponse>(&all);
    assert_eq!((before.equivocations[0].execution_id, before.equivocations[0].attestor_set), (id, 1));
    world.advance(60);
    assert!(repeated(&report(&mut world, &bad, id)));
    assert_eq!(world.ask::<EquivocationsResponse>(&all), before);

    assert!(equivocated(&world));
    refused(&open_by(&mut world, &opener), "an attestor set has equivocated and nothing new is opened");
    refused(&world.admin_sends(&ExecuteMsg::Unpause {}), "attestor set 1 has equivocated and is still the current one");
    // what is open still ends
    world.commit(id, held()).unwrap();

    let certificate = bad.rotate_to(&world.domain, &good.set);
    rotate(&mut world, &good.set, certificate).unwrap();
    refused(&open_by(&mut world, &opener), "an attestor set has equivocated");
    refused(&world.send(&opener, &ExecuteMsg::Unpause {}), "is not the admin");
    world.admin_sends(&ExecuteMsg::Unpause {}).unwrap();
    assert!(!equivocated(&world));
    open_by(&mut world, &opener).unwrap();

    // the old set is not the current one, and its second equivocation stops everything again
    report(&mut world, &bad, Hash32([9; 32])).unwrap();
    refused(&open_by(&mut world, &stranger), "an attestor set has equivocated");
    world.admin_sends(&ExecuteMsg::Unpause {}).unwrap();
    // another set, the same execution: another equivocation
    assert!(!repeated(&report(&mut world, &good, id)));
    assert!(equivocated(&world));
    let page = |start_after, limit| {
        let query = QueryMsg::Equivocations { start_after, limit };
        let found = world.ask::<EquivocationsResponse>(&query).equivocations;
        found.iter().map(|found| (found.execution_id, found.attestor_set)).collect::<Vec<_>>()
    };
    let mut all = vec![(id, 1), (id, 2), (Hash32([9; 32]), 1)];
    all.sort();
    assert_eq!(page(None, None), all);
    assert_eq!(page(Some(all[0]), Some(1)), all[1..2]);
}

#[test]
fn what_is_no_equivocation_is_refused() {
    let mut world = World::new();
    let (one, two) = (world.attestors.clone(), Attestors::new(2, 1, 1, 9));
    let (id, domain) = (Hash32([4; 32]), world.domain.clone());
    let certificate = one.rotate_to(&domain, &two.set);
    rotate(&mut world, &two.set, certificate).unwrap();
    let decided = |by: &Attestors, decision| by.decided(&domain, id, decision);
    let commit = decided(&one, Decision::Commit);
    for (abort, error) in [
        (decided(&two, Decision::Abort), "the commit is certified by attestor set 1, the abort by set 2"),
        (commit.clone(), "the certificate: signature 0: "),
        (one.decided(&domain, Hash32([5; 32]), Decision::Abort), "the certificate: signature 0: "),
        (Attestors::new(1, 3, 2, 8).decided(&domain, id, Decision::Abort), "which is not in attestor set 1"),
    ] {
        let msg = ExecuteMsg::ReportEquivocation { execution_id: id, commit: commit.clone(), abort };
        refused(&world.send(&world.stranger.clone(), &msg), error);
    }
    assert!(!equivocated(&world));

    // what was proved stays proved; but signatures of an expired set settle nothing any more: nothing to stop for
    report(&mut world, &one, Hash32([6; 32])).unwrap();
    world.advance(3 * DAY + HOUR);
    assert!(repeated(&report(&mut world, &one, Hash32([6; 32]))));
    refused(&report(&mut world, &one, id), "attestor set 1 expired at");
}
