//! The JSON that others write and read: every message, event and answer, held in files. A change here is a change
//! of the interface.

use aes_coordinator::msg::{ExecuteMsg, MigrateMsg, QueryMsg, RollbackReason, State};
use aes_protocol::{Decision, Function, Hash32, Leg, LegStatus};
use cosmwasm_std::WasmMsg;
use cw_multi_test::{AppResponse, Executor};
use insta::assert_json_snapshot;
use serde_json::{json, Value};

use crate::support::keys::{Attestors, Decides};
use crate::support::{
    cancelled, escrow, evidence, failure, leg, paper, text, World, BITCOIN, HOME, HOUR, POLYGON, SETTINGS,
};

fn with_bitcoin() -> Vec<Leg> {
    vec![leg(0, POLYGON, Function::Lock, 100), leg(1, BITCOIN, Function::Unlock, 100)]
}

#[test]
fn messages() {
    let mut world = World::new();
    let (opener, id) = (world.opener.clone(), world.open(&paper()));
    let held = evidence(&paper(), &[LegStatus::Held; 3]);
    let settled = evidence(&paper(), &[LegStatus::Escaped, LegStatus::Absent, LegStatus::Released]);
    let (prepared, ended) = (world.prepared(id, &held), world.settled(id, Decision::Abort, &settled));
    let next = Attestors::new(2, 1, 1, 9).set;
    let rotated = world.attestors.rotate_to(&world.domain, &next);
    let decided = |decision| world.attestors.decided(&world.domain, id, decision);

    assert_json_snapshot!("instantiate", world.init());
    assert_json_snapshot!("migrate", MigrateMsg {});
    let (execution_id, chain) = (id, HOME.parse().unwrap());
    let rollback = |reason| ExecuteMsg::Rollback { execution_id, reason };
    for (name, msg) in [
        ("open", world.open_msg(&paper())),
        ("attach", ExecuteMsg::Attach { execution_id, leg: 1, presigned: b"psbt\xff".as_slice().into() }),
        ("commit", ExecuteMsg::Commit { execution_id, evidence: held, certificate: prepared }),
        ("rollback_atomicity_failure", rollback(failure(2, "insufficient gas"))),
        ("rollback_deadline_passed", rollback(RollbackReason::DeadlinePassed {})),
        ("rollback_cancelled", rollback(cancelled())),
        ("record", ExecuteMsg::Record { execution_id, evidence: settled, certificate: ended }),
        ("rotate", ExecuteMsg::Rotate { set: next, certificate: rotated }),
        (
            "report_equivocation",
            ExecuteMsg::ReportEquivocation {
                execution_id,
                commit: decided(Decision::Commit),
                abort: decided(Decision::Abort),
            },
        ),
        ("register_chain", ExecuteMsg::RegisterChain { chain, escrow: escrow(HOME) }),
        ("update_settings", ExecuteMsg::UpdateSettings { settings: SETTINGS }),
        ("pause", ExecuteMsg::Pause {}),
        ("unpause", ExecuteMsg::Unpause {}),
        ("propose_admin", ExecuteMsg::ProposeAdmin { admin: opener.to_string() }),
        ("accept_admin", ExecuteMsg::AcceptAdmin {}),
    ] {
        assert_json_snapshot!(format!("execute_{name}"), msg);
    }
}

/// Our events of each message of a life, in order, as the chain shows them.
#[derive(Default)]
struct Journal(Vec<(&'static str, Value)>);

impl Journal {
    fn tell(&mut self, what: &'static str, response: Result<AppResponse, String>) {
        for event in response.unwrap().events.iter().filter(|event| event.ty.starts_with("wasm-aes-")) {
            let attributes: serde_json::Map<_, _> =
                event.attributes.iter().map(|a| (a.key.clone(), a.value.clone().into())).collect();
            self.0.push((what, json!({ "type": event.ty, "attributes": attributes })));
        }
    }
}

#[test]
fn events() {
    let mut world = World::bare();
    let mut journal = Journal::default();
    let (admin, opener, stranger) = (world.admin.clone(), world.opener.clone(), world.stranger.clone());
    let init = WasmMsg::Instantiate {
        admin: None,
        code_id: world.code,
        msg: serde_json::to_vec(&world.init()).unwrap().into(),
        funds: vec![],
        label: "coordinator".into(),
    };
    journal.tell("instantiate", world.app.execute(admin.clone(), init.into()).map_err(text));
    let register = ExecuteMsg::RegisterChain { chain: POLYGON.parse().unwrap(), escrow: escrow(POLYGON) };
    journal.tell("register_chain", world.admin_sends(&register));
    journal.tell("register_chain again", world.admin_sends(&register));
    let chain = BITCOIN.parse().unwrap();
    journal.tell("register_chain", world.admin_sends(&ExecuteMsg::RegisterChain { chain, escrow: escrow(BITCOIN) }));
    journal.tell("update_settings", world.admin_sends(&ExecuteMsg::UpdateSettings { settings: SETTINGS }));

    let legs = with_bitcoin();
    let (open, id) = (world.open_msg(&legs), world.open(&legs));
    journal.tell("open again", world.send(&opener, &open));
    let presigned = b"psbt\xff".as_slice().into();
    journal.tell("attach", world.send(&opener, &ExecuteMsg::Attach { execution_id: id, leg: 1, presigned }));
    journal.tell("commit", world.commit_held(id, &legs));
    journal.tell("commit again", world.commit_held(id, &legs));
    let finalized = evidence(&legs, &[LegStatus::Finalized; 2]);
    journal.tell("record", world.record(id, Decision::Commit, finalized.clone()));
    journal.tell("record again", world.record(id, Decision::Commit, finalized));

    world.advance(1);
    let open = world.open_msg(&legs);
    journal.tell("open", world.send(&opener, &open));
    let id = world.send(&opener, &open).unwrap().data.unwrap().as_slice().try_into().unwrap();
    journal.tell("rollback", world.rollback(&opener, id, failure(1, "reserve too small")));
    journal.tell("rollback again", world.rollback(&opener, id, failure(1, "reserve too small")));
    let released = evidence(&legs, &[LegStatus::Released, LegStatus::Absent]);
    journal.tell("record", world.record(id, Decision::Abort, released));

    let (commit, abort) = (
        world.attestors.decided(&world.domain, id, Decision::Commit),
        world.attestors.decided(&world.domain, id, Decision::Abort),
    );
    let report = ExecuteMsg::ReportEquivocation { execution_id: id, commit, abort };
    journal.tell("report_equivocation", world.send(&stranger, &report));
    journal.tell("report_equivocation again", world.send(&stranger, &report));
    let next = Attestors::new(2, 1, 1, 9).set;
    let certificate = world.attestors.rotate_to(&world.domain, &next);
    let rotate = ExecuteMsg::Rotate { set: next, certificate };
    journal.tell("rotate", world.send(&stranger, &rotate));
    journal.tell("rotate again", world.send(&stranger, &rotate));
    journal.tell("pause", world.admin_sends(&ExecuteMsg::Pause {}));
    journal.tell("unpause", world.admin_sends(&ExecuteMsg::Unpause {}));
    journal.tell("propose_admin", world.admin_sends(&ExecuteMsg::ProposeAdmin { admin: opener.to_string() }));
    journal.tell("accept_admin", world.send(&opener, &ExecuteMsg::AcceptAdmin {}));
    let migrated = world.app.migrate_contract(admin, world.coordinator.clone(), &MigrateMsg {}, world.code);
    journal.tell("migrate", migrated.map_err(text));
    assert_json_snapshot!("events", journal.0);
}

#[test]
fn queries() {
    let mut world = World::new();
    let (opener, stranger) = (world.opener.clone(), world.stranger.clone());
    let legs = with_bitcoin();
    let committed = world.open(&legs);
    let presigned = b"psbt\xff".as_slice().into();
    world.send(&opener, &ExecuteMsg::Attach { execution_id: committed, leg: 1, presigned }).unwrap();
    world.commit_held(committed, &legs).unwrap();
    world.record(committed, Decision::Commit, evidence(&legs, &[LegStatus::Finalized; 2])).unwrap();
    world.advance(1);
    let rolled_back = world.open(&paper());
    world.advance(HOUR);
    world.rollback(&stranger, rolled_back, RollbackReason::DeadlinePassed {}).unwrap();
    let ends = [LegStatus::Escaped, LegStatus::Absent, LegStatus::Released];
    world.record(rolled_back, Decision::Abort, evidence(&paper(), &ends)).unwrap();
    let open = world.open(&paper());
    let (commit, abort) = (
        world.attestors.decided(&world.domain, open, Decision::Commit),
        world.attestors.decided(&world.domain, open, Decision::Abort),
    );
    let report = ExecuteMsg::ReportEquivocation { execution_id: open, commit, abort };
    world.send(&stranger, &report).unwrap();

    let execution = |execution_id: Hash32| QueryMsg::Execution { execution_id };
    for (name, query) in [
        ("execution_open", execution(open)),
        ("execution_finalized", execution(committed)),
        ("execution_rolled_back", execution(rolled_back)),
        (
            "executions_by_state",
            QueryMsg::ExecutionsByState { state: State::RolledBack, start_after: Some(1), limit: Some(10) },
        ),
        (
            "executions_by_opener",
            QueryMsg::ExecutionsByOpener { opener: opener.to_string(), start_after: None, limit: None },
        ),
        ("attestor_set", QueryMsg::AttestorSet { id: Some(1) }),
        ("config", QueryMsg::Config {}),
        ("chains", QueryMsg::Chains { start_after: Some(BITCOIN.parse().unwrap()), limit: None }),
        ("equivocations", QueryMsg::Equivocations { start_after: Some((Hash32::default(), 0)), limit: None }),
    ] {
        let answer: Value = world.ask(&query);
        assert_json_snapshot!(format!("query_{name}"), json!({ "query": query, "answer": answer }));
    }
}

#[test]
fn what_is_not_known_is_an_error_that_names_it() {
    let world = World::bare();
    for (query, error) in [
        (QueryMsg::Execution { execution_id: Hash32([3; 32]) }, "execution 0x0303"),
        (QueryMsg::AttestorSet { id: Some(7) }, "attestor set 7 is not known here"),
        (
            QueryMsg::ExecutionsByOpener { opener: "nobody".into(), start_after: None, limit: None },
            "opener 'nobody' is not an address of this chain",
        ),
    ] {
        let outcome = world.app.wrap().query_wasm_smart::<Value>(&world.coordinator, &query).unwrap_err().to_string();
        assert!(outcome.contains(error), "expected '{error}' in '{outcome}'");
    }
}
