//! Bitcoin Core's script code, with the spent outputs: what we sign is valid, and nothing in it can be changed.

use aes_protocol::Function;
use bitcoin::consensus::serialize;
use bitcoin::{Amount, OutPoint, Sequence, TxOut};
use bitcoinconsensus::{verify, Utxo};

use crate::support::{escrow, hold, rate, sign, templates, wallet, Signed, ALZ, DEPOSITOR, FROM};

pub fn valid(signed: &Signed) -> Result<(), (usize, bitcoinconsensus::Error)> {
    let tx = serialize(&signed.tx);
    let utxo = |output: &TxOut| Utxo {
        script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
        script_pubkey_len: output.script_pubkey.len() as u32,
        value: output.value.to_signed().unwrap().to_sat(),
    };
    let utxos: Vec<Utxo> = signed.prevouts.iter().map(utxo).collect();
    for (input, spent) in signed.prevouts.iter().enumerate() {
        verify(spent.script_pubkey.as_bytes(), spent.value.to_sat(), &tx, Some(&utxos), input)
            .map_err(|error| (input, error))?;
    }
    Ok(())
}

#[test]
fn every_template_is_valid() {
    for (threshold, count) in [(1, 1), (2, 3), (5, 9)] {
        for (name, signed) in templates(threshold, count) {
            assert_eq!(valid(&signed), Ok(()), "{name} with {threshold} of {count}");
        }
    }
}

/// A depositor takes back what no settlement was signed for.
#[test]
fn an_escape_spends_a_hold_whatever_sats_it_has() {
    let hold = hold(&escrow(), Function::Lock, ALZ);
    for sats in [1_000, hold.script.sats().to_sat(), 9_000] {
        let value = Amount::from_sat(sats);
        let escape = hold.escape(value, wallet(FROM).as_bytes(), rate(1)).unwrap();
        let tx = escape.finish(&sign(DEPOSITOR, &escape.sighash())).unwrap();
        assert_eq!(tx.output[0].value, value - escape.fee());
        let prevouts = vec![TxOut { value, ..hold.script.output() }];
        assert_eq!(valid(&Signed { tx, prevouts }), Ok(()), "{sats}");
    }
    assert!(hold.escape(Amount::from_sat(600), wallet(FROM).as_bytes(), rate(1)).is_err(), "a fee, and no dust");
}

type Change = (&'static str, fn(&mut Signed));

/// One of each kind of thing a relayer could touch.
const CHANGES: [Change; 14] = [
    ("the version", |s| s.tx.version.0 = 1),
    ("the lock time", |s| s.tx.lock_time = bitcoin::absolute::LockTime::from_consensus(1)),
    ("the sequence", |s| s.tx.input[0].sequence = Sequence(s.tx.input[0].sequence.0 ^ 1)),
    ("the spent transaction", |s| s.tx.input[0].previous_output = OutPoint { vout: 0, ..crate::support::outpoint(99) }),
    ("the spent output's number", |s| s.tx.input[0].previous_output.vout ^= 1),
    ("an output's sats", |s| s.tx.output[0].value += Amount::ONE_SAT),
    ("an output's script", |s| s.tx.output[0].script_pubkey = crate::support::wallet(99)),
    ("the last output", |s| drop(s.tx.output.pop())),
    ("one output more", |s| s.tx.output.push(s.tx.output[0].clone())),
    ("the spent sats", |s| s.prevouts[0].value += Amount::ONE_SAT),
    ("one input more", |s| {
        let mut more = s.tx.input[0].clone();
        more.previous_output.vout ^= 1;
        more.witness.clear();
        s.tx.input.push(more);
        s.prevouts.push(TxOut { value: Amount::ZERO, script_pubkey: crate::support::wallet(99) });
    }),
    ("a signature's bit", |s| {
        change_witness(s, |parts| {
            let signature = parts.iter_mut().find(|part| part.len() == 64).unwrap();
            signature[63] ^= 1;
        })
    }),
    ("a signature taken away", |s| {
        change_witness(s, |parts| {
            parts.iter_mut().find(|part| part.len() == 64).unwrap().clear();
        })
    }),
    ("the leaf or the proof that it is in the output", |s| {
        change_witness(s, |parts| {
            let last = parts.len() - 1;
            let byte = parts[last].len() - 1;
            parts[last][byte] ^= 1;
        })
    }),
];

fn change_witness(signed: &mut Signed, change: impl Fn(&mut Vec<Vec<u8>>)) {
    // the anchor's witness is empty: change the next one
    let input = signed.tx.input.iter_mut().find(|input| !input.witness.is_empty()).unwrap();
    let mut parts = input.witness.to_vec();
    change(&mut parts);
    input.witness = bitcoin::Witness::from_slice(&parts);
}

#[test]
fn nothing_in_a_template_can_be_changed() {
    for (name, signed) in templates(2, 3) {
        for (what, change) in CHANGES {
            let mut signed = signed.clone();
            change(&mut signed);
            assert!(valid(&signed).is_err(), "{name} is still valid with a change of {what}");
        }
    }
}
