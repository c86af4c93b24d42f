//! Each kind of lie of an endpoint is caught, named and left out, and the honest one goes on.

use aes_attestor::Request;
use aes_config::FollowConfig;
use cosmwasm_std::Binary;
use serde_json::{json, Value};

use crate::net::{chain_id, net, prepared, Running, User, WAIT};
use crate::proxy::Proxy;

type Lie = fn(&str, &mut Value, Option<&mut Value>);

/// What is asked with a proof, and nothing else.
fn proved(method: &str, params: &Value) -> bool {
    method == "abci_query" && params["prove"] == json!(true)
}

/// The state two blocks before the one that was asked for, with its proof.
fn stale(method: &str, params: &mut Value, result: Option<&mut Value>) {
    if proved(method, params) && result.is_none() {
        let height: u64 = params["height"].as_str().unwrap().parse().unwrap();
        params["height"] = json!((height - 2).to_string());
    }
}

/// The same, with the height that was asked for written over it.
fn stale_and_hidden(method: &str, params: &mut Value, result: Option<&mut Value>) {
    match result {
        None => stale(method, params, None),
        Some(result) if proved(method, params) => {
            let height: u64 = params["height"].as_str().unwrap().parse().unwrap();
            result["response"]["height"] = json!((height + 2).to_string());
        }
        Some(_) => {}
    }
}

fn changed_value(method: &str, params: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| proved(method, params)) {
        let value = result["response"]["value"].as_str().map(|text| Binary::from_base64(text).unwrap().to_vec());
        let text = String::from_utf8(value.unwrap_or_default()).unwrap();
        let changed = text.replace("\"open\"", "\"committed\"").replace("\"held\"", "\"finalized\"");
        if changed != text {
            result["response"]["value"] = json!(Binary::from(changed.into_bytes()).to_base64());
        }
    }
}

/// Nothing is there, it says, with a proof that something is.
fn nothing_there(method: &str, params: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| proved(method, params)) {
        result["response"]["value"] = Value::Null;
    }
}

/// Another key's value and proof: the honest answer to another question.
fn another_key(method: &str, params: &mut Value, result: Option<&mut Value>) {
    if proved(method, params) && result.is_none() {
        let mut key = hex::decode(params["data"].as_str().unwrap()).unwrap();
        *key.last_mut().unwrap() ^= 1;
        params["data"] = json!(hex::encode(key));
    }
}

fn no_proof(method: &str, params: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| proved(method, params)) {
        result["response"]["proofOps"] = Value::Null;
    }
}

fn header_of_another_chain(method: &str, _: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| method == "commit") {
        result["signed_header"]["header"]["chain_id"] = json!("another-1");
    }
}

/// A header that claims another state, and that its validators never signed.
fn forged_header(method: &str, _: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| method == "commit") {
        result["signed_header"]["header"]["app_hash"] = json!("AB".repeat(32));
    }
}

/// More power than the chain gave it.
fn forged_validators(method: &str, _: &mut Value, result: Option<&mut Value>) {
    match (method, result) {
        ("validators", Some(result)) => result["validators"][0]["voting_power"] = json!("77"),
        // so that it has to be asked for them
        ("commit", Some(result)) => {
            result["signed_header"]["header"]["validators_hash"] = json!("CD".repeat(32));
        }
        _ => {}
    }
}

/// Of a signature, one bit.
fn forged_signature(method: &str, _: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| method == "commit") {
        let signature = &mut result["signed_header"]["commit"]["signatures"][0]["signature"];
        let mut bytes = Binary::from_base64(signature.as_str().unwrap()).unwrap().to_vec();
        bytes[7] ^= 1;
        *signature = json!(Binary::from(bytes).to_base64());
    }
}

const LIES: [(&str, Lie, &str); 10] = [
    ("stale", stale, "for a question about state"),
    ("stale and hidden", stale_and_hidden, "not under the app hash"),
    ("changed value", changed_value, "not under this key"),
    ("nothing there", nothing_there, "no ICS-23 proof of absence"),
    ("another key", another_key, "under this key"),
    ("no proof", no_proof, "without the proof"),
    ("header of another chain", header_of_another_chain, "not valid"),
    ("forged header", forged_header, "not valid"),
    ("forged validators", forged_validators, "are not the header's"),
    ("forged signature", forged_signature, "not valid"),
];

#[tokio::test]
async fn an_endpoint_that_lies_is_named_and_left_out() {
    let (net, user) = (net().await, User::new("LIES").await);
    let (execution_id, deadline) = user.open(3, 600).await;
    user.prepare(execution_id, deadline).await;
    for (name, lie, because) in LIES {
        let proxy = Proxy::before(&net.node.rpc_url).await;
        let folder = tempfile::tempdir().unwrap();
        let rpc = vec![proxy.url.clone(), net.node.rpc_url.clone()];
        let attestor = Running::start(rpc, folder.path(), FollowConfig::default()).await;
        attestor.until("following", |chain| chain.height.is_some()).await;
        proxy.lies(lie);
        let signed = attestor.client.attest(&prepared(execution_id)).await;
        assert!(signed.is_ok(), "{name}: {signed:?}");
        attestor.until(name, |chain| chain.liars.len() == 1).await;
        let health = attestor.health().await.followed.remove(&chain_id()).unwrap();
        assert_eq!((health.endpoints, health.stopped), (1, None), "{name}");
        let (liar, told) = health.liars.into_iter().next().unwrap();
        assert!(proxy.url.ends_with(&liar) && told.contains(because), "{name}: {liar}: {told}");
        println!("{name}: {told}");
        attestor.stop().await;
    }
}

#[tokio::test]
async fn with_liars_alone_nothing_is_signed() {
    let (net, user) = (net().await, User::new("DEPLOYER").await);
    let (execution_id, _) = user.open(4, 600).await;
    let proxy = Proxy::before(&net.node.rpc_url).await;
    let folder = tempfile::tempdir().unwrap();
    let attestor = Running::start(vec![proxy.url.clone()], folder.path(), FollowConfig::default()).await;
    attestor.until("following", |chain| chain.height.is_some()).await;
    // the execution is open, and this endpoint would have it committed
    proxy.lies(changed_value);
    let decided = Request::Decided { execution_ids: vec![execution_id] };
    let refused = attestor.client.attest(&decided).await.unwrap_err().to_string();
    assert!(refused.contains("caught lying"), "{refused}");
    assert!(!attestor.health().await.healthy);
    attestor.stop().await;
}

/// A state that is not there yet (code 7 or an error), and one below the first that has proofs (code 18): asked of a node
/// that is behind or pruned, the honest answers. Nobody is named for them.
#[tokio::test]
async fn an_endpoint_that_is_silent_behind_or_pruned_is_passed_over_and_not_named() {
    let (net, user) = (net().await, User::new("BEHIND").await);
    let (execution_id, deadline) = user.open(5, 600).await;
    user.prepare(execution_id, deadline).await;
    let heights: [fn(u64) -> u64; 2] = [|height| height + 1_000, |_| 1];
    for height in heights {
        let proxy = Proxy::before(&net.node.rpc_url).await;
        let folder = tempfile::tempdir().unwrap();
        let rpc = vec![proxy.url.clone(), net.node.rpc_url.clone()];
        let attestor = Running::start(rpc, folder.path(), FollowConfig::default()).await;
        attestor.until("following", |chain| chain.height.is_some()).await;
        proxy.lies(move |method, params, result| {
            if proved(method, params) && result.is_none() {
                let asked: u64 = params["height"].as_str().unwrap().parse().unwrap();
                params["height"] = json!(height(asked).to_string());
            }
        });
        attestor.client.attest(&prepared(execution_id)).await.unwrap();
        assert!(attestor.health().await.followed[&chain_id()].liars.is_empty());
        attestor.stop().await;
    }

    // It takes the connection and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rpc = vec![format!("http://{}", silent.local_addr().unwrap()), net.node.rpc_url.clone()];
    let attestor = Running::start(rpc, folder.path(), FollowConfig::default()).await;
    attestor.until("following", |chain| chain.height.is_some()).await;
    attestor.client.attest(&prepared(execution_id)).await.unwrap();
    assert!(attestor.health().await.followed[&chain_id()].liars.is_empty());
    attestor.stop().await;
}

/// A value that is not there, told without a proof as the newest of all: the next header refutes it.
#[tokio::test]
async fn a_change_that_is_only_told_of_is_refuted_and_its_teller_named() {
    let (net, user) = (net().await, User::new("TOLD").await);
    let (execution_id, deadline) = user.open(6, 600).await;
    user.prepare(execution_id, deadline).await;
    let proxy = Proxy::before(&net.node.rpc_url).await;
    let folder = tempfile::tempdir().unwrap();
    let rpc = vec![proxy.url.clone(), net.node.rpc_url.clone()];
    let attestor = Running::start(rpc, folder.path(), FollowConfig::default()).await;
    attestor.until("following", |chain| chain.height.is_some()).await;
    proxy.lies(|method, params, result| {
        if let Some(result) = result.filter(|_| method == "abci_query" && !proved(method, params)) {
            result["response"]["value"] = json!("bm9uc2Vuc2U=");
        }
    });
    let caught = async {
        loop {
            attestor.client.attest(&prepared(execution_id)).await.unwrap();
            let health = attestor.health().await.followed.remove(&chain_id()).unwrap();
            if let Some((liar, told)) = health.liars.into_iter().next() {
                return (liar, told);
            }
        }
    };
    let (liar, told) = tokio::time::timeout(WAIT, caught).await.unwrap();
    assert!(proxy.url.ends_with(&liar) && told.contains("the proof refutes"), "{liar}: {told}");
    attestor.stop().await;
}

/// Of headers it gives only those that it has.
#[tokio::test]
async fn an_endpoint_that_lacks_the_newest_headers_is_not_named() {
    let (net, user) = (net().await, User::new("LAGS").await);
    let (execution_id, deadline) = user.open(7, 600).await;
    user.prepare(execution_id, deadline).await;
    let proxy = Proxy::before(&net.node.rpc_url).await;
    proxy.lies(|method, _, result| {
        if let Some(result) = result.filter(|_| method == "blockchain") {
            result["block_metas"].as_array_mut().unwrap().remove(0);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let rpc = vec![proxy.url.clone(), net.node.rpc_url.clone()];
    // the hold is in a block before the first that is followed
    let attestor = Running::start(rpc, folder.path(), FollowConfig::default()).await;
    attestor.until("following", |chain| chain.height.is_some()).await;
    attestor.client.attest(&prepared(execution_id)).await.unwrap();
    assert!(attestor.health().await.followed[&chain_id()].liars.is_empty());
    attestor.stop().await;
}
