//! The sizes of signed transactions, and that fees are made for exactly them.

use aes_bitcoin::{Outcome, SETTLE_FEE_RATE};
use aes_protocol::Function;

use crate::support::{escrow_of, hold, settle, templates, Signed, ALZ};

/// 2-of-3, P2TR payees and wallets.
const VBYTES: [(&str, u64); 17] = [
    ("anchor_child", 153),
    ("burn", 227),
    ("deposit", 184),
    ("etch_commit", 154),
    ("etch_reveal", 177),
    ("join", 589),
    ("refund", 138),
    ("release", 208),
    ("release_burn", 208),
    ("release_lock", 208),
    ("release_unlock", 176),
    ("reserve_hold", 336),
    ("rotate", 263),
    ("settle", 208),
    ("settle_lock", 208),
    ("settle_unlock", 176),
    ("split", 448),
];

fn vbytes(signed: &Signed) -> u64 {
    signed.tx.weight().to_vbytes_ceil()
}

#[test]
fn sizes_are_these() {
    let sizes: Vec<_> = templates(2, 3).iter().map(|(name, signed)| (*name, vbytes(signed))).collect();
    assert_eq!(sizes, VBYTES);
}

#[test]
fn a_settlement_keeps_its_target() {
    let all = templates(2, 3);
    assert!(vbytes(&all["settle"]) <= 210 && vbytes(&all["release"]) <= 210);
}

#[test]
fn a_settlement_pays_its_rate_whatever_the_set() {
    for (threshold, count) in [(1, 1), (2, 3), (5, 9), (22, 32)] {
        let escrow = escrow_of(threshold, count);
        for function in [Function::Transfer, Function::Lock, Function::Burn, Function::Unlock] {
            let hold = hold(&escrow, function, ALZ);
            let of = |outcome| vbytes(&settle(&hold, outcome));
            let largest = of(Outcome::Finalize).max(of(Outcome::Release));
            assert_eq!(hold.script.settle_vbytes(), largest);
            assert_eq!(hold.script.settle_fee(), SETTLE_FEE_RATE.fee_vb(largest).unwrap());
        }
    }
}
