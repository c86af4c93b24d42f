//! The traps, each in a block made for it, and a block of Ethereum's own.

use aes_protocol::{keccak, Bytes, Function, Hash32, Leg, LegStatus};
use alloy_primitives::{Address, Bloom, Log, LogData, B256};
use alloy_rlp::Encodable;
use alloy_trie::proof::ProofRetainer;
use alloy_trie::root::adjust_index_for_rlp;
use alloy_trie::{HashBuilder, Nibbles};
use serde::Deserialize;

use super::header::Header;
use super::{event, trie, EvmAnchors, EvmProof, EvmShown};
use crate::{ProofError, Subject};

const EXECUTION: Hash32 = Hash32([1; 32]);
const DEADLINE: u64 = 1_800_000_000;
const ESCROW: [u8; 20] = [0xe5; 20];

fn leg() -> Leg {
    Leg {
        index: 2,
        chain: "eip155:137".parse().unwrap(),
        escrow: ESCROW.to_vec().into(),
        function: Function::Lock,
        from: vec![0xaa; 20].into(),
        to: Bytes::default(),
        amount: 500u128.into(),
    }
}

fn event_log(address: [u8; 20], signature: &str, data: Vec<u8>) -> Log {
    let topics = [keccak(signature.as_bytes()), EXECUTION, leg().hash()].map(|word| B256::from(word.0));
    Log { address: Address::from(address), data: LogData::new_unchecked(topics.to_vec(), data.into()) }
}

fn finalized(address: [u8; 20]) -> Log {
    event_log(address, event::FINALIZED, Vec::new())
}

/// `kind` 0 is a legacy receipt.
fn receipt(kind: u8, status: &[u8], logs: &Vec<Log>) -> Vec<u8> {
    let mut payload = Vec::new();
    status.encode(&mut payload);
    21_000u64.encode(&mut payload);
    Bloom::ZERO.encode(&mut payload);
    logs.encode(&mut payload);
    let mut bytes = if kind == 0 { Vec::new() } else { vec![kind] };
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut bytes);
    [bytes, payload].concat()
}

fn trie_of(items: &[Vec<u8>], index: usize) -> (B256, Vec<Bytes>) {
    let key = |index: usize| Nibbles::unpack(alloy_rlp::encode_fixed_size(&index));
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![key(index)]));
    for place in 0..items.len() {
        let index = adjust_index_for_rlp(place, items.len());
        builder.add_leaf(key(index), &items[index]);
    }
    let root = builder.root();
    (root, builder.take_proof_nodes().into_nodes_sorted().into_iter().map(|(_, node)| node.to_vec().into()).collect())
}

fn header(parent: Hash32, number: u64, transactions_root: B256, receipts_root: B256) -> Bytes {
    let words = |word: &B256, out: &mut Vec<u8>| word.encode(out);
    let mut payload = Vec::new();
    B256::from(parent.0).encode(&mut payload);
    words(&B256::ZERO, &mut payload); // uncles
    Address::ZERO.encode(&mut payload);
    words(&B256::ZERO, &mut payload); // state
    words(&transactions_root, &mut payload);
    words(&receipts_root, &mut payload);
    Bloom::ZERO.encode(&mut payload);
    for number in [0, number, 30_000_000, 21_000, 1_790_000_000 + number] {
        number.encode(&mut payload);
    }
    [0u8; 0].as_slice().encode(&mut payload);
    let mut bytes = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut bytes);
    [bytes, payload].concat().into()
}

/// A block with 150 receipts, `special` at the place `index`.
fn block_with(special: Vec<u8>, index: usize, log: u32) -> (EvmProof, EvmAnchors) {
    let transactions: Vec<Vec<u8>> = (0..150u8).map(|at| [2, at].repeat(60)).collect();
    let mut receipts: Vec<Vec<u8>> = (0..150u8).map(|at| receipt(at % 3, &[1], &Vec::new())).collect();
    receipts[index] = special;
    let ((transactions_root, transaction), (receipts_root, receipt)) =
        (trie_of(&transactions, index), trie_of(&receipts, index));
    let bytes = header(Hash32([7; 32]), 90, transactions_root, receipts_root);
    let anchors = EvmAnchors { blocks: vec![keccak(bytes.as_slice())], ..Default::default() };
    let shown = EvmShown::Event { transaction_index: index as u64, transaction, receipt, log };
    (EvmProof { headers: vec![bytes], shown }, anchors)
}

fn verify((proof, anchors): &(EvmProof, EvmAnchors)) -> Result<aes_protocol::Evidence, ProofError> {
    proof.verify(&Subject { execution_id: &EXECUTION, leg: &leg(), deadline: DEADLINE }, anchors)
}

fn cause(answer: Result<aes_protocol::Evidence, ProofError>) -> String {
    match answer.unwrap_err() {
        ProofError::Mismatch { what, cause } | ProofError::Malformed { what, cause } => format!("{what}: {cause}"),
        ProofError::NotAnchored { what } => what,
    }
}

#[test]
fn typed_and_legacy_receipts_prove_the_same_at_every_place_of_a_block() {
    for index in [0, 1, 100, 127, 128, 149] {
        for kind in [0, 1, 2, 3, 4, 0x7e] {
            let proof = block_with(receipt(kind, &[1], &vec![finalized(ESCROW)]), index, 0);
            let leaf = verify(&proof).unwrap();
            assert_eq!((leaf.status, leaf.height, leaf.time), (LegStatus::Finalized, 90, 1_790_000_090));
            assert_eq!(leaf.tx_id, keccak(&[2, index as u8].repeat(60)));
            assert_eq!(leaf.block_hash, proof.1.blocks[0]);
        }
    }
}

#[test]
fn a_failed_transaction_proves_nothing() {
    let logs = vec![finalized(ESCROW)];
    assert_eq!(cause(verify(&block_with(receipt(2, &[], &logs), 5, 0))), "receipt: the transaction failed");
    let old = cause(verify(&block_with(receipt(0, &[3; 32], &logs), 5, 0)));
    assert!(old.contains("before Byzantium"), "{old}");
    assert!(verify(&block_with(receipt(2, &[2], &logs), 5, 0)).is_err());
}

#[test]
fn the_same_topics_from_another_contract_prove_nothing() {
    let logs = vec![finalized([0xbb; 20]), finalized(ESCROW)];
    let other = cause(verify(&block_with(receipt(2, &[1], &logs), 5, 0)));
    assert!(other.contains("logged it, the leg's escrow is"), "{other}");
    assert!(verify(&block_with(receipt(2, &[1], &logs), 5, 1)).is_ok());
    assert_eq!(cause(verify(&block_with(receipt(2, &[1], &logs), 5, 2))), "log: the receipt has no log 2");
}

#[test]
fn a_hold_counts_with_exactly_the_legs_values_and_deadline() {
    let subject_leg = leg();
    let data = event::terms(&subject_leg, DEADLINE);
    let proof = |data: Vec<u8>| block_with(receipt(2, &[1], &vec![event_log(ESCROW, event::PREPARED, data)]), 3, 0);
    assert_eq!(verify(&proof(data.clone())).unwrap().status, LegStatus::Held);
    for other in [
        event::terms(&subject_leg, DEADLINE + 1),
        event::terms(&Leg { amount: 501u128.into(), ..subject_leg }, DEADLINE),
        [&data[..], &[0; 32]].concat(),
        data[..26].to_vec(),
        vec![],
    ] {
        assert!(cause(verify(&proof(other))).contains("another amount or deadline"));
    }
}

#[test]
fn released_says_whether_it_was_held_and_nothing_else_is_an_end() {
    let proof = |signature: &str, data: Vec<u8>| {
        verify(&block_with(receipt(2, &[1], &vec![event_log(ESCROW, signature, data)]), 3, 0))
    };
    let word = |last: u8| [&[0; 31][..], &[last]].concat();
    assert_eq!(proof(event::RELEASED, word(1)).unwrap().status, LegStatus::Released);
    assert_eq!(proof(event::RELEASED, word(0)).unwrap().status, LegStatus::Absent);
    assert_eq!(proof(event::ESCAPED, Vec::new()).unwrap().status, LegStatus::Escaped);
    for data in [word(2), Vec::new(), [word(1), word(1)].concat()] {
        assert!(proof(event::RELEASED, data).is_err());
    }
    assert!(proof(event::FINALIZED, word(0)).is_err());
    assert!(proof("Repeated(bytes32,bytes32,uint8)", word(2)).is_err());
    assert!(proof("SettlementFailed(bytes32,bytes32,bytes)", Vec::new()).is_err());
}

#[test]
fn receipt_and_transaction_are_of_one_place_and_headers_of_one_chain() {
    let (mut proof, mut anchors) = block_with(receipt(2, &[1], &vec![finalized(ESCROW)]), 5, 0);
    let EvmShown::Event { transaction_index, .. } = &mut proof.shown else { unreachable!() };
    *transaction_index = 6;
    assert!(verify(&(proof.clone(), anchors.clone())).is_err());
    let EvmShown::Event { transaction_index, .. } = &mut proof.shown else { unreachable!() };
    *transaction_index = 5;

    let first = keccak(proof.headers[0].as_slice());
    let child = header(first, 91, B256::ZERO, B256::ZERO);
    proof.headers.push(child.clone());
    assert!(matches!(verify(&(proof.clone(), anchors.clone())), Err(ProofError::NotAnchored { .. })));
    anchors.blocks = vec![keccak(child.as_slice())];
    assert_eq!(verify(&(proof.clone(), anchors.clone())).unwrap().height, 90);
    for stranger in [header(Hash32([8; 32]), 91, B256::ZERO, B256::ZERO), header(first, 92, B256::ZERO, B256::ZERO)] {
        anchors.blocks = vec![keccak(stranger.as_slice())];
        proof.headers[1] = stranger;
        assert!(cause(verify(&(proof.clone(), anchors.clone()))).contains("does not follow"));
    }
}

#[derive(Deserialize)]
struct Recorded {
    hash: Hash32,
    header: Bytes,
    number: u64,
    time: u64,
    transaction_index: u64,
    contract: Bytes,
    topic: Hash32,
    receipt: Vec<Bytes>,
    code_hash: Hash32,
    account: Vec<Bytes>,
    slot: Hash32,
    slot_value: Hash32,
    storage: Vec<Bytes>,
}

#[test]
fn a_block_of_ethereum_its_receipt_and_its_accounts_are_read() {
    let recorded: Recorded = serde_json::from_str(include_str!("../../testdata/evm-mainnet.json")).unwrap();
    let header = Header::read(&recorded.header).unwrap();
    assert_eq!((header.hash, header.number, header.time), (recorded.hash, recorded.number, recorded.time));

    let key = alloy_rlp::encode(recorded.transaction_index);
    let receipt = trie::value("receipt", header.receipts_root, &key, &recorded.receipt).unwrap();
    let log = event::log_at(&receipt, 0).unwrap();
    assert_eq!(log.address.as_slice(), recorded.contract.as_slice());
    assert_eq!(log.data.topics(), [B256::from(recorded.topic.0)]);
    let next = alloy_rlp::encode(recorded.transaction_index + 1);
    assert!(trie::value("receipt", header.receipts_root, &next, &recorded.receipt).is_err());
    assert!(trie::nothing("receipt", header.receipts_root, &key, &recorded.receipt).is_err());

    let key = keccak(recorded.contract.as_slice()).0;
    let account = super::absence::account(header.state_root, &key, &recorded.account).unwrap();
    assert_eq!(account.code_hash.0, recorded.code_hash.0);
    let key = keccak(&recorded.slot.0).0;
    let value = trie::value("slot", account.storage_root, &key, &recorded.storage).unwrap();
    assert_eq!(value, alloy_rlp::encode(B256::from(recorded.slot_value.0)));
    assert!(trie::nothing("slot", account.storage_root, &key, &recorded.storage).is_err());
}
