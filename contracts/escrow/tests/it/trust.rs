//! Whose word the escrow takes: certificates and their sets, rotation, instantiation, migration.

use aes_escrow::msg::{Asset, ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg, Settings};
use aes_protocol::{AttestorSet, Bytes, Certificate, Decision, Domain, Function, Leg, Statement};
use cosmwasm_std::coins;
use cw_multi_test::Executor;

use crate::support::keys::{Attestors, Certifies};
use crate::support::{attribute, events, id, text, Kind, World, DAY, DENOM, SETTINGS};

fn rotate(world: &mut World, to: &Attestors, signed_by: &Attestors) -> crate::support::Outcome {
    let statement = Statement::Rotated { new_set: to.set.id, new_set_hash: to.set.hash() };
    let certificate = signed_by.sign(&world.domain, &statement);
    let bob = world.bob.clone();
    world.send(&bob, &ExecuteMsg::Rotate { set: to.set.clone(), certificate }, &[])
}

fn held(world: &mut World, n: u8) -> Leg {
    let (leg, deadline) = (world.leg(Function::Transfer, 10), world.deadline());
    world.prepare(id(n), deadline, &leg).unwrap();
    leg
}

/// Tries to settle with what `attestors` sign in `domain`, changed by `change`.
fn settle_with(
    world: &mut World,
    leg: &Leg,
    attestors: &Attestors,
    domain: &Domain,
    change: impl FnOnce(&mut Certificate),
) -> String {
    let (mut certificate, items) = attestors.decided(domain, Decision::Commit, &[(id(1), vec![leg.clone()])]);
    change(&mut certificate);
    let error = world.settle(Decision::Commit, certificate, items).unwrap_err();
    assert_eq!(world.books().1, 10, "{error}");
    error
}

#[test]
fn a_certificate_that_is_not_exactly_right_settles_nothing() {
    let mut world = World::new(Kind::Native);
    let leg = held(&mut world, 1);
    let (good, domain) = (world.attestors.clone(), world.domain.clone());
    let tampered = |at: usize, to: fn(u8) -> u8| {
        move |certificate: &mut Certificate| certificate.signatures[0].0[at] = to(certificate.signatures[0].0[at])
    };
    for (error, expected) in [
        (settle_with(&mut world, &leg, &Attestors::new(1, 3, 2, 8), &domain, |_| ()), "which is not in attestor set 1"),
        (
            settle_with(&mut world, &leg, &Attestors::new(1, 3, 1, 7), &domain, |_| ()),
            "1 signatures, the set's threshold is 2",
        ),
        (
            settle_with(&mut world, &leg, &Attestors::new(1, 3, 3, 7), &domain, |_| ()),
            "3 signatures, the set's threshold is 2",
        ),
        (settle_with(&mut world, &leg, &good, &domain, |c| c.signatures.swap(0, 1)), "ascending order"),
        (
            settle_with(&mut world, &leg, &good, &domain, |c| c.signatures[1] = c.signatures[0].clone()),
            "ascending order",
        ),
        (
            settle_with(&mut world, &leg, &good, &domain, tampered(64, |_| 29)),
            "not r (32 bytes), s (32 bytes, the lower",
        ),
        (
            settle_with(&mut world, &leg, &good, &domain, tampered(32, |_| 0xff)),
            "not r (32 bytes), s (32 bytes, the lower",
        ),
        (settle_with(&mut world, &leg, &good, &domain, |c| c.signatures[0] = Bytes::default()), "not r (32 bytes)"),
    ] {
        assert!(error.contains(expected), "{error}");
    }
    // one bit of a signature, and a certificate of another deployment: other signers come out, or none
    settle_with(&mut world, &leg, &good, &domain, tampered(5, |byte| byte ^ 1));
    let elsewhere = Domain { coordinator: vec![0xc1; 32].into(), ..domain.clone() };
    settle_with(&mut world, &leg, &good, &elsewhere, |_| ());
    let error = settle_with(&mut world, &leg, &Attestors::new(9, 3, 2, 7), &domain, |_| ());
    assert!(error.contains("set 9"), "{error}");
    // a commit's signatures say nothing of an abort
    let (certificate, items) = good.decided(&domain, Decision::Commit, &[(id(1), vec![leg.clone()])]);
    assert!(world.settle(Decision::Abort, certificate, items).is_err());
    world.finalize(id(1), &leg).unwrap();
}

#[test]
fn a_rotation_in_mid_flight_leaves_both_sets_good_until_the_old_one_expires() {
    let mut world = World::new(Kind::Native);
    let (first, second) = (world.attestors.clone(), Attestors::new(2, 4, 3, 9));
    let leg = held(&mut world, 1);
    held(&mut world, 2);
    held(&mut world, 3);
    let response = rotate(&mut world, &second, &first).unwrap();
    assert!(!events(&response, "aes-rotated").is_empty());
    // again is the same, and another set under that id is not
    rotate(&mut world, &second, &first).unwrap();
    assert!(rotate(&mut world, &Attestors::new(2, 4, 3, 10), &first).is_err());
    assert!(rotate(&mut world, &Attestors::new(4, 4, 3, 10), &second).is_err());

    world.finalize(id(1), &leg).unwrap();
    world.attestors = second.clone();
    world.finalize(id(2), &leg).unwrap();
    // the old set no longer rotates
    assert!(rotate(&mut world, &Attestors::new(3, 1, 1, 11), &first).is_err());

    // max_horizon and grace from the rotation on, and no longer
    world.advance(2 * DAY + 1);
    world.attestors = first.clone();
    let error = world.finalize(id(3), &leg).unwrap_err();
    assert!(error.contains("expired"), "{error}");
    world.attestors = second;
    world.finalize(id(3), &leg).unwrap();
}

#[test]
fn a_rotation_needs_the_current_sets_word_for_that_very_set() {
    let mut world = World::new(Kind::Native);
    let (first, second) = (world.attestors.clone(), Attestors::new(2, 4, 3, 9));
    assert!(rotate(&mut world, &second, &second).is_err());
    let statement = Statement::Rotated { new_set: 2, new_set_hash: second.set.hash() };
    let certificate = first.sign(&world.domain, &statement);
    let lower = AttestorSet { threshold: 1, ..second.set.clone() };
    let bob = world.bob.clone();
    assert!(world.send(&bob, &ExecuteMsg::Rotate { set: lower, certificate }, &[]).is_err());
    let set: aes_authority::SetResponse = world.ask(&QueryMsg::AttestorSet { id: None });
    assert_eq!((set.set, set.current, set.expires_at), (first.set, true, None));
}

#[test]
fn an_escrow_is_not_made_of_wrong_settings() {
    let mut world = World::new(Kind::Native);
    let good = world.init();
    let settings = |change: fn(&mut Settings)| {
        let mut settings = SETTINGS;
        change(&mut settings);
        InstantiateMsg { settings, ..good.clone() }
    };
    let (escrow, cw20) = (world.escrow.clone(), world.cw20.clone());
    let six = aes_testkit::cw20::Init { decimals: 6, minter: escrow.to_string(), holders: vec![], refuses: None };
    let admin = world.admin.clone();
    let cw20_code = world.app.contract_data(&cw20).unwrap().code_id;
    let six = world.app.instantiate_contract(cw20_code, admin, &six, &[], "six", None).unwrap();
    for (msg, expected) in [
        (
            InstantiateMsg { chain: "cosmos:other-1".parse().unwrap(), ..good.clone() },
            "chain 'cosmos:other-1' is not the chain this runs on; give 'cosmos:allianza-1'",
        ),
        (
            InstantiateMsg { chain: "eip155:1".parse().unwrap(), ..good.clone() },
            "chain 'eip155:1' is not the chain this runs on",
        ),
        (
            InstantiateMsg { domain: Domain { coordinator: vec![1; 3].into(), ..good.domain.clone() }, ..good.clone() },
            "domain: the coordinator's address: an account on cosmos:allianza-1 is 20 or 32 bytes, got 3 bytes",
        ),
        (settings(|s| s.max_horizon = 0), "setting max_horizon is 0 seconds; give 1 to 315360000"),
        (settings(|s| s.escape_delay = 0), "setting escape_delay is 0 seconds; give 1 to 315360000"),
        (settings(|s| s.limits_delay = u64::MAX), "setting limits_delay is 18446744073709551615 seconds; give 0 to"),
        (settings(|s| s.set_grace = u64::MAX), "setting set_grace is 18446744073709551615 seconds; give 0 to"),
        (InstantiateMsg { asset: Asset::Native { denom: "1z".into() }, ..good.clone() }, "'1z' is not a bank denom"),
        (
            InstantiateMsg { asset: Asset::Cw20 { address: "0x12".into() }, ..good.clone() },
            "cw20 '0x12' is not an address of this chain",
        ),
        (
            InstantiateMsg { asset: Asset::Cw20 { address: escrow.to_string() }, ..good.clone() },
            "does not answer token_info",
        ),
        (
            InstantiateMsg { asset: Asset::Cw20 { address: six.to_string() }, ..good.clone() },
            "has 6 decimals; ALZ has 18 on every chain",
        ),
        (
            InstantiateMsg { attestor_set: AttestorSet { threshold: 4, ..good.attestor_set.clone() }, ..good.clone() },
            "threshold 4 of 3 attestors: give 1 to 3",
        ),
    ] {
        let error = world.instantiate(&msg).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(world.instantiate(&InstantiateMsg { admin: "nobody".into(), ..good.clone() }).is_err());
    let admin = world.admin.clone();
    let funds = coins(1, DENOM);
    let alice = world.alice.clone();
    world.app.send_tokens(alice, admin.clone(), &funds).unwrap();
    let error = world.app.instantiate_contract(world.code, admin, &good, &funds, "x", None).map_err(text).unwrap_err();
    assert!(error.contains("this message takes no funds"), "{error}");
}

#[test]
fn state_survives_a_migration_and_only_our_own_not_newer_is_migrated() {
    let mut world = World::new(Kind::Native);
    let leg = held(&mut world, 1);
    let before = world.hold(id(1), &leg);
    let migrate = |world: &mut World| {
        let (admin, escrow, code) = (world.admin.clone(), world.escrow.clone(), world.code);
        world.app.migrate_contract(admin, escrow, &MigrateMsg {}, code).map_err(text)
    };
    let response = migrate(&mut world).unwrap();
    assert_eq!(attribute(events(&response, "aes-migrated")[0], "to"), env!("CARGO_PKG_VERSION"));
    assert_eq!(world.hold(id(1), &leg), before);

    for (name, version) in [("aes-escrow", "99.0.0"), ("aes-escrow", "what"), ("aes-coordinator", "0.0.1")] {
        let escrow = world.escrow.clone();
        let mut storage = world.app.contract_storage_mut(&escrow);
        cw2::set_contract_version(&mut *storage, name, version).unwrap();
        drop(storage);
        let error = migrate(&mut world).unwrap_err();
        assert!(error.contains(&format!("the contract's state is of {name} {version}")), "{error}");
    }
}
