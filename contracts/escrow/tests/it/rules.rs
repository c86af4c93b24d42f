//! The rules every new hold keeps, wherever its ALZ comes from, and the limits on all of them.

use aes_escrow::msg::{ExecuteMsg, HoldStatus, Limits};
use aes_protocol::{Bytes, Function, Leg};
use cosmwasm_std::coins;

use crate::support::keys::Certifies;
use crate::support::{id, limits, Kind, World, DAY, DENOM};

fn refused(world: &mut World, deadline: u64, leg: &Leg, expected: &str) {
    let before = world.books();
    let error = world.prepare(id(1), deadline, leg).unwrap_err();
    assert!(error.contains(expected), "{error}");
    assert_eq!((world.hold(id(1), leg), world.books()), (None, before));
}

#[test]
fn a_leg_of_another_chain_or_escrow_is_refused_by_name() {
    let mut world = World::new(Kind::Native);
    let deadline = world.deadline();
    let leg = world.leg(Function::Transfer, 1);
    let other = Leg { chain: "cosmos:elsewhere-1".parse().unwrap(), ..leg.clone() };
    refused(
        &mut world,
        deadline,
        &other,
        "the leg is for chain cosmos:elsewhere-1, this escrow is on cosmos:allianza-1",
    );
    let other = Leg { escrow: vec![9; 32].into(), ..leg.clone() };
    let both = format!("the leg names escrow {}, this one is {}", other.escrow, leg.escrow);
    refused(&mut world, deadline, &other, &both);
}

#[test]
fn a_leg_that_is_wrong_in_itself_is_refused() {
    let mut world = World::new(Kind::Native);
    let deadline = world.deadline();
    let leg = world.leg(Function::Transfer, 1);
    let no_to = Leg { to: Bytes::default(), ..leg.clone() };
    refused(&mut world, deadline, &no_to, "leg 0: to: an account on cosmos:allianza-1 is 20 or 32 bytes, got 0 bytes");
    let to_lock = Leg { function: Function::Lock, ..leg.clone() };
    refused(&mut world, deadline, &to_lock, "leg 0: lock has no 'to' account; leave it empty (0x)");
    let to_escrow = Leg { to: leg.escrow.clone(), ..leg.clone() };
    refused(&mut world, deadline, &to_escrow, "the recipient is this escrow itself; use lock to fill its vault");
    // a coin of zero never reaches a contract, so a leg of zero comes with nothing
    let zero = Leg { amount: 0u128.into(), ..leg };
    let msg = ExecuteMsg::Prepare { execution_id: id(1), deadline, leg: zero, opened: None };
    let error = world.send(&world.alice.clone(), &msg, &[]).unwrap_err();
    assert!(error.contains("leg 0: amount is zero; give at least one base unit"), "{error}");
}

#[test]
fn the_deadline_is_after_now_and_within_the_horizon() {
    let mut world = World::new(Kind::Native);
    let (leg, now) = (world.leg(Function::Transfer, 1), world.now());
    refused(&mut world, now, &leg, &format!("the deadline {now} is not after now ({now})"));
    let far = now + DAY + 1;
    refused(&mut world, far, &leg, &format!("the deadline {far} is too far; the latest now is {}", far - 1));
    world.prepare(id(1), now + 1, &leg).unwrap();
    world.prepare(id(2), now + DAY, &leg).unwrap();
}

#[test]
fn the_largest_leg_bounds_every_function() {
    let mut world = World::new(Kind::Cw20);
    world.fund_vault(5000).unwrap();
    let deadline = world.deadline();
    for function in [Function::Transfer, Function::Lock, Function::Burn, Function::Unlock, Function::Mint] {
        let leg = world.leg(function, 1001);
        refused(&mut world, deadline, &leg, "the leg's 1001 base units are over the largest leg, 1000");
        let leg = world.leg(function, 1000);
        world.prepare(id(2), deadline, &leg).unwrap();
    }
}

#[test]
fn a_bank_denom_is_neither_minted_nor_burned() {
    let mut world = World::new(Kind::Native);
    let deadline = world.deadline();
    for (function, name) in [(Function::Mint, "mint"), (Function::Burn, "burn")] {
        let leg = world.leg(function, 1);
        let text = format!("{name} needs ALZ as a cw20 with this escrow as its minter");
        refused(&mut world, deadline, &leg, &text);
    }
}

#[test]
fn a_pause_stops_new_holds_and_nothing_else() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 10), world.deadline());
    for n in 1..=3 {
        world.prepare(id(n), deadline, &leg).unwrap();
    }
    world.admin_sends(&ExecuteMsg::Pause {}).unwrap();
    let error = world.prepare(id(9), deadline, &leg).unwrap_err();
    assert!(error.contains("pause"), "{error}");
    world.finalize(id(1), &leg).unwrap();
    world.release(id(2), &leg).unwrap();
    world.advance(9 * DAY);
    world.escape(&world.alice.clone(), id(3), &leg).unwrap();
    assert_eq!(world.status(id(3), &leg), Some(HoldStatus::Escaped));
    world.admin_sends(&ExecuteMsg::Unpause {}).unwrap();
    let deadline = world.deadline();
    world.prepare(id(9), deadline, &leg).unwrap();
}

#[test]
fn new_limits_count_after_their_delay_and_not_before() {
    let mut world = World::new(Kind::Native);
    let smaller = Limits { max_leg: 5u128.into(), ..limits() };
    world.admin_sends(&ExecuteMsg::ScheduleLimits { limits: smaller }).unwrap();
    let leg = world.leg(Function::Transfer, 10);
    world.advance(DAY - 1);
    let deadline = world.deadline();
    world.prepare(id(2), deadline, &leg).unwrap();
    world.advance(1);
    refused(&mut world, deadline, &leg, "over the largest leg, 5");
    // what is held already settles, whatever the limits are now
    world.finalize(id(2), &leg).unwrap();
}

#[test]
fn the_messages_of_the_admin_are_the_admins() {
    let mut world = World::new(Kind::Native);
    let (alice, bob) = (world.alice.clone(), world.bob.clone());
    for msg in [
        ExecuteMsg::Pause {},
        ExecuteMsg::Unpause {},
        ExecuteMsg::ScheduleLimits { limits: limits() },
        ExecuteMsg::ProposeAdmin { admin: alice.to_string() },
    ] {
        assert!(world.send(&alice, &msg, &[]).is_err(), "{msg:?}");
    }
    let error = world.admin_sends(&ExecuteMsg::ProposeAdmin { admin: "nobody".into() }).unwrap_err();
    assert!(error.contains("admin 'nobody' is not an address of this chain"), "{error}");
    // two steps: proposed by the one, taken by the other
    world.admin_sends(&ExecuteMsg::ProposeAdmin { admin: alice.to_string() }).unwrap();
    assert!(world.send(&bob, &ExecuteMsg::AcceptAdmin {}, &[]).is_err());
    world.admin_sends(&ExecuteMsg::Pause {}).unwrap();
    world.send(&alice, &ExecuteMsg::AcceptAdmin {}, &[]).unwrap();
    assert!(world.admin_sends(&ExecuteMsg::Unpause {}).is_err());
    world.send(&alice, &ExecuteMsg::Unpause {}, &[]).unwrap();
}

#[test]
fn messages_that_take_no_funds_refuse_them() {
    let mut world = World::new(Kind::Native);
    world.fund_vault(10).unwrap();
    let (alice, deadline) = (world.alice.clone(), world.deadline());
    let leg = world.leg(Function::Unlock, 10);
    let opened = world.attestors.opened(&world.domain, id(1), deadline, std::slice::from_ref(&leg), &leg);
    for msg in [
        ExecuteMsg::Escape { execution_id: id(1), leg: leg.clone() },
        ExecuteMsg::AcceptAdmin {},
        ExecuteMsg::Prepare { execution_id: id(1), deadline, leg, opened: Some(opened) },
    ] {
        let error = world.send(&alice, &msg, &coins(1, DENOM)).unwrap_err();
        assert!(error.contains("this message takes no funds; send it without"), "{error}");
    }
}
