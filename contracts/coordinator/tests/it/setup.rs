//! How a coordinator is set up and run: instantiate, migrate, chains, settings, the admin and the pause.

use aes_coordinator::msg::{
    ChainsResponse, ConfigResponse, ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg, Settings,
};
use aes_protocol::{AttestorSet, Decision, Function, LegStatus};
use cosmwasm_std::coins;
use cosmwasm_std::testing::{mock_dependencies, mock_env};
use cw_multi_test::Executor;

use crate::support::keys::Attestors;
use crate::support::{
    cancelled, escrow, evidence, leg, paper, refused, repeated, text, World, ETHEREUM, HOME, POLYGON, SETTINGS,
};

fn config(world: &World) -> ConfigResponse {
    world.ask(&QueryMsg::Config {})
}

#[test]
fn a_coordinator_starts_with_what_it_was_given() {
    let world = World::bare();
    let config = config(&world);
    assert_eq!(config.coordinator, world.canonical(&world.coordinator));
    assert_eq!((config.current_set, config.equivocated, config.authority.paused), (1, false, false));
    assert_eq!((config.authority.admin, config.authority.pending_admin), (world.admin.to_string(), None));
}

#[test]
fn a_bad_start_is_refused() {
    let mut world = World::bare();
    let good = world.init();
    let attestors = good.attestor_set.attestors.clone();
    let set = |threshold, attestors| AttestorSet { id: 1, threshold, attestors };
    for (msg, error) in [
        (
            InstantiateMsg { home_chain: POLYGON.parse().unwrap(), ..good.clone() },
            "home chain 'eip155:80002' is not the chain this runs on; give 'cosmos:allianza-1'",
        ),
        (InstantiateMsg { admin: "nobody".into(), ..good.clone() }, "'nobody' is not an address of this chain"),
        (InstantiateMsg { attestor_set: set(1, vec![]), ..good.clone() }, "a set has 1 to 32 attestors, got 0"),
        (InstantiateMsg { attestor_set: set(4, attestors), ..good.clone() }, "threshold 4 of 3 attestors"),
        (
            InstantiateMsg { settings: Settings { max_horizon: 0, ..SETTINGS }, ..good.clone() },
            "setting max_horizon is 0 seconds; give 1 to 315360000",
        ),
        (
            InstantiateMsg { settings: Settings { set_grace: u64::MAX, ..SETTINGS }, ..good },
            "setting set_grace is 18446744073709551615 seconds; give 0 to 315360000",
        ),
    ] {
        let outcome = world.instantiate(&msg).unwrap_err();
        assert!(outcome.contains(error), "expected '{error}' in '{outcome}'");
    }
}

#[test]
fn the_first_set_may_have_any_id() {
    let mut world = World::bare();
    let attestor_set = Attestors::new(9, 1, 1, 3).set;
    world.coordinator = world.instantiate(&InstantiateMsg { attestor_set, ..world.init() }).unwrap();
    assert_eq!(config(&world).current_set, 9);
}

#[test]
fn no_message_takes_funds() {
    let mut world = World::bare();
    let stranger = world.stranger.clone();
    world
        .app
        .init_modules(|router, _, storage| router.bank.init_balance(storage, &stranger, coins(5, "aalz")).unwrap());
    let outcome = world.app.execute_contract(
        world.stranger.clone(),
        world.coordinator.clone(),
        &ExecuteMsg::AcceptAdmin {},
        &coins(5, "aalz"),
    );
    refused(&outcome.map_err(text), "this message takes no funds; send it without");
}

#[test]
fn it_migrates_to_the_same_or_a_newer_version_of_itself_only() {
    let mut world = World::bare();
    let (admin, code) = (world.admin.clone(), world.code);
    world.app.migrate_contract(admin, world.coordinator.clone(), &MigrateMsg {}, code).unwrap();

    let migrate_from = |name: &str, version: &str| {
        let mut deps = mock_dependencies();
        cw2::set_contract_version(&mut deps.storage, name, version).unwrap();
        aes_coordinator::contract::migrate(deps.as_mut(), mock_env(), MigrateMsg {}).map_err(|error| error.to_string())
    };
    migrate_from("aes-coordinator", "0.0.1").unwrap();
    let newer = migrate_from("aes-coordinator", "99.0.0").unwrap_err();
    assert!(newer.starts_with("Cannot migrate from newer version (99.0.0) to older"), "{newer}");
    let other = migrate_from("aes-escrow", "0.0.1").unwrap_err();
    assert_eq!(other, "Cannot migrate from aes-escrow to aes-coordinator; migrate to code of the same name, not older");
}

#[test]
fn a_chain_is_registered_once_and_for_all() {
    let mut world = World::bare();
    let register = |chain: &str, length| ExecuteMsg::RegisterChain {
        chain: chain.parse().unwrap(),
        escrow: vec![0xe0; length].into(),
    };
    refused(&world.send(&world.stranger.clone(), &register(HOME, 32)), "is not the admin; only");
    refused(&world.admin_sends(&register(POLYGON, 32)), "the escrow: an account on eip155:80002 is 20 bytes");
    assert!(!repeated(&world.admin_sends(&register(HOME, 32))));
    assert!(repeated(&world.admin_sends(&register(HOME, 32))));
    refused(&world.admin_sends(&register(HOME, 20)), "chain cosmos:allianza-1 has escrow 0xe0e0");

    let world = World::new();
    let page = |start_after: Option<&str>, limit| {
        let start_after = start_after.map(|chain| chain.parse().unwrap());
        world.ask::<ChainsResponse>(&QueryMsg::Chains { start_after, limit }).chains
    };
    assert_eq!(page(None, None).len(), 4);
    let second = &page(Some(HOME), Some(1))[0];
    assert_eq!((second.chain.as_str(), &second.escrow), (ETHEREUM, &escrow(ETHEREUM)));
    assert!(page(Some(POLYGON), None).is_empty());
}

#[test]
fn settings_are_the_admins() {
    let mut world = World::bare();
    let settings = Settings { max_horizon: 60, set_grace: 0 };
    let msg = ExecuteMsg::UpdateSettings { settings };
    refused(&world.send(&world.stranger.clone(), &msg), "is not the admin");
    world.admin_sends(&msg).unwrap();
    assert_eq!(config(&world).settings, settings);
    let settings = Settings { max_horizon: 0, set_grace: 0 };
    refused(&world.admin_sends(&ExecuteMsg::UpdateSettings { settings }), "setting max_horizon is 0 seconds");
}

#[test]
fn the_admin_is_handed_over_in_two_steps() {
    let mut world = World::bare();
    let (admin, next) = (world.admin.clone(), world.opener.clone());
    let propose = ExecuteMsg::ProposeAdmin { admin: next.to_string() };
    refused(&world.send(&next, &propose), "is not the admin");
    refused(&world.send(&next, &ExecuteMsg::AcceptAdmin {}), "the admin proposes one first with propose_admin");
    let nobody = ExecuteMsg::ProposeAdmin { admin: "nobody".into() };
    refused(&world.send(&admin, &nobody), "admin 'nobody' is not an address of this chain");

    assert!(!repeated(&world.send(&admin, &propose)));
    assert!(repeated(&world.send(&admin, &propose)));
    refused(&world.send(&world.stranger.clone(), &ExecuteMsg::AcceptAdmin {}), &format!("only {next} may accept"));
    assert_eq!(config(&world).authority.admin, admin.to_string());
    assert!(!repeated(&world.send(&next, &ExecuteMsg::AcceptAdmin {})));
    assert!(repeated(&world.send(&next, &ExecuteMsg::AcceptAdmin {})));
    assert_eq!(config(&world).authority.admin, next.to_string());
    refused(&world.send(&admin, &ExecuteMsg::Pause {}), "is not the admin");
}

#[test]
fn a_pause_stops_open_and_nothing_else() {
    let mut world = World::new();
    let (opener, moved) = (world.opener.clone(), [leg(0, POLYGON, Function::Transfer, 7)]);
    let (committed, cancelled_one) = (world.open(&moved), world.open(&paper()));
    refused(&world.send(&world.stranger.clone(), &ExecuteMsg::Pause {}), "is not the admin");
    assert!(!repeated(&world.admin_sends(&ExecuteMsg::Pause {})));
    assert!(repeated(&world.admin_sends(&ExecuteMsg::Pause {})));
    let open = world.open_msg(&[leg(0, POLYGON, Function::Transfer, 8)]);
    refused(&world.send(&opener, &open), "the contract is paused and begins nothing new");
    let again = world.open_msg(&paper());
    assert!(repeated(&world.send(&opener, &again)));
    world.commit_held(committed, &moved).unwrap();
    world.record(committed, Decision::Commit, evidence(&moved, &[LegStatus::Finalized])).unwrap();
    world.rollback(&opener, cancelled_one, cancelled()).unwrap();
    world.record(cancelled_one, Decision::Abort, evidence(&paper(), &[LegStatus::Absent; 3])).unwrap();
    refused(&world.send(&world.stranger.clone(), &ExecuteMsg::Unpause {}), "is not the admin");
    assert!(!repeated(&world.admin_sends(&ExecuteMsg::Unpause {})));
    assert!(repeated(&world.admin_sends(&ExecuteMsg::Unpause {})));
    world.send(&opener, &open).unwrap();
}
