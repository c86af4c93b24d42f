//! Headers, trie nodes, receipts and accounts of an EVM proof, each also by itself: behind a hash none would be reached.
#![no_main]

mod chunks;

use aes_evidence::evm::{fuzzing, EvmAnchors, EvmProof, EvmShown};
use aes_evidence::Subject;
use aes_protocol::Hash32;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    fuzzing::decoders(data);
    let mut chunks = chunks::cut(data).into_iter();
    let (Some(header), Some(parent)) = (chunks.next(), chunks.next()) else { return };
    let nodes: Vec<_> = chunks.collect();
    let (first, second) = nodes.split_at(nodes.len() / 2);
    let (first, second) = (first.to_vec(), second.to_vec());
    let leg = chunks::leg("eip155:1", &[7; 20]);
    let subject = Subject { execution_id: &Hash32([1; 32]), leg: &leg, deadline: 9 };
    for shown in [
        EvmShown::Event { transaction_index: 39, transaction: first.clone(), receipt: second.clone(), log: 0 },
        EvmShown::Absence { parent, state: None, account: first, slot: second },
    ] {
        let proof = EvmProof { headers: vec![header.clone()], shown };
        let blocks = proof.rests_on().unwrap_or_default().into_iter().map(|(hash, _)| hash).collect();
        let _ = proof.verify(&subject, &EvmAnchors { blocks, ..Default::default() });
    }
});
