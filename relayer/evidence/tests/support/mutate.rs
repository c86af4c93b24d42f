//! A proof changed in one place after the other: none of them may prove another thing than the untouched one.

use std::fmt::Debug;

use aes_evidence::ProofError;
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::Value;

/// At least, of those that still can be read; a proof with more places is changed in more.
const MUTATIONS: usize = 10_000;
/// What an enum's variants are called: each is tried in the others' place.
const VARIANTS: [&str; 7] = ["held", "ended", "absence", "event", "evm", "cosmos", "bitcoin"];

/// `make bench` prints these figures and their totals.
pub fn none_proves_another<P: Serialize + DeserializeOwned, T: PartialEq + Debug>(
    kind: &str,
    proof: &P,
    verify: impl Fn(&P) -> Result<T, ProofError>,
    proved: &T,
) {
    let whole = serde_json::to_value(proof).unwrap();
    assert_eq!(verify(&serde_json::from_value(whole.clone()).unwrap()).as_ref(), Ok(proved));
    let mut places = Vec::new();
    collect(&whole, String::new(), &mut places);
    let (mut tried, mut same, mut accepted, mut round) = (0usize, 0usize, 0usize, 0u8);
    while tried < MUTATIONS {
        round = round.checked_add(1).expect("a proof of nothing");
        for place in &places {
            for mutated in variants(&whole, place, round) {
                let Ok(mutated) = serde_json::from_value::<P>(mutated) else { continue };
                tried += 1;
                match verify(&mutated) {
                    Ok(now) if now == *proved => same += 1,
                    Ok(_) => accepted += 1,
                    Err(_) => {}
                }
            }
        }
    }
    println!("figure evidence.mutations_tried.{kind} {tried} count");
    println!("figure evidence.mutations_accepted.{kind} {accepted} count");
    println!("{kind}: {same} of them still prove the same");
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
            places.push(Place { pointer, byte: None });
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
        (Value::Object(fields), _) => {
            let mut variants = vec![Value::Null];
            for (name, field) in fields {
                let mut without = fields.clone();
                without.remove(name);
                variants.push(Value::Object(without));
                let others = VARIANTS.iter().filter(|_| VARIANTS.contains(&name.as_str()) && fields.len() == 1);
                variants.extend(others.map(|other| serde_json::json!({ *other: field })));
            }
            variants.retain(|other| other != found);
            variants.into_iter().map(replaced).collect()
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
