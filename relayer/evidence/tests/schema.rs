//! The published schema and the reader of proof files take the same, and refuse the same: a field that is missing, that is
//! nothing, or that nobody knows.

use std::collections::BTreeSet;

use aes_evidence::file::{Anchors, ProofFile};
use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{json, Map, Value};

fn read(path: &str) -> Value {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn schema(name: &str) -> Validator {
    jsonschema::validator_for(&read(&format!("../../schema/{name}.json"))).unwrap()
}

/// Of an execution with legs on chains of all three kinds; then one leg alone with each proof of absence.
fn files() -> Vec<Value> {
    let sample = read("testdata/sample/proof.json");
    let absent = |proof: Value| {
        let mut file = sample.clone();
        let mut leg = file["legs"][0].take();
        (leg["held"], leg["settled"]["proof"]) = (Value::Null, proof);
        (file["legs"], file["home"]) = (json!([leg]), Value::Null);
        file
    };
    let row = sample["legs"][3]["held"]["proof"]["bitcoin"]["row"].clone();
    let nodes = json!(["0xc0"]);
    let absences = [
        json!({ "cosmos": read("testdata/cosmos/wasmd-absent.json")["proof"] }),
        json!({ "bitcoin": { "row": row, "shown": { "absence": {} } } }),
        json!({ "evm": { "headers": nodes, "shown": { "absence": { "account": nodes, "parent": "0xc0", "slot": nodes } } } }),
    ];
    absences.into_iter().map(absent).chain([sample.clone()]).collect()
}

/// Calls `with` on every object in a value, each time alone.
fn each_object(value: &Value, with: &mut impl FnMut(&Map<String, Value>) -> Vec<Value>, done: &mut Vec<Value>) {
    match value {
        Value::Object(map) => {
            done.extend(with(map));
            for (key, part) in map {
                let mut parts = Vec::new();
                each_object(part, with, &mut parts);
                let whole = |part: Value| {
                    let mut map = map.clone();
                    map.insert(key.clone(), part);
                    Value::Object(map)
                };
                done.extend(parts.into_iter().map(whole));
            }
        }
        Value::Array(list) => {
            for (at, part) in list.iter().enumerate() {
                let mut parts = Vec::new();
                each_object(part, with, &mut parts);
                let whole = |part: Value| {
                    let mut list = list.clone();
                    list[at] = part;
                    Value::Array(list)
                };
                done.extend(parts.into_iter().map(whole));
            }
        }
        _ => {}
    }
}

/// Without one of its fields, with nothing in one, and with one more.
fn changes(map: &Map<String, Value>) -> Vec<Value> {
    let changed = |change: &dyn Fn(&mut Map<String, Value>)| {
        let mut map = map.clone();
        change(&mut map);
        Value::Object(map)
    };
    let mut all = vec![changed(&|map| drop(map.insert("stranger".into(), json!(1))))];
    for key in map.keys() {
        all.push(changed(&|map| drop(map.remove(key))));
        all.push(changed(&|map| map[key] = Value::Null));
    }
    all
}

fn take_the_same<T: DeserializeOwned>(schema: &Validator, file: &Value) -> usize {
    let reads = |value: &Value| aes_evidence::file::read::<T>(value.to_string().as_bytes());
    schema.validate(file).unwrap();
    assert!(reads(file).is_ok());
    let (mut changed, mut seen) = (Vec::new(), BTreeSet::new());
    // one of each kind
    let mut with = |map: &Map<String, Value>| {
        let kind: Vec<String> = map.keys().cloned().collect();
        if seen.insert(kind) {
            changes(map)
        } else {
            vec![]
        }
    };
    each_object(file, &mut with, &mut changed);
    let mut refused = 0;
    for value in changed {
        let by_schema =
            schema.validate(&value).err().map(|error| format!("{}: {:?}", error.instance_path(), error.kind()));
        let by_reader = reads(&value).err();
        assert_eq!(by_schema.is_some(), by_reader.is_some(), "{by_schema:?}, {by_reader:?}");
        refused += usize::from(by_schema.is_some());
    }
    refused
}

#[test]
fn the_schema_and_the_reader_take_and_refuse_the_same_files() {
    let proof = schema("proof");
    for file in files() {
        assert!(take_the_same::<ProofFile>(&proof, &file) > 80);
    }
    assert!(take_the_same::<Anchors>(&schema("anchors"), &read("testdata/sample/anchors.json")) > 30);
}
