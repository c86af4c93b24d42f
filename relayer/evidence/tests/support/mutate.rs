//! A proof changed in one place after the other: none of them may prove another leaf than the untouched one.

use aes_evidence::ProofError;
use aes_protocol::Evidence;
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::Value;

/// At least; a proof with more places is changed in more.
const MUTATIONS: usize = 10_000;

pub fn none_proves_another<P: Serialize + DeserializeOwned>(
    kind: &str,
    proof: &P,
    verify: impl Fn(&P) -> Result<Evidence, ProofError>,
    leaf: &Evidence,
) {
    let whole = serde_json::to_value(proof).unwrap();
    assert_eq!(verify(&serde_json::from_value(whole.clone()).unwrap()).as_ref(), Ok(leaf));
    let mut places = Vec::new();
    collect(&whole, String::new(), &mut places);
    let (mut tried, mut same, mut accepted, mut round) = (0usize, 0usize, 0usize, 0u8);
    while tried < MUTATIONS {
        round = round.checked_add(1).expect("a proof of nothing");
        for place in &places {
            for mutated in variants(&whole, place, round) {
                tried += 1;
                let Ok(mutated) = serde_json::from_value::<P>(mutated) else { continue };
                match verify(&mutated) {
                    Ok(proved) if proved == *leaf => same += 1,
                    Ok(_) => accepted += 1,
                    Err(_) => {}
                }
            }
        }
    }
    println!("figure evidence.mutations_tried.{kind} {tried} count");
    println!("figure evidence.mutations_accepted.{kind} {accepted} count");
    println!("{kind}: {same} of them still prove the same leaf");
    assert_eq!(accepted, 0);
    assert!(same < tried / 20, "{same} of {tried} changes do not matter: what are those bytes for?");
}

/// A JSON pointer, and where in the bytes behind it.
struct Place {
    pointer: String,
    byte: Option<usize>,
}

fn collect(value: &Value, pointer: String, places: &mut Vec<Place>) {
    match value {
        Value::String(text) => {
            let bytes = text.strip_prefix("0x").map_or(0, |hex| hex.len() / 2);
            places.extend((0..bytes).map(|byte| Place { pointer: pointer.clone(), byte: Some(byte) }));
            places.push(Place { pointer, byte: None });
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, format!("{pointer}/{at}"), places);
            }
            places.push(Place { pointer, byte: None });
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, format!("{pointer}/{name}"), places);
            }
        }
        _ => places.push(Place { pointer, byte: None }),
    }
}

/// The first round changes one bit of each byte, the next ones others; lengths, orders and numbers change once.
fn variants(whole: &Value, place: &Place, round: u8) -> Vec<Value> {
    let found = whole.pointer(&place.pointer).unwrap();
    let replaced = |with: Value| {
        let mut mutated = whole.clone();
        *mutated.pointer_mut(&place.pointer).unwrap() = with;
        mutated
    };
    match (found, place.byte) {
        (Value::String(text), Some(byte)) => {
            let mut bytes = hex::decode(text.trim_start_matches("0x")).unwrap();
            bytes[byte] ^= if round <= 8 { 1u8.rotate_left(u32::from(round) + 6) } else { round };
            vec![replaced(format!("0x{}", hex::encode(bytes)).into())]
        }
        _ if round > 1 => Vec::new(),
        (Value::String(text), None) => {
            let bytes = hex::decode(text.trim_start_matches("0x")).unwrap_or_default();
            let mut variants = vec![Vec::new(), [&bytes[..], &[0]].concat(), [&[0], &bytes[..]].concat()];
            for cut in [1, 32] {
                variants.extend((bytes.len() > cut).then(|| bytes[..bytes.len() - cut].to_vec()));
                variants.extend((bytes.len() > cut).then(|| bytes[cut..].to_vec()));
            }
            variants.into_iter().map(|bytes| replaced(format!("0x{}", hex::encode(bytes)).into())).collect()
        }
        (Value::Number(number), _) => {
            let number = number.as_u64().unwrap();
            [number.wrapping_add(1), number.saturating_sub(1), 0, u64::from(u32::MAX), u64::MAX]
                .into_iter()
                .filter(|other| *other != number)
                .map(|other| replaced(other.into()))
                .collect()
        }
        (Value::Array(items), _) => {
            let mut variants = vec![Value::Array(Vec::new())];
            for at in 0..items.len() {
                let (mut without, mut twice, mut swapped) = (items.clone(), items.clone(), items.clone());
                without.remove(at);
                twice.insert(at, items[at].clone());
                swapped.swap(at, (at + 1) % items.len());
                variants.extend([Value::Array(without), Value::Array(twice)]);
                variants.extend((swapped != *items).then_some(Value::Array(swapped)));
            }
            variants.into_iter().map(replaced).collect()
        }
        _ => Vec::new(),
    }
}
