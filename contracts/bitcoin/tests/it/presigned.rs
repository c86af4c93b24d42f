//! What is attached to the home chain: read back whole, refused by name, and through a wallet's PSBT.

use aes_bitcoin::{DepositError, Outcome, Presigned, PresignedError, SettleError, PRESIGNED_LENGTH};
use aes_protocol::Function;
use bitcoin::bip32::{DerivationPath, Fingerprint};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::taproot::LeafVersion;
use bitcoin::{taproot, Psbt, TapLeafHash, TapSighashType};

use crate::support::{escrow, hold, leg, presign, sign, x_only, ALZ, DEPOSITOR, EXECUTION};

#[test]
fn encoded_is_decoded() {
    let escrow = escrow();
    for function in [Function::Transfer, Function::Lock, Function::Burn] {
        let presigned = presign(&hold(&escrow, function, ALZ));
        let bytes = presigned.encode();
        assert_eq!(bytes.0.len(), PRESIGNED_LENGTH);
        let read = Presigned::decode(&bytes.0).unwrap();
        assert_eq!(read, presigned);
        let found = read.verify(&escrow, &EXECUTION, &leg(&escrow, function, ALZ)).unwrap();
        assert_eq!(found.outpoint, presigned.outpoint);
    }
}

#[test]
fn bad_bytes_are_named() {
    let bytes = presign(&hold(&escrow(), Function::Lock, ALZ)).encode().0;
    assert_eq!(Presigned::decode(&[]), Err(PresignedError::Length(0)));
    assert_eq!(Presigned::decode(&bytes[..50]), Err(PresignedError::Length(50)));
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Presigned::decode(&longer), Err(PresignedError::Length(PRESIGNED_LENGTH + 1)));
    let with = |range: std::ops::Range<usize>, value: u8| {
        let mut bytes = bytes.clone();
        bytes[range].fill(value);
        Presigned::decode(&bytes)
    };
    assert_eq!(with(0..1, 2), Err(PresignedError::Version(2)));
    assert_eq!(with(9..41, 0), Err(PresignedError::Field("depositor key")));
    assert_eq!(with(41..43, 0), Err(PresignedError::Field("refund delay")));
}

#[test]
fn a_bad_signature_is_named_by_its_outcome() {
    let escrow = escrow();
    let leg = leg(&escrow, Function::Transfer, ALZ);
    let good = presign(&hold(&escrow, Function::Transfer, ALZ));
    let verify = |presigned: &Presigned| match presigned.verify(&escrow, &EXECUTION, &leg) {
        Err(PresignedError::Signature(SettleError::Depositor { outcome, .. })) => outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(verify(&Presigned { finalize: good.release, ..good.clone() }), Outcome::Finalize);
    assert_eq!(verify(&Presigned { release: good.finalize, ..good.clone() }), Outcome::Release);
    // signed for one hold, attached for another
    let mut moved = good.clone();
    moved.outpoint.vout += 1;
    assert_eq!(verify(&moved), Outcome::Finalize);
    let other_set = Presigned { set_id: 2, ..good.clone() };
    assert_eq!(verify(&other_set), Outcome::Finalize);
    assert!(matches!(Presigned { set_id: 3, ..good }.verify(&escrow, &EXECUTION, &leg), Err(PresignedError::Hold(_))));
}

/// Signs as a wallet does: from the PSBT's fields alone.
fn wallet_signs(psbt: &mut Psbt, sighash_type: TapSighashType) {
    let prevout = psbt.inputs[0].witness_utxo.clone().unwrap();
    let (script, version) = psbt.inputs[0].tap_scripts.values().next().cloned().unwrap();
    assert_eq!(version, LeafVersion::TapScript);
    let leaf = TapLeafHash::from_script(&script, version);
    let sighash = SighashCache::new(&psbt.unsigned_tx)
        .taproot_script_spend_signature_hash(0, &Prevouts::All(&[prevout]), leaf, sighash_type)
        .unwrap();
    let key = *psbt.inputs[0].tap_key_origins.keys().next().unwrap();
    let signature = taproot::Signature { signature: sign(DEPOSITOR, &sighash), sighash_type };
    psbt.inputs[0].tap_script_sigs.insert((key, leaf), signature);
}

#[test]
fn a_wallet_signs_from_the_psbt_alone() {
    let hold = hold(&escrow(), Function::Burn, ALZ);
    let origin = (Fingerprint::default(), DerivationPath::master());
    for outcome in [Outcome::Finalize, Outcome::Release] {
        let settlement = hold.settlement(outcome).unwrap();
        let unsigned = settlement.psbt(Some(origin.clone())).unwrap();
        assert_eq!(settlement.signature_in(&unsigned), Err(DepositError::NotSigned(x_only(DEPOSITOR))));

        let mut signed = Psbt::deserialize(&unsigned.serialize()).unwrap();
        wallet_signs(&mut signed, TapSighashType::Default);
        let signature = settlement.signature_in(&signed).unwrap();
        assert_eq!(settlement.check_depositor(&signature), Ok(()));

        let mut loose = unsigned.clone();
        wallet_signs(&mut loose, TapSighashType::AllPlusAnyoneCanPay);
        let refused = settlement.signature_in(&loose);
        assert_eq!(refused, Err(DepositError::SighashType(TapSighashType::AllPlusAnyoneCanPay)));
    }
    let release = hold.settlement(Outcome::Release).unwrap();
    let other = hold.settlement(Outcome::Finalize).unwrap().psbt(Some(origin)).unwrap();
    assert!(matches!(release.signature_in(&other), Err(DepositError::OtherTransaction { .. })));
}
