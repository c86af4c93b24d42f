//! Account-sourced holds: how they begin, on a bank denom and on a cw20, and all that is refused.

use aes_escrow::msg::{ExecuteMsg, HoldStatus, Moment, ReceiveMsg};
use aes_protocol::Function;
use cosmwasm_std::{coin, coins, to_json_binary};

use crate::support::{attribute, events, id, Kind, World, DAY, DENOM, RICH};

#[test]
fn a_deposit_is_held_and_the_hold_says_when_and_until_when() {
    for kind in [Kind::Native, Kind::Cw20] {
        let mut world = World::new(kind);
        let (leg, deadline) = (world.leg(Function::Transfer, 100), world.deadline());
        let response = world.prepare(id(1), deadline, &leg).unwrap();
        let prepared = events(&response, "aes-prepared")[0];
        assert_eq!(attribute(prepared, "execution_id"), id(1).to_string());
        assert_eq!(attribute(prepared, "leg_hash"), leg.hash().to_string());
        assert_eq!(attribute(prepared, "leg"), serde_json::to_string(&leg).unwrap());
        assert_eq!(attribute(prepared, "repeated"), "false");

        let hold = world.hold(id(1), &leg).unwrap();
        assert_eq!((hold.status, hold.deadline), (HoldStatus::Held, deadline));
        let here = Moment {
            height: world.app.block_info().height,
            tx_index: 0,
            time: world.now(),
            tx_hash: Default::default(),
        };
        assert_eq!(hold.held_at, Some(here));
        assert_eq!((hold.settled_at, hold.failure), (None, None));
        assert_eq!(world.books(), (0, 100, 0));
        assert_eq!((world.owns(&world.escrow), world.owns(&world.alice)), (100, RICH - 100));
    }
}

#[test]
fn the_same_prepare_again_succeeds_and_what_came_with_it_goes_back() {
    for kind in [Kind::Native, Kind::Cw20] {
        let mut world = World::new(kind);
        let (leg, deadline) = (world.leg(Function::Lock, 100), world.deadline());
        world.prepare(id(1), deadline, &leg).unwrap();
        let held = world.hold(id(1), &leg);
        // neither a pause nor the deadline makes an error of a repeat
        world.admin_sends(&ExecuteMsg::Pause {}).unwrap();
        world.advance(DAY);
        let response = world.prepare(id(1), deadline, &leg).unwrap();
        assert_eq!(attribute(events(&response, "aes-prepared")[0], "repeated"), "true");
        assert_eq!(world.hold(id(1), &leg), held);
        assert_eq!(world.books(), (0, 100, 0));
        assert_eq!((world.owns(&world.escrow), world.owns(&world.alice)), (100, RICH - 100));

        let other = world.prepare(id(1), deadline + 1, &leg).unwrap_err();
        assert!(other.contains(&format!("held with deadline {deadline}, asked with {}", deadline + 1)), "{other}");
    }
}

#[test]
fn what_has_ended_cannot_be_prepared_again() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 100), world.deadline());
    world.prepare(id(1), deadline, &leg).unwrap();
    world.finalize(id(1), &leg).unwrap();
    let error = world.prepare(id(1), deadline, &leg).unwrap_err();
    assert!(error.contains("already finalized; it cannot be prepared again"), "{error}");
    world.release(id(2), &leg).unwrap();
    let error = world.prepare(id(2), deadline, &leg).unwrap_err();
    assert!(error.contains("already released; it cannot be prepared again"), "{error}");
}

#[test]
fn a_bogus_prepare_under_a_real_execution_blocks_nobody() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 100), world.deadline());
    let mallory = world.app.api().addr_make("carol");
    let bogus = aes_protocol::Leg { from: world.canonical(&mallory), ..leg.clone() };
    world.deposit(&mallory, id(1), deadline, &bogus, 100).unwrap();
    world.prepare(id(1), deadline, &leg).unwrap();
    assert_eq!(world.books(), (0, 200, 0));
}

#[test]
fn only_the_depositor_deposits() {
    for kind in [Kind::Native, Kind::Cw20] {
        let mut world = World::new(kind);
        let leg = world.leg(Function::Transfer, 100);
        let (bob, deadline) = (world.bob.clone(), world.deadline());
        let error = world.deposit(&bob, id(1), deadline, &leg, 100).unwrap_err();
        let (sender, depositor) = (world.canonical(&bob), &leg.from);
        assert!(
            error.contains(&format!("the sender is {sender}, the depositor is {depositor}; the depositor sends this")),
            "{error}"
        );
        assert_eq!(world.hold(id(1), &leg), None);
    }
}

#[test]
fn funds_are_exactly_one_coin_of_exactly_the_amount() {
    let mut world = World::new(Kind::Native);
    let (leg, alice, deadline) = (world.leg(Function::Transfer, 100), world.alice.clone(), world.deadline());
    let msg = ExecuteMsg::Prepare { execution_id: id(1), deadline, leg, opened: None };
    for (funds, expected) in [
        (vec![], "send one coin of aalz as funds and nothing else, got ''"),
        (coins(99, DENOM), "99 base units came, the leg is 100; send exactly that"),
        (coins(101, DENOM), "101 base units came, the leg is 100; send exactly that"),
        (coins(100, "other"), "send one coin of aalz as funds and nothing else, got '100other'"),
        (vec![coin(100, DENOM), coin(1, "other")], "nothing else, got '100aalz,1other'"),
    ] {
        let error = world.send(&alice, &msg, &funds).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!((world.books(), world.owns(&alice)), ((0, 0, 0), RICH));
}

#[test]
fn cw20_comes_by_its_own_contract_in_exactly_the_amount() {
    let mut world = World::new(Kind::Cw20);
    let (leg, alice, deadline) = (world.leg(Function::Burn, 100), world.alice.clone(), world.deadline());
    let error = world.deposit(&alice, id(1), deadline, &leg, 99).unwrap_err();
    assert!(error.contains("99 base units came, the leg is 100; send exactly that"), "{error}");

    let direct = ExecuteMsg::Prepare { execution_id: id(1), deadline, leg: leg.clone(), opened: None };
    let error = world.send(&alice, &direct, &[]).unwrap_err();
    assert!(error.contains("send it to this contract with cw20's 'send'"), "{error}");

    let inner = to_json_binary(&ReceiveMsg::Prepare { execution_id: id(1), deadline, leg }).unwrap();
    let forged = ExecuteMsg::Receive { sender: alice.to_string(), amount: 100u128.into(), msg: inner };
    let error = world.send(&alice, &forged, &[]).unwrap_err();
    assert!(error.contains(&format!("'receive' is for ALZ's cw20 to call, not for {alice}")), "{error}");

    let unlock = ReceiveMsg::Prepare { execution_id: id(1), deadline, leg: world.leg(Function::Unlock, 100) };
    let error = world.send_cw20(&alice, 100, &unlock).unwrap_err();
    assert!(error.contains("give 'opened' with an Opened certificate"), "{error}");
    assert_eq!((world.books(), world.owns(&alice)), ((0, 0, 0), RICH));
}

#[test]
fn what_a_cw20_brings_for_nothing_known_goes_back_with_a_word() {
    let mut world = World::new(Kind::Cw20);
    let alice = world.alice.clone();
    let error = world.send_cw20(&alice, 100, &serde_json::json!({ "lock": {} })).unwrap_err();
    assert!(error.contains("the message inside cw20's 'send' is none of this contract's"), "{error}");
    assert!(error.contains("give 'prepare' or 'fund_vault'"), "{error}");
    assert_eq!((world.books(), world.owns(&alice)), ((0, 0, 0), RICH));
}

#[test]
fn a_cw20_is_not_received_where_alz_is_a_bank_denom() {
    let mut world = World::new(Kind::Native);
    let alice = world.alice.clone();
    let error = world.send_cw20(&alice, 100, &ReceiveMsg::FundVault {}).unwrap_err();
    assert!(error.contains("ALZ here is the bank denom aalz, sent as funds"), "{error}");
}
