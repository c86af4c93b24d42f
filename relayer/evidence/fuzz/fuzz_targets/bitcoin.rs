//! Headers, partial Merkle trees and transactions of a Bitcoin proof.
#![no_main]

mod chunks;

use aes_evidence::bitcoin::{BitcoinAnchors, BitcoinProof, Checkpoint, Seen};
use aes_evidence::{ProofError, Subject};
use aes_protocol::{Hash32, LegStatus};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [headers, merkle, coinbase, transaction] = &chunks::cut(data)[..] else { return };
    // The checkpoint is the reader's own: here the first header's parent, so that the rest is reached.
    let mut previous: [u8; 32] = headers.as_slice().get(4..36).and_then(|hash| hash.try_into().ok()).unwrap_or_default();
    previous.reverse();
    let bits = headers.as_slice().get(72..76).and_then(|bits| bits.try_into().ok()).map_or(0, u32::from_le_bytes);
    let checkpoint = Checkpoint { height: 702_860, hash: Hash32(previous), time: 1_633_000_000, bits, epoch_start: 0 };
    let anchors = BitcoinAnchors { checkpoint, minimum_work: Hash32::default() };
    let proof = BitcoinProof {
        headers: headers.clone(),
        block: 0,
        merkle: merkle.clone(),
        coinbase: coinbase.clone(),
        transaction: transaction.clone(),
    };
    let leg = chunks::leg("bip122:000000000019d6689c085ae165831e93", &[7; 34]);
    let subject = Subject { execution_id: &Hash32([1; 32]), leg: &leg, deadline: 9 };
    let any = |_: &Subject, _: &bitcoin::Transaction| Ok::<_, ProofError>(Seen { status: LegStatus::Held, event_hash: Hash32::default() });
    let _ = proof.verify(&subject, &anchors, &any);
});
