//! Reserve-sourced holds: what `Opened` must say, and what bounds the vault and the mint.

use aes_escrow::msg::{ConfigResponse, ExecuteMsg, Limits, Opened, QueryMsg};
use aes_protocol::{Function, Hash32, Leg};
use cosmwasm_std::coins;

use crate::support::keys::Certifies;
use crate::support::{attribute, events, id, limits, Kind, World, DAY, DENOM, RICH};

fn prepare_with(world: &mut World, leg: &Leg, deadline: u64, opened: Option<Opened>) -> Result<(), String> {
    let bob = world.bob.clone();
    let msg = ExecuteMsg::Prepare { execution_id: id(1), deadline, leg: leg.clone(), opened };
    world.send(&bob, &msg, &[]).map(|_| ())
}

#[test]
fn the_vault_shrinks_at_prepare_and_pays_at_finalize() {
    for kind in [Kind::Native, Kind::Cw20] {
        let mut world = World::new(kind);
        let response = world.fund_vault(300).unwrap();
        assert_eq!(attribute(events(&response, "aes-vault_funded")[0], "amount"), "300");
        let (leg, deadline) = (world.leg(Function::Unlock, 100), world.deadline());
        world.prepare(id(1), deadline, &leg).unwrap();
        assert_eq!(world.books(), (200, 100, 0));
        // anyone's repeat moves nothing and needs no certificate that still holds
        world.prepare(id(1), deadline, &leg).unwrap();
        assert_eq!(world.books(), (200, 100, 0));
        world.finalize(id(1), &leg).unwrap();
        assert_eq!((world.books(), world.owns(&world.bob)), ((200, 0, 0), RICH - 300 + 100));
    }
}

#[test]
fn a_mint_is_made_at_prepare_and_unmade_by_a_release() {
    let mut world = World::new(Kind::Cw20);
    let supply = world.supply().u128();
    let (leg, deadline) = (world.leg(Function::Mint, 100), world.deadline());
    world.prepare(id(1), deadline, &leg).unwrap();
    world.prepare(id(2), deadline, &leg).unwrap();
    assert_eq!((world.books(), world.owns(&world.escrow)), ((0, 200, 200), 200));
    world.finalize(id(1), &leg).unwrap();
    world.release(id(2), &leg).unwrap();
    assert_eq!((world.books(), world.owns(&world.escrow)), ((0, 0, 100), 0));
    assert_eq!((world.owns(&world.bob), world.supply().u128()), (RICH + 100, supply + 100));
}

#[test]
fn opened_must_speak_of_this_execution_this_deadline_and_this_leg() {
    let mut world = World::new(Kind::Native);
    world.fund_vault(300).unwrap();
    let (leg, deadline) = (world.leg(Function::Unlock, 100), world.deadline());
    let larger = Leg { amount: 101u128.into(), ..leg.clone() };
    let sign = |world: &World, execution: u8, deadline: u64| {
        world.attestors.opened(&world.domain, id(execution), deadline, std::slice::from_ref(&leg), &leg)
    };
    let good = sign(&world, 1, deadline);

    let error = prepare_with(&mut world, &leg, deadline, None).unwrap_err();
    assert!(error.contains("unlock legs take from the reserve; give 'opened'"), "{error}");
    let error = prepare_with(&mut world, &larger, deadline, Some(good.clone())).unwrap_err();
    let text = format!("leg {} is not under manifest root {}", larger.hash(), good.manifest_root);
    assert!(error.contains(&text), "{error}");
    let no_path = Opened { path: vec![Hash32([1; 32])], ..good.clone() };
    let error = prepare_with(&mut world, &leg, deadline, Some(no_path)).unwrap_err();
    assert!(error.contains("compute the path again"), "{error}");
    // signatures on other words recover to strangers
    for opened in [sign(&world, 2, deadline), sign(&world, 1, deadline + 1)] {
        let error = prepare_with(&mut world, &leg, deadline, Some(opened)).unwrap_err();
        assert!(error.contains("which is not in attestor set 1") || error.contains("ascending order"), "{error}");
    }
    assert_eq!((world.hold(id(1), &leg), world.books()), (None, (300, 0, 0)));
    prepare_with(&mut world, &leg, deadline, Some(good.clone())).unwrap();

    let lock = world.leg(Function::Lock, 100);
    let msg = ExecuteMsg::Prepare { execution_id: id(1), deadline, leg: lock, opened: Some(good) };
    let error = world.send(&world.alice.clone(), &msg, &coins(100, DENOM)).unwrap_err();
    assert!(error.contains("lock legs are prepared by their depositor with funds; leave 'opened' out"), "{error}");
}

#[test]
fn a_leg_deep_in_a_manifest_is_found_by_its_path() {
    let mut world = World::new(Kind::Native);
    world.fund_vault(300).unwrap();
    let deadline = world.deadline();
    let manifest: Vec<Leg> =
        (0..16).map(|index| Leg { index, ..world.leg(Function::Unlock, 1 + u128::from(index)) }).collect();
    for leg in &manifest {
        let opened = world.attestors.opened(&world.domain, id(1), deadline, &manifest, leg);
        prepare_with(&mut world, leg, deadline, Some(opened)).unwrap();
    }
    assert_eq!(world.books(), (300 - 136, 136, 0));
}

#[test]
fn no_more_leaves_than_the_vault_has_or_the_cap_allows() {
    let mut world = World::new(Kind::Cw20);
    world.fund_vault(50).unwrap();
    let deadline = world.deadline();
    let unlock = world.leg(Function::Unlock, 51);
    let error = world.prepare(id(1), deadline, &unlock).unwrap_err();
    assert!(error.contains("51 base units are more than the vault's 50; wait for it to be filled"), "{error}");
    let mint = world.leg(Function::Mint, 1000);
    world.prepare(id(1), deadline, &mint).unwrap();
    world.prepare(id(2), deadline, &mint).unwrap();
    let one = world.leg(Function::Mint, 1);
    let error = world.prepare(id(3), deadline, &one).unwrap_err();
    assert!(error.contains("minting 1 over the 2000 issued would pass the mint cap 2000"), "{error}");
    // what is burned makes room again
    let burn = world.leg(Function::Burn, 1);
    world.prepare(id(4), deadline, &burn).unwrap();
    world.finalize(id(4), &burn).unwrap();
    world.prepare(id(3), deadline, &one).unwrap();
    assert_eq!(world.books(), (50, 2001, 2000));
}

#[test]
fn the_reserve_leaves_no_faster_than_its_bucket_refills() {
    let mut world = World::new(Kind::Cw20);
    world.fund_vault(5000).unwrap();
    let deadline = world.deadline();
    let (unlock, mint) = (world.leg(Function::Unlock, 1000), world.leg(Function::Mint, 1000));
    for n in 1..=2 {
        world.prepare(id(n), deadline, &unlock).unwrap();
    }
    world.prepare(id(3), deadline, &mint).unwrap();
    let error = world.prepare(id(4), deadline, &unlock).unwrap_err();
    assert!(error.contains("1000 base units are more of the reserve than may leave now, 600; wait"), "{error}");
    assert_eq!(world.ask::<ConfigResponse>(&QueryMsg::Config {}).reserve_available.u128(), 600);
    world.advance(399);
    assert!(world.prepare(id(4), deadline, &unlock).is_err());
    world.advance(1);
    world.prepare(id(4), deadline, &unlock).unwrap();
    // accounts' own ALZ is no reserve
    let transfer = world.leg(Function::Transfer, 1000);
    world.prepare(id(5), deadline, &transfer).unwrap();
    world.advance(100 * DAY);
    assert_eq!(world.ask::<ConfigResponse>(&QueryMsg::Config {}).reserve_available.u128(), 3600);
}

#[test]
fn a_change_of_limits_is_in_the_open_until_it_counts() {
    let mut world = World::new(Kind::Native);
    let next = Limits { reserve_per_hour: 10u128.into(), ..limits() };
    let response = world.admin_sends(&ExecuteMsg::ScheduleLimits { limits: next }).unwrap();
    let effective_at = world.now() + DAY;
    let event = events(&response, "aes-limits_scheduled")[0];
    assert_eq!(attribute(event, "effective_at"), effective_at.to_string());
    assert_eq!(attribute(event, "limits"), serde_json::to_string(&next).unwrap());
    let config: ConfigResponse = world.ask(&QueryMsg::Config {});
    assert_eq!((config.limits, config.pending_limits.unwrap().effective_at), (limits(), effective_at));
    world.advance(DAY);
    let config: ConfigResponse = world.ask(&QueryMsg::Config {});
    assert_eq!((config.limits, config.pending_limits, config.reserve_available.u128()), (next, None, 10));
}

#[test]
fn the_vault_takes_alz_and_nothing_else() {
    let mut world = World::new(Kind::Native);
    let bob = world.bob.clone();
    let error = world.send(&bob, &ExecuteMsg::FundVault {}, &coins(5, "other")).unwrap_err();
    assert!(error.contains("send one coin of aalz as funds and nothing else, got '5other'"), "{error}");
    let mut world = World::new(Kind::Cw20);
    let error = world.send(&bob, &ExecuteMsg::FundVault {}, &coins(5, DENOM)).unwrap_err();
    assert!(error.contains("send it to this contract with cw20's 'send'"), "{error}");
    let error = world.fund_vault(0).unwrap_err();
    assert!(error.contains("amount is zero; give at least one base unit"), "{error}");
    assert_eq!(world.books(), (0, 0, 0));
}
