//! What an operator can meet, and what the relayer does by itself: docs/runbook.md, as it happens.

use std::sync::atomic::Ordering::SeqCst;

use aes_chains::{Chain, EscrowMessage};
use aes_coordinator::msg::{RollbackReason, State};
use aes_protocol::{Function, Hash32};
use aes_relay::{Health, RelayError, What};
use aes_store::End;
use aes_telemetry::Fault;

use crate::world::{account, legs, paper, World, ALLIANZA, DEADLINE, ETHEREUM, POLYGON};
use crate::{FINALIZED, RELEASED};

fn two_transfers(world: &World) -> Hash32 {
    let legs = legs(&[(POLYGON, Function::Transfer), (ETHEREUM, Function::Transfer)]);
    world.coordinator.open(&account(1), Some(&account(2)), &legs, DEADLINE)
}

fn failure(leg: u8, cause: &str) -> Option<RollbackReason> {
    Some(RollbackReason::AtomicityFailure { leg, cause: cause.into() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_called_reverted_or_confirmed_before_it_is_final() {
    let world = World::start().await;
    let mut relayer = world.relayer(&account(2), "a.db", 30);
    let polygon = world.chain(POLYGON);
    let [confirmed, reverted] = [(); 2].map(|()| two_transfers(&world));
    world.deposit(confirmed);
    world.deposit_first(reverted);
    world.until("looks", || polygon.looked(&[confirmed, reverted]), |looks| *looks >= 2).await;
    world.until_state(confirmed, State::Committed).await;
    polygon.stop_finality(true);
    world.coordinator.cancel(&[reverted]);
    world
        .until(
            "settled",
            || world.status(confirmed)[0].zip(world.status(reverted)[0]),
            |both| *both == FINALIZED.zip(RELEASED),
        )
        .await;
    let looks = polygon.looked(&[reverted]);
    world.until("more looks", || polygon.looked(&[reverted]), |now| *now >= looks + 3).await;
    let early = std::iter::from_fn(|| relayer.events.try_recv().ok()).map(|event| event.what).collect::<Vec<_>>();
    let ended = |what: &&What| matches!(what, What::Released { leg: 0, .. } | What::Finalized { leg: 0, .. });
    assert_eq!(early.iter().find(ended), None);
    let on_their_way = |what: &&What| matches!(what, What::Releasing { leg: 0, .. } | What::Finalizing { leg: 0, .. });
    assert_eq!(early.iter().filter(on_their_way).count(), 2, "{early:?}");
    polygon.stop_finality(false);
    for id in [confirmed, reverted] {
        let state = if id == confirmed { State::Finalized } else { State::RolledBack };
        world.until_state(id, state).await;
    }
    let late = relayer.events_until(|what| matches!(what, What::RolledBack { .. })).await;
    assert_eq!(late.iter().filter(ended).count(), 2, "{late:?}");
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_chain_gets_nothing_new_what_is_inside_rolls_back_and_the_others_go_on() {
    let world = World::start().await;
    let ethereum = world.chain(ETHEREUM);
    let relayer = world.relayer_that(&account(2), "a.db", |config| {
        config.stalled_after.insert(ETHEREUM.parse().unwrap(), 1);
    });
    let open = || world.coordinator.open(&account(1), Some(&account(2)), &paper(), DEADLINE);
    ethereum.stop_finality(true);
    let alarms = Fault::ChainStalled.counted();
    let inside = open();
    world.deposit(inside);
    let record = world.until_state(inside, State::Aborted).await;
    assert_eq!(record.reason, failure(2, "eip155:11155111 stopped finalizing"));
    assert!(Fault::ChainStalled.counted() > alarms);

    let new = open();
    world.deposit(new);
    let others = legs(&[(POLYGON, Function::Lock), (ALLIANZA, Function::Unlock)]);
    let others = world.coordinator.open(&account(1), None, &others, DEADLINE);
    world.deposit(others);
    assert_eq!(world.until_state(new, State::Aborted).await.reason, failure(2, "eip155:11155111 stopped finalizing"));
    world.until_state(others, State::Finalized).await;
    let prepares = |message: &EscrowMessage| matches!(message, EscrowMessage::PrepareReserve { execution_id, .. } if *execution_id == new);
    assert!(world.chains.values().all(|chain| !chain.sent().iter().any(prepares)));

    let (status, health) = relayer.ask("/v1/health").await;
    let health: Health = serde_json::from_str(&health).unwrap();
    assert!(status == 503 && !health.healthy && health.home_reachable);
    assert_eq!((health.chains[ethereum.id()].standing.as_str(), health.executions["aborted"]), ("stalled", 2));
    let (_, metrics) = relayer.ask("/metrics").await;
    for line in [
        "aes_chain_halted{chain=\"eip155:11155111\"} 1.0",
        "aes_chain_halted{chain=\"eip155:80002\"} 0.0",
        "aes_gas_balance{chain=\"eip155:80002\",denom=\"gas\"} 1.0",
        "aes_executions{state=\"aborted\"}",
        "aes_settlement_added_seconds_count{chain=\"eip155:80002\"}",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }

    ethereum.stop_finality(false);
    for id in [inside, new] {
        world.until_state(id, State::RolledBack).await;
    }
    let fine = open();
    world.deposit(fine);
    world.until_state(fine, State::Finalized).await;
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_attestors_disagree_about_rolls_back_until_they_agree_again() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let ethereum = world.chain(ETHEREUM);
    ethereum.forked.store(true, SeqCst);
    let alarms = Fault::AttestorsDisagree.counted();
    let disputed = two_transfers(&world);
    world.deposit(disputed);
    let record = world.until_state(disputed, State::Aborted).await;
    assert_eq!(record.reason, failure(1, "attestors disagree about eip155:11155111"));
    assert!(Fault::AttestorsDisagree.counted() > alarms);
    ethereum.forked.store(false, SeqCst);
    world.until_state(disputed, State::RolledBack).await;
    let fine = two_transfers(&world);
    world.deposit(fine);
    world.until_state(fine, State::Finalized).await;
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_fails_is_an_alarm_is_in_the_history_and_is_tried_again() {
    let world = World::start().await;
    let mut relayer = world.relayer(&account(2), "a.db", 30);
    let ethereum = world.chain(ETHEREUM);
    ethereum.refuse_payment(Some("the account is blocked"));
    let alarms = Fault::PaymentFailed.counted();
    let id = two_transfers(&world);
    world.deposit_first(id);
    ethereum.deposit(id, &world.coordinator.record(id).legs[1].leg, DEADLINE);
    world.coordinator.cancel(&[id]);
    let seen = relayer.events_until(|what| matches!(what, What::PaymentFailed { leg: 1, .. })).await;
    assert!(!seen.iter().any(|what| matches!(what, What::Releasing { leg: 1, .. } | What::Released { leg: 1, .. })));
    assert!(Fault::PaymentFailed.counted() > alarms);
    assert_eq!(world.coordinator.record(id).state, State::Aborted);
    ethereum.refuse_payment(None);
    world.until_state(id, State::RolledBack).await;
    assert_eq!(world.status(id), [RELEASED; 2]);
    relayer.stop().await;
    let rows = world.store("a.db").outbox(&id).unwrap();
    let told = |cause: &String| cause.contains("not paid (the account is blocked)");
    assert!(
        rows.iter().any(|row| row.outcome == Some(End::Included) && row.cause.as_ref().is_some_and(told)),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_about_a_transaction_hides_nothing_else_of_the_chain() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    world.chain(ETHEREUM).talk_nonsense(true);
    let alarms = Fault::BadAnswer.counted();
    let id = two_transfers(&world);
    world.deposit(id);
    world.until_state(id, State::Finalized).await;
    assert!(Fault::BadAnswer.counted() > alarms);
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_about_a_leg_hides_no_other_leg_of_the_chain() {
    let world = World::start().await;
    let mut relayer = world.relayer(&account(2), "a.db", 30);
    let [hidden, fine] = [(); 2].map(|()| two_transfers(&world));
    world.chain(ETHEREUM).hide(Some(hidden));
    [hidden, fine].into_iter().for_each(|id| world.deposit(id));
    relayer.events_until(|what| matches!(what, What::Unseen { leg: 1, .. })).await;
    world.until_state(fine, State::Finalized).await;
    assert_eq!(world.coordinator.record(hidden).state, State::Open);
    world.chain(ETHEREUM).hide(None);
    world.until_state(hidden, State::Finalized).await;
    relayer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_alarm_and_holds_no_settlement_up() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let full = "CREATE TRIGGER full BEFORE INSERT ON outbox
                BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    rusqlite::Connection::open(world.file("a.db")).unwrap().execute_batch(full).unwrap();
    let alarms = Fault::Database.counted();
    let id = world.coordinator.open(&account(1), Some(&account(2)), &paper(), DEADLINE);
    world.deposit(id);
    world.until_state(id, State::Finalized).await;
    assert!(Fault::Database.counted() > alarms);
    relayer.stop().await;
    assert!(world.store("a.db").outbox(&id).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_answer_was_lost_history_says_that_nobody_knows() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    world.chain(ETHEREUM).loses_answers.store(true, SeqCst);
    let id = two_transfers(&world);
    world.deposit(id);
    world.until_state(id, State::Finalized).await;
    relayer.stop().await;
    let rows = world.store("a.db").outbox(&id).unwrap();
    let on_ethereum: Vec<_> = rows.iter().filter(|row| row.chain.as_str() == ETHEREUM).map(|row| row.outcome).collect();
    assert!(on_ethereum.contains(&Some(End::Unknown)) && !on_ethereum.contains(&Some(End::NotSent)), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_panics_ends_the_relayer_with_an_error() {
    let world = World::start().await;
    let relayer = world.relayer(&account(2), "a.db", 30);
    let alarms = Fault::Panicked.counted();
    world.chain(ETHEREUM).broken.store(true, SeqCst);
    assert!(matches!(relayer.breaks_off().await, RelayError::Panicked(_)));
    assert!(Fault::Panicked.counted() > alarms);
}
