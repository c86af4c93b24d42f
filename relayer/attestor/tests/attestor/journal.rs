//! The journal's word holds against the attestor's own nodes, against concurrency and over restarts.

use aes_attestor::{approve, Code, Request, StartError};
use aes_coordinator::msg::State;
use aes_protocol::{Decision, Domain, LegStatus};
use futures::future::join_all;
use rusqlite::Connection;

use crate::world::{attestor, decided, domain, opened, prepared, set, settled, signer, Running, World};

fn address(number: u8) -> [u8; 20] {
    signer(number).0.try_into().unwrap()
}

#[tokio::test]
async fn a_coordinator_that_changes_its_mind_gets_no_second_decision() {
    let world = World::new(&set(1, 1, &[1]));
    let mut attestor = Running::start(&world, 1).await;
    let id = world.prepare(1);
    world.decide(&id, State::Aborted);
    let first = attestor.client.attest(&decided(&[id])).await.unwrap();

    for restarted in [false, true] {
        if restarted {
            attestor = attestor.restart(&world).await;
        }
        world.decide(&id, State::Committed);
        world.every_leg(&id, LegStatus::Finalized);
        let problem = attestor.problem(&decided(&[id])).await;
        assert_eq!((problem.code, problem.status), (Code::Equivocation, 409));
        assert!(problem.detail.contains("has signed Abort and will not sign Commit"), "{}", problem.detail);
        assert_eq!(attestor.code(&settled(id)).await, Code::Equivocation);

        world.decide(&id, State::Open);
        world.every_leg(&id, LegStatus::Held);
        assert_eq!(attestor.code(&opened(id)).await, Code::Equivocation);
        assert_eq!(attestor.code(&prepared(id)).await, Code::Equivocation);

        world.decide(&id, State::RolledBack);
        assert_eq!(attestor.client.attest(&decided(&[id])).await.unwrap(), first);
    }
    assert_eq!((attestor.rows("statements"), attestor.rows("decisions")), (1, 1));
}

#[tokio::test]
async fn settled_takes_the_decision_too() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let id = world.prepare(1);
    world.decide(&id, State::Committed);
    world.every_leg(&id, LegStatus::Finalized);
    attestor.client.attest(&settled(id)).await.unwrap();
    world.decide(&id, State::Aborted);
    assert_eq!(attestor.code(&decided(&[id])).await, Code::Equivocation);
}

#[tokio::test]
async fn one_contradiction_refuses_the_whole_batch_and_takes_no_other_decision() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let [fresh, turned] = [world.open(1), world.open(2)];
    world.decide(&turned, State::Aborted);
    attestor.client.attest(&decided(&[turned])).await.unwrap();
    world.decide(&turned, State::Committed);
    world.decide(&fresh, State::Committed);
    assert_eq!(attestor.code(&decided(&[fresh, turned])).await, Code::Equivocation);
    assert_eq!((attestor.rows("statements"), attestor.rows("decisions")), (1, 1));
    world.decide(&fresh, State::Aborted);
    let answer = attestor.client.attest(&decided(&[fresh])).await.unwrap();
    assert_eq!(answer.decisions[0].decision, Decision::Abort);
}

#[tokio::test]
async fn asked_for_both_decisions_at_once_it_signs_one_of_them() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    for salt in 1..=8 {
        let id = world.open(salt);
        world.facts().fickle = true;
        let request = decided(&[id]);
        let answers = join_all((0..24).map(|_| attestor.client.attest(&request))).await;
        let signed: Vec<Decision> = answers.iter().flatten().map(|answer| answer.decisions[0].decision).collect();
        assert!(!signed.is_empty() && signed.len() < 24, "the coordinator said both: {}", signed.len());
        assert!(signed.iter().all(|decision| *decision == signed[0]), "{signed:?}");
    }
    assert_eq!((attestor.rows("statements"), attestor.rows("decisions")), (8, 8));
}

#[tokio::test]
async fn two_sets_under_one_id_are_never_both_signed() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let [one, other] = [set(2, 1, &[1, 2]), set(2, 1, &[1, 3])];
    for set in [&one, &other] {
        approve(&attestor.journal, &address(1), &domain(), set).unwrap();
        approve(&attestor.journal, &address(1), &domain(), set).unwrap();
    }
    let rotated = |set: &aes_protocol::AttestorSet| Request::Rotated { set: set.clone() };
    let first = attestor.client.attest(&rotated(&one)).await.unwrap();
    let attestor = attestor.restart(&world).await;
    assert_eq!(attestor.code(&rotated(&other)).await, Code::Equivocation);
    assert_eq!(attestor.client.attest(&rotated(&one)).await.unwrap(), first);
}

#[tokio::test]
async fn every_signed_statement_is_on_disk_and_a_repeat_is_the_same_bytes() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let id = world.prepare(1);
    for request in [opened(id), prepared(id)] {
        let first = attestor.client.attest(&request).await.unwrap();
        assert_eq!(attestor.client.attest(&request).await.unwrap(), first);
        let digest = first.statement.digest(&domain(), first.attestor_set).to_string();
        let found: u64 = Connection::open(&attestor.journal)
            .unwrap()
            .query_row("SELECT count(*) FROM statements WHERE digest = ?1", [digest], |row| row.get(0))
            .unwrap();
        assert_eq!(found, 1);
    }
    assert_eq!(attestor.rows("statements"), 2);
}

#[tokio::test]
async fn nothing_is_signed_when_the_journal_cannot_be_written() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let id = world.prepare(1);
    Connection::open(&attestor.journal)
        .unwrap()
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON statements BEGIN SELECT RAISE(FAIL, 'disk full'); END")
        .unwrap();
    let problem = attestor.problem(&prepared(id)).await;
    assert_eq!((problem.code, problem.status), (Code::Unavailable, 503));
    assert!(problem.detail.contains("disk full"), "{}", problem.detail);
}

#[tokio::test]
async fn a_journal_serves_one_process_one_key_and_one_deployment() {
    let world = World::new(&set(1, 1, &[1]));
    let running = Running::start(&world, 1).await;
    let path = running.journal.clone();
    assert!(matches!(attestor(&world, 1, &path), Err(StartError::Locked(_))));

    let _folder = running.stop().await;
    assert!(matches!(attestor(&world, 2, &path), Err(StartError::OtherSigner { .. })));
    let elsewhere = Domain { coordinator: vec![4; 32].into(), ..domain() };
    let other = approve(&path, &address(1), &elsewhere, &set(2, 1, &[1]));
    assert!(matches!(other, Err(StartError::OtherDeployment { .. })));
    drop(attestor(&world, 1, &path).unwrap());

    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(attestor(&world, 1, &path), Err(StartError::NewerJournal { found: 3, .. })));
    std::fs::write(&path, "not a database").unwrap();
    assert!(matches!(attestor(&world, 1, &path), Err(StartError::File { .. })));
    let nowhere = path.with_file_name("no-folder").join("journal.sqlite");
    assert!(matches!(attestor(&world, 1, &nowhere), Err(StartError::File { .. })));
}
