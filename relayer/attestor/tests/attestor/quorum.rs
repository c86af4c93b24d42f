//! A quorum over attestors of which some are down, slow, wrong or forging.

use std::sync::Arc;
use std::time::Duration;

use aes_attestor::{Answer, AttestRefusal, AttestorClient, Certified, Quorum, QuorumError, Request, Secp256k1};
use aes_coordinator::msg::State;
use aes_protocol::{AttestorSet, Bytes, Decision, Hash32, LegStatus};
use axum::http::StatusCode;
use axum::routing::post;
use axum::Router;
use tokio::net::TcpListener;

use crate::world::{chain, decided, domain, prepared, set, settled, signer, Running, World, POLYGON};

fn two_of_three() -> AttestorSet {
    set(1, 2, &[1, 2, 3])
}

async fn collect(clients: &[AttestorClient], request: &Request) -> Result<Certified, QuorumError> {
    let set = two_of_three();
    let domain = domain();
    let collecting = Quorum::collect(clients, request, &set, &domain);
    let collected = tokio::time::timeout(Duration::from_secs(5), collecting).await.expect("waits for nobody");
    if let Ok(certified) = &collected {
        certified.certificate.verify(&certified.statement, &domain, &set, &Secp256k1).unwrap();
    }
    collected
}

/// Two honest attestors beside the one under test.
async fn honest(world: &Arc<World>) -> [Running; 2] {
    [Running::start(world, 1).await, Running::start(world, 2).await]
}

/// An attestor that answers everything with this.
async fn forger(answer: impl serde::Serialize) -> AttestorClient {
    says(200, serde_json::to_string(&answer).unwrap()).await
}

/// Something at an attestor's URL that answers everything with these words.
async fn says(status: u16, words: String) -> AttestorClient {
    let status = StatusCode::from_u16(status).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = AttestorClient::new(&format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()).unwrap();
    let router = Router::new().route("/v1/attest", post(move || async move { (status, words) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    client
}

async fn nobody() -> AttestorClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    AttestorClient::new(&format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()).unwrap()
}

#[tokio::test]
async fn two_that_agree_make_a_certificate_for_each_kind_of_statement() {
    let world = World::new(&two_of_three());
    let [a, b] = honest(&world).await;
    let c = Running::start(&world, 3).await;
    let clients = [a.client.clone(), b.client.clone(), c.client.clone()];
    let id = world.prepare(1);
    collect(&clients, &Request::Opened { execution_id: id }).await.unwrap();
    assert_eq!(collect(&clients, &prepared(id)).await.unwrap().evidence.len(), 2);
    world.decide(&id, State::Aborted);
    let certified = collect(&clients, &decided(&[id])).await.unwrap();
    assert_eq!(certified.decisions[0].decision, Decision::Abort);
    world.every_leg(&id, LegStatus::Released);
    assert_eq!(collect(&clients, &settled(id)).await.unwrap().evidence[1].status, LegStatus::Released);
}

#[tokio::test]
async fn one_that_is_down_or_silent_is_not_waited_for() {
    let world = World::new(&two_of_three());
    let [a, b] = honest(&world).await;
    let id = world.prepare(1);
    collect(&[nobody().await, a.client.clone(), b.client.clone()], &prepared(id)).await.unwrap();

    let blind = World::of(world.facts().clone());
    blind.facts().silent.insert(chain(POLYGON));
    let silent = Running::start(&blind, 3).await;
    let clients = [silent.client.clone(), a.client.clone(), b.client.clone()];
    collect(&clients, &prepared(id)).await.unwrap();

    world.facts().evidence.clear();
    let error = collect(&clients, &prepared(id)).await.unwrap_err();
    assert_eq!((error.refusals.len(), error.unanswered), (2, 1));
}

#[tokio::test]
async fn the_error_lists_each_refusal() {
    let world = World::new(&two_of_three());
    let [a, b] = honest(&world).await;
    let id = world.open(1);
    let gone = nobody().await;
    let error = collect(&[gone.clone(), a.client.clone(), b.client.clone()], &prepared(id)).await.unwrap_err();
    let refused = |refusal: &&AttestRefusal| matches!(refusal, AttestRefusal::Refused { .. });
    assert!(error.refusals.iter().filter(refused).count() >= 1 && error.signed.is_empty());
    let text = error.to_string();
    assert!(text.contains("fewer than 2 attestors agree"), "{text}");
    assert!(text.contains("nothing final yet"), "{text}");
    let error = collect(&[gone.clone(), gone], &prepared(id)).await.unwrap_err();
    assert!(error.to_string().contains("is it running?"), "{error}");
}

#[tokio::test]
async fn attestors_that_see_different_things_make_no_certificate() {
    let world = World::new(&two_of_three());
    let a = Running::start(&world, 1).await;
    let id = world.open(1);
    world.decide(&id, State::Aborted);
    let misled = World::of(world.facts().clone());
    misled.decide(&id, State::Committed);
    let liar = Running::start(&misled, 2).await;
    let error = collect(&[a.client.clone(), liar.client.clone()], &decided(&[id])).await.unwrap_err();
    assert_eq!(error.signed.len(), 2);

    let c = Running::start(&world, 3).await;
    let clients = [liar.client.clone(), a.client.clone(), c.client.clone()];
    let certified = collect(&clients, &decided(&[id])).await.unwrap();
    assert_eq!(certified.decisions[0].decision, Decision::Abort);
}

#[tokio::test]
async fn one_attestor_under_two_urls_counts_once() {
    let world = World::new(&two_of_three());
    let a = Running::start(&world, 1).await;
    let id = world.prepare(1);
    let error = collect(&[a.client.clone(), a.client.clone()], &prepared(id)).await.unwrap_err();
    assert_eq!(error.signed.len(), 1);
}

#[tokio::test]
async fn no_forged_answer_counts() {
    let world = World::new(&set(1, 1, &[1, 2, 3, 9]));
    let a = Running::start(&world, 1).await;
    let stranger = Running::start(&world, 9).await;
    let [id, other] = [world.prepare(1), world.prepare(2)];
    let honest: Answer = a.client.attest(&prepared(id)).await.unwrap();
    let from_stranger = stranger.client.attest(&prepared(id)).await.unwrap();
    let of_other = a.client.attest(&prepared(other)).await.unwrap();

    let mut without_evidence = honest.clone();
    without_evidence.evidence.pop();
    let mut tampered = honest.clone();
    tampered.signature.0[40] ^= 1;
    let mut short = honest.clone();
    short.signature.0.pop();
    let forged = [
        ("which is not in attestor set", from_stranger.clone()),
        ("as signer", Answer { signer: signer(2), ..honest.clone() }),
        ("as signer", Answer { signer: signer(2), ..from_stranger }),
        ("as signer", Answer { attestor_set: 2, ..honest.clone() }),
        ("as signer", tampered),
        ("as signer", short),
        ("something else", of_other),
        ("not under its root", without_evidence),
        (
            "something else",
            Answer {
                statement: aes_protocol::Statement::Decided { decisions_root: Hash32([1; 32]) },
                ..honest.clone()
            },
        ),
    ];
    for (because, answer) in forged {
        let forger = forger(answer).await;
        let one_is_enough = set(1, 1, &[1, 2, 3]);
        let collected = Quorum::collect(&[forger], &prepared(id), &one_is_enough, &domain()).await;
        let error = collected.expect_err(because);
        assert!(error.signed.is_empty(), "{error}");
        assert!(error.to_string().contains(because), "{error}");
    }
}

/// The root of the evidence is the same in any order, so only the order tells these answers apart.
#[tokio::test]
async fn evidence_in_another_order_does_not_slip_into_a_certificate() {
    let world = World::new(&two_of_three());
    let [a, b] = honest(&world).await;
    let c = Running::start(&world, 3).await;
    let id = world.prepare(1);
    let mut swapped = c.client.attest(&prepared(id)).await.unwrap();
    swapped.evidence.reverse();
    let forger = forger(swapped).await;
    assert!(collect(&[forger.clone(), a.client.clone()], &prepared(id)).await.is_err());
    let certified = collect(&[forger, a.client.clone(), b.client.clone()], &prepared(id)).await.unwrap();
    let hashes: Vec<Hash32> = world.legs(&id).iter().map(aes_protocol::Leg::hash).collect();
    assert_eq!(certified.evidence.iter().map(|leaf| leaf.leg_hash).collect::<Vec<_>>(), hashes);
}

#[tokio::test]
async fn an_endless_or_unreadable_answer_is_cut_off() {
    let world = World::new(&two_of_three());
    let id = world.prepare(1);
    let endless = forger("x".repeat(1024 * 1024)).await;
    let error = endless.attest(&prepared(id)).await.unwrap_err();
    assert!(error.to_string().contains("more than 262144 bytes"), "{error}");
    let unreadable = forger(Bytes::default()).await;
    assert!(matches!(unreadable.attest(&prepared(id)).await, Err(AttestRefusal::BadAnswer { .. })));
}

#[tokio::test]
async fn garbage_is_named_and_left_out() {
    let world = World::new(&two_of_three());
    let [a, b] = honest(&world).await;
    let id = world.prepare(1);
    let honest = serde_json::to_string(&a.client.attest(&prepared(id)).await.unwrap()).unwrap();
    let garbage = [
        (200, "", "unreadable"),
        (200, "<html>Welcome to nginx!</html>", "unreadable"),
        (200, "[]", "unreadable"),
        (200, "{\"statement\":7}", "unreadable"),
        (200, &honest[..honest.len() - 1], "unreadable"),
        (204, "", "is it an attestor?"),
        (301, "", "is it an attestor?"),
        (404, "page not found", "is it an attestor?"),
        (418, &honest, "is it an attestor?"),
        (500, "{\"detail\": 7}", "is it an attestor?"),
    ];
    for (status, words, because) in garbage {
        let liar = says(status, words.into()).await;
        let alone = collect(&[liar.clone(), a.client.clone()], &prepared(id)).await.unwrap_err();
        let named = |refusal: &AttestRefusal| matches!(refusal, AttestRefusal::BadAnswer { url, cause } if url == liar.url() && cause.contains(because));
        assert!(alone.refusals.len() <= 1 && alone.refusals.iter().all(named), "{status} {words}: {alone}");
        let certified = collect(&[liar, a.client.clone(), b.client.clone()], &prepared(id)).await.unwrap();
        assert_eq!(certified.evidence.len(), 2);
    }
}
