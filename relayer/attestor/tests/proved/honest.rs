//! A whole execution signed on proofs alone; the same leaves come out of the proof a third party gets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aes_attestor::{AttestRefusal, Certified, Code, Quorum, Request};
use aes_chains::{Chain, EscrowMessage, Home, SettlementItem};
use aes_config::FollowConfig;
use aes_coordinator::msg::{ExecuteMsg, RollbackReason, State};
use aes_evidence::build::CosmosProofBuilder;
use aes_evidence::cosmos::{CosmosAnchors, CosmosShown};
use aes_evidence::{ProofError, Subject};
use aes_protocol::{Decision, Evidence, Hash32, LegStatus};
use serde_json::{json, Value};

use crate::net::{attestor_set, chain_id, net, prepared, Running, User, WAIT};
use crate::proxy::Proxy;

/// It may be a header behind who asks: then it is asked again with the next block, as a relayer does.
async fn certified(attestor: &Running, user: &User, request: Request) -> Certified {
    let clients = [attestor.client.clone()];
    let mut ticks = user.chain.ticks();
    let asking = async {
        loop {
            match Quorum::collect(&clients, &request, &attestor_set(), user.home.domain()).await {
                Ok(certified) => return certified,
                Err(error) if error.refusals.iter().all(is_not_seen_yet) => ticks.changed().await.unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(WAIT, asking).await.unwrap()
}

fn is_not_seen_yet(refusal: &AttestRefusal) -> bool {
    matches!(refusal, AttestRefusal::Refused { problem, .. } if problem.code == Code::NotSeen)
}

async fn leaf(user: &User, id: &Hash32, deadline: u64) -> Evidence {
    let leg = user.leg().await;
    let mut ticks = user.chain.ticks();
    let waiting = async {
        loop {
            if let Some(leaf) = user.chain.evidence(id, &leg, deadline).await.unwrap() {
                return leaf;
            }
            ticks.changed().await.unwrap();
        }
    };
    tokio::time::timeout(WAIT, waiting).await.unwrap()
}

/// Where a run of the tests may leave what other tests read.
fn keep(name: &str, value: &impl serde::Serialize) {
    if let Some(folder) = std::env::var_os("AES_RECORD_PROOFS") {
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
    }
}

#[tokio::test]
async fn an_execution_is_signed_on_proofs_from_its_opening_to_its_record() {
    let (net, user) = (net().await, User::new("HONEST").await);
    let folder = tempfile::tempdir().unwrap();
    let rpc = vec![net.node.rpc_url.clone()];
    let attestor = Running::start(rpc.clone(), folder.path(), FollowConfig::default()).await;
    let leg = user.leg().await;
    let (execution_id, deadline) = user.open(1, 600).await;
    user.prepare(execution_id, deadline).await;
    certified(&attestor, &user, Request::Opened { execution_id }).await;
    let held = certified(&attestor, &user, prepared(execution_id)).await;
    assert_eq!(held.evidence, [leaf(&user, &execution_id, deadline).await]);
    assert_ne!(held.evidence[0].tx_id, Hash32::default());

    let commit = ExecuteMsg::Commit { execution_id, evidence: held.evidence.clone(), certificate: held.certificate };
    let sent = Instant::now();
    user.done(user.home.send(&commit).await).await;
    let included = sent.elapsed();
    let decided = certified(&attestor, &user, Request::Decided { execution_ids: vec![execution_id] }).await;
    println!("decision in a block {included:?} after it was sent, certified on a proof after {:?}", sent.elapsed());
    let asked = Instant::now();
    certified(&attestor, &user, Request::Decided { execution_ids: vec![execution_id] }).await;
    println!("figure attestor.decided_proved_ms {:.1} ms", asked.elapsed().as_secs_f64() * 1_000.0);

    let items = vec![SettlementItem { execution_id, path: vec![], legs: vec![leg.clone()] }];
    let settle = EscrowMessage::Settle { decision: Decision::Commit, certificate: decided.certificate, items };
    user.done(user.chain.submit(&settle).await).await;
    let settled = certified(&attestor, &user, Request::Settled { execution_id }).await;
    assert_eq!(settled.evidence[0].status, LegStatus::Finalized);
    let evidence = settled.evidence.clone();
    let record = ExecuteMsg::Record { execution_id, evidence, certificate: settled.certificate };
    let recorded = user.done(user.home.send(&record).await).await;

    // What a third party gets: the leg as it was held, as it ended, and the record.
    let builder = CosmosProofBuilder::connect(&chain_id(), &[rpc[0].parse().unwrap()]).await.unwrap();
    let subject = Subject { execution_id: &execution_id, leg: &leg, deadline };
    for (name, told) in [("held", &held.evidence[0]), ("finalized", &settled.evidence[0])] {
        let built = Instant::now();
        let proof = builder.build(&subject, told).await.unwrap();
        println!("figure evidence.build_ms.cosmos {:.1} ms ({name})", built.elapsed().as_secs_f64() * 1_000.0);
        println!("{name}: {} bytes of JSON", serde_json::to_string(&proof).unwrap().len());
        let anchors = builder.anchors_of(&proof.runs).unwrap();
        let verified = Instant::now();
        assert_eq!(proof.verify(&subject, &anchors).as_ref(), Ok(told));
        println!("verified in {:?}", verified.elapsed());
        let unanchored = proof.verify(&subject, &CosmosAnchors::default()).unwrap_err();
        assert!(matches!(unanchored, ProofError::NotAnchored { .. }), "{unanchored}");
        assert_eq!(proof.runs.len(), 1);
        let all = serde_json::json!({
            "execution_id": execution_id, "leg": leg, "deadline": deadline, "anchors": anchors, "leaf": told,
            "proof": proof,
        });
        keep(&format!("wasmd-{name}.json"), &all);
    }
    // a settled hold tells how it was held, too
    let ended = builder.build(&subject, &settled.evidence[0]).await.unwrap();
    let anchors = builder.anchors_of(&ended.runs).unwrap();
    let CosmosShown::Ended { hold } = ended.shown.clone() else { panic!("not ended") };
    let mut as_held = ended.clone();
    as_held.shown = CosmosShown::Held { hold };
    let without_its_block = as_held.verify(&subject, &anchors).unwrap_err();
    assert!(without_its_block.to_string().contains("is missing"), "{without_its_block}");

    let mut ticks = user.chain.ticks();
    // the state after a block is proved by the header of the next
    tokio::time::timeout(WAIT, ticks.wait_for(|height| *height > recorded)).await.unwrap().unwrap();
    let record = builder.record(&execution_id, user.home.domain()).await.unwrap();
    let anchors = builder.anchors_of(&record.runs).unwrap();
    let home = record.verify(&execution_id, user.home.domain(), &anchors).unwrap();
    assert_eq!((home.record.state, &home.settled), (State::Finalized, &settled.evidence));
    assert_eq!((home.legs, home.prepared), (vec![leg], held.evidence));
    let domain = user.home.domain();
    keep(
        "wasmd-record.json",
        &serde_json::json!({
            "execution_id": execution_id, "domain": domain, "anchors": anchors, "proof": record,
        }),
    );
    attestor.stop().await;
}

#[tokio::test]
async fn a_leg_never_held_is_proved_absent_and_what_is_believed_outlives_a_restart() {
    let (net, user) = (net().await, User::new("ABSENT").await);
    let folder = tempfile::tempdir().unwrap();
    let rpc = vec![net.node.rpc_url.clone()];
    // what it says of single headers counts for nothing
    let proxy = Proxy::before(&net.node.rpc_url).await;
    proxy.lies(|method, _, result| {
        if let Some(result) = result.filter(|_| method == "header") {
            result["header"]["time"] = serde_json::json!("2001-09-09T01:46:40Z");
        }
    });
    let attestor = Running::start(vec![proxy.url.clone()], folder.path(), FollowConfig::default()).await;
    let (execution_id, deadline) = user.open(2, 3).await;
    let reason = RollbackReason::Cancelled {};
    user.done(user.home.send(&ExecuteMsg::Rollback { execution_id, reason }).await).await;
    let absent = leaf(&user, &execution_id, deadline).await;
    assert_eq!((absent.status, absent.tx_id), (LegStatus::Absent, Hash32::default()));
    let settled = certified(&attestor, &user, Request::Settled { execution_id }).await;
    assert_eq!(settled.evidence.first(), Some(&absent));

    let leg = user.leg().await;
    let builder = CosmosProofBuilder::connect(&chain_id(), &[rpc[0].parse().unwrap()]).await.unwrap();
    let subject = Subject { execution_id: &execution_id, leg: &leg, deadline };
    let proof = builder.build(&subject, &absent).await.unwrap();
    let anchors = builder.anchors_of(&proof.runs).unwrap();
    assert_eq!(proof.verify(&subject, &anchors).as_ref(), Ok(&absent));
    let later = Subject { deadline: deadline + 1, ..subject };
    assert!(proof.verify(&later, &anchors).is_err(), "another deadline has another first block");
    let all = serde_json::json!({
        "execution_id": execution_id, "leg": leg, "deadline": deadline, "anchors": anchors, "leaf": absent,
        "proof": proof,
    });
    keep("wasmd-absent.json", &all);

    attestor.stop().await;
    let kept = folder.path().join("journal.allianza-1.header.json");
    assert!(kept.exists(), "what was believed is kept beside the journal");
    // The anchor is of no use any more: it goes on from the file, and looks back for the older block by hashes.
    let nowhere = aes_config::Anchor { height: 1, hash: Hash32([9; 32]) };
    let follow = FollowConfig { anchor: Some(nowhere), ..Default::default() };
    let attestor = Running::start(rpc.clone(), folder.path(), follow.clone()).await;
    let again = certified(&attestor, &user, Request::Settled { execution_id }).await;
    assert_eq!(again.evidence, [absent]);
    attestor.stop().await;

    // Older than the trusting period: nothing is signed, and it says what to do.
    let follow = FollowConfig { trusting_period: 0, ..follow };
    let attestor = Running::start(rpc, folder.path(), follow).await;
    attestor.until("expired", |chain| chain.stopped.as_ref().is_some_and(|why| why.contains("trusting period"))).await;
    let refused = attestor.client.attest(&Request::Settled { execution_id }).await.unwrap_err().to_string();
    assert!(refused.contains("trusting period"), "{refused}");
    assert!(!attestor.health().await.healthy);
    attestor.stop().await;
}

/// The node has the header that proves the decision only once it was asked for the proof.
#[tokio::test]
async fn the_proof_is_asked_for_while_its_header_is_still_to_come() {
    let (net, user) = (net().await, User::new("EARLY").await);
    let (execution_id, _) = user.open(8, 600).await;
    let rollback = ExecuteMsg::Rollback { execution_id, reason: RollbackReason::Cancelled {} };
    let decided = user.done(user.home.send(&rollback).await).await;
    let proxy = Proxy::before(&net.node.rpc_url).await;
    let newest = AtomicU64::new(decided);
    proxy.lies(move |method, params, result| match (method, &params["height"]) {
        _ if result.is_some() => {}
        ("commit", Value::Null) => params["height"] = json!(newest.load(Ordering::Relaxed).to_string()),
        ("abci_query", Value::String(asked)) if params["prove"] == json!(true) => {
            newest.fetch_max(asked.parse::<u64>().unwrap() + 1, Ordering::Relaxed);
        }
        ("abci_query", _) => params["height"] = json!(decided.to_string()),
        _ => {}
    });
    let folder = tempfile::tempdir().unwrap();
    let attestor = Running::start(vec![proxy.url.clone()], folder.path(), FollowConfig::default()).await;
    attestor.until("at the decision", |chain| chain.height == Some(decided)).await;
    let answer = attestor.client.attest(&Request::Decided { execution_ids: vec![execution_id] }).await.unwrap();
    assert_eq!(answer.decisions[0].decision, Decision::Abort);
    attestor.stop().await;
}
