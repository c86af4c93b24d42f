//! Whose signatures are taken, and in which order.

use aes_bitcoin::{AttestorKeys, AttestorSignature, KeysError, Outcome, SettleError, SignatureError};
use aes_protocol::{Function, Hash32};

use crate::support::{attest, attestor_set, escrow, hold, sign, x_only, ALZ, DEPOSITOR};

#[test]
fn a_set_without_bitcoin_keys_is_refused() {
    let mut set = attestor_set(1, 2, 3);
    set.attestors[1].bitcoin_key = Hash32::default();
    assert_eq!(AttestorKeys::new(&set), Err(KeysError::NoKey { set_id: 1, position: 1 }));
    let mut set = attestor_set(1, 2, 3);
    set.attestors[2].bitcoin_key = set.attestors[0].bitcoin_key;
    assert_eq!(AttestorKeys::new(&set), Err(KeysError::Repeated { set_id: 1, position: 2 }));
    let set = attestor_set(1, 4, 3);
    assert!(matches!(AttestorKeys::new(&set), Err(KeysError::Set { set_id: 1, .. })));
    let half = KeysError::Minority { set_id: 1, threshold: 2, count: 4 };
    assert_eq!(AttestorKeys::new(&attestor_set(1, 2, 4)), Err(half));
    assert!(AttestorKeys::new(&attestor_set(1, 3, 4)).is_ok());
    assert_eq!(escrow().vault(3).unwrap_err().to_string(), KeysError::UnknownSet(3).to_string());
}

#[test]
fn signatures_are_exactly_the_threshold_in_order_and_right() {
    let hold = hold(&escrow(), Function::Transfer, ALZ);
    let settlement = hold.settlement(Outcome::Finalize).unwrap();
    let sighash = settlement.sighash();
    let good = attest(hold.script.keys(), &sighash);
    let depositor = sign(DEPOSITOR, &sighash);
    let finish = |attestors: &[AttestorSignature]| match settlement.finish(Some(&depositor), attestors) {
        Err(SettleError::Attestors(refused)) => refused,
        other => panic!("{other:?}"),
    };

    assert!(settlement.finish(Some(&depositor), &good).is_ok());
    assert_eq!(finish(&good[..1]), SignatureError::Count { set_id: 1, got: 1, wanted: 2 });
    let third = AttestorSignature { key: x_only(12), signature: sign(12, &sighash) };
    let three = [good[0], good[1], third];
    assert_eq!(finish(&three), SignatureError::Count { set_id: 1, got: 3, wanted: 2 });
    assert_eq!(finish(&[good[1], good[0]]), SignatureError::Order { position: 1 });
    assert_eq!(finish(&[good[0], good[0]]), SignatureError::Order { position: 1 });
    let stranger = AttestorSignature { key: x_only(99), signature: sign(99, &sighash) };
    assert_eq!(finish(&[good[0], stranger]), SignatureError::Unknown { set_id: 1, position: 1, key: x_only(99) });

    // right keys, but over the other outcome
    let other = attest(hold.script.keys(), &hold.settlement(Outcome::Release).unwrap().sighash());
    assert_eq!(finish(&other), SignatureError::Invalid { position: 0, key: x_only(10) });
}

#[test]
fn the_depositor_signs_its_own_holds_and_no_other() {
    let escrow = escrow();
    let of_account = hold(&escrow, Function::Lock, ALZ).settlement(Outcome::Release).unwrap();
    let attestors = attest(of_account.hold().script.keys(), &of_account.sighash());
    let missing = SettleError::DepositorMissing(of_account.hold().outpoint);
    assert_eq!(of_account.finish(None, &attestors), Err(missing));
    let bad = sign(DEPOSITOR + 1, &of_account.sighash());
    assert!(matches!(of_account.finish(Some(&bad), &attestors), Err(SettleError::Depositor { .. })));

    let of_reserve = hold(&escrow, Function::Unlock, ALZ).settlement(Outcome::Release).unwrap();
    let attestors = attest(of_reserve.hold().script.keys(), &of_reserve.sighash());
    let signature = sign(DEPOSITOR, &of_reserve.sighash());
    assert!(matches!(of_reserve.finish(Some(&signature), &attestors), Err(SettleError::NoDepositor(_))));
    assert!(of_reserve.finish(None, &attestors).is_ok());
}
