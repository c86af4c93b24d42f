//! EVM legs on a real anvil: a leaf is signed when a proof shows it and two endpoints give its block as final.

#[allow(dead_code, reason = "shared with the adapter's own tests, which use all of it")]
#[path = "../../../chains/tests/evm_world/mod.rs"]
mod evm_world;

use aes_attestor::Witnessed;
use aes_chains::{ChainError, EscrowMessage};
use aes_config::ManifestChain;
use aes_evidence::Subject;
use aes_protocol::{Function, LegStatus};
use evm_world::{hash, World, ALZ};
use serde_json::{json, Value};

use crate::proxy::Proxy;

type Lie = fn(&str, &mut Value, Option<&mut Value>);

/// A larger amount in the event of a receipt.
fn changed_log(_: &str, _: &mut Value, result: Option<&mut Value>) {
    change_logs(result, |log| {
        let data = log["data"].as_str().unwrap_or_default().to_owned();
        if data.len() > 10 {
            let last = if data.ends_with('1') { "2" } else { "1" };
            log["data"] = json!(format!("{}{last}", &data[..data.len() - 1]));
        }
    });
}

fn change_logs(result: Option<&mut Value>, change: fn(&mut Value)) {
    match result {
        Some(Value::Array(items)) => items.iter_mut().for_each(|item| {
            if item.get("topics").is_some() {
                change(item);
            } else if let Some(logs) = item.get_mut("logs").and_then(Value::as_array_mut) {
                logs.iter_mut().for_each(change);
            }
        }),
        Some(item) => {
            if let Some(logs) = item.get_mut("logs").and_then(Value::as_array_mut) {
                logs.iter_mut().for_each(change);
            }
        }
        None => {}
    }
}

/// Blocks of another chain: every header has another extra data.
fn another_block(method: &str, _: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| method.starts_with("eth_getBlockBy")) {
        if result["number"] != json!("0x0") && result.get("hash").is_some() {
            let hash = result["hash"].as_str().unwrap_or_default().to_owned();
            result["hash"] = json!(format!("{}{}", &hash[..60], "abcdef"));
        }
    }
}

/// It does not know the block, it says, in the form of an error.
fn busy(method: &str, params: &mut Value, result: Option<&mut Value>) {
    if result.is_none() && method == "eth_getBlockByHash" {
        *params = json!([]);
    }
}

/// A transaction of a type that came after this program: OP Stack's deposits are the first of every block.
fn transaction_of_unknown_type(_: &str, _: &mut Value, result: Option<&mut Value>) {
    let transactions = result.and_then(|result| result.get_mut("transactions")?.as_array_mut());
    if let Some(transactions) = transactions.filter(|all| all.iter().any(Value::is_object)) {
        transactions.insert(0, json!({ "type": "0x7e", "hash": format!("0x{}", "7e".repeat(32)) }));
    }
}

/// A header of a later fork: its hash is over a field that this program leaves out.
fn header_of_a_later_fork(method: &str, _: &mut Value, result: Option<&mut Value>) {
    if let Some(result) = result.filter(|_| method.starts_with("eth_getBlockBy")) {
        result["extraData"] = json!("0x07");
        result["laterRoot"] = json!(format!("0x{}", "07".repeat(32)));
    }
}

#[tokio::test]
async fn an_evm_endpoint_that_lies_is_named_and_left_out() {
    let world = World::start().await;
    let alice = world.chain("ALICE").await;
    let (id, leg, deadline) = (hash(1), world.leg(0, Function::Lock, 100 * ALZ), evm_world::now() + 600);
    world.included(&alice, &EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() }).await;
    let told = world.evidence_as(&alice, &id, &leg, deadline, LegStatus::Held).await;
    let subject = Subject { execution_id: &id, leg: &leg, deadline };

    for (name, lie) in [("changed log", changed_log as Lie), ("another block", another_block)] {
        let proxies = [(); 3].map(|()| Proxy::before(&world.anvil.rpc_url));
        let proxies = futures::future::join_all(proxies).await;
        let urls: Vec<&str> = proxies.iter().map(|proxy| proxy.url.as_str()).collect();
        let witnessed = Witnessed::new(&world.id(), &world.config(&urls, None), &world.entry, 2).unwrap();
        assert_eq!(witnessed.evidence(&subject).await.unwrap(), Some(told.clone()));
        assert!(witnessed.hold(&id, &leg).await.unwrap().is_some());
        proxies[0].lies(lie);
        assert_eq!(witnessed.evidence(&subject).await.unwrap(), Some(told.clone()), "{name}");
        let health = witnessed.health();
        assert_eq!((health.endpoints, health.liars.len()), (2, 1), "{name}: {health:?}");
        let (liar, what) = health.liars.iter().next().unwrap();
        assert!(proxies[0].url.ends_with(liar.as_str()), "{name}: {liar}");
        println!("{name}: {what}");
    }

    for (name, shortcoming) in [
        ("busy", busy as Lie),
        ("transaction of unknown type", transaction_of_unknown_type),
        ("header of a later fork", header_of_a_later_fork),
    ] {
        let proxy = Proxy::before(&world.anvil.rpc_url).await;
        proxy.lies(shortcoming);
        let others = futures::future::join_all([(); 2].map(|()| Proxy::before(&world.anvil.rpc_url))).await;
        let urls = [&proxy.url, &others[0].url, &others[1].url].map(String::as_str);
        let witnessed = Witnessed::new(&world.id(), &world.config(&urls, None), &world.entry, 2).unwrap();
        assert_eq!(witnessed.evidence(&subject).await.unwrap(), Some(told.clone()), "{name}");
        let health = witnessed.health();
        assert!(health.liars.is_empty(), "{name}: {health:?}");
    }

    // Never held: the empty slot counts under the code that the manifest names.
    let (never, over) = (hash(2), evm_world::now() + 2);
    let absent = world.evidence_as(&alice, &never, &leg, over, LegStatus::Absent).await;
    let empty = Subject { execution_id: &never, leg: &leg, deadline: over };
    let others = futures::future::join_all([(); 2].map(|()| Proxy::before(&world.anvil.rpc_url))).await;
    let config = world.config(&[&others[0].url, &others[1].url], None);
    let witnessed = Witnessed::new(&world.id(), &config, &world.entry, 2).unwrap();
    assert_eq!(witnessed.evidence(&empty).await.unwrap(), Some(absent));
    let other_code = ManifestChain { code_hash: hash(9), ..world.entry.clone() };
    let witnessed = Witnessed::new(&world.id(), &config, &other_code, 2).unwrap();
    let refused = witnessed.evidence(&empty).await.unwrap_err().to_string();
    assert!(refused.contains("the account has code"), "{refused}");
    assert!(witnessed.health().liars.is_empty());

    // Two URLs of one host are one word.
    let other_path = format!("{}/other", world.anvil.rpc_url);
    let urls = [world.anvil.rpc_url.as_str(), other_path.as_str()];
    let one_host = Witnessed::new(&world.id(), &world.config(&urls, None), &world.entry, 2).unwrap();
    let refused = one_host.evidence(&subject).await.unwrap_err();
    assert!(matches!(&refused, ChainError::Unreachable { cause, .. } if cause.contains("fewer than 2")), "{refused}");

    // One word alone is not enough where two are asked for.
    let alone = Witnessed::new(&world.id(), &world.config(&[&world.anvil.rpc_url], None), &world.entry, 2).unwrap();
    let refused = alone.evidence(&subject).await.unwrap_err();
    assert!(matches!(&refused, ChainError::Unreachable { cause, .. } if cause.contains("fewer than 2")), "{refused}");
}
