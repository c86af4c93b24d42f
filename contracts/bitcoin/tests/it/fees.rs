//! Fees reach what was asked, by a child or by a replacement.

use aes_bitcoin::{anchor_script, replacement_fee, FeeBounds, FeeError, Outcome, RELAY_FEE_RATE};
use aes_protocol::Function;
use bitcoin::{Amount, OutPoint};

use crate::support::{coin, escrow, hold, rate, settle, sign_wallet, wallet, ALZ, RELAYER};

#[test]
fn bounds_hold_whatever_is_estimated() {
    let bounds = FeeBounds::new(rate(2), rate(50)).unwrap();
    assert_eq!(bounds.clamp(None), rate(2));
    assert_eq!(bounds.clamp(Some(rate(1))), rate(2));
    assert_eq!(bounds.clamp(Some(rate(7))), rate(7));
    assert_eq!(bounds.clamp(Some(rate(5_000))), rate(50));
    assert!(FeeBounds::new(rate(3), rate(2)).is_err());
    assert!(FeeBounds::new(bitcoin::FeeRate::ZERO, rate(2)).is_err());
}

#[test]
fn a_child_lifts_both_to_the_target() {
    let hold = hold(&escrow(), Function::Lock, ALZ);
    let settlement = hold.settlement(Outcome::Finalize).unwrap();
    let parent = settle(&hold, Outcome::Finalize).tx;
    let anchor = settlement.anchor();
    assert_eq!(anchor, OutPoint { txid: parent.compute_txid(), vout: 1 });
    assert_eq!(parent.output[1].script_pubkey, anchor_script());
    let child = |sats, target, replaces| {
        settlement.anchor_child(&[coin(60, RELAYER, sats, 0)], wallet(RELAYER).as_bytes(), rate(target), replaces)
    };
    for target in [5, 20, 200] {
        let draft = child(100_000, target, None).unwrap();
        let paid = draft.fee() + settlement.fee();
        let signed = sign_wallet(draft, RELAYER, 1);
        let vbytes = parent.vsize() + signed.tx.vsize();
        assert_eq!(paid, rate(target).fee_vb(vbytes as u64).unwrap());
    }
    // the parent pays 3 sat/vB: a child for 1 still pays what nodes relay
    assert_eq!(child(100_000, 1, None).unwrap().fee(), RELAY_FEE_RATE.fee_vb(153).unwrap());
    let first = child(100_000, 20, None).unwrap().fee();
    assert_eq!(child(100_000, 20, Some(first)).unwrap().fee(), replacement_fee(first, 153).unwrap());
    assert!(matches!(child(1_000, 20, None), Err(FeeError::Coin(_))));
    assert!(matches!(child(700, 3, None), Err(FeeError::Dust(_))));
}

#[test]
fn a_replacement_pays_for_its_own_size() {
    assert_eq!(replacement_fee(Amount::from_sat(500), 200), Ok(Amount::from_sat(700)));
    assert!(replacement_fee(Amount::MAX, u64::MAX).is_err());
}

#[test]
fn an_escape_pays_its_rate_and_no_more_than_it_has() {
    let hold = hold(&escrow(), Function::Lock, ALZ);
    let escape = hold.escape(hold.script.sats(), wallet(RELAYER).as_bytes(), rate(3)).unwrap();
    assert_eq!(escape.fee(), rate(3).fee_vb(138).unwrap());
    assert!(hold.escape(hold.script.sats(), wallet(RELAYER).as_bytes(), rate(50)).is_err());
}
