//! Vault transactions: what is refused, and which outputs are chosen.

use std::collections::BTreeSet;

use aes_bitcoin::{choose_coins, CoinError, VaultCoin, VaultError, CARRIER};
use aes_protocol::Function;
use bitcoin::{Amount, TxOut, Witness};

use crate::support::{coin, escrow, hold_script, outpoint, payer, sign_vault, vault_coin, wallet, ALZ, RELAYER};

#[test]
fn what_does_not_add_up_is_refused() {
    let escrow = escrow();
    let one = [vault_coin(1, 10 * ALZ)];
    let split = |amounts: &[u128]| escrow.rearrange_vault(&one, amounts, 1, &payer(5..6)).unwrap_err();
    assert_eq!(split(&[9 * ALZ]), VaultError::Amounts { got: 9 * ALZ, wanted: 10 * ALZ });
    assert_eq!(split(&[10 * ALZ, 0]), VaultError::ZeroAmount);
    assert_eq!(split(&[u128::MAX, 11]), CoinError::Overflow.into());
    let many: Vec<u128> = (0..65).map(|_| 1).collect();
    let coins = [vault_coin(1, 65)];
    let refused = escrow.rearrange_vault(&coins, &many, 1, &payer(5..6)).unwrap_err();
    assert_eq!(refused, VaultError::Size(65));
    let refused = escrow.rearrange_vault(&[], &[], 1, &payer(5..6)).unwrap_err();
    assert_eq!(refused, VaultError::Size(0));
    let twice = escrow.rearrange_vault(&[one[0], one[0]], &[20 * ALZ], 1, &payer(5..6)).unwrap_err();
    assert_eq!(twice, VaultError::Repeated(outpoint(1)));
    let other = VaultCoin { set_id: 2, ..vault_coin(2, 10 * ALZ) };
    let mixed = escrow.rearrange_vault(&[one[0], other], &[20 * ALZ], 2, &payer(5..6)).unwrap_err();
    assert_eq!(mixed, VaultError::TwoSets);

    let unlock = hold_script(&escrow, Function::Unlock, 11 * ALZ);
    let refused = escrow.move_to_hold(&unlock, &one, &payer(5..6)).unwrap_err();
    assert_eq!(refused, CoinError::TooLittleAlz { have: 10 * ALZ, need: 11 * ALZ }.into());
    let lock = hold_script(&escrow, Function::Lock, ALZ);
    assert_eq!(escrow.move_to_hold(&lock, &one, &payer(5..6)).unwrap_err(), VaultError::NotReserve);
}

#[test]
fn a_payer_brings_sats_without_alz_from_one_key() {
    let escrow = escrow();
    let unlock = hold_script(&escrow, Function::Unlock, ALZ);
    let of = |coins| {
        let payer = aes_bitcoin::Payer { coins, ..payer(5..5) };
        escrow.move_to_hold(&unlock, &[vault_coin(1, 10 * ALZ)], &payer).unwrap_err()
    };
    assert_eq!(of(vec![coin(5, RELAYER, 9_000, 1)]), CoinError::HoldsAlz(outpoint(5)).into());
    assert!(matches!(of(vec![]), VaultError::Coin(CoinError::TooFewSats { .. })));
    assert!(matches!(of(vec![coin(5, RELAYER, 900, 0)]), VaultError::Coin(CoinError::TooFewSats { .. })));
    let mut legacy = coin(5, RELAYER, 9_000, 0);
    legacy.output.script_pubkey = bitcoin::ScriptBuf::new_p2sh(&bitcoin::ScriptBuf::new().script_hash());
    assert_eq!(of(vec![legacy]), CoinError::Kind(outpoint(5)).into());
}

#[test]
fn every_input_is_signed_for() {
    let escrow = escrow();
    let coins = [vault_coin(1, ALZ), vault_coin(2, ALZ)];
    let join = escrow.rearrange_vault(&coins, &[2 * ALZ], 1, &payer(5..6)).unwrap();
    assert_eq!(join.spends().collect::<Vec<_>>(), [outpoint(1), outpoint(2)]);
    let keys = escrow.sets.get(1).unwrap();
    let lists: Vec<_> = join.sighashes().unwrap().iter().map(|hash| crate::support::attest(keys, hash)).collect();
    let payer = [Witness::new()];
    assert_eq!(join.finish(&lists[..1], &payer).unwrap_err(), VaultError::Inputs { what: "vault", got: 1, wanted: 2 });
    assert_eq!(join.finish(&lists, &[]).unwrap_err(), VaultError::Inputs { what: "payer", got: 0, wanted: 1 });
    let swapped = [lists[1].clone(), lists[0].clone()];
    assert!(matches!(join.finish(&swapped, &payer), Err(VaultError::Signature { input: 0, .. })));
}

#[test]
fn a_whole_output_moves_without_a_runestone() {
    let escrow = escrow();
    let unlock = hold_script(&escrow, Function::Unlock, 10 * ALZ);
    let spend = escrow.move_to_hold(&unlock, &[vault_coin(1, 10 * ALZ)], &payer(5..6)).unwrap();
    let signed = sign_vault(&spend, &[escrow.sets.get(1).unwrap()]);
    assert_eq!(crate::consensus::valid(&signed), Ok(()));
    assert_eq!(signed.tx.output[0], unlock.output());
    assert_eq!(signed.tx.output[1].script_pubkey, wallet(RELAYER));
    assert_eq!(signed.tx.output.len(), 2);
}

#[test]
fn a_change_below_dust_is_fee() {
    let escrow = escrow();
    let (coins, all) = ([vault_coin(1, ALZ)], [ALZ]);
    let with = |sats| {
        let payer = aes_bitcoin::Payer { coins: vec![coin(5, RELAYER, sats, 0)], ..payer(5..5) };
        escrow.rearrange_vault(&coins, &all, 2, &payer).unwrap()
    };
    let vault = TxOut { value: CARRIER, script_pubkey: escrow.vault(2).unwrap().script_pubkey().clone() };
    assert_eq!(with(1_200).unsigned().output, [vault]);
    assert_eq!(with(1_200).fee(), Amount::from_sat(1_200));
    assert_eq!(with(9_000).unsigned().output.len(), 2);
}

#[test]
fn two_executions_never_wait_for_the_same_output() {
    let coins: Vec<_> = [(1, 5), (2, 50), (3, 20), (4, 20)].map(|(number, alz)| vault_coin(number, alz)).to_vec();
    let chosen = |amount, taken: &[u8]| {
        let taken: BTreeSet<_> = taken.iter().map(|number| outpoint(*number)).collect();
        choose_coins(&coins, amount, &taken).map(|coins| coins.iter().map(|coin| coin.outpoint.vout).collect())
    };
    assert_eq!(chosen(5, &[]), Some(vec![1]));
    assert_eq!(chosen(6, &[]), Some(vec![3]));
    assert_eq!(chosen(6, &[3]), Some(vec![4]));
    assert_eq!(chosen(60, &[]), Some(vec![2, 4]));
    assert_eq!(chosen(95, &[]), Some(vec![2, 4, 3, 1]));
    assert_eq!(chosen(96, &[]), None);
    assert_eq!(chosen(46, &[2]), None);
}
