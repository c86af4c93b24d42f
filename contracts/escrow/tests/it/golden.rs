//! The JSON that others write and read: every message, event and answer, held in files. A change here is a change
//! of the interface.

use std::collections::BTreeMap;

use aes_escrow::msg::{
    ExecuteMsg, Hold, HoldEntry, HoldStatus, HoldsResponse, Limits, MigrateMsg, QueryMsg, ReceiveMsg,
};
use aes_protocol::{AttestorSet, Decision, Function, Hash32, Leg, Statement};
use cosmwasm_std::{from_json, Attribute};
use cw_multi_test::{AppResponse, Executor};
use insta::assert_json_snapshot;
use serde_json::{json, Value};

use crate::support::keys::{Attestors, Certifies};
use crate::support::{id, limits, Kind, World, DAY};

#[test]
fn messages() {
    let mut world = World::new(Kind::Cw20);
    world.advance(5);
    let (deadline, next) = (world.deadline(), Attestors::new(2, 1, 1, 9));
    let (transfer, unlock) = (world.leg(Function::Transfer, 100), world.leg(Function::Unlock, 50));
    let opened = world.attestors.opened(&world.domain, id(1), deadline, &[transfer.clone(), unlock.clone()], &unlock);
    let executions = [(id(1), vec![transfer.clone()]), (id(2), vec![transfer.clone()])];
    let decided = |decision| world.attestors.decided(&world.domain, decision, &executions);
    let (commit, abort) = (decided(Decision::Commit), decided(Decision::Abort));
    let statement = Statement::Rotated { new_set: 2, new_set_hash: next.set.hash() };
    let rotated = world.attestors.sign(&world.domain, &statement);

    assert_json_snapshot!("instantiate", world.init());
    assert_json_snapshot!("migrate", MigrateMsg {});
    let (execution_id, leg) = (id(1), transfer);
    for (name, msg) in [
        ("prepare", ExecuteMsg::Prepare { execution_id, deadline, leg: leg.clone(), opened: None }),
        ("prepare_opened", ExecuteMsg::Prepare { execution_id, deadline, leg: unlock, opened: Some(opened) }),
        ("receive", ExecuteMsg::Receive { sender: world.alice.to_string(), amount: 100u128.into(), msg: b"{}".into() }),
        ("finalize", ExecuteMsg::Finalize { certificate: commit.0, items: commit.1 }),
        ("release", ExecuteMsg::Release { certificate: abort.0, items: abort.1 }),
        ("escape", ExecuteMsg::Escape { execution_id, leg: leg.clone() }),
        ("rotate", ExecuteMsg::Rotate { set: next.set, certificate: rotated }),
        ("fund_vault", ExecuteMsg::FundVault {}),
        ("schedule_limits", ExecuteMsg::ScheduleLimits { limits: limits() }),
        ("pause", ExecuteMsg::Pause {}),
        ("unpause", ExecuteMsg::Unpause {}),
        ("propose_admin", ExecuteMsg::ProposeAdmin { admin: world.bob.to_string() }),
        ("accept_admin", ExecuteMsg::AcceptAdmin {}),
    ] {
        assert_json_snapshot!(format!("execute_{name}"), msg);
    }
    assert_json_snapshot!("receive_prepare", ReceiveMsg::Prepare { execution_id, deadline, leg });
    assert_json_snapshot!("receive_fund_vault", ReceiveMsg::FundVault {});
}

/// Our events of each message of a life, in order, as the chain shows them. A failed payment's reason is the
/// chain's own text, a backtrace here, so it is left out.
#[derive(Default)]
struct Journal(Vec<(&'static str, Value)>);

impl Journal {
    fn tell(&mut self, what: &'static str, response: Result<AppResponse, String>) {
        for event in response.unwrap().events.iter().filter(|event| event.ty.starts_with("wasm-aes-")) {
            let value = |a: &Attribute| if a.key == "failure" { "...".into() } else { a.value.clone() };
            let attributes: BTreeMap<_, _> = event.attributes.iter().map(|a| (&a.key, value(a))).collect();
            self.0.push((what, json!({ "type": event.ty, "attributes": attributes })));
        }
    }
}

#[test]
fn events() {
    let mut world = World::new(Kind::Cw20);
    let mut journal = Journal::default();
    let (alice, bob, admin, deadline) = (world.alice.clone(), world.bob.clone(), world.admin.clone(), world.deadline());
    let (transfer, burn) = (world.leg(Function::Transfer, 100), world.leg(Function::Burn, 30));

    journal.tell("fund_vault", world.fund_vault(500));
    journal.tell("prepare", world.prepare(id(1), deadline, &transfer));
    journal.tell("prepare again", world.prepare(id(1), deadline, &transfer));
    world.refuse(Some(&bob));
    journal.tell("finalize, refused", world.finalize(id(1), &transfer));
    world.refuse(None);
    journal.tell("finalize", world.finalize(id(1), &transfer));
    journal.tell("finalize again", world.finalize(id(1), &transfer));
    journal.tell("release nothing", world.release(id(2), &transfer));
    world.prepare(id(3), deadline, &transfer).unwrap();
    journal.tell("release", world.release(id(3), &transfer));
    world.prepare(id(4), deadline, &burn).unwrap();
    world.advance(8 * DAY);
    journal.tell("escape", world.escape(&alice, id(4), &burn));
    journal.tell("escape again", world.escape(&alice, id(4), &burn));
    journal.tell("pause", world.admin_sends(&ExecuteMsg::Pause {}));
    journal.tell("unpause", world.admin_sends(&ExecuteMsg::Unpause {}));
    journal.tell("schedule_limits", world.admin_sends(&ExecuteMsg::ScheduleLimits { limits: limits() }));
    journal.tell("propose_admin", world.admin_sends(&ExecuteMsg::ProposeAdmin { admin: bob.to_string() }));
    journal.tell("accept_admin", world.send(&bob, &ExecuteMsg::AcceptAdmin {}, &[]));
    let next = Attestors::new(2, 1, 1, 9).set;
    let statement = Statement::Rotated { new_set: 2, new_set_hash: next.hash() };
    let certificate = world.attestors.sign(&world.domain, &statement);
    journal.tell("rotate", world.send(&bob, &ExecuteMsg::Rotate { set: next, certificate }, &[]));
    let migrated = world.app.migrate_contract(admin, world.escrow.clone(), &MigrateMsg {}, world.code);
    journal.tell("migrate", migrated.map_err(|error| error.to_string()));
    assert_json_snapshot!("events", journal.0);

    let init = serde_json::to_value(world.init()).unwrap();
    let (admin, code) = (world.admin.clone(), world.code);
    let instantiate = cosmwasm_std::WasmMsg::Instantiate {
        admin: None,
        code_id: code,
        msg: serde_json::to_vec(&init).unwrap().into(),
        funds: vec![],
        label: "escrow".into(),
    };
    let mut journal = Journal::default();
    journal.tell("instantiate", world.app.execute(admin, instantiate.into()).map_err(|error| error.to_string()));
    // the configuration in it is the message itself
    let config: Value = serde_json::from_str(journal.0[0].1["attributes"]["config"].as_str().unwrap()).unwrap();
    assert_eq!(config, init);
}

#[test]
fn queries() {
    let mut world = World::new(Kind::Cw20);
    let deadline = world.deadline();
    let leg = world.leg(Function::Transfer, 100);
    world.fund_vault(500).unwrap();
    world.prepare(id(1), deadline, &leg).unwrap();
    world.release(id(2), &leg).unwrap();
    world.prepare(id(3), deadline, &leg).unwrap();
    world.advance(1);
    world.finalize(id(3), &leg).unwrap();
    world.admin_sends(&ExecuteMsg::ScheduleLimits { limits: Limits { max_leg: 1u128.into(), ..limits() } }).unwrap();
    let execution_id = id(3);
    for (name, query) in [
        ("hold", QueryMsg::Hold { execution_id, leg_hash: leg.hash() }),
        ("hold_none", QueryMsg::Hold { execution_id: id(9), leg_hash: leg.hash() }),
        ("holds", QueryMsg::Holds { execution_id: None, start_after: None, limit: None }),
        (
            "holds_of_one",
            QueryMsg::Holds {
                execution_id: Some(execution_id),
                start_after: Some((execution_id, Hash32::default())),
                limit: Some(1),
            },
        ),
        ("balances", QueryMsg::Balances {}),
        ("attestor_set", QueryMsg::AttestorSet { id: Some(1) }),
        ("config", QueryMsg::Config {}),
    ] {
        let answer: Value = world.ask(&query);
        assert_json_snapshot!(format!("query_{name}"), json!({ "query": query, "answer": answer }));
    }
}

#[test]
fn holds_are_read_in_pages_of_at_most_100() {
    let mut world = World::new(Kind::Native);
    let legs: Vec<Leg> = (1..=60).map(|n| world.leg(Function::Transfer, n)).collect();
    for n in [2, 1] {
        world.decide(Decision::Abort, &[(id(n), legs.clone())]).unwrap();
    }
    let page = |execution_id, start_after, limit| {
        world.ask::<HoldsResponse>(&QueryMsg::Holds { execution_id, start_after, limit }).holds
    };
    let key = |entry: &HoldEntry| (entry.execution_id, entry.leg_hash);
    assert_eq!(page(None, None, None).len(), 30);
    let first = page(None, None, Some(1000));
    assert_eq!(first.len(), 100);
    let second = page(None, first.last().map(key), Some(1000));
    let all: Vec<_> = first.iter().chain(&second).map(key).collect();
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((all.len(), &all), (120, &sorted));

    let of_two = page(Some(id(2)), None, Some(100));
    assert_eq!((of_two.len(), of_two[0].execution_id), (60, id(2)));
    assert_eq!(page(Some(id(2)), Some(key(&of_two[57])), None), of_two[58..]);

    let query = QueryMsg::Holds { execution_id: Some(id(1)), start_after: Some(key(&of_two[0])), limit: None };
    let error = world.app.wrap().query_wasm_smart::<HoldsResponse>(&world.escrow, &query).unwrap_err().to_string();
    let text = format!("start_after is of execution {}, asked for {}", id(2), id(1));
    assert!(error.contains(&text), "{error}");
}

#[test]
fn an_unknown_set_is_an_error_that_names_it() {
    let world = World::new(Kind::Native);
    let query = QueryMsg::AttestorSet { id: Some(7) };
    let error = world.app.wrap().query_wasm_smart::<AttestorSet>(&world.escrow, &query).unwrap_err().to_string();
    assert!(error.contains("attestor set 7 is not known here"), "{error}");
}

/// Proofs against the chain's state rest on this.
#[test]
fn a_hold_stands_under_its_documented_key_as_json() {
    let mut world = World::new(Kind::Native);
    let (leg, deadline) = (world.leg(Function::Transfer, 100), world.deadline());
    world.prepare(id(1), deadline, &leg).unwrap();
    let key = [b"\x00\x05holds\x00\x20".as_slice(), &id(1).0, &leg.hash().0].concat();
    let value = world.app.wrap().query_wasm_raw(&world.escrow, key).unwrap().unwrap();
    assert_eq!(Some(from_json::<Hold>(&value).unwrap()), world.hold(id(1), &leg));
    let text = String::from_utf8(value).unwrap();
    let held = serde_json::to_string(&HoldStatus::Held).unwrap();
    assert!(
        text.starts_with(&format!("{{\"status\":{held},\"deadline\":{deadline},\"held_at\":{{\"height\":")),
        "{text}"
    );
}
