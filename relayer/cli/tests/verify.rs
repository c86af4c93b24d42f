//! `aes verify` as a script sees it: the exit code of each verdict, without a network or a config.

use std::path::{Path, PathBuf};

use aes_cli::commands::verify::Verify;
use clap::Parser;
use serde_json::{json, Value};

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    command: Verify,
}

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evidence/testdata/sample").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `None`: it could not be looked at, which is exit code 1.
async fn exit_code(proof: &Value, anchors: &Value) -> Option<u8> {
    let dir = tempfile::tempdir().unwrap();
    let [proof, anchors] = [("proof.json", proof), ("anchors.json", anchors)].map(|(name, value)| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    });
    let words = ["aes".as_ref(), proof.as_os_str(), "--anchors".as_ref(), anchors.as_os_str()];
    let verified = Typed::parse_from(words).command.run(Path::new("no config is read")).await;
    verified.ok().map(|verified| verified.exit_code())
}

fn with(value: &Value, place: &str, other: Value) -> Value {
    let mut changed = value.clone();
    *changed.pointer_mut(place).unwrap() = other;
    changed
}

#[tokio::test]
async fn each_verdict_has_an_exit_code() {
    let (proof, anchors) = (sample("proof.json"), sample("anchors.json"));
    assert_eq!(exit_code(&proof, &anchors).await, Some(0));
    let unfinished = with(&with(&proof, "/legs/0/held", Value::Null), "/prepared", Value::Null);
    assert_eq!(exit_code(&unfinished, &anchors).await, Some(3));
    let unpinned = with(&anchors, "/deployment", Value::Null);
    assert_eq!(exit_code(&proof, &unpinned).await, Some(4));
    assert_eq!(exit_code(&with(&proof, "/decision", json!("abort")), &anchors).await, Some(5));
    // what is wrong is wrong, whatever else is missing
    assert_eq!(exit_code(&with(&unfinished, "/decision", json!("abort")), &unpinned).await, Some(5));
    assert_eq!(exit_code(&with(&proof, "/version", json!(2)), &anchors).await, None);
    assert_eq!(exit_code(&json!({ "no": "file" }), &anchors).await, None);
    assert_eq!(exit_code(&proof, &json!({ "no": "anchors" })).await, None);
}
