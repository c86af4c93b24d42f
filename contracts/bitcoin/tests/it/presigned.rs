//! What is attached to the home chain: read back whole, refused by name, and through a wallet's PSBT.

use std::collections::BTreeMap;

use aes_bitcoin::{
    DepositError, Outcome, Presigned, PresignedError, SettleError, WalletKey, DEPOSIT_VOUT, PRESIGNED_LENGTH,
};
use aes_protocol::Function;
use bitcoin::bip32::{DerivationPath, Fingerprint};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::taproot::LeafVersion;
use bitcoin::{taproot, Network, OutPoint, PrivateKey, Psbt, TapLeafHash, TapSighashType, Witness};

use crate::consensus::valid;
use crate::support::{
    coin, escrow, hold, keypair, leg, presign, rate, refund, secp, sign, x_only, Signed, ALZ, DEPOSITOR, EXECUTION,
    FROM,
};

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

/// What a wallet that is elsewhere does with a PSBT: `Psbt::sign` with nothing but its own key.
fn elsewhere(mut psbt: Psbt, owner: u8) -> Psbt {
    let secret = keypair(owner).secret_key();
    let keys = BTreeMap::from([(x_only(owner), PrivateKey::new(secret, Network::Regtest))]);
    psbt.sign(&keys, &secp()).unwrap();
    Psbt::deserialize(&psbt.serialize()).unwrap()
}

#[test]
fn a_wallet_elsewhere_makes_a_deposit_and_takes_it_back() {
    let wallet: WalletKey = format!("[d34db33f/86h/1h/0h/0/0]{}", x_only(FROM)).parse().unwrap();
    assert_eq!(wallet.script(), crate::support::wallet(FROM));
    assert!(x_only(FROM).to_string().parse::<WalletKey>().is_err(), "a wallet does not find a key without its origin");
    let escrow = escrow();
    let leg = leg(&escrow, Function::Transfer, ALZ);
    let script = escrow.account_hold(&EXECUTION, &leg, 1, wallet.key, refund()).unwrap();
    let coins = [coin(20, FROM, 10_000, 2 * ALZ), coin(21, FROM, 20_000, 0)];
    let draft = script.deposit(&coins, wallet.script().as_bytes(), rate(2)).unwrap();
    let unsigned = draft.psbt_for(&wallet).unwrap();
    assert_eq!(draft.signed_in(&unsigned), Err(DepositError::InputNotSigned(coins[0].outpoint)));

    let mut signed = elsewhere(unsigned.clone(), FROM);
    let tx = draft.signed_in(&signed).unwrap();
    assert_eq!(valid(&Signed { tx: tx.clone(), prevouts: draft.prevouts.clone() }), Ok(()));
    // a wallet that finalizes
    for input in &mut signed.inputs {
        let signature = input.tap_key_sig.take().unwrap();
        input.final_script_witness = Some(Witness::p2tr_key_spend(&signature));
    }
    assert_eq!(draft.signed_in(&signed), Ok(tx.clone()));
    signed.inputs[1].final_script_witness = signed.inputs[0].final_script_witness.clone();
    assert_eq!(draft.signed_in(&signed), Err(DepositError::InputSignature(coins[1].outpoint)));

    let hold = script.at(OutPoint { txid: tx.compute_txid(), vout: DEPOSIT_VOUT });
    assert!(matches!(
        draft.signed_in(&hold.settlement(Outcome::Release).unwrap().psbt(None).unwrap()),
        Err(DepositError::OtherTransaction { .. })
    ));
    let by = |outcome| {
        let settlement = hold.settlement(outcome).unwrap();
        settlement.signature_in(&elsewhere(settlement.psbt(Some(wallet.origin.clone())).unwrap(), FROM)).unwrap()
    };
    let (finalize, release) = (by(Outcome::Finalize), by(Outcome::Release));
    let presigned =
        Presigned { set_id: 1, depositor: wallet.key, refund: refund(), outpoint: hold.outpoint, finalize, release };
    assert_eq!(presigned.verify(&escrow, &EXECUTION, &leg).unwrap().outpoint, hold.outpoint);

    let escape = hold.escape(hold.script.sats(), wallet.script().as_bytes(), rate(2)).unwrap();
    let back = elsewhere(escape.psbt(Some(wallet.origin.clone())).unwrap(), FROM);
    let again = hold.escape_for(hold.script.sats(), wallet.script().as_bytes(), back.fee().unwrap()).unwrap();
    let tx = again.finish(&again.signature_in(&back).unwrap()).unwrap();
    assert_eq!(tx.compute_txid(), escape.unsigned().compute_txid());
    assert_eq!(valid(&Signed { tx, prevouts: vec![hold.script.output()] }), Ok(()));
}
