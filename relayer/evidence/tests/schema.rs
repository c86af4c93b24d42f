//! The reader of proof files takes and refuses what their published schema does: which fields may be missing, and no field
//! that nobody knows. `tests/ts/schema.test.mjs` says the same of the schema, in the same words.

use std::collections::BTreeSet;

use aes_evidence::file::{read, Anchors, ProofFile};
use serde::de::DeserializeOwned;
use serde_json::{json, Map, Value};

/// May be missing, or null.
const OPTIONAL: [&str; 9] =
    ["certificate", "decision", "held", "home", "next_validators", "prepared", "presigned", "settled", "state"];

fn recorded(name: &str) -> Value {
    let path = format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Of an execution with legs on chains of all three kinds; then one leg alone with each proof of absence.
fn files() -> Vec<Value> {
    let sample = recorded("sample/proof.json");
    let absent = |proof: Value| {
        let mut file = sample.clone();
        let mut leg = file["legs"][0].take();
        (leg["held"], leg["settled"]["proof"]) = (Value::Null, proof);
        (file["legs"], file["home"]) = (json!([leg]), Value::Null);
        file
    };
    let row = sample["legs"][3]["held"]["proof"]["bitcoin"]["row"].clone();
    let nodes = json!(["0xc0"]);
    let shown = json!({ "account": nodes, "parent": "0xc0", "slot": nodes, "state": "0xc0" });
    let absences = [
        json!({ "cosmos": recorded("cosmos/wasmd-absent.json")["proof"] }),
        json!({ "bitcoin": { "row": row, "shown": { "absence": {} } } }),
        json!({ "evm": { "headers": nodes, "shown": { "absence": shown } } }),
    ];
    absences.into_iter().map(absent).chain([sample.clone()]).collect()
}

/// Every object in a value, with its JSON pointer.
fn objects(value: &Value, place: &str, found: &mut Vec<(String, Map<String, Value>)>) {
    let mut inside = |key: &str, part: &Value| objects(part, &format!("{place}/{key}"), found);
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, part)| inside(key, part));
            found.push((place.to_owned(), map.clone()));
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(at, part)| inside(&at.to_string(), part)),
        _ => {}
    }
}

/// The fields that may be missing.
fn optional<T: DeserializeOwned>(file: &Value) -> BTreeSet<String> {
    let takes = |value: &Value| read::<T>(value.to_string().as_bytes()).is_ok();
    assert!(takes(file));
    let mut found = Vec::new();
    objects(file, "", &mut found);
    let (mut optional, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (place, map) in found {
        // one of each kind
        if !seen.insert(map.keys().cloned().collect::<Vec<_>>()) {
            continue;
        }
        let with = |change: &dyn Fn(&mut Map<String, Value>)| {
            let mut changed = file.clone();
            change(changed.pointer_mut(&place).unwrap().as_object_mut().unwrap());
            takes(&changed)
        };
        assert!(!with(&|map| drop(map.insert("stranger".into(), json!(1)))), "{place}: an unknown field is taken");
        for key in map.keys() {
            if with(&|map| drop(map.remove(key))) {
                optional.insert(key.clone());
            }
        }
    }
    optional
}

#[test]
fn the_reader_takes_and_refuses_what_the_schema_does() {
    let found: BTreeSet<String> = files().iter().flat_map(optional::<ProofFile>).collect();
    assert_eq!(found.iter().collect::<Vec<_>>(), OPTIONAL);
    let anchors = optional::<Anchors>(&recorded("sample/anchors.json"));
    assert!(anchors.contains("deployment"), "without one nothing is proved, and that is said");
}
