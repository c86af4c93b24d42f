//! `record`: how it ended, and what each leg reads afterwards.

use aes_coordinator::msg::{ExecuteMsg, LegResult, State};
use aes_protocol::{Decision, Evidence, Function, Hash32, LegStatus};

use crate::support::{cancelled, evidence, failure, leg, paper, refused, repeated, World, POLYGON};

fn results(world: &World, id: Hash32) -> Vec<LegResult> {
    world.execution(id).legs.iter().map(|leg| leg.result).collect()
}

#[test]
fn a_committed_execution_ends_finalized() {
    let mut world = World::new();
    let id = world.open(&paper());
    world.commit_held(id, &paper()).unwrap();
    world.advance(60);
    let pieces = evidence(&paper(), &[LegStatus::Escaped, LegStatus::Finalized, LegStatus::Finalized]);
    assert!(!repeated(&world.record(id, Decision::Commit, pieces.clone())));
    let ended = world.execution(id);
    assert_eq!((ended.state, ended.settled_at), (State::Finalized, Some(world.now())));
    assert_eq!(ended.settled_root, aes_protocol::evidence_root(&pieces));
    assert_eq!(ended.legs.iter().filter_map(|leg| leg.settled.clone()).collect::<Vec<_>>(), pieces);
    assert_eq!(results(&world, id), [LegResult::Escaped, LegResult::Finalized, LegResult::Finalized]);

    // a second record changes nothing, whatever it brings; nor does a late commit; and there is no way back
    let opener = world.opener.clone();
    assert!(repeated(&world.record(id, Decision::Abort, evidence(&paper(), &[LegStatus::Released; 3]))));
    assert!(repeated(&world.commit_held(id, &paper())));
    refused(&world.rollback(&opener, id, cancelled()), "is finalized: rollback needs it open");
    assert_eq!(world.execution(id), ended);
}

#[test]
fn an_aborted_execution_ends_rolled_back() {
    let mut world = World::new();
    let opener = world.opener.clone();
    let id = world.open(&paper());
    world.rollback(&opener, id, cancelled()).unwrap();
    let pieces = evidence(&paper(), &[LegStatus::Escaped, LegStatus::Released, LegStatus::Absent]);
    assert!(!repeated(&world.record(id, Decision::Abort, pieces.clone())));
    assert_eq!(world.state(id), State::RolledBack);
    assert_eq!(results(&world, id), [LegResult::Escaped, LegResult::Reverted, LegResult::NotPrepared]);
    assert!(repeated(&world.record(id, Decision::Abort, pieces)));
    assert!(repeated(&world.rollback(&opener, id, cancelled())));
    refused(&world.commit_held(id, &paper()), "is rolled_back: commit needs it open");
}

#[test]
fn what_did_not_end_as_decided_is_refused() {
    let mut world = World::new();
    let opener = world.opener.clone();
    let id = world.open(&paper());
    let other = [leg(0, POLYGON, Function::Transfer, 3)];
    let all = |status| evidence(&paper(), &[status; 3]);
    refused(&world.record(id, Decision::Commit, all(LegStatus::Finalized)), "is open: record needs it committed or");
    world.commit_held(id, &paper()).unwrap();
    for status in [LegStatus::Held, LegStatus::Released, LegStatus::Absent] {
        let outcome = world.record(id, Decision::Commit, all(status));
        refused(&outcome, "a leg of this message is finalized or escaped");
    }
    let outcome = world.record(id, Decision::Commit, all(LegStatus::Escaped));
    refused(&outcome, "evidence 1 says escaped; only a depositor escapes, and 'unlock' has none");
    let two = evidence(&paper()[..2], &[LegStatus::Finalized; 2]);
    refused(&world.record(id, Decision::Commit, two), "2 pieces of evidence for 3 legs");
    // signed for the other decision
    refused(&world.record(id, Decision::Abort, all(LegStatus::Finalized)), "the certificate: signature 0: ");
    assert_eq!(world.state(id), State::Committed);

    let cancelled_one = world.open(&other);
    world.rollback(&opener, cancelled_one, cancelled()).unwrap();
    for status in [LegStatus::Held, LegStatus::Finalized] {
        let outcome = world.record(cancelled_one, Decision::Abort, evidence(&other, &[status]));
        refused(&outcome, "a leg of this message is released, absent or escaped");
    }
    refused(&world.record(Hash32::default(), Decision::Abort, all(LegStatus::Released)), "is not known here");
}

/// What the paper asks of a rollback record: when it was executed, when it was rolled back, why, and the result of each leg.
#[test]
fn a_rollback_record_says_when_why_and_with_what_result_and_a_second_one_changes_no_byte() {
    let mut world = World::new();
    let (opener, stranger) = (world.opener.clone(), world.stranger.clone());
    let opened_at = world.now();
    let id = world.open(&paper());
    world.advance(30);
    world.rollback(&opener, id, failure(2, "insufficient gas")).unwrap();
    world.advance(60);
    let pieces = evidence(&paper(), &[LegStatus::Escaped, LegStatus::Released, LegStatus::Absent]);
    let changes: [fn(&mut Evidence); 5] = [
        |leaf| leaf.status = LegStatus::Released,
        |leaf| leaf.height += 1,
        |leaf| leaf.block_hash = Hash32([1; 32]),
        |leaf| leaf.tx_id = Hash32([1; 32]),
        |leaf| leaf.time += 1,
    ];
    for change in changes {
        let mut uncertified = pieces.clone();
        change(&mut uncertified[0]);
        let certificate = world.settled(id, Decision::Abort, &pieces);
        let record = ExecuteMsg::Record { execution_id: id, evidence: uncertified, certificate };
        refused(&world.send(&stranger, &record), "the certificate: signature 0: ");
    }
    assert!(!repeated(&world.record(id, Decision::Abort, pieces.clone())));
    let record = world.execution(id);
    assert_eq!(record.state, State::RolledBack);
    assert_eq!(
        (record.opened_at, record.decided_at, record.settled_at),
        (opened_at, Some(opened_at + 30), Some(opened_at + 90))
    );
    assert_eq!(record.reason, Some(failure(2, "insufficient gas")));
    assert_eq!(results(&world, id), [LegResult::Escaped, LegResult::Reverted, LegResult::NotPrepared]);
    assert_eq!(record.legs.into_iter().filter_map(|leg| leg.settled).collect::<Vec<_>>(), pieces);

    let stored = world.app.dump_wasm_raw(&world.coordinator);
    world.advance(60);
    assert!(repeated(&world.record(id, Decision::Abort, pieces)));
    assert!(repeated(&world.record(id, Decision::Commit, evidence(&paper(), &[LegStatus::Finalized; 3]))));
    assert_eq!(world.app.dump_wasm_raw(&world.coordinator), stored);
}
