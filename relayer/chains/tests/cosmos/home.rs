//! An execution through the coordinator and the escrow, to both ends.

use aes_chains::{Chain, ChainError, EscrowMessage, Home, Outcome};
use aes_coordinator::msg::{ExecuteMsg, LegResult, RollbackReason, State};
use aes_protocol::{
    evidence_root, keccak, manifest_root, Decision, Evidence, Execution, Function, Hash32, Leg, Statement,
};
use futures::StreamExt;

use crate::escrow::{reserve, settle};
use crate::net::{account, attestor_set, certificate, fits_its_gas, net, User, ALZ, WAIT};

async fn open(user: &User, legs: &[Leg], deadline: u64) -> Hash32 {
    let salt = keccak(user.name.as_bytes());
    let open = ExecuteMsg::Open { legs: legs.to_vec(), salt, deadline, relayer: None };
    assert!(user.home.estimate(&open).await.unwrap() > 0);
    user.included(user.home.send(&open).await).await;
    let domain = user.home.domain();
    Execution {
        home_chain: domain.home_chain.clone(),
        coordinator: domain.coordinator.clone(),
        opener: account(user.name),
        salt,
        manifest_root: manifest_root(legs).unwrap(),
        deadline,
        relayer: Default::default(),
    }
    .execution_id()
}

async fn evidence(user: &User, id: &Hash32, legs: &[Leg], deadline: u64) -> Vec<Evidence> {
    let each = legs.iter().map(|leg| user.chain.evidence(id, leg, deadline));
    futures::future::join_all(each).await.into_iter().map(|found| found.unwrap().unwrap()).collect()
}

/// What is on the settlement path goes without a simulation, and fits the gas computed for it.
async fn bounded(user: &User, what: &str, message: &ExecuteMsg) {
    let tx = user.home.send(message).await;
    user.included(tx.clone()).await;
    fits_its_gas(what, &tx.unwrap()).await;
}

fn record(user: &User, execution_id: Hash32, decision: Decision, evidence: Vec<Evidence>) -> ExecuteMsg {
    let evidence_root = evidence_root(&evidence).unwrap();
    let certificate = certificate(&Statement::Settled { execution_id, decision, evidence_root }, user.home.domain());
    ExecuteMsg::Record { execution_id, evidence, certificate }
}

#[tokio::test]
async fn a_committed_execution_is_finalized_and_recorded() {
    let user = User::new("COMMIT").await;
    let escrow = &net().await.escrow;
    let config = user.home.config().await.unwrap();
    assert_eq!(
        (&config.home_chain, &config.coordinator),
        (&user.home.domain().home_chain, &user.home.domain().coordinator)
    );
    // asked once, and then only whether it is still the one
    for _ in 0..2 {
        let current = user.home.attestor_set(None).await.unwrap();
        assert_eq!((current.set, current.current), (attestor_set(1), true));
    }

    let legs = vec![user.leg(escrow, 0, Function::Lock, 200 * ALZ), user.leg(escrow, 1, Function::Unlock, 100 * ALZ)];
    let deadline = user.now().await + 600;
    assert!(user.home.execution(&keccak(b"nobody opened this")).await.unwrap().is_none());
    let id = open(&user, &legs, deadline).await;
    let opened = user.home.execution(&id).await.unwrap().unwrap();
    assert_eq!((opened.state, opened.legs.len()), (State::Open, 2));
    let listed = user.home.executions(State::Open, Some(opened.number - 1)).await.unwrap();
    assert_eq!(listed[0].execution_id, id);

    let before = user.alz().await;
    user.included(user.chain.submit(&EscrowMessage::FundVault { amount: 100 * ALZ }).await).await;
    user.included(
        user.chain.submit(&EscrowMessage::Prepare { execution_id: id, deadline, leg: legs[0].clone() }).await,
    )
    .await;
    user.included(user.chain.submit(&reserve(&user, id, deadline, &legs, 1)).await).await;
    let held = evidence(&user, &id, &legs, deadline).await;
    let statement = Statement::Prepared { execution_id: id, evidence_root: evidence_root(&held).unwrap() };
    let certificate = certificate(&statement, user.home.domain());
    let commit = ExecuteMsg::Commit { execution_id: id, evidence: held, certificate };
    bounded(&user, "commit", &commit).await;
    assert_eq!(user.home.execution(&id).await.unwrap().unwrap().state, State::Committed);

    user.included(user.chain.submit(&settle(&user, Decision::Commit, &[(id, legs.clone())])).await).await;
    assert_eq!(user.alz().await, before - 200 * ALZ);
    let settled = evidence(&user, &id, &legs, deadline).await;
    let record = record(&user, id, Decision::Commit, settled);
    bounded(&user, "record", &record).await;
    user.included(user.home.send(&record).await).await;
    let recorded = user.home.execution(&id).await.unwrap().unwrap();
    assert_eq!(recorded.state, State::Finalized);
    assert!(recorded.legs.iter().all(|leg| leg.result == LegResult::Finalized));
}

#[tokio::test]
async fn a_rolled_back_execution_is_recorded_and_cannot_be_committed() {
    let user = User::new("DEPLOYER").await;
    let legs = vec![user.leg(&net().await.escrow, 0, Function::Transfer, ALZ)];
    let deadline = user.now().await + 600;
    let id = open(&user, &legs, deadline).await;
    let early = ExecuteMsg::Rollback { execution_id: id, reason: RollbackReason::DeadlinePassed {} };
    let refused = user.home.estimate(&early).await.unwrap_err();
    assert!(matches!(&refused, ChainError::Refused { cause, .. } if cause.contains("deadline")), "{refused}");
    let reason = RollbackReason::AtomicityFailure { leg: 0, cause: "insufficient gas".into() };
    let mut announced = user.home.announced();
    bounded(&user, "rollback", &ExecuteMsg::Rollback { execution_id: id, reason: reason.clone() }).await;
    let aborted = user.home.execution(&id).await.unwrap().unwrap();
    assert_eq!((aborted.state, aborted.reason), (State::Aborted, Some(reason.clone())));
    // the block has said so by itself, and the bare record says it too
    let mut ours =
        announced.by_ref().filter(|block| std::future::ready(block.decisions.contains(&(id, Decision::Abort))));
    tokio::time::timeout(WAIT, ours.next()).await.unwrap().unwrap();
    let record_there = user.home.record(&id).await.unwrap().unwrap();
    assert_eq!((record_there.state, record_there.reason), (State::Aborted, Some(reason)));
    assert_eq!(record_there.manifest_root, manifest_root(&legs).unwrap());
    assert!(user.home.record(&keccak(b"nobody opened this")).await.unwrap().is_none());

    user.included(user.chain.submit(&settle(&user, Decision::Abort, &[(id, legs.clone())])).await).await;
    let settled = evidence(&user, &id, &legs, deadline).await;
    user.included(user.home.send(&record(&user, id, Decision::Abort, settled.clone())).await).await;
    let recorded = user.home.execution(&id).await.unwrap().unwrap();
    assert_eq!((recorded.state, recorded.legs[0].result), (State::RolledBack, LegResult::NotPrepared));

    let statement = Statement::Prepared { execution_id: id, evidence_root: evidence_root(&settled).unwrap() };
    let certificate = certificate(&statement, user.home.domain());
    let commit = ExecuteMsg::Commit { execution_id: id, evidence: settled, certificate };
    let outcome = user.done(user.home.send(&commit).await).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
}
