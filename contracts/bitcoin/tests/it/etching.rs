//! The etching: two steps, checked by every rule its own transactions can show.

use aes_bitcoin::{name_is_open, EtchError, Etching, Rune, RuneId, COMMIT_BLOCKS};
use bitcoin::{Network, Witness};

use crate::support::{etching, sign, templates, x_only, RUNE};

#[test]
fn the_reveal_is_the_etching() {
    let reveal = templates(2, 3).remove("etch_reveal").unwrap().tx;
    let commit_height = RUNE.block - COMMIT_BLOCKS;
    let check = |etching: &Etching, id, commit_height| {
        etching.check(&reveal, id, commit_height, Network::Bitcoin).map_err(|error| error.to_string())
    };
    let etched = check(&etching(), RUNE, commit_height).unwrap();
    assert_eq!((etched.id, etched.txid), (RUNE, reveal.compute_txid()));

    assert!(check(&etching(), RUNE, commit_height + 1).unwrap_err().contains("younger than six"));
    let other = Etching { premine: 1, ..etching() };
    assert!(check(&other, RUNE, commit_height).unwrap_err().contains("premine"));
    let other = Etching { key: x_only(3), ..etching() };
    assert!(check(&other, RUNE, commit_height).unwrap_err().contains("no input shows"));
    let early = RuneId { block: 100, tx: 1 };
    let on_chain = check(&etching(), early, 90);
    assert!(on_chain.is_ok(), "names of 13 letters and more are always open: {on_chain:?}");

    let mut hidden = reveal.clone();
    hidden.input[0].witness = Witness::new();
    assert!(etching().check(&hidden, RUNE, commit_height, Network::Bitcoin).is_err());
}

#[test]
fn names_open_with_time() {
    let alz: Rune = "ALZ".parse().unwrap();
    let opens = 1_014_690;
    assert!(name_is_open(alz, Network::Bitcoin, opens));
    assert!(!name_is_open(alz, Network::Bitcoin, opens - 1));
    assert!(name_is_open("ALZBRIDGETOKEN".parse().unwrap(), Network::Bitcoin, 840_000));
}

#[test]
fn an_etching_of_nothing_is_refused() {
    let none = Etching { premine: 0, ..etching() };
    let vault = crate::support::escrow().vault(1).unwrap();
    let commit = none.commit(&[], &vault, &[], crate::support::rate(1));
    assert_eq!(commit.unwrap_err(), EtchError::NoPremine);
    let signed = templates(2, 3).remove("etch_commit").unwrap().tx;
    let commitment = bitcoin::OutPoint { txid: signed.compute_txid(), vout: 0 };
    let reveal = etching().reveal(commitment, signed.output[0].value, &vault).unwrap();
    assert!(matches!(reveal.finish(&sign(3, &reveal.sighash())), Err(EtchError::Signature(_))));
}
