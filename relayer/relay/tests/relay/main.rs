//! Whole runs of the relayer against facts in memory, with real attestors: what must come out on every chain.

mod chain;
mod faults;
mod home;
mod operator;
mod world;

use std::sync::atomic::Ordering::SeqCst;

use aes_chains::{Chain, EscrowMessage, HoldStatus};
use aes_coordinator::msg::{LegResult, RollbackReason, State};
use aes_protocol::{Decision, Function};
use aes_relay::What;
use aes_store::End;
use world::{account, legs, paper, World, ALLIANZA, DEADLINE, ETHEREUM, POLYGON};

const FINALIZED: Option<HoldStatus> = Some(HoldStatus::Finalized);
const RELEASED: Option<HoldStatus> = Some(HoldStatus::Released);
const HELD: Option<HoldStatus> = Some(HoldStatus::Held);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_legs_held_confirms_on_every_chain() {
    let world = World::start().await;
    let mut relayer = world.relayer(&account(2), "a.db", 30);
    let id = world.coordinator.open(&account(1), Some(&account(2)), &paper(), DEADLINE);
    world.deposit(id);
    let record = world.until_state(id, State::Finalized).await;
    assert!(record.legs.iter().all(|leg| leg.result == LegResult::Finalized));
    assert_eq!(world.status(id), [FINALIZED; 3]);
    world.assert_no_failures();
    // nothing was sent twice: a prepare on two chains, a settlement on three
    let sent = |chain| world.chain(chain).sent().len();
    assert_eq!([POLYGON, ALLIANZA, ETHEREUM].map(sent), [1, 2, 2]);

    let end = loop {
        let what = relayer.events.recv().await.unwrap().what;
        if matches!(what, What::Confirmed | What::RolledBack { .. }) {
            break what;
        }
    };
    assert_eq!(end, What::Confirmed);
    relayer.stop().await;
    let store = world.store("a.db");
    let timings = store.timings(&id).unwrap();
    assert_eq!(timings.len(), 3);
    for timing in timings {
        assert!(timing.tick_at <= timing.decision_seen_at && timing.decision_seen_at <= timing.attested_at);
        assert!(timing.attested_at <= timing.handed_over_at);
    }
    assert_eq!(store.executions().unwrap()[0].state, "finalized");
    let kinds: Vec<String> = store.outbox(&id).unwrap().into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "settle").count(), 3, "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gas_for_the_mint_rolls_the_others_back_at_once_and_needs_no_gas_to_be_recorded() {
    let world = World::start().await;
    world.chain(ETHEREUM).no_gas.store(true, SeqCst);
    let relayer = world.relayer(&account(2), "a.db", 30);
    let id = world.coordinator.open(&account(1), Some(&account(2)), &paper(), DEADLINE);
    world.deposit(id);
    let record = world.until_state(id, State::Aborted).await;
    assert_eq!(record.reason, Some(RollbackReason::AtomicityFailure { leg: 2, cause: "insufficient gas".into() }));
    // long before the deadline the others are given back; the tombstone cannot be written without gas
    world.until("released", || world.status(id), |status| status[..2] == [RELEASED; 2]).await;
    assert_eq!(world.status(id)[2], None);
    assert_eq!(world.coordinator.record(id).state, State::Aborted);
    world.pass_deadline();
    let record = world.until_state(id, State::RolledBack).await;
    assert_eq!(record.legs[0].result, LegResult::Reverted);
    assert_eq!(record.legs[2].result, LegResult::NotPrepared);
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_prepare_rolls_back_with_its_cause_and_a_tombstone_ends_it_before_the_deadline() {
    let world = World::start().await;
    let cause = "é".repeat(200);
    world.chain(ETHEREUM).refuse_prepare(&cause);
    let mut relayer = world.relayer(&account(1), "a.db", 30);
    let id = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(id);
    let record = world.until_state(id, State::RolledBack).await;
    // the coordinator takes 256 bytes
    assert_eq!(record.reason, Some(RollbackReason::AtomicityFailure { leg: 2, cause: "é".repeat(128) }));
    assert_eq!(world.status(id), [RELEASED; 3]);
    let held = record.legs.iter().filter(|leg| leg.result == LegResult::Reverted).count();
    assert!(held >= 1 && record.legs[2].result == LegResult::NotPrepared);
    let end = loop {
        if let What::RolledBack { reverted, held } = relayer.events.recv().await.unwrap().what {
            break (reverted, held);
        }
    };
    assert_eq!(end, (held, held));
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepare_that_reverts_in_its_block_rolls_back_with_that_cause() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let ethereum = world.chain(ETHEREUM);
    ethereum.congested.store(true, SeqCst);
    let id = world.coordinator.open(&account(1), Some(&account(2)), &paper(), DEADLINE);
    world.deposit(id);
    world.until("sent", || ethereum.sent().len(), |sent| *sent == 1).await;
    ethereum.refuse_prepare("the reserve is too small");
    ethereum.congested.store(false, SeqCst);
    let record = world.until_state(id, State::RolledBack).await;
    let cause = "the reserve is too small".to_string();
    assert_eq!(record.reason, Some(RollbackReason::AtomicityFailure { leg: 2, cause: cause.clone() }));
    assert_eq!(world.status(id), [RELEASED; 3]);
    relayer.stop().await;
    let failed = world.store("a.db").outbox(&id).unwrap().into_iter().find(|row| row.outcome == Some(End::Failed));
    assert_eq!(failed.unwrap().cause, Some(cause));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relayer_without_the_right_to_roll_back_goes_on_when_the_gas_comes() {
    let world = World::start().await;
    world.chain(ETHEREUM).no_gas.store(true, SeqCst);
    let mut relayer = world.relayer(&account(9), "a.db", 30);
    let id = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(id);
    while !matches!(relayer.events.recv().await.unwrap().what, What::CannotPrepare { leg: 2, .. }) {}
    assert_eq!(world.coordinator.record(id).state, State::Open);
    world.chain(ETHEREUM).no_gas.store(false, SeqCst);
    world.until_state(id, State::Finalized).await;
    world.assert_no_failures();
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_depositor_who_never_comes_is_rolled_back_by_the_deadline() {
    let world = World::start().await;
    let id = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.pass_deadline();
    world.chains.values().for_each(|chain| chain.mine());
    let relayer = world.relayer(&account(9), "a.db", 30);
    let record = world.until_state(id, State::RolledBack).await;
    assert_eq!(record.reason, Some(RollbackReason::DeadlinePassed {}));
    assert!(record.legs.iter().all(|leg| leg.result == LegResult::NotPrepared));
    // past the deadline no prepare is taken, so no tombstone is paid for
    assert_eq!(world.status(id), [None; 3]);
    world.assert_no_failures();
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_chain_stops_nothing_else_and_is_settled_when_it_is_back() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let both = legs(&[(POLYGON, Function::Transfer), (ETHEREUM, Function::Transfer)]);
    let sick = world.coordinator.open(&account(1), Some(&account(2)), &both, DEADLINE);
    world.deposit(sick);
    world.until_state(sick, State::Finalized).await;

    let sick = world.coordinator.open(&account(1), Some(&account(2)), &both, DEADLINE);
    world.chain(ETHEREUM).down.store(true, SeqCst);
    world.deposit(sick);
    let fine = world.coordinator.open(
        &account(1),
        None,
        &legs(&[(POLYGON, Function::Lock), (ALLIANZA, Function::Unlock)]),
        DEADLINE,
    );
    world.deposit(fine);
    world.until_state(fine, State::Finalized).await;
    assert_eq!(world.coordinator.record(sick).state, State::Open);

    world.pass_deadline();
    world.until("released on polygon", || world.status(sick), |status| status[0] == RELEASED).await;
    assert_eq!(world.status(sick)[1], HELD);
    world.chain(ETHEREUM).down.store(false, SeqCst);
    world.until_state(sick, State::RolledBack).await;
    assert_eq!(world.status(sick), [RELEASED; 2]);
    world.assert_no_failures();
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_relayer_with_an_empty_database_finishes_what_another_began() {
    let world = World::start().await;
    let first = world.relayer(&account(2), "a.db", 30);
    let committed = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(committed);
    // Ethereum takes the prepare and then stands still: decided, and settled on two chains only
    world.until("prepared", || world.status(committed), |status| status.iter().all(Option::is_some)).await;
    world.chain(ETHEREUM).congested.store(true, SeqCst);
    let half = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(half);
    world.until("half prepared", || world.status(half), |status| status[1] == HELD).await;
    world.until_state(committed, State::Committed).await;
    world.until("settled", || world.status(committed), |status| status[..2] == [FINALIZED; 2]).await;
    first.stop().await;

    world.chain(ETHEREUM).congested.store(false, SeqCst);
    let second = world.relayer(&account(3), "empty.db", 30);
    for id in [committed, half] {
        world.until_state(id, State::Finalized).await;
        assert_eq!(world.status(id), [FINALIZED; 3]);
    }
    world.assert_no_failures();
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_database_takes_up_what_was_in_flight() {
    let world = World::start().await;
    let first = world.relayer(&account(2), "a.db", 30);
    world.chain(ETHEREUM).congested.store(true, SeqCst);
    let id = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(id);
    let ethereum = world.chain(ETHEREUM);
    world.until("sent", || ethereum.sent().len(), |sent| *sent == 1).await;
    first.stop().await;

    let second = world.relayer(&account(2), "a.db", 30);
    // it looks again and again, and sends no second prepare while the first waits
    let looks = ethereum.looked(&[id]);
    world.until("looks", || ethereum.looked(&[id]), |now| *now >= looks + 5).await;
    assert_eq!(ethereum.sent().len(), 1);
    ethereum.congested.store(false, SeqCst);
    world.until_state(id, State::Finalized).await;
    assert_eq!(ethereum.sent().len(), 2);
    second.stop().await;
    assert!(world.store("a.db").outbox(&id).unwrap().iter().any(|row| row.kind == "prepare_reserve"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_waits_too_long_pays_more() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 0);
    world.chain(ETHEREUM).congested.store(true, SeqCst);
    let id = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(id);
    world.until_state(id, State::Finalized).await;
    assert!(world.chain(ETHEREUM).bumped() >= 2);
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relayers_at_once_do_no_harm() {
    let world = World::start().await;
    let relayers = [world.relayer(&account(2), "a.db", 30), world.relayer(&account(3), "b.db", 30)];
    let open = || world.coordinator.open(&account(1), Some(&account(2)), &paper(), DEADLINE);
    let (commits, aborts) = ([open(), open(), open()], [open(), open()]);
    commits.into_iter().for_each(|id| world.deposit(id));
    for id in commits {
        world.until_state(id, State::Finalized).await;
        assert_eq!(world.status(id), [FINALIZED; 3]);
    }
    world.coordinator.cancel(&aborts);
    for id in aborts {
        world.until_state(id, State::RolledBack).await;
        assert_eq!(world.status(id), [RELEASED; 3]);
    }
    // Neither knows of the other: the slower one's prepare may come after the end, and is refused. Nothing else fails.
    assert_eq!(world.coordinator.failures(), Vec::<String>::new());
    for chain in world.chains.values() {
        assert!(chain.failures().iter().all(|cause| cause == "settled already"), "{:?}", chain.failures());
    }
    for relayer in relayers {
        relayer.stop().await;
    }
}

/// Decided in one block, and settled on each chain in transactions with as many legs as these.
async fn decided_together(executions: usize, expected: &[usize], certificates: usize) {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let transfers = legs(&[(POLYGON, Function::Transfer), (ETHEREUM, Function::Burn)]);
    let open = || world.coordinator.open(&account(1), None, &transfers, DEADLINE);
    let ids: Vec<_> = (0..executions).map(|_| open()).collect();
    let chains = [world.chain(POLYGON), world.chain(ETHEREUM)];
    // nothing to do yet: but every leg must be known when all are decided at once
    world.until("looks", || chains.map(|chain| chain.looked(&ids)), |looks| looks.iter().all(|n| *n >= 2)).await;
    // a look in the midst of it would see a page of them before the block tells of all
    world.coordinator.listless.store(true, SeqCst);
    world.coordinator.cancel(&ids);
    let released = || ids.iter().all(|id| world.status(*id) == [RELEASED; 2]);
    world.until("released", released, |all| *all).await;
    world.coordinator.listless.store(false, SeqCst);
    for id in &ids {
        world.until_state(*id, State::RolledBack).await;
    }
    for chain in chains {
        let (mut sizes, mut seen) = (Vec::new(), Vec::new());
        for message in chain.sent() {
            let EscrowMessage::Settle { certificate, decision: Decision::Abort, items } = message else {
                panic!("{message:?}");
            };
            sizes.push(items.iter().map(|item| item.legs.len()).sum::<usize>());
            if !seen.contains(&certificate) {
                seen.push(certificate);
            }
        }
        sizes.sort_unstable();
        assert_eq!((sizes.as_slice(), seen.len()), (expected, certificates));
    }
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executions_decided_together_share_a_certificate_and_one_transaction_a_chain() {
    decided_together(16, &[16], 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_takes_16_legs_and_a_certificate_64_executions() {
    decided_together(70, &[6, 16, 16, 16, 16], 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_block_announces_is_settled_before_any_look_shows_it() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let id = world.coordinator.open(&account(1), None, &legs(&[(POLYGON, Function::Lock); 2]), DEADLINE);
    world.deposit_first(id);
    world.until("looks", || world.chain(POLYGON).looked(&[id]), |looks| *looks >= 4).await;
    world.coordinator.listless.store(true, SeqCst);
    world.coordinator.cancel(&[id]);
    world.until("released", || world.status(id), |status| *status == [RELEASED; 2]).await;
    assert_eq!(world.coordinator.record(id).state, State::Aborted);
    world.coordinator.listless.store(false, SeqCst);
    world.until_state(id, State::RolledBack).await;
    world.assert_no_failures();
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_block_announced_is_found_by_looking() {
    let world = World::start().await;
    world.coordinator.mute.store(true, SeqCst);
    let relayer = world.relayer(&account(2), "a.db", 30);
    let committed = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(committed);
    world.until_state(committed, State::Finalized).await;
    let aborted = world.coordinator.open(&account(1), None, &legs(&[(POLYGON, Function::Lock); 2]), DEADLINE);
    world.deposit_first(aborted);
    world.coordinator.cancel(&[aborted]);
    world.until_state(aborted, State::RolledBack).await;
    assert_eq!(world.status(aborted), [RELEASED; 2]);
    world.assert_no_failures();
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_what_is_being_handed_over() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let ethereum = world.chain(ETHEREUM);
    ethereum.slow.send_replace(true);
    let id = world.coordinator.open(&account(1), None, &paper(), DEADLINE);
    world.deposit(id);
    world.until("handed over", || ethereum.waiting.load(SeqCst), |waiting| *waiting == 1).await;
    let stopping = relayer.begin_stop();
    let height = *ethereum.ticks().borrow();
    world.until("blocks", || *ethereum.ticks().borrow(), |now| *now > height + 5).await;
    assert!(!stopping.is_finished());
    ethereum.slow.send_replace(false);
    stopping.ended().await;
    let rows = world.store("a.db").outbox(&id).unwrap();
    let handed_over = rows.iter().find(|row| row.chain.as_str() == ETHEREUM).unwrap();
    assert!(handed_over.tx.is_some() && handed_over.outcome.is_none(), "{handed_over:?}");
    assert_eq!(ethereum.sent().len(), 1);
}
