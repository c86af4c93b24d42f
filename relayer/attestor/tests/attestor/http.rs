//! The HTTP surface: bad input, health, and how it stops.

use std::sync::Arc;

use aes_attestor::{AttestRefusal, Code, Health, NodeHealth, Problem, StartError};
use aes_config::HttpConfig;
use aes_protocol::Hash32;
use reqwest::header::CONTENT_TYPE;
use tokio::net::TcpListener;

use crate::world::{attestor, chain, prepared, set, signer, Running, World, ALLIANZA, POLYGON};

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn problem_of(response: reqwest::Response) -> Problem {
    let status = response.status().as_u16();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status);
    problem
}

#[tokio::test]
async fn bad_bodies_get_a_problem_that_says_what_is_wrong() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let id = format!("0x{}", "00".repeat(32));
    let ids = |count: usize| vec![format!("\"{id}\""); count].join(",");
    let huge = |bytes: usize| format!(r#"{{"statement":{{"prepared":{{"execution_id":"{}"}}}}}}"#, "0".repeat(bytes));
    let cases = [
        ("{".to_string(), 400, "EOF"),
        (String::new(), 400, "EOF"),
        ("attest, please".into(), 400, "expected value"),
        ("\u{feff}{}".into(), 400, "expected value"),
        ("[".repeat(10_000), 400, "expected value"),
        ("null".into(), 422, "invalid type: null"),
        ("7".into(), 422, "invalid type: integer"),
        ("{}".into(), 422, "missing field `statement`"),
        (r#"{"statement":"prepared"}"#.into(), 422, "invalid type: unit variant"),
        (r#"{"statement":{"forged":{}}}"#.into(), 422, "unknown variant `forged`"),
        (r#"{"statement":{"prepared":{"execution_id":"0x12"}}}"#.into(), 422, "expected 32 bytes"),
        (r#"{"statement":{"prepared":{"execution_id":12}}}"#.into(), 422, "invalid type: integer"),
        (r#"{"statement":{"prepared":{"execution_id":null}}}"#.into(), 422, "invalid type: null"),
        (format!(r#"{{"statement":{{"decided":{{"execution_ids":"{id}"}}}}}}"#), 422, "expected a sequence"),
        (r#"{"statement":{"decided":{"execution_ids":[]}}}"#.into(), 400, "give 1 to 64"),
        (format!(r#"{{"statement":{{"decided":{{"execution_ids":[{}]}}}}}}"#, ids(2)), 400, "named twice"),
        (format!(r#"{{"statement":{{"prepared":{{"execution_id":"{id}"}},"settled":{{}}}}}}"#), 400, "expected"),
        (format!(r#"{{"statement":{{"prepared":{{"execution_id":"{id}","force":true}}}}}}"#), 422, "`force`"),
        (format!(r#"{{"statement":{{"prepared":{{"execution_id":"{id}"}}}},"force":true}}"#), 422, "`force`"),
        (r#"{"statement":{"rotated":{"set":{"id":-1,"threshold":1,"attestors":[]}}}}"#.into(), 422, "u64"),
        (huge(65 * 1024), 413, "length limit"),
        (huge(10 * 1024 * 1024), 413, "length limit"),
    ];
    for (body, status, because) in cases {
        let url = format!("http://{}/v1/attest", attestor.client.url());
        let shown: String = body.chars().take(90).collect();
        let sent = http().post(url).header(CONTENT_TYPE, "application/json").body(body).send().await.unwrap();
        let problem = problem_of(sent).await;
        assert_eq!((problem.status, problem.code), (status, Code::BadRequest), "{shown}: {}", problem.detail);
        assert!(problem.detail.contains(because), "{shown}: {}", problem.detail);
    }
    assert_eq!(attestor.client.identity().await.unwrap().signer, signer(1));
    assert_eq!((attestor.rows("statements"), attestor.rows("decisions")), (0, 0));
}

#[tokio::test]
async fn other_paths_methods_and_media_types_get_a_problem_too() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let at = |path: &str| format!("http://{}/{path}", attestor.client.url());
    assert_eq!(problem_of(http().get(at("v2/attest")).send().await.unwrap()).await.status, 404);
    assert_eq!(problem_of(http().get(at("v1/attest")).send().await.unwrap()).await.status, 405);
    assert_eq!(problem_of(http().post(at("v1/attest")).body("{}").send().await.unwrap()).await.status, 415);
}

#[tokio::test]
async fn health_really_asks_each_chain() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let ask = || async {
        let response = http().get(format!("http://{}/v1/health", attestor.client.url())).send().await.unwrap();
        (response.status().as_u16(), response.json::<Health>().await.unwrap())
    };
    let (status, health) = ask().await;
    assert!(status == 200 && health.healthy);
    assert_eq!(health.home, NodeHealth::Time(1_000));
    assert_eq!(health.chains.len(), 2);

    world.facts().unreachable.insert(chain(POLYGON));
    world.facts().silent.insert(chain(ALLIANZA));
    let (status, health) = ask().await;
    assert!(status == 503 && !health.healthy);
    let says = |node: &NodeHealth, word: &str| matches!(node, NodeHealth::Error(text) if text.contains(word));
    assert!(says(&health.chains[&chain(POLYGON)], "connection refused"), "{health:?}");
    assert!(says(&health.chains[&chain(ALLIANZA)], "no answer within"), "{health:?}");
    assert!(says(&health.home, "no answer within"), "{health:?}");
}

#[tokio::test]
async fn a_request_under_way_gets_its_answer_when_the_attestor_stops() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    let id = world.prepare(1);
    world.facts().silent.insert(chain(POLYGON));
    let client = attestor.client.clone();
    let asking = tokio::spawn(async move { client.attest(&prepared(id)).await });
    world.asked.notified().await;
    attestor.stop().await;
    match asking.await.unwrap() {
        Err(AttestRefusal::Refused { problem, .. }) => assert_eq!(problem.code, Code::ChainUnreachable),
        other => panic!("expected the time-out of a chain that never answers, got {other:?}"),
    }
}

#[tokio::test]
async fn beyond_loopback_it_listens_only_with_a_token() {
    let world = World::new(&set(1, 1, &[1]));
    let folder = tempfile::tempdir().unwrap();
    let attestor = Arc::new(attestor(&world, 1, &folder.path().join("journal.sqlite")).unwrap());
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = attestor.serve(listener, &HttpConfig::default(), std::future::pending()).await;
    assert!(matches!(refused, Err(StartError::Serve(_))));
}

#[tokio::test]
async fn metrics_tell_what_was_asked_and_every_fault_from_the_start() {
    let world = World::new(&set(1, 1, &[1]));
    let attestor = Running::start(&world, 1).await;
    attestor.client.attest(&prepared(Hash32::default())).await.unwrap_err();
    let page = http().get(format!("http://{}/metrics", attestor.client.url())).send().await.unwrap();
    assert!(page.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("application/openmetrics-text"));
    let page = page.text().await.unwrap();
    for line in ["aes_statements_total{outcome=\"unknown_execution\"}", "aes_faults_total{code=\"AES-A-ENDPOINT-LIES\""]
    {
        assert!(page.contains(line), "no {line} in {page}");
    }
}
