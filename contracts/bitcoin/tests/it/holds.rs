//! Which output is this leg's hold, where it is found, and how it ended.

use aes_bitcoin::{Ending, EscrowError, Hold, Holding, NotThisHold, Outcome, RefundDelay, Sighting, ANCHOR, CARRIER};
use aes_protocol::{Function, Hash32, Leg};
use bitcoin::{Amount, TxOut};

use crate::chain::spend;
use crate::support::{
    attest, escrow, hold, hold_script, leg, outpoint, rate, refund, settle, sign, wallet, x_only, ALZ, DEADLINE,
    DEPOSITOR, ESCAPE_DELAY, EXECUTION, FROM, TO,
};

fn seen(hold: &Hold) -> (TxOut, Holding) {
    let output = hold.script.output();
    let holding = Holding {
        alz: hold.script.leg().amount.u128(),
        value: output.value,
        script_pubkey: output.script_pubkey.clone(),
        mixed: false,
        height: 840_200,
    };
    (output, holding)
}

fn check(hold: &Hold, output: &TxOut, holding: Option<&Holding>, before: u64) -> Result<(), NotThisHold> {
    let sighting = Sighting { output, holding, median_time_past_before: before };
    hold.check(&sighting, DEADLINE, ESCAPE_DELAY)
}

#[test]
fn only_the_exact_hold_counts() {
    for function in [Function::Transfer, Function::Lock, Function::Burn, Function::Unlock] {
        let hold = hold(&escrow(), function, 100 * ALZ);
        let at = hold.outpoint;
        let before = DEADLINE - 3600;
        let (output, holding) = seen(&hold);
        assert_eq!(check(&hold, &output, Some(&holding), before), Ok(()));

        let looks_alike = TxOut { script_pubkey: wallet(FROM), ..output.clone() };
        assert_eq!(check(&hold, &looks_alike, Some(&holding), before), Err(NotThisHold::Script(at)));
        for got in [Amount::from_sat(330), output.value - Amount::ONE_SAT, output.value + Amount::ONE_SAT] {
            let other = TxOut { value: got, ..output.clone() };
            let wanted = NotThisHold::Sats { outpoint: at, got, wanted: output.value };
            assert_eq!(check(&hold, &other, Some(&holding), before), Err(wanted));
        }
        assert_eq!(check(&hold, &output, None, before), Err(NotThisHold::NoAlz(at)));
        for got in [1, 100 * ALZ - 1, 100 * ALZ + 1] {
            let other = Holding { alz: got, ..holding.clone() };
            let wanted = NotThisHold::Amount { outpoint: at, got, wanted: 100 * ALZ };
            assert_eq!(check(&hold, &output, Some(&other), before), Err(wanted));
        }
        let mixed = Holding { mixed: true, ..holding.clone() };
        assert_eq!(check(&hold, &output, Some(&mixed), before), Err(NotThisHold::OtherRune(at)));
    }
}

/// Both settlements would be one transaction, and its end could not be told from the chain.
#[test]
fn a_leg_that_pays_the_same_account_either_way_has_no_hold() {
    let escrow = escrow();
    let vault = escrow.vault(1).unwrap().script_pubkey().to_bytes();
    let refused = |script: Result<_, EscrowError>| matches!(script.map(drop), Err(EscrowError::SamePayee { leg: 0 }));
    for (function, from) in [(Function::Transfer, wallet(TO).to_bytes()), (Function::Lock, vault.clone())] {
        let leg = Leg { from: from.into(), ..leg(&escrow, function, ALZ) };
        assert!(refused(escrow.account_hold(&EXECUTION, &leg, 1, x_only(DEPOSITOR), refund())), "{function:?}");
    }
    let leg = Leg { to: vault.into(), ..leg(&escrow, Function::Unlock, ALZ) };
    assert!(refused(escrow.reserve_hold(&EXECUTION, &leg, 1)));
}

#[test]
fn a_refund_before_deadline_and_delay_is_no_hold() {
    let escrow = escrow();
    let leg = leg(&escrow, Function::Transfer, ALZ);
    let until = DEADLINE + ESCAPE_DELAY;
    let at = |refund| escrow.account_hold(&EXECUTION, &leg, 1, x_only(DEPOSITOR), refund).unwrap().at(outpoint(9));
    let before = until - 5 * RefundDelay::UNIT_SECONDS;
    for (units, opens_at) in [(4, until - 512), (5, until), (6, until + 512)] {
        let hold = at(RefundDelay::from_units(units).unwrap());
        let (output, holding) = seen(&hold);
        let early = NotThisHold::RefundTooEarly { outpoint: outpoint(9), opens_at, until };
        let expected = if opens_at < until { Err(early) } else { Ok(()) };
        assert_eq!(check(&hold, &output, Some(&holding), before), expected);
    }
    assert_eq!(RefundDelay::from_units(0), None);
    assert_eq!(RefundDelay::until(0, 512 * 65_535).map(RefundDelay::units), Some(65_535));
    assert_eq!(RefundDelay::until(0, 512 * 65_535 + 1), None);
    assert_eq!(RefundDelay::until(10, 5).map(RefundDelay::units), Some(1));
}

#[test]
fn no_two_things_share_an_address() {
    let escrow = escrow();
    let mut seen = std::collections::BTreeSet::new();
    for set_id in [1, 2] {
        assert!(seen.insert(escrow.vault(set_id).unwrap().script_pubkey().clone()));
        for execution in [1, 2] {
            let execution = Hash32([execution; 32]);
            for function in [Function::Transfer, Function::Unlock] {
                for index in [0, 1] {
                    let mut leg = leg(&escrow, function, ALZ);
                    leg.index = index;
                    let script = if function == Function::Unlock {
                        escrow.reserve_hold(&execution, &leg, set_id)
                    } else {
                        let refund = RefundDelay::from_units(9).unwrap();
                        escrow.account_hold(&execution, &leg, set_id, x_only(DEPOSITOR), refund)
                    };
                    assert!(seen.insert(script.unwrap().script_pubkey().clone()));
                }
            }
        }
    }
    let mut other = escrow.clone();
    other.deployment = Hash32([8; 32]);
    assert!(seen.insert(other.vault(1).unwrap().script_pubkey().clone()));
}

#[test]
fn legs_that_are_not_of_this_escrow_are_refused() {
    let escrow = escrow();
    let good = leg(&escrow, Function::Unlock, ALZ);
    let refused = |change: fn(&mut aes_protocol::Leg)| {
        let mut leg = good.clone();
        change(&mut leg);
        escrow.reserve_hold(&EXECUTION, &leg, 1).unwrap_err()
    };
    let other_chain = refused(|leg| leg.chain = "bip122:000000000019d6689c085ae165831e93".parse().unwrap());
    assert!(matches!(other_chain, EscrowError::Chain { leg: 0, .. }));
    assert!(matches!(refused(|leg| leg.escrow = wallet(3).to_bytes().into()), EscrowError::Escrow { leg: 0, .. }));
    assert!(matches!(refused(|leg| leg.amount = 0u128.into()), EscrowError::Leg { leg: 0, .. }));
    assert!(matches!(refused(|leg| leg.function = Function::Mint), EscrowError::Leg { leg: 0, .. }));
    let lock = leg(&escrow, Function::Lock, ALZ);
    let source = escrow.reserve_hold(&EXECUTION, &lock, 1).unwrap_err();
    assert!(matches!(source, EscrowError::Source { leg: 0, function: "lock", .. }));
}

/// With a payee that takes no runes, they would go to the anchor, which anyone spends.
#[test]
fn payees_that_take_no_runes_are_refused() {
    let escrow = escrow();
    let off_curve = [&[0x51, 0x20][..], &[0xff; 32]].concat();
    for bad in [vec![0x6a, 0x5d, 0x01, 0x00], vec![0x51, 0x02, 0x4e, 0x73], vec![0x52, 0x02, 1, 1], off_curve] {
        let mut unlock = leg(&escrow, Function::Unlock, ALZ);
        unlock.to = bad.clone().into();
        assert!(matches!(escrow.reserve_hold(&EXECUTION, &unlock, 1), Err(EscrowError::Payee { leg: 0, .. })));
        let mut burn = leg(&escrow, Function::Burn, ALZ);
        burn.from = bad.into();
        let refund = RefundDelay::from_units(9).unwrap();
        let refused = escrow.account_hold(&EXECUTION, &burn, 1, x_only(DEPOSITOR), refund);
        assert!(matches!(refused, Err(EscrowError::Payee { leg: 0, .. })));
    }
}

#[test]
fn an_ending_is_told_from_the_spend() {
    let hold = hold(&escrow(), Function::Transfer, ALZ);
    for outcome in [Outcome::Finalize, Outcome::Release] {
        let ending = hold.ending(&settle(&hold, outcome).tx).unwrap();
        assert_eq!(ending, Some(Ending::Settled(outcome)));
    }
    let escape = hold.escape(hold.script.sats(), wallet(7).as_bytes(), rate(2)).unwrap();
    let escaped = escape.finish(&sign(DEPOSITOR, &escape.sighash())).unwrap();
    assert_eq!(hold.ending(&escaped), Ok(Some(Ending::Escaped)));
    assert!(escape.finish(&sign(FROM, &escape.sighash())).is_err());
    assert_eq!(hold.ending(&spend(&[outpoint(8)], vec![])), Ok(None));
    assert_eq!(hold.ending(&spend(&[hold.outpoint], vec![])), Ok(Some(Ending::Foreign)));
}

#[test]
fn sats_come_back_less_fee_and_anchor() {
    for function in [Function::Transfer, Function::Lock, Function::Burn] {
        let hold = hold(&escrow(), function, ALZ);
        let released = settle(&hold, Outcome::Release).tx;
        assert_eq!(released.output[0], TxOut { value: CARRIER, script_pubkey: wallet(FROM) });
        assert_eq!(hold.script.sats(), CARRIER + ANCHOR + hold.script.settle_fee());
        let burned = settle(&hold, Outcome::Finalize).tx;
        if function == Function::Burn {
            assert_eq!(burned.output[1], TxOut { value: CARRIER, script_pubkey: wallet(FROM) });
        }
    }
}

/// A template signed by the attestors for one hold opens no other, though depositor, amount and set are the same.
#[test]
fn signatures_do_not_move_between_holds() {
    let escrow = escrow();
    let first = hold_script(&escrow, Function::Transfer, ALZ).at(outpoint(1));
    let second = hold_script(&escrow, Function::Transfer, ALZ).at(outpoint(2));
    let sighash = first.settlement(Outcome::Finalize).unwrap().sighash();
    let signatures = attest(first.script.keys(), &sighash);
    let other = second.settlement(Outcome::Finalize).unwrap();
    assert!(other.finish(Some(&sign(DEPOSITOR, &sighash)), &signatures).is_err());
}
