//! The ledger by the rules of `ordinals`, and back again on a reorg.

use std::collections::BTreeSet;

use aes_bitcoin::{Ledger, LedgerError, Outcome, RuneId, Supply, Tip, CARRIER, UNDO_DEPTH};
use aes_protocol::Function;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Transaction, TxOut};
use ordinals::{Edict, Runestone};

use crate::chain::{block, etched_ledger, mine, spend};
use crate::support::{
    escrow, etched, hold_script, payer, settle, sign_vault, templates, wallet, ALZ, FROM, PREMINE, RUNE, TO,
};

const OTHER: RuneId = RuneId { block: 840_001, tx: 7 };

pub fn to(owner: u8) -> TxOut {
    TxOut { value: CARRIER, script_pubkey: wallet(owner) }
}

pub fn stone(edicts: &[(RuneId, u128, u32)], pointer: Option<u32>) -> TxOut {
    let edicts =
        edicts.iter().map(|(id, amount, output)| Edict { id: *id, amount: *amount, output: *output }).collect();
    let runestone = Runestone { edicts, pointer, ..Default::default() };
    TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(runestone.encipher().into_bytes()) }
}

/// ALZ of each output, and what was burned, after a transaction that spends the whole supply.
fn moved(outputs: Vec<TxOut>) -> (Vec<u128>, u128) {
    let (mut ledger, vault) = etched_ledger();
    let tx = spend(&[vault], outputs);
    mine(&mut ledger, vec![tx.clone()]);
    (held_by(&ledger, &tx), ledger.burned())
}

fn held_by(ledger: &Ledger, tx: &Transaction) -> Vec<u128> {
    let txid = tx.compute_txid();
    (0..tx.output.len() as u32)
        .map(|vout| ledger.holding(&OutPoint { txid, vout }).map_or(0, |holding| holding.alz))
        .collect()
}

#[test]
fn without_a_runestone_all_goes_to_the_first_payable_output() {
    let words = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return([1, 2, 3]) };
    assert_eq!(moved(vec![words.clone(), to(1), to(2)]), (vec![0, PREMINE, 0], 0));
    assert_eq!(moved(vec![words]), (vec![0], PREMINE));
}

#[test]
fn edicts_and_pointer() {
    let edict = |amount, output| (RUNE, amount, output);
    assert_eq!(moved(vec![to(1), to(2), stone(&[edict(5, 1)], None)]), (vec![PREMINE - 5, 5, 0], 0));
    assert_eq!(moved(vec![to(1), to(2), stone(&[edict(5, 0)], Some(1))]), (vec![5, PREMINE - 5, 0], 0));
    // more than there is, is all there is; 0 is all there is
    assert_eq!(moved(vec![to(1), to(2), stone(&[edict(u128::MAX, 1)], None)]), (vec![0, PREMINE, 0], 0));
    assert_eq!(moved(vec![to(1), to(2), stone(&[edict(0, 1)], None)]), (vec![0, PREMINE, 0], 0));
    // to an OP_RETURN is burned
    assert_eq!(moved(vec![stone(&[edict(7, 0)], None), to(1)]), (vec![0, PREMINE - 7], 7));
    assert_eq!(moved(vec![to(1), stone(&[], Some(1))]), (vec![0, 0], PREMINE));
    // to as many as there are outputs: shared, or the same to each
    assert_eq!(moved(vec![to(1), to(2), stone(&[edict(7, 3)], Some(0))]), (vec![PREMINE - 7, 7, 0], 0));
    let shared = moved(vec![to(1), stone(&[edict(0, 4)], None), to(2), to(3)]);
    let third = PREMINE / 3;
    assert_eq!(shared, (vec![third + 1, 0, third, third], 0));
    // another rune's edict moves no ALZ
    assert_eq!(moved(vec![to(1), to(2), stone(&[(OTHER, 5, 1)], None)]), (vec![PREMINE, 0, 0], 0));
}

#[test]
fn a_cenotaph_burns_everything() {
    assert_eq!(moved(vec![to(1), stone(&[(RUNE, 5, 9)], None)]), (vec![0, 0], PREMINE));
    let garbage = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0x6a, 0x5d, 0x51]) };
    assert_eq!(moved(vec![to(1), garbage]), (vec![0, 0], PREMINE));
}

#[test]
fn another_rune_in_an_output_is_seen() {
    let (mut ledger, vault) = etched_ledger();
    let mixed = |ledger: &Ledger, tx: &Transaction, vout| {
        ledger.holding(&OutPoint { txid: tx.compute_txid(), vout }).unwrap().mixed
    };
    let both = spend(&[vault], vec![to(1), to(2), stone(&[(OTHER, 5, 1), (RUNE, 9, 1)], None)]);
    mine(&mut ledger, vec![both.clone()]);
    assert!(!mixed(&ledger, &both, 0) && mixed(&ledger, &both, 1));
    // it goes along, unless it is left behind
    let at = |tx: &Transaction, vout| OutPoint { txid: tx.compute_txid(), vout };
    let apart = spend(&[at(&both, 1)], vec![to(1), to(2), stone(&[(RUNE, 0, 1)], None)]);
    mine(&mut ledger, vec![apart.clone()]);
    assert!(ledger.holding(&at(&apart, 0)).is_none() && !mixed(&ledger, &apart, 1));
    let mint = Runestone { mint: Some(OTHER), ..Default::default() };
    let mint = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(mint.encipher().into_bytes()) };
    let minted = spend(&[at(&apart, 1)], vec![to(1), mint]);
    mine(&mut ledger, vec![minted.clone()]);
    assert!(mixed(&ledger, &minted, 0));
}

#[test]
fn the_paper_on_bitcoin() {
    let escrow = escrow();
    let vaults = escrow.vaults().unwrap();
    let (mut ledger, _) = etched_ledger();
    let supply = |ledger: &Ledger, held: &[OutPoint]| ledger.supply(&vaults, &held.iter().copied().collect());
    assert_eq!(supply(&ledger, &[]), Supply { vault: PREMINE, ..Supply::default() });

    let keys = escrow.sets.get(1).unwrap();
    let unlock = |ledger: &mut Ledger, outcome| {
        let script = hold_script(&escrow, Function::Unlock, 100 * ALZ);
        let coins = ledger.vault_coins(&vaults)[..1].to_vec();
        let reserve = sign_vault(&escrow.move_to_hold(&script, &coins, &payer(31..32)).unwrap(), &[keys]).tx;
        let hold = script.at(OutPoint { txid: reserve.compute_txid(), vout: 0 });
        mine(ledger, vec![reserve]);
        let held = supply(ledger, &[hold.outpoint]);
        assert_eq!((held.held, held.vault + held.held + held.elsewhere + held.burned), (100 * ALZ, PREMINE));
        mine(ledger, vec![settle(&hold, outcome).tx]);
    };
    unlock(&mut ledger, Outcome::Finalize);
    let elsewhere = Supply { vault: PREMINE - 100 * ALZ, elsewhere: 100 * ALZ, ..Supply::default() };
    assert_eq!(supply(&ledger, &[]), elsewhere);
    let paid = ledger.holdings().find(|(_, holding)| holding.script_pubkey == wallet(TO)).unwrap().1;
    assert_eq!((paid.alz, paid.value), (100 * ALZ, CARRIER));
    // the largest vault output again, so that the released 100 come beside it
    unlock(&mut ledger, Outcome::Release);
    assert_eq!(supply(&ledger, &[]), elsewhere);
}

#[test]
fn blocks_follow_on_each_other() {
    let reveal = templates(2, 3).remove("etch_reveal").unwrap().tx;
    let before = Tip { height: RUNE.block - 1, hash: BlockHash::all_zeros() };
    let mut ledger = Ledger::new(etched(&reveal), before);
    let elsewhere = block(BlockHash::hash(b"other"), 0, vec![]);
    assert!(matches!(ledger.apply(&elsewhere), Err(LedgerError::NotNext { .. })));
    // in the etching's block, but not at its place
    let misplaced = block(before.hash, 0, vec![reveal]);
    assert!(matches!(ledger.apply(&misplaced), Err(LedgerError::NoEtching { .. })));
    assert_eq!(ledger.tip(), before);
}

#[test]
fn a_reorg_deeper_than_a_day_is_said_so() {
    let (mut ledger, vault) = etched_ledger();
    mine(&mut ledger, vec![spend(&[vault], vec![to(FROM)])]);
    for _ in 0..UNDO_DEPTH {
        mine(&mut ledger, vec![]);
    }
    for _ in 0..UNDO_DEPTH {
        ledger.undo().unwrap();
    }
    assert_eq!(ledger.undo(), Err(LedgerError::TooDeep));
    assert_eq!(ledger.holdings().count(), 1);
}

#[test]
fn it_is_read_back_as_it_was_written() {
    let (mut ledger, vault) = etched_ledger();
    mine(&mut ledger, vec![spend(&[vault], vec![to(1), to(2), stone(&[(RUNE, 5, 1)], None)])]);
    let text = serde_json::to_string(&ledger).unwrap();
    let mut read: Ledger = serde_json::from_str(&text).unwrap();
    assert_eq!(read, ledger);
    assert_eq!(read.undo(), ledger.undo());
    assert_eq!(read, ledger);
    assert_eq!(read.supply(&[], &BTreeSet::from([vault])).held, PREMINE);
}
