//! Headers, partial Merkle trees and transactions of a Bitcoin proof, and what a depositor attaches.
#![no_main]

mod chunks;

use aes_bitcoin::Presigned;
use aes_evidence::bitcoin::{BitcoinAnchors, Checkpoint, Included, Row, TrustedCheckpoint};
use aes_protocol::Hash32;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(presigned) = Presigned::decode(data) {
        assert_eq!(presigned.encode().as_slice(), data);
    }
    let [headers, merkle, coinbase, transaction] = &chunks::cut(data)[..] else { return };
    // The checkpoint is the reader's own: here the first header's parent, so that the rest is reached.
    let mut previous: [u8; 32] = headers.as_slice().get(4..36).and_then(|hash| hash.try_into().ok()).unwrap_or_default();
    previous.reverse();
    let bits = headers.as_slice().get(72..76).and_then(|bits| bits.try_into().ok()).map_or(0, u32::from_le_bytes);
    let checkpoint = Checkpoint { height: 702_860, hash: Hash32(previous), time: 1_633_000_000, bits, epoch_start: 0 };
    let trusted = TrustedCheckpoint { checkpoint: checkpoint.clone(), minimum_work: Hash32::default() };
    let row = Row { checkpoint, headers: headers.clone(), block: 0 };
    let included = Included { merkle: merkle.clone(), coinbase: coinbase.clone(), transaction: transaction.clone() };
    let leg = chunks::leg("bip122:000000000019d6689c085ae165831e93", &[7; 34]);
    assert!(row.verify(&leg.chain, &BitcoinAnchors::default()).is_err(), "believed without a checkpoint");
    if let Ok(mined) = row.verify(&leg.chain, &BitcoinAnchors { checkpoints: vec![trusted] }) {
        let _ = (included.verify(&mined.header), mined.check_first_from(9));
    }
});
