//! Holds end as decided: each function's destination, replays, batches, what cannot be paid, escape.

use aes_escrow::msg::{HoldStatus, Settlement};
use aes_protocol::{Decision, Function, Hash32, Leg};

use crate::support::keys::Certifies;
use crate::support::{attribute, events, id, results, Kind, World, DAY, RICH};

const ALL: [Function; 5] = [Function::Transfer, Function::Lock, Function::Unlock, Function::Mint, Function::Burn];

/// A world of the kind with 500 in the vault, and the functions it has.
fn worlds() -> Vec<(World, Vec<Function>)> {
    [(Kind::Native, &ALL[..3]), (Kind::Cw20, &ALL[..])]
        .map(|(kind, functions)| {
            let mut world = World::new(kind);
            world.fund_vault(500).unwrap();
            (world, functions.to_vec())
        })
        .into()
}

#[test]
fn each_function_goes_where_the_protocol_says_on_commit_and_on_abort() {
    for (mut world, functions) in worlds() {
        for (n, function) in functions.into_iter().enumerate() {
            let n = u8::try_from(n).unwrap();
            let (leg, deadline) = (world.leg(function, 100), world.deadline());
            let all = |world: &World| {
                (world.books(), world.owns(&world.alice), world.owns(&world.bob), world.owns(&world.escrow))
            };
            let before = all(&world);
            world.prepare(id(n), deadline, &leg).unwrap();
            world.release(id(n), &leg).unwrap();
            assert_eq!(all(&world), before, "{function:?} released");
            assert_eq!(world.status(id(n), &leg), Some(HoldStatus::Released));

            world.prepare(id(100 + n), deadline, &leg).unwrap();
            world.finalize(id(100 + n), &leg).unwrap();
            assert_eq!(world.status(id(100 + n), &leg), Some(HoldStatus::Finalized));
            let ((vault, held, issued), alice, bob, escrow) = before;
            let expected = match function {
                Function::Transfer => ((vault, held, issued), alice - 100, bob + 100, escrow),
                Function::Lock => ((vault + 100, held, issued), alice - 100, bob, escrow + 100),
                Function::Unlock => ((vault - 100, held, issued), alice, bob + 100, escrow - 100),
                Function::Mint => ((vault, held, issued + 100), alice, bob + 100, escrow),
                Function::Burn => ((vault, held, issued - 100), alice - 100, bob, escrow),
            };
            assert_eq!(all(&world), expected, "{function:?} finalized");
        }
    }
}

#[test]
fn the_same_decision_again_moves_nothing_and_says_so() {
    for (mut world, functions) in worlds() {
        let legs: Vec<Leg> = functions.into_iter().map(|function| world.leg(function, 10)).collect();
        for decision in [Decision::Commit, Decision::Abort] {
            let execution = id(if decision == Decision::Commit { 1 } else { 2 });
            let deadline = world.deadline();
            for leg in &legs {
                world.prepare(execution, deadline, leg).unwrap();
            }
            let once = world.decide(decision, &[(execution, legs.clone())]).unwrap();
            assert!(results(&once).iter().all(|result| *result == "settled"));
            let hold = world.hold(execution, &legs[0]);
            let after = (world.books(), world.owns(&world.alice), world.owns(&world.bob));
            world.advance(30 * DAY);
            let twice = world.decide(decision, &[(execution, legs.clone())]).unwrap();
            assert!(results(&twice).iter().all(|result| *result == "repeated"));
            assert_eq!((world.books(), world.owns(&world.alice), world.owns(&world.bob)), after);
            assert_eq!(world.hold(execution, &legs[0]), hold);
        }
    }
}

#[test]
fn the_opposite_decision_is_an_error_of_the_whole_message() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 10), world.deadline());
    for n in 1..=3 {
        world.prepare(id(n), deadline, &leg).unwrap();
    }
    world.finalize(id(1), &leg).unwrap();
    world.release(id(2), &leg).unwrap();
    let batch = |n: u8| [(id(3), vec![leg.clone()]), (id(n), vec![leg.clone()])];
    let error = world.decide(Decision::Abort, &batch(1)).unwrap_err();
    assert!(error.contains("already finalized, the opposite of what is asked"), "{error}");
    let error = world.decide(Decision::Commit, &batch(2)).unwrap_err();
    assert!(error.contains("already released, the opposite of what is asked"), "{error}");
    assert_eq!(world.status(id(3), &leg), Some(HoldStatus::Held));
}

#[test]
fn a_release_of_nothing_leaves_a_tombstone_and_a_finalize_of_nothing_is_an_error() {
    let mut world = World::new(Kind::Native);
    let leg = world.leg(Function::Transfer, 10);
    let error = world.finalize(id(1), &leg).unwrap_err();
    let text = format!("execution {}, leg {}: nothing is held here; prepare it first", id(1), leg.hash());
    assert!(error.contains(&text), "{error}");
    let response = world.release(id(1), &leg).unwrap();
    assert_eq!(results(&response), ["tombstone"]);
    let tombstone = world.hold(id(1), &leg).unwrap();
    assert_eq!((tombstone.status, tombstone.held_at), (HoldStatus::Released, None));
    assert_eq!(tombstone.settled_at.unwrap().time, world.now());
    assert_eq!(results(&world.release(id(1), &leg).unwrap()), ["repeated"]);
}

#[test]
fn settling_never_looks_at_the_clock() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 10), world.deadline());
    world.prepare(id(1), deadline, &leg).unwrap();
    world.prepare(id(2), deadline, &leg).unwrap();
    world.advance(365 * DAY);
    world.finalize(id(1), &leg).unwrap();
    world.release(id(2), &leg).unwrap();
    assert_eq!((world.owns(&world.alice), world.owns(&world.bob)), (RICH - 10, RICH + 10));
}

#[test]
fn one_leg_that_cannot_be_paid_stays_held_and_the_rest_go_through() {
    let mut world = World::new(Kind::Cw20);
    let deadline = world.deadline();
    let (alice, bob, escrow) = (world.alice.clone(), world.bob.clone(), world.escrow.clone());
    let transfer = world.leg(Function::Transfer, 10);
    let legs: Vec<Leg> = [
        Leg { to: world.canonical(&alice), ..transfer.clone() },
        transfer.clone(),
        world.leg(Function::Lock, 20),
        world.leg(Function::Burn, 30),
    ]
    .into();
    for leg in &legs {
        world.prepare(id(1), deadline, leg).unwrap();
    }
    world.refuse(Some(&bob));
    let response = world.decide(Decision::Commit, &[(id(1), legs.clone())]).unwrap();
    // the last word on the second leg is that it failed
    assert_eq!(results(&response), ["settled", "settled", "settled", "settled", "failed"]);
    let failed = *events(&response, "aes-settled").last().unwrap();
    assert_eq!(attribute(failed, "leg_hash"), transfer.hash().to_string());
    assert_eq!(attribute(failed, "status"), "held");
    let hold = world.hold(id(1), &transfer).unwrap();
    assert_eq!((hold.status, hold.settled_at), (HoldStatus::Held, None));
    // the reason is the chain's own text, cut: it is stored
    assert_eq!(hold.failure.as_deref(), Some(attribute(failed, "failure")));
    assert!(hold.failure.is_some_and(|failure| (1..=256).contains(&failure.chars().count())));
    assert_eq!((world.books(), world.owns(&escrow)), ((20, 10, -30), 30));
    for leg in [&legs[0], &legs[2], &legs[3]] {
        assert_eq!(world.status(id(1), leg), Some(HoldStatus::Finalized));
    }
    // once it can be paid, the same message pays it and repeats the rest
    world.refuse(None);
    let response = world.decide(Decision::Commit, &[(id(1), legs)]).unwrap();
    assert_eq!(results(&response), ["repeated", "settled", "repeated", "repeated"]);
    assert_eq!(world.hold(id(1), &transfer).unwrap().failure, None);
    assert_eq!((world.books(), world.owns(&escrow), world.owns(&bob)), ((20, 0, -30), 20, RICH + 10));
}

#[test]
fn a_burn_that_is_refused_stays_held_and_issued() {
    let mut world = World::new(Kind::Cw20);
    let deadline = world.deadline();
    let (burn, mint, escrow) = (world.leg(Function::Burn, 10), world.leg(Function::Mint, 20), world.escrow.clone());
    world.prepare(id(1), deadline, &burn).unwrap();
    world.prepare(id(2), deadline, &mint).unwrap();
    world.refuse(Some(&escrow));
    assert_eq!(results(&world.finalize(id(1), &burn).unwrap()), ["settled", "failed"]);
    assert_eq!(results(&world.release(id(2), &mint).unwrap()), ["settled", "failed"]);
    assert_eq!((world.books(), world.owns(&escrow)), ((0, 30, 20), 30));
    world.refuse(None);
    world.finalize(id(1), &burn).unwrap();
    world.release(id(2), &mint).unwrap();
    assert_eq!((world.books(), world.owns(&escrow)), ((0, 0, -10), 0));
}

#[test]
fn one_certificate_settles_many_executions_each_by_its_path() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 10), world.deadline());
    let executions: Vec<_> = (1..=5).map(|n| (id(n), vec![leg.clone()])).collect();
    for (execution, _) in &executions {
        world.prepare(*execution, deadline, &leg).unwrap();
    }
    world.decide(Decision::Commit, &executions).unwrap();
    assert_eq!((world.books(), world.owns(&world.bob)), ((0, 0, 0), RICH + 50));
}

#[test]
fn a_leg_twice_in_one_batch_is_paid_once() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 10), world.deadline());
    world.prepare(id(1), deadline, &leg).unwrap();
    world.prepare(id(2), deadline, &leg).unwrap();
    let response = world.decide(Decision::Commit, &[(id(1), vec![leg.clone(), leg.clone()])]).unwrap();
    assert_eq!(results(&response), ["settled", "repeated"]);
    assert_eq!((world.books(), world.owns(&world.bob)), ((0, 10, 0), RICH + 10));
}

#[test]
fn a_batch_has_1_to_64_legs_no_empty_item_and_one_root() {
    let mut world = World::new(Kind::Native);
    let leg = world.leg(Function::Transfer, 10);
    let settle = |world: &mut World, executions: &[(Hash32, Vec<Leg>)]| world.decide(Decision::Abort, executions);
    let many = |count: u128| (1..=count).map(|n| world.leg(Function::Transfer, n)).collect::<Vec<_>>();
    let (full, over) = (many(64), many(65));

    let (certificate, items) = world.attestors.decided(&world.domain, Decision::Abort, &[(id(1), vec![leg.clone()])]);
    let error = world.settle(Decision::Abort, certificate.clone(), vec![]).unwrap_err();
    assert!(error.contains("nothing to settle: give 1 to 64 legs, and at least one in each item"), "{error}");
    let error = settle(&mut world, &[(id(1), vec![leg.clone()]), (id(2), vec![])]).unwrap_err();
    assert!(error.contains("at least one in each item"), "{error}");
    let error = settle(&mut world, &[(id(1), over)]).unwrap_err();
    assert!(error.contains("65 legs in one message; give at most 64"), "{error}");

    let stray = Settlement { execution_id: id(9), path: vec![], legs: vec![leg] };
    let error = world.settle(Decision::Abort, certificate, vec![items[0].clone(), stray]).unwrap_err();
    assert!(error.contains(&format!("execution {}: its decision leads to root", id(9))), "{error}");
    assert_eq!(settle(&mut world, &[(id(1), full)]).map(|response| results(&response).len()), Ok(64));
}

#[test]
fn a_leg_of_another_escrow_is_not_settled_here() {
    let mut world = World::new(Kind::Native);
    let leg = Leg { escrow: vec![9; 32].into(), ..world.leg(Function::Transfer, 10) };
    let error = world.release(id(1), &leg).unwrap_err();
    assert!(error.contains(&format!("the leg names escrow {}", leg.escrow)), "{error}");
    let leg = Leg { chain: "cosmos:other-1".parse().unwrap(), ..world.leg(Function::Transfer, 10) };
    let error = world.release(id(1), &leg).unwrap_err();
    assert!(error.contains("the leg is for chain cosmos:other-1"), "{error}");
}

#[test]
fn the_depositor_alone_escapes_and_only_long_after_the_deadline() {
    for kind in [Kind::Native, Kind::Cw20] {
        let mut world = World::new(kind);
        let (leg, deadline) = (world.leg(Function::Burn, 10), world.deadline());
        let leg = if kind == Kind::Native { world.leg(Function::Lock, 10) } else { leg };
        let (alice, bob) = (world.alice.clone(), world.bob.clone());
        let error = world.escape(&alice, id(1), &leg).unwrap_err();
        assert!(error.contains("nothing is held here; prepare it first"), "{error}");
        world.prepare(id(1), deadline, &leg).unwrap();

        let opens_at = deadline + 7 * DAY;
        let wait = opens_at - 1 - world.now();
        world.advance(wait);
        let error = world.escape(&alice, id(1), &leg).unwrap_err();
        assert!(error.contains(&format!("now is {}; escape opens at {opens_at}", opens_at - 1)), "{error}");
        world.advance(1);
        let error = world.escape(&bob, id(1), &leg).unwrap_err();
        assert!(error.contains("the depositor sends this"), "{error}");

        let response = world.escape(&alice, id(1), &leg).unwrap();
        assert_eq!(attribute(events(&response, "aes-escaped")[0], "repeated"), "false");
        assert_eq!((world.books(), world.owns(&alice)), ((0, 0, 0), RICH));
        assert_eq!(world.status(id(1), &leg), Some(HoldStatus::Escaped));
        let response = world.escape(&alice, id(1), &leg).unwrap();
        assert_eq!(attribute(events(&response, "aes-escaped")[0], "repeated"), "true");
        // an abort has all it asks for; a commit came too late
        let response = world.release(id(1), &leg).unwrap();
        assert_eq!(attribute(events(&response, "aes-settled")[0], "status"), "escaped");
        let error = world.finalize(id(1), &leg).unwrap_err();
        assert!(error.contains("already escaped, the opposite of what is asked"), "{error}");
        assert_eq!((world.books(), world.owns(&alice)), ((0, 0, 0), RICH));
    }
}

#[test]
fn there_is_no_escape_from_a_settlement_nor_with_the_reserve() {
    let mut world = World::new(Kind::Native);
    world.fund_vault(100).unwrap();
    let deadline = world.deadline();
    let (transfer, unlock, alice) =
        (world.leg(Function::Transfer, 10), world.leg(Function::Unlock, 10), world.alice.clone());
    world.prepare(id(1), deadline, &transfer).unwrap();
    world.prepare(id(2), deadline, &unlock).unwrap();
    world.finalize(id(1), &transfer).unwrap();
    world.advance(30 * DAY);
    let error = world.escape(&alice, id(1), &transfer).unwrap_err();
    assert!(error.contains("already finalized, the opposite of what is asked"), "{error}");
    let error = world.escape(&alice, id(2), &unlock).unwrap_err();
    assert!(
        error.contains("unlock legs take from the reserve; only a depositor's own ALZ can be escaped with"),
        "{error}"
    );
}
