//! What an attestor signs once it has seen it, and what it refuses before: each with its code and its reason.

use std::sync::Arc;

use aes_attestor::{Code, Request, Secp256k1};
use aes_chains::HoldStatus;
use aes_coordinator::msg::State;
use aes_protocol::{evidence_root, AttestorSet, Bytes, Certificate, Decision, Hash32, LegStatus, Statement};

use crate::world::{
    chain, decided, domain, opened, prepared, set, settled, Running, World, ALLIANZA, DEADLINE, POLYGON,
};

async fn alone() -> (Arc<World>, Running) {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    (world, attestor)
}

/// Signs, and the certificate of this one signature stands.
async fn signs(attestor: &Running, request: &Request) -> Statement {
    let answer = attestor.client.attest(request).await.unwrap();
    Certificate { attestor_set: answer.attestor_set, signatures: vec![answer.signature.clone()] }
        .verify(&answer.statement, &domain(), &set(1, 1, &[1]), &Secp256k1)
        .unwrap();
    if let Statement::Prepared { evidence_root: root, .. } | Statement::Settled { evidence_root: root, .. } =
        answer.statement
    {
        assert_eq!(evidence_root(&answer.evidence), Some(root));
    }
    answer.statement
}

async fn refuses(attestor: &Running, request: &Request, code: Code, because: &str) {
    let problem = attestor.problem(request).await;
    assert_eq!(problem.code, code, "{}", problem.detail);
    assert!(problem.detail.contains(because), "'{}' does not say '{because}'", problem.detail);
    assert!(problem.kind.starts_with("urn:aes:problem:"), "{}", problem.kind);
    assert!((400..500).contains(&problem.status) || problem.status == 503);
}

#[tokio::test]
async fn opened_once_every_account_sourced_leg_is_held() {
    let (world, attestor) = alone().await;
    let id = world.open(1);
    refuses(&attestor, &opened(id), Code::NotSeen, "leg 0 on eip155:80002: nothing held").await;

    let lock = world.legs(&id).remove(0);
    world.leg(&lock, LegStatus::Held);
    world.facts().holds.get_mut(&lock.hash()).unwrap().deadline = DEADLINE + 1;
    refuses(&attestor, &opened(id), Code::NotSeen, "Held with deadline 2001, expected Held with deadline 2000").await;

    let hold = |status| aes_chains::Hold { status, deadline: DEADLINE, held_at: Some(1_000), settled_at: None };
    world.facts().holds.insert(lock.hash(), hold(HoldStatus::Released));
    refuses(&attestor, &opened(id), Code::NotSeen, "Released").await;

    world.facts().holds.insert(lock.hash(), hold(HoldStatus::Held));
    let manifest_root = world.facts().executions[&id].manifest_root;
    let statement = signs(&attestor, &opened(id)).await;
    assert_eq!(statement, Statement::Opened { execution_id: id, manifest_root, deadline: DEADLINE });
}

#[tokio::test]
async fn prepared_once_every_leg_is_held_at_finality() {
    let (world, attestor) = alone().await;
    let id = world.open(1);
    let legs = world.legs(&id);
    world.leg(&legs[0], LegStatus::Held);
    refuses(&attestor, &prepared(id), Code::NotSeen, "leg 1 on cosmos:allianza-1: nothing final yet").await;
    world.leg(&legs[1], LegStatus::Absent);
    refuses(&attestor, &prepared(id), Code::NotSeen, "leg 1 on cosmos:allianza-1: Absent").await;
    world.leg(&legs[1], LegStatus::Held);
    assert!(
        matches!(signs(&attestor, &prepared(id)).await, Statement::Prepared { execution_id, .. } if execution_id == id)
    );
}

#[tokio::test]
async fn nothing_is_opened_or_prepared_at_the_deadline_or_after_a_decision() {
    let (world, attestor) = alone().await;
    let id = world.prepare(1);
    world.facts().time = DEADLINE;
    for request in [opened(id), prepared(id)] {
        refuses(&attestor, &request, Code::NotSeen, "deadline 2000 has passed").await;
    }
    world.facts().time = DEADLINE - 1;
    for state in [State::Committed, State::Aborted, State::Finalized, State::RolledBack] {
        world.decide(&id, state);
        for request in [opened(id), prepared(id)] {
            refuses(&attestor, &request, Code::NotSeen, &format!("is {state:?} at the coordinator")).await;
        }
    }
    world.decide(&id, State::Open);
    signs(&attestor, &prepared(id)).await;
}

#[tokio::test]
async fn decided_as_the_coordinator_decided_each() {
    let (world, attestor) = alone().await;
    let ids: Vec<Hash32> = (1..=64).map(|salt| world.open(salt)).collect();
    refuses(&attestor, &decided(&ids), Code::NotSeen, "still open at the coordinator").await;
    for (position, id) in ids.iter().enumerate() {
        let states = [State::Committed, State::Aborted, State::Finalized, State::RolledBack];
        world.decide(id, states[position % 4]);
    }
    let answer = attestor.client.attest(&decided(&ids)).await.unwrap();
    for (position, leaf) in answer.decisions.iter().enumerate() {
        assert_eq!(leaf.execution_id, ids[position]);
        assert_eq!(leaf.decision, if position % 2 == 0 { Decision::Commit } else { Decision::Abort });
    }
    signs(&attestor, &decided(&ids)).await;
}

#[tokio::test]
async fn settled_once_every_leg_ended_as_decided() {
    let (world, attestor) = alone().await;
    let [committed, aborted] = [world.prepare(1), world.prepare(2)];
    refuses(&attestor, &settled(committed), Code::NotSeen, "still open").await;
    world.decide(&committed, State::Committed);
    world.decide(&aborted, State::Aborted);

    refuses(&attestor, &settled(committed), Code::NotSeen, "Held, expected one of [Finalized, Escaped]").await;
    let legs = world.legs(&committed);
    world.leg(&legs[0], LegStatus::Finalized);
    for other in [LegStatus::Held, LegStatus::Released, LegStatus::Absent] {
        world.leg(&legs[1], other);
        refuses(&attestor, &settled(committed), Code::NotSeen, &format!("leg 1 on {ALLIANZA}: {other:?}")).await;
    }
    world.leg(&legs[1], LegStatus::Escaped);
    let statement = signs(&attestor, &settled(committed)).await;
    assert!(matches!(statement, Statement::Settled { decision: Decision::Commit, .. }));

    let legs = world.legs(&aborted);
    world.leg(&legs[0], LegStatus::Released);
    for other in [LegStatus::Held, LegStatus::Finalized] {
        world.leg(&legs[1], other);
        refuses(&attestor, &settled(aborted), Code::NotSeen, &format!("leg 1 on {ALLIANZA}: {other:?}")).await;
    }
    for end in [LegStatus::Absent, LegStatus::Escaped, LegStatus::Released] {
        world.leg(&legs[1], end);
        let statement = signs(&attestor, &settled(aborted)).await;
        assert!(matches!(statement, Statement::Settled { decision: Decision::Abort, .. }));
    }
}

#[tokio::test]
async fn unknown_executions_and_bad_lists_are_refused() {
    let (world, attestor) = alone().await;
    let unknown = Hash32([7; 32]);
    for request in [opened(unknown), prepared(unknown), decided(&[unknown]), settled(unknown)] {
        refuses(&attestor, &request, Code::UnknownExecution, &unknown.to_string()).await;
    }
    let id = world.open(1);
    refuses(&attestor, &decided(&[]), Code::BadRequest, "0 execution ids; give 1 to 64").await;
    refuses(&attestor, &decided(&[id, id]), Code::BadRequest, "named twice").await;
    let many: Vec<Hash32> = (0..65).map(|byte| Hash32([byte; 32])).collect();
    refuses(&attestor, &decided(&many), Code::BadRequest, "65 execution ids").await;
}

#[tokio::test]
async fn what_cannot_be_read_is_not_signed() {
    let (world, attestor) = alone().await;
    let id = world.prepare(1);
    for down in [POLYGON, ALLIANZA] {
        world.facts().unreachable = [chain(down)].into();
        refuses(&attestor, &prepared(id), Code::ChainUnreachable, down).await;
    }
    world.facts().unreachable.clear();
    signs(&attestor, &prepared(id)).await;
}

#[tokio::test]
async fn a_home_node_cannot_change_an_execution_under_its_id() {
    let (world, attestor) = alone().await;
    let id = world.prepare(1);
    let honest = world.facts().executions[&id].clone();
    // for a decision the record is read without its legs, which the manifest root stands for
    let (of_legs, of_record) = ("other legs than its manifest root", "does not hash to its id");
    type Lie = fn(&mut aes_coordinator::msg::ExecutionResponse);
    let lies: [(Lie, &str, Option<&str>); 6] = [
        (|record| record.deadline += 1, of_record, Some(of_record)),
        (|record| record.salt = Hash32([0; 32]), of_record, Some(of_record)),
        (|record| record.relayer = Some(record.opener.clone()), of_record, Some(of_record)),
        (|record| record.opener = "nobody".into(), "no bech32 address", Some("no bech32 address")),
        (|record| record.manifest_root = Hash32([0; 32]), of_legs, Some(of_record)),
        (|record| drop(record.legs.pop()), of_legs, None),
    ];
    for (lie, as_open, as_decided) in lies {
        let mut record = honest.clone();
        lie(&mut record);
        world.facts().executions.insert(id, record);
        refuses(&attestor, &opened(id), Code::ChainUnreachable, as_open).await;
        world.decide(&id, State::Aborted);
        if let Some(words) = as_decided {
            refuses(&attestor, &decided(&[id]), Code::ChainUnreachable, words).await;
        }
    }
}

#[tokio::test]
async fn evidence_of_another_leg_is_nonsense() {
    let (world, attestor) = alone().await;
    let id = world.prepare(1);
    let legs = world.legs(&id);
    let other = world.facts().evidence[&legs[0].hash()].clone();
    world.facts().evidence.insert(legs[1].hash(), other);
    refuses(&attestor, &prepared(id), Code::ChainUnreachable, "evidence of leg 1 is of another leg").await;
}

#[tokio::test]
async fn only_an_attestor_of_the_current_set_signs() {
    let (world, attestor) = alone().await;
    let id = world.prepare(1);
    world.facts().set = set(2, 1, &[2]);
    refuses(&attestor, &prepared(id), Code::NotInSet, "not in the current attestor set 2").await;
    world.facts().set = set(3, 1, &[1, 2]);
    assert_eq!(attestor.client.attest(&prepared(id)).await.unwrap().attestor_set, 3);
}

#[tokio::test]
async fn rotated_to_the_next_approved_set_and_no_other() {
    let (_world, attestor) = alone().await;
    let next = set(2, 2, &[1, 2, 3]);
    let rotated = |set: &AttestorSet| Request::Rotated { set: set.clone() };
    refuses(&attestor, &rotated(&next), Code::NotApproved, "aes attest approve").await;
    let approve = |set: &AttestorSet| aes_attestor::approve(&attestor.journal, &key_address(1), &domain(), set);
    for set in [&next, &set(3, 1, &[1]), &set(1, 1, &[1])] {
        approve(set).unwrap();
    }
    let statement = signs(&attestor, &rotated(&next)).await;
    assert_eq!(statement, Statement::Rotated { new_set: 2, new_set_hash: next.hash() });
    for id in [1, 3] {
        refuses(&attestor, &rotated(&set(id, 1, &[1])), Code::BadRequest, "the current set is 1").await;
    }
    let mut unsorted = next.clone();
    unsorted.attestors.reverse();
    refuses(&attestor, &rotated(&unsorted), Code::BadRequest, "ascending order").await;
    assert!(approve(&unsorted).is_err());
}

fn key_address(number: u8) -> [u8; 20] {
    let Bytes(address) = crate::world::signer(number);
    address.try_into().unwrap()
}

#[tokio::test]
async fn nothing_new_is_signed_of_a_chain_whose_final_blocks_are_gone() {
    let (world, attestor) = alone().await;
    let id = world.prepare(1);
    signs(&attestor, &opened(id)).await;
    world.facts().shaken.insert(chain(POLYGON));
    for request in [opened(id), prepared(id)] {
        refuses(&attestor, &request, Code::ChainUnreachable, "what was final is not").await;
    }
    // what is decided settles all the same
    world.decide(&id, State::Aborted);
    signs(&attestor, &decided(&[id])).await;
    refuses(&attestor, &settled(id), Code::ChainUnreachable, "what was final is not").await;
}
