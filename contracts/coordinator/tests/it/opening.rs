//! `open`: what an execution may be, and that the same again is the same one.

use aes_coordinator::msg::{ExecuteMsg, ExecutionsResponse, InstantiateMsg, LegResult, QueryMsg, Settings, State};
use aes_protocol::{Conservation, Execution, Function, Hash32, Leg};
use cosmwasm_std::Uint128;

use crate::support::{cancelled, escrow, leg, paper, refused, repeated, World, DAY, HOUR, POLYGON, SETTINGS};

#[test]
fn an_execution_is_stored_whole_under_the_id_that_everyone_can_compute() {
    let mut world = World::new();
    let (legs, now) = (paper(), world.now());
    let id = world.open(&legs);
    let execution = Execution {
        home_chain: world.domain.home_chain.clone(),
        coordinator: world.domain.coordinator.clone(),
        opener: world.canonical(&world.opener),
        salt: Hash32([5; 32]),
        manifest_root: aes_protocol::manifest_root(&legs).unwrap(),
        deadline: now + HOUR,
        relayer: world.canonical(&world.relayer),
    };
    assert_eq!(id, execution.execution_id());
    let stored = world.execution(id);
    assert_eq!((stored.number, stored.state, stored.opened_at), (1, State::Open, now));
    assert_eq!((stored.opener, stored.relayer), (world.opener.to_string(), Some(world.relayer.to_string())));
    assert_eq!(stored.legs.iter().map(|stored| stored.leg.clone()).collect::<Vec<_>>(), legs);
    assert!(stored.legs.iter().all(|leg| leg.result == LegResult::Pending && leg.leg_hash == leg.leg.hash()));
}

#[test]
fn the_same_again_is_the_same_execution_whatever_its_state() {
    let mut world = World::new();
    let (opener, msg) = (world.opener.clone(), world.open_msg(&paper()));
    let id = world.open(&paper());
    let before = world.execution(id);
    let again = world.send(&opener, &msg);
    assert!(repeated(&again));
    assert_eq!(again.unwrap().data.unwrap().as_slice(), id.0);
    assert_eq!(world.execution(id), before);

    world.advance(2 * DAY);
    world.rollback(&opener, id, cancelled()).unwrap();
    assert!(repeated(&world.send(&opener, &msg)));
    assert_eq!(world.state(id), State::Aborted);

    // another opener's is another one, and its deadline is long past
    refused(&world.send(&world.stranger.clone(), &msg), "has passed, now is");
}

#[test]
fn bad_legs_are_refused() {
    let mut world = World::new();
    let lock = |index, amount| leg(index, POLYGON, Function::Lock, amount);
    let transfer = |index| leg(index, POLYGON, Function::Transfer, 1 + u128::from(index));
    let edited = |edit: fn(&mut Leg)| {
        let mut legs = paper();
        edit(&mut legs[0]);
        legs
    };
    for (legs, error) in [
        (vec![], "an execution has 1 to 16 legs, got 0"),
        ((0..17).map(transfer).collect(), "an execution has 1 to 16 legs, got 17"),
        (vec![transfer(1)], "leg at position 0 says index 1"),
        (vec![transfer(0), Leg { index: 1, ..transfer(0) }], "leg 0 and leg 1 are the same leg"),
        (edited(|leg| leg.amount = Uint128::zero()), "leg 0: amount is zero"),
        (edited(|leg| leg.amount = 199u128.into()), "ALZ out (200) is not ALZ in (199)"),
        (vec![lock(0, u128::MAX), lock(1, 1)], "the sum of the amounts does not fit 128 bits"),
        (edited(|leg| leg.from = vec![1; 32].into()), "leg 0: from: an account on eip155:80002 is 20 bytes"),
        (edited(|leg| leg.to = vec![1; 20].into()), "leg 0: lock has no 'to' account"),
        (edited(|leg| leg.chain = "eip155:1".parse().unwrap()), "leg 0: chain eip155:1 is not of this deployment"),
        (
            edited(|leg| leg.escrow = vec![1; 20].into()),
            "leg 0: escrow 0x0101010101010101010101010101010101010101 is not the one of eip155:80002; it is 0xe2e2",
        ),
    ] {
        let msg = world.open_msg(&legs);
        refused(&world.send(&world.opener.clone(), &msg), error);
    }
    let none = world.ask::<ExecutionsResponse>(&by_state(State::Open, None, None));
    assert!(none.executions.is_empty());
}

#[test]
fn sixteen_legs_are_taken() {
    let mut world = World::new();
    let legs: Vec<_> = (0..16).map(|index| leg(index, POLYGON, Function::Transfer, 1 + u128::from(index))).collect();
    let id = world.open(&legs);
    world.commit_held(id, &legs).unwrap();
}

#[test]
fn the_papers_own_figures_need_conservation_off() {
    let mut world = World::bare();
    let init = InstantiateMsg { conservation: Conservation::Off, ..world.init() };
    let mut legs = paper();
    legs[0].amount = 100u128.into();
    world = World::new();
    let msg = world.open_msg(&legs);
    refused(&world.send(&world.opener.clone(), &msg), "ALZ out (200) is not ALZ in (100)");

    world.coordinator = world.instantiate(&init).unwrap();
    for leg in &legs {
        let chain = leg.chain.clone();
        let escrow = escrow(chain.as_str());
        world.admin_sends(&ExecuteMsg::RegisterChain { chain, escrow }).unwrap();
    }
    world.open(&legs);
}

#[test]
fn a_deadline_is_ahead_and_not_too_far() {
    let mut world = World::new();
    let now = world.now();
    let open = |deadline| ExecuteMsg::Open { legs: paper(), salt: Hash32::default(), deadline, relayer: None };
    let opener = world.opener.clone();
    refused(&world.send(&opener, &open(now)), &format!("deadline {now} has passed, now is {now}"));
    refused(&world.send(&opener, &open(u64::MAX)), &format!("is too far ahead; give {} or earlier", now + DAY));
    refused(&world.send(&opener, &open(now + DAY + 1)), "is too far ahead");
    world.send(&opener, &open(now + DAY)).unwrap();
    world.send(&opener, &open(now + 1)).unwrap();

    let settings = Settings { max_horizon: 60, ..SETTINGS };
    world.admin_sends(&ExecuteMsg::UpdateSettings { settings }).unwrap();
    refused(&world.send(&opener, &open(now + 61)), &format!("give {} or earlier", now + 60));
}

#[test]
fn a_relayer_is_an_address() {
    let mut world = World::new();
    let relayer = Some("0x00".to_string());
    let msg = ExecuteMsg::Open { legs: paper(), salt: Hash32::default(), deadline: world.now() + 1, relayer };
    refused(&world.send(&world.opener.clone(), &msg), "relayer '0x00' is not an address of this chain");
}

fn by_state(state: State, start_after: Option<u64>, limit: Option<u32>) -> QueryMsg {
    QueryMsg::ExecutionsByState { state, start_after, limit }
}

#[test]
fn executions_are_listed_in_pages_by_state_and_by_opener() {
    let mut world = World::new();
    let opener = world.opener.clone();
    for amount in 1..=32 {
        world.open(&[leg(0, POLYGON, Function::Transfer, amount)]);
    }
    let cancelled_one = world.open(&paper());
    world.rollback(&opener, cancelled_one, cancelled()).unwrap();

    let numbers = |query: &QueryMsg| -> Vec<u64> {
        world.ask::<ExecutionsResponse>(query).executions.iter().map(|execution| execution.number).collect()
    };
    assert_eq!(numbers(&by_state(State::Open, None, None)), (1..=30).collect::<Vec<_>>());
    assert_eq!(numbers(&by_state(State::Open, Some(30), None)), [31, 32]);
    assert_eq!(numbers(&by_state(State::Open, Some(2), Some(2))), [3, 4]);
    assert_eq!(numbers(&by_state(State::Aborted, None, Some(u32::MAX))), [33]);
    assert!(numbers(&by_state(State::Committed, None, None)).is_empty());
    let of = |who: &cosmwasm_std::Addr, start_after| {
        numbers(&QueryMsg::ExecutionsByOpener { opener: who.to_string(), start_after, limit: Some(1000) })
    };
    assert_eq!(of(&opener, Some(31)), [32, 33]);
    assert_eq!(of(&opener, None).len(), 33);
    assert!(of(&world.stranger, None).is_empty());
}
