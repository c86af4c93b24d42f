//! `commit` and `rollback`: one decision, once.

use aes_coordinator::msg::{ExecuteMsg, RollbackReason, State};
use aes_protocol::{Decision, Evidence, Function, Hash32, LegStatus};

use crate::support::{cancelled, evidence, failure, leg, paper, refused, repeated, World, ETHEREUM, HOUR, POLYGON};

fn deadline_passed() -> RollbackReason {
    RollbackReason::DeadlinePassed {}
}

fn held() -> Vec<Evidence> {
    evidence(&paper(), &[LegStatus::Held; 3])
}

#[test]
fn a_commit_keeps_the_evidence_and_a_second_one_moves_nothing() {
    let mut world = World::new();
    let id = world.open(&paper());
    world.advance(60);
    assert!(!repeated(&world.commit(id, held())));
    let committed = world.execution(id);
    assert_eq!((committed.state, committed.decision), (State::Committed, Some(Decision::Commit)));
    assert_eq!((committed.decided_at, committed.reason.clone()), (Some(world.now()), None));
    assert_eq!(committed.prepared_root, aes_protocol::evidence_root(&held()));
    assert_eq!(committed.legs.iter().filter_map(|leg| leg.held.clone()).collect::<Vec<_>>(), held());

    world.advance(2 * HOUR);
    assert!(repeated(&world.commit(id, held())));
    assert_eq!(world.execution(id), committed);
    for sender in [world.opener.clone(), world.stranger.clone()] {
        let outcome = world.rollback(&sender, id, deadline_passed());
        refused(&outcome, "is committed: rollback needs it open");
    }
}

#[test]
fn a_commit_is_for_before_the_deadline() {
    let mut world = World::new();
    let id = world.open(&paper());
    world.advance(HOUR - 1);
    let too_late = world.open(&[leg(0, POLYGON, Function::Transfer, 1)]);
    world.commit(id, held()).unwrap();
    world.advance(HOUR);
    let outcome = world.commit_held(too_late, &[leg(0, POLYGON, Function::Transfer, 1)]);
    refused(&outcome, &format!("the deadline {0} has passed, now is {0}: it can only be rolled back", world.now()));
}

#[test]
fn a_commit_without_the_right_evidence_is_refused() {
    let mut world = World::new();
    let id = world.open(&paper());
    let edited = |edit: fn(&mut Vec<Evidence>)| {
        let mut pieces = held();
        edit(&mut pieces);
        pieces
    };
    for (pieces, error) in [
        (edited(|pieces| pieces.truncate(2)), "2 pieces of evidence for 3 legs"),
        (edited(|pieces| pieces.push(pieces[0].clone())), "4 pieces of evidence for 3 legs"),
        (edited(|pieces| pieces.swap(0, 1)), "evidence 0 is of leg 0x"),
        (edited(|pieces| pieces[1].leg_hash = Hash32([1; 32])), "evidence 1 is of leg 0x0101"),
        (
            edited(|pieces| pieces[0].chain = ETHEREUM.parse().unwrap()),
            "evidence 0 is of eip155:11155111, its leg is on eip155:80002",
        ),
        (
            edited(|pieces| pieces[2].status = LegStatus::Absent),
            "evidence 2 says absent; a leg of this message is held",
        ),
    ] {
        refused(&world.commit(id, pieces), error);
    }
    assert_eq!(world.state(id), State::Open);
    refused(&world.commit(Hash32::default(), held()), "is not known here; open it first");
}

#[test]
fn a_certificate_is_for_its_own_execution_evidence_and_deployment() {
    let mut world = World::new();
    let id = world.open(&paper());
    let other = world.open(&[leg(0, POLYGON, Function::Transfer, 1)]);
    let stranger = world.stranger.clone();
    let mut changed = held();
    changed[0].height += 1;
    let mut elsewhere = world.domain.clone();
    elsewhere.coordinator = vec![1; 20].into();
    let root = aes_protocol::evidence_root(&held()).unwrap();
    let statement = aes_protocol::Statement::Prepared { execution_id: id, evidence_root: root };
    for certificate in [
        world.prepared(other, &held()),
        world.prepared(id, &changed),
        world.attestors.sign(&elsewhere, &statement),
        world.settled(id, Decision::Commit, &held()),
    ] {
        let msg = ExecuteMsg::Commit { execution_id: id, evidence: held(), certificate };
        refused(&world.send(&stranger, &msg), "the certificate: signature 0: ");
    }
    assert_eq!(world.state(id), State::Open);
}

#[test]
fn opener_and_relayer_roll_back_at_any_time_others_after_the_deadline() {
    let mut world = World::new();
    let (opener, relayer, stranger) = (world.opener.clone(), world.relayer.clone(), world.stranger.clone());
    let mut ids = (1..=4).map(|amount| world.open(&[leg(0, POLYGON, Function::Transfer, amount)])).collect::<Vec<_>>();
    assert!(!repeated(&world.rollback(&opener, ids.remove(0), cancelled())));
    assert!(!repeated(&world.rollback(&relayer, ids.remove(0), failure(0, "insufficient gas"))));

    let (left, last) = (ids[0], ids[1]);
    let hint = "others roll back once the deadline has passed, with the reason deadline_passed";
    refused(&world.rollback(&stranger, left, cancelled()), hint);
    refused(&world.rollback(&stranger, left, deadline_passed()), "deadline_passed: the deadline is");
    refused(&world.rollback(&opener, left, deadline_passed()), "wait for it, or give another reason");
    world.advance(HOUR);
    refused(&world.rollback(&stranger, left, cancelled()), hint);
    refused(&world.rollback(&stranger, left, failure(0, "lie")), hint);
    assert!(!repeated(&world.rollback(&stranger, left, deadline_passed())));
    assert!(!repeated(&world.rollback(&opener, last, cancelled())));
}

#[test]
fn a_rollback_keeps_its_reason_and_a_second_one_changes_nothing() {
    let mut world = World::new();
    let (opener, stranger) = (world.opener.clone(), world.stranger.clone());
    let id = world.open(&paper());
    world.rollback(&opener, id, failure(2, "insufficient gas")).unwrap();
    let aborted = world.execution(id);
    assert_eq!((aborted.state, aborted.decision), (State::Aborted, Some(Decision::Abort)));
    assert_eq!(aborted.reason, Some(failure(2, "insufficient gas")));
    world.advance(2 * HOUR);
    assert!(repeated(&world.rollback(&stranger, id, deadline_passed())));
    assert_eq!(world.execution(id), aborted);
    refused(&world.commit(id, held()), "is aborted: commit needs it open");
    refused(&world.rollback(&opener, Hash32::default(), cancelled()), "is not known here");
}

#[test]
fn a_reason_that_cannot_be_is_refused() {
    let mut world = World::new();
    let opener = world.opener.clone();
    let id = world.open(&paper());
    refused(&world.rollback(&opener, id, failure(3, "x")), "has 3 legs, no leg 3");
    refused(&world.rollback(&opener, id, failure(0, "")), "atomicity_failure: the cause has 0 bytes; give 1 to 256");
    refused(&world.rollback(&opener, id, failure(0, &"é".repeat(129))), "the cause has 258 bytes");
    world.rollback(&opener, id, failure(2, &"x".repeat(256))).unwrap();
}
