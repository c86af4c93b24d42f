//! Writes and holds `tests/vectors/protocol.json`, the one file that Rust, Solidity and TypeScript are all tested against.
//! `UPDATE_VECTORS=1 cargo test -p aes-protocol --test vectors` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use aes_protocol::{
    address_of_public_key, decisions_tree, evidence_root, manifest_tree, Attestor, AttestorSet, Bytes, Certificate,
    ChainId, Decision, DecisionLeaf, Domain, Evidence, Execution, Function, Hash32, Leg, LegStatus, Recover, Statement,
    Tree,
};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use serde_json::{json, Value};

struct NativeRecover;

impl Recover for NativeRecover {
    fn recover(&self, digest: &Hash32, r_s: &[u8], recovery_id: u8) -> Option<Vec<u8>> {
        let signature = Signature::from_slice(r_s).ok()?;
        let id = RecoveryId::from_byte(recovery_id)?;
        let key = VerifyingKey::recover_from_prehash(&digest.0, &signature, id).ok()?;
        Some(key.to_encoded_point(false).as_bytes().to_vec())
    }
}

fn key(seed: u8) -> SigningKey {
    let mut bytes = [0x11; 32];
    bytes[31] = seed;
    SigningKey::from_slice(&bytes).unwrap()
}

fn address(key: &SigningKey) -> [u8; 20] {
    address_of_public_key(key.verifying_key().to_encoded_point(false).as_bytes()).unwrap()
}

/// Keys in the order of their addresses, and the set they make.
fn set(id: u64, threshold: u8, count: u8) -> (Vec<SigningKey>, AttestorSet) {
    let mut keys: Vec<SigningKey> = (1..=count).map(key).collect();
    keys.sort_by_key(address);
    let attestors = keys
        .iter()
        .enumerate()
        .map(|(i, key)| Attestor {
            signer: address(key).to_vec().into(),
            bitcoin_key: Hash32([if i % 2 == 0 { 0 } else { i as u8 }; 32]),
        })
        .collect();
    (keys, AttestorSet { id, threshold, attestors })
}

fn sign(key: &SigningKey, digest: &Hash32) -> Bytes {
    let (signature, id) = key.sign_prehash_recoverable(&digest.0).unwrap();
    let mut bytes = signature.to_bytes().to_vec();
    bytes.push(27 + id.to_byte());
    bytes.into()
}

/// The malleated twin: `n - s`, and the other parity.
fn high_s(signature: &Bytes) -> Bytes {
    let parsed = Signature::from_slice(&signature.0[..64]).unwrap();
    let (r, s) = parsed.split_scalars();
    let twin = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let mut bytes = twin.to_bytes().to_vec();
    bytes.push(27 + 28 - signature.0[64]);
    bytes.into()
}

fn with_byte(signature: &Bytes, at: usize, value: u8) -> Bytes {
    let mut bytes = signature.0.clone();
    bytes[at] = value;
    bytes.into()
}

fn domain() -> Domain {
    Domain { home_chain: chain("cosmos:allianza-1"), coordinator: vec![0xc0; 32].into() }
}

fn chain(name: &str) -> ChainId {
    name.parse().unwrap()
}

fn leg(index: u8, chain_name: &str, function: Function, amount: u128) -> Leg {
    let chain = chain(chain_name);
    let length = match chain.namespace() {
        "eip155" => 20,
        "cosmos" => 32,
        _ => 34,
    };
    let account = |wanted: bool, fill: u8| Bytes(if wanted { vec![fill; length] } else { vec![] });
    Leg {
        index,
        escrow: vec![0xe5; length].into(),
        function,
        from: account(function.is_account_sourced(), 0xf0),
        to: account(function.has_recipient(), 0x70),
        amount: amount.into(),
        chain,
    }
}

fn executions() -> Vec<(&'static str, Vec<Leg>, Bytes)> {
    let alz = 10u128.pow(18);
    vec![
        (
            "the paper: lock 200, unlock 100, mint 100",
            vec![
                leg(0, "eip155:80002", Function::Lock, 200 * alz),
                leg(1, "bip122:000000000019d6689c085ae165831e93", Function::Unlock, 100 * alz),
                leg(2, "eip155:11155111", Function::Mint, 100 * alz),
            ],
            vec![0x2e; 20].into(),
        ),
        ("one leg, no relayer named", vec![leg(0, "cosmos:allianza-1", Function::Transfer, 1)], Bytes::default()),
        ("u128 max", vec![leg(0, "eip155:1", Function::Burn, u128::MAX)], Bytes::default()),
        (
            "16 legs",
            (0..16).map(|i| leg(i, "eip155:80002", Function::Transfer, 1 + u128::from(i))).collect(),
            Bytes::default(),
        ),
    ]
}

fn tree_vector(tree: &Tree, leaves: &[Hash32]) -> Value {
    json!({
        "leaves": leaves,
        "root": tree.root(),
        "paths": leaves.iter().map(|leaf| tree.path(leaf).unwrap()).collect::<Vec<_>>(),
    })
}

fn statements() -> Vec<(&'static str, Statement)> {
    let id = Hash32([0xaa; 32]);
    let root = Hash32([0xbb; 32]);
    vec![
        ("opened", Statement::Opened { execution_id: id, manifest_root: root, deadline: 1_900_000_000 }),
        ("prepared", Statement::Prepared { execution_id: id, evidence_root: root }),
        ("decided", Statement::Decided { decisions_root: root }),
        ("settled", Statement::Settled { execution_id: id, decision: Decision::Abort, evidence_root: root }),
        ("rotated", Statement::Rotated { new_set: 2, new_set_hash: root }),
    ]
}

fn certificates() -> Vec<Value> {
    let mut all = Vec::new();
    let mut case = |name: &str, set: &AttestorSet, statement: &Statement, certificate: Certificate| {
        let result = certificate.verify(statement, &domain(), set, &NativeRecover);
        all.push(json!({
            "name": name,
            "set": set,
            "statement": statement,
            "hash": statement.hash(certificate.attestor_set),
            "digest": statement.digest(&domain(), certificate.attestor_set),
            "certificate": certificate,
            "valid": result.is_ok(),
            "error": result.err().map(|error| error.to_string()),
        }));
    };
    for (name, statement) in statements() {
        for (id, threshold, count) in [(1, 2, 3), (1, 1, 1)] {
            let (keys, set) = set(id, threshold, count);
            let digest = statement.digest(&domain(), id);
            let signatures = keys.iter().take(threshold.into()).map(|key| sign(key, &digest)).collect();
            case(
                &format!("{name}, {threshold}-of-{count}"),
                &set,
                &statement,
                Certificate { attestor_set: id, signatures },
            );
        }
    }
    let statement = Statement::Decided { decisions_root: Hash32([0xbb; 32]) };
    let (all_keys, full) = set(u64::MAX, 32, 32);
    let digest = statement.digest(&domain(), u64::MAX);
    let signatures = all_keys.iter().map(|key| sign(key, &digest)).collect();
    case("32-of-32, set id u64 max", &full, &statement, Certificate { attestor_set: u64::MAX, signatures });

    let (keys, set_1) = set(1, 2, 3);
    let digest = statement.digest(&domain(), 1);
    let good: Vec<Bytes> = keys.iter().map(|key| sign(key, &digest)).collect();
    let mut refused = |name: &str, signatures: Vec<Bytes>| {
        case(name, &set_1, &statement, Certificate { attestor_set: 1, signatures });
    };
    refused("refused: unsorted", vec![good[1].clone(), good[0].clone()]);
    refused("refused: the same twice", vec![good[0].clone(), good[0].clone()]);
    refused("refused: high s", vec![good[0].clone(), high_s(&good[1])]);
    refused("refused: one too few", vec![good[0].clone()]);
    refused("refused: one too many", good.clone());
    refused("refused: none", vec![]);
    refused("refused: v is 0 or 1", vec![good[0].clone(), with_byte(&good[1], 64, good[1].0[64] - 27)]);
    refused("refused: v is 29", vec![good[0].clone(), with_byte(&good[1], 64, 29)]);
    refused("refused: 64 bytes", vec![good[0].clone(), good[1].0[..64].to_vec().into()]);
    refused("refused: 66 bytes", vec![good[0].clone(), [good[1].0.clone(), vec![0]].concat().into()]);
    refused("refused: r is zero", vec![good[0].clone(), [vec![0; 32], good[1].0[32..].to_vec()].concat().into()]);
    refused("refused: tampered", vec![good[0].clone(), with_byte(&good[1], 5, good[1].0[5] ^ 1)]);
    let stranger = sign(&key(99), &digest);
    let mut with_stranger = vec![(address(&keys[0]), good[0].clone()), (address(&key(99)), stranger)];
    with_stranger.sort();
    refused("refused: a stranger", with_stranger.into_iter().map(|(_, signature)| signature).collect());
    let other = Domain { coordinator: vec![0xc1; 32].into(), ..domain() };
    let elsewhere = statement.digest(&other, 1);
    refused("refused: signed for another deployment", keys.iter().take(2).map(|key| sign(key, &elsewhere)).collect());
    let other_set = statement.digest(&domain(), 2);
    refused("refused: signed under another set's id", keys.iter().take(2).map(|key| sign(key, &other_set)).collect());
    all
}

fn vectors() -> Value {
    let executions: Vec<Value> = executions()
        .into_iter()
        .map(|(name, legs, relayer)| {
            let tree = manifest_tree(&legs).unwrap();
            let execution = Execution {
                home_chain: domain().home_chain,
                coordinator: domain().coordinator,
                opener: vec![0x0a; 20].into(),
                salt: Hash32([0x5a; 32]),
                manifest_root: tree.root(),
                deadline: 1_900_000_000,
                relayer,
            };
            let hashes: Vec<Hash32> = legs.iter().map(Leg::hash).collect();
            json!({
                "name": name,
                "execution": execution,
                "execution_id": execution.execution_id(),
                "legs": legs,
                "manifest": tree_vector(&tree, &hashes),
            })
        })
        .collect();
    let decisions: Vec<Value> = [1usize, 2, 5, 64]
        .into_iter()
        .map(|count| {
            let decisions: Vec<DecisionLeaf> = (0..count)
                .map(|i| DecisionLeaf {
                    execution_id: Hash32([i as u8 + 1; 32]),
                    decision: if i % 3 == 0 { Decision::Abort } else { Decision::Commit },
                })
                .collect();
            let leaves: Vec<Hash32> = decisions.iter().map(DecisionLeaf::hash).collect();
            json!({ "decisions": decisions, "tree": tree_vector(&decisions_tree(&decisions).unwrap(), &leaves) })
        })
        .collect();
    let statuses = [LegStatus::Held, LegStatus::Finalized, LegStatus::Released, LegStatus::Absent, LegStatus::Escaped];
    let evidence: Vec<Evidence> = statuses
        .into_iter()
        .enumerate()
        .map(|(i, status)| Evidence {
            leg_hash: Hash32([i as u8 + 1; 32]),
            status,
            chain: chain("eip155:80002"),
            height: if i == 0 { u64::MAX } else { 1000 + i as u64 },
            block_hash: Hash32([0xb1; 32]),
            tx_id: Hash32([if status == LegStatus::Absent { 0 } else { 0x71 }; 32]),
            event_hash: Hash32([if status == LegStatus::Absent { 0 } else { 0xe1 }; 32]),
            time: 1_800_000_000,
        })
        .collect();
    let sets: Vec<Value> = [(1, 1, 1), (2, 2, 3), (u64::MAX, 32, 32)]
        .into_iter()
        .map(|(id, threshold, count)| {
            let (_, set) = set(id, threshold, count);
            json!({ "set": set, "hash": set.hash() })
        })
        .collect();
    json!({
        "domain": { "domain": domain(), "salt": domain().salt(), "separator": domain().separator() },
        "chains": {
            "accepted": ["eip155:1", "cosmos:allianza-1", "bip122:000000000019d6689c085ae165831e93", "cosmos:A_b-9"],
            "refused": ["", "eip155", "eip155:", ":1", "EIP155:1", "eip155:é", "cosmos:アリアンザ", "eip155:1:2", "ei:1", "eip155:1 ",
                "cosmos:abcdefghijklmnopqrstuvwxyz1234567", "toolongns:1"],
        },
        "executions": executions,
        "decisions": decisions,
        "evidence": {
            "leaves": evidence,
            "hashes": evidence.iter().map(Evidence::hash).collect::<Vec<_>>(),
            "root": evidence_root(&evidence),
        },
        "sets": sets,
        "certificates": certificates(),
    })
}

#[test]
fn the_file_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/protocol.json");
    let text = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap();
    assert!(
        stored == text,
        "tests/vectors/protocol.json is not what the code says; run with UPDATE_VECTORS=1 and look at the difference"
    );
}

#[test]
fn each_certificate_says_by_its_name_whether_it_holds() {
    for case in certificates() {
        let name = case["name"].as_str().unwrap();
        assert_eq!(case["valid"].as_bool().unwrap(), !name.starts_with("refused"), "{name}: {}", case["error"]);
    }
}

#[test]
fn each_chain_name_is_taken_or_refused_as_listed() {
    let vectors = vectors();
    let names = |list: &str| {
        vectors["chains"][list]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for name in names("accepted") {
        assert!(name.parse::<ChainId>().is_ok(), "{name}");
    }
    for name in names("refused") {
        assert!(name.parse::<ChainId>().is_err(), "{name}");
    }
}
