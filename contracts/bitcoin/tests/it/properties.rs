//! What must hold for every leg, every set and every block, tried with thousands of them.

use aes_bitcoin::{decipher, Artifact, Ending, Outcome, Presigned, RuneId, CARRIER};
use aes_protocol::Function;
use bitcoin::{Amount, OutPoint, Transaction, TxOut};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::chain::{etched_ledger, mine, spend};
use crate::consensus::valid;
use crate::ledger::{stone, to};
use crate::support::{
    attest, coin, escrow_of, hold, hold_script, payer, presign, rate, settle, sign_vault, sign_wallet, vault_coin,
    wallet, Signed, ALZ, DEPOSITOR, FROM, PREMINE, RUNE, TO,
};

fn functions() -> impl Strategy<Value = Function> {
    prop_oneof![Just(Function::Transfer), Just(Function::Lock), Just(Function::Burn), Just(Function::Unlock)]
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Finalize), Just(Outcome::Release)]
}

fn sets() -> impl Strategy<Value = (u8, u8)> {
    (1u8..6).prop_flat_map(|count| (count / 2 + 1..=count, Just(count)))
}

type Anything = (Vec<u16>, Vec<(bool, u64, u32)>, usize);

/// What it spends of what is there, its edicts (ours or another rune's, amount, output), and how many it pays.
fn transactions() -> impl Strategy<Value = Anything> {
    (vec(any::<u16>(), 1..4), vec((any::<bool>(), any::<u64>(), 0u32..6), 0..4), 0usize..5)
}

fn no_cenotaph(tx: &Transaction) {
    assert!(!matches!(decipher(&tx.output), Some(Artifact::Cenotaph(_))), "{tx:?}");
}

fn sats_are_conserved(signed: &Signed, fee: Amount) {
    let total = |outputs: &[TxOut]| outputs.iter().map(|output| output.value).sum::<Amount>();
    assert_eq!(total(&signed.prevouts), total(&signed.tx.output) + fee);
    for output in signed.tx.output.iter().filter(|output| !output.script_pubkey.is_op_return()) {
        assert!(output.value >= output.script_pubkey.minimal_non_dust() || output.value == aes_bitcoin::ANCHOR);
    }
}

/// Puts `amount` into `hold`'s output by way of the vault's supply, then `tx`; who has it then, and what burned.
fn follow(
    amount: u128,
    script: TxOut,
    then: impl FnOnce(OutPoint) -> Transaction,
) -> (Vec<(bitcoin::ScriptBuf, u128)>, u128) {
    let (mut ledger, vault) = etched_ledger();
    let held = spend(&[vault], vec![script, to(99), stone(&[(RUNE, amount, 0)], Some(1))]);
    let at = OutPoint { txid: held.compute_txid(), vout: 0 };
    mine(&mut ledger, vec![held]);
    mine(&mut ledger, vec![then(at)]);
    let others = ledger.holdings().filter(|(_, holding)| holding.script_pubkey != wallet(99));
    (others.map(|(_, holding)| (holding.script_pubkey.clone(), holding.alz)).collect(), ledger.burned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn alz_ends_at_to_from_or_the_vault(
        function in functions(), outcome in outcomes(), (threshold, count) in sets(), amount in 1u128..PREMINE,
    ) {
        let escrow = escrow_of(threshold, count);
        let script = hold_script(&escrow, function, amount);
        let vault = script.vault().script_pubkey().clone();
        let mut fee = Amount::ZERO;
        let (ends, burned) = follow(amount, script.output(), |at| {
            let hold = script.clone().at(at);
            let signed = settle(&hold, outcome);
            assert_eq!(valid(&signed), Ok(()));
            no_cenotaph(&signed.tx);
            fee = hold.settlement(outcome).unwrap().fee();
            sats_are_conserved(&signed, fee);
            assert_eq!(hold.ending(&signed.tx), Ok(Some(Ending::Settled(outcome))));
            signed.tx
        });
        let at = |script| (vec![(script, amount)], 0);
        let expected = match (function, outcome) {
            (Function::Burn, Outcome::Finalize) => (vec![], amount),
            (Function::Transfer | Function::Unlock, Outcome::Finalize) => at(wallet(TO)),
            (Function::Lock, Outcome::Finalize) | (Function::Unlock, Outcome::Release) => at(vault),
            _ => at(wallet(FROM)),
        };
        prop_assert_eq!((ends, burned), expected);
    }

    /// Every attestor signs a transaction of somebody's own making, beside the depositor's two signatures.
    #[test]
    fn the_attestors_together_cannot_redirect_a_depositors_hold(
        function in prop_oneof![Just(Function::Transfer), Just(Function::Lock), Just(Function::Burn)],
        payees in vec((0u8..=255, 300u64..2_000), 0..4), borrowed in outcomes(), keep in any::<bool>(),
        version in 1i32..3, sequence in any::<u32>(),
    ) {
        let escrow = escrow_of(3, 3);
        let hold = hold(&escrow, function, ALZ);
        let presigned = presign(&hold);
        let settlement = hold.settlement(borrowed).unwrap();
        let mut tx = settlement.unsigned().clone();
        tx.version.0 = version;
        tx.input[0].sequence.0 = sequence;
        if !keep {
            tx.output.clear();
        }
        let own = payees.iter().map(|(seed, sats)| TxOut {
            value: Amount::from_sat(*sats),
            script_pubkey: wallet(seed.saturating_add(1).min(254)),
        });
        tx.output.extend(own);
        prop_assume!(tx.compute_txid() != settlement.txid());
        let prevouts = vec![hold.script.output()];
        let leaf = hold.script.settle_leaf().unwrap();
        let sighash = bitcoin::sighash::SighashCache::new(&tx)
            .taproot_script_spend_signature_hash(
                0, &bitcoin::sighash::Prevouts::All(&prevouts), leaf.hash, bitcoin::TapSighashType::Default,
            )
            .unwrap();
        let mut parts: Vec<Vec<u8>> =
            attest(hold.script.keys(), &sighash).iter().rev().map(|by| by.signature.serialize().to_vec()).collect();
        parts.push(presigned.signature(borrowed).serialize().to_vec());
        parts.push(leaf.script.to_bytes());
        parts.push(leaf.control_block.serialize());
        tx.input[0].witness = bitcoin::Witness::from_slice(&parts);
        let without = valid(&Signed { tx: tx.clone(), prevouts: prevouts.clone() });
        prop_assert!(without.is_err());

        // the same witness with the depositor's word on it is valid: it is the depositor's that is missing
        let place = parts.len() - 3;
        parts[place] = crate::support::sign(DEPOSITOR, &sighash).serialize().to_vec();
        tx.input[0].witness = bitcoin::Witness::from_slice(&parts);
        prop_assert_eq!(valid(&Signed { tx, prevouts }), Ok(()));
    }

    #[test]
    fn vault_moves_keep_every_unit(
        amounts in vec(1u128..PREMINE / 64, 1..8), parts in vec(1u128..1_000, 1..8), part in 1u128..PREMINE / 64,
        sat_per_vb in 1u32..40,
    ) {
        let escrow = escrow_of(2, 3);
        let keys = escrow.sets.get(1).unwrap();
        let total: u128 = amounts.iter().sum();
        let coins: Vec<_> = (0u8..).zip(&amounts).map(|(number, alz)| vault_coin(number + 1, *alz)).collect();
        let mut payer = payer(100..104);
        payer.rate = rate(sat_per_vb);

        let weights: u128 = parts.iter().sum();
        let mut wanted: Vec<u128> = parts.iter().map(|part| total / weights * part).collect();
        let rest = total - wanted.iter().sum::<u128>();
        wanted[0] += rest;
        prop_assume!(wanted.iter().all(|amount| *amount > 0));
        let moved = escrow.rearrange_vault(&coins, &wanted, 2, &payer).unwrap();
        let unlock = hold_script(&escrow, Function::Unlock, part.min(total));
        let held = escrow.move_to_hold(&unlock, &coins, &payer).unwrap();
        for (spend, expected) in [(moved, wanted), (held, vec![part.min(total), total - part.min(total)])] {
            let signed = sign_vault(&spend, &vec![keys; coins.len()]);
            prop_assert_eq!(valid(&signed), Ok(()));
            no_cenotaph(&signed.tx);
            sats_are_conserved(&signed, spend.fee());
            let vbytes = signed.tx.vsize() as u64;
            prop_assert!(spend.fee() >= rate(sat_per_vb).fee_vb(vbytes).unwrap());
            prop_assert!(spend.fee() < rate(sat_per_vb).fee_vb(vbytes).unwrap() + CARRIER);
            let expected: Vec<u128> = expected.into_iter().filter(|alz| *alz > 0).collect();
            prop_assert_eq!(alz_of(&amounts, &signed.tx), expected);
        }
    }

    #[test]
    fn deposits_put_the_leg_and_no_more_into_the_hold(
        amount in 1u128..PREMINE / 8, over in 0u128..PREMINE / 8, coins in 1u8..5, sat_per_vb in 1u32..40,
    ) {
        let hold = hold_script(&escrow_of(2, 3), Function::Lock, amount);
        let mut from: Vec<_> = (1..coins).map(|number| coin(number, FROM, 4_000, 0)).collect();
        from.push(coin(coins, FROM, 20_000, amount + over));
        let draft = hold.deposit(&from, wallet(FROM).as_bytes(), rate(sat_per_vb)).unwrap();
        let fee = draft.fee();
        let signed = sign_wallet(draft, FROM, 0);
        prop_assert_eq!(valid(&signed), Ok(()));
        no_cenotaph(&signed.tx);
        sats_are_conserved(&signed, fee);
        prop_assert_eq!(&signed.tx.output[0], &hold.output());
        prop_assert_eq!(fee, rate(sat_per_vb).fee_vb(signed.tx.vsize() as u64).unwrap());
        let expected: Vec<u128> = [amount, over].into_iter().filter(|alz| *alz > 0).collect();
        prop_assert_eq!(alz_of(&[amount + over], &signed.tx), expected);
    }

    /// Bytes from outside: whatever they are, an answer and no panic.
    #[test]
    fn bad_bytes_are_answered(bytes in vec(any::<u8>(), 0..250), payload in vec(any::<u8>(), 0..80)) {
        let version_1 = [&[1][..], &bytes].concat();
        for bytes in [&bytes, &version_1] {
            if let Ok(read) = Presigned::decode(bytes) {
                prop_assert_eq!(&read.encode().0, bytes);
            }
        }
        let stone = [&[0x6a, 0x5d, payload.len() as u8][..], &payload].concat();
        let stone = TxOut { value: Amount::ZERO, script_pubkey: bitcoin::ScriptBuf::from_bytes(stone) };
        let (mut ledger, vault) = etched_ledger();
        mine(&mut ledger, vec![spend(&[vault], vec![to(1), stone, to(2)])]);
        let supply = ledger.supply(&[], &Default::default());
        prop_assert_eq!(supply.elsewhere + supply.burned, PREMINE);
    }

    /// Blocks of anything: edicts to anywhere, cenotaphs, other runes. The sum never changes, and undone is as before.
    #[test]
    fn the_ledger_adds_up_and_goes_back(
        blocks in vec(vec(transactions(), 0..5), 1..8),
    ) {
        let (mut ledger, _) = etched_ledger();
        let mut history = vec![ledger.clone()];
        for txs in blocks {
            let known: Vec<OutPoint> = ledger.holdings().map(|(at, _)| *at).collect();
            let mut spent = std::collections::BTreeSet::new();
            let mut made = Vec::new();
            for (nth, (picks, edicts, outputs)) in txs.into_iter().enumerate() {
                // some of the block's own outputs too
                let own = made.iter().map(|tx: &Transaction| OutPoint { txid: tx.compute_txid(), vout: 0 });
                let open: Vec<OutPoint> = known.iter().copied().chain(own).collect();
                let inputs: Vec<OutPoint> = picks
                    .iter()
                    .filter_map(|pick| open.get(usize::from(*pick) % open.len().max(1)).copied())
                    .filter(|at| spent.insert(*at))
                    .collect();
                let edicts: Vec<(RuneId, u128, u32)> = edicts
                    .iter()
                    .map(|(ours, amount, output)| {
                        let id = if *ours { RUNE } else { RuneId { block: 1, tx: 1 } };
                        (id, u128::from(*amount) * 1_000_000_000, *output)
                    })
                    .collect();
                let mut output: Vec<TxOut> = (0..outputs).map(|number| to(number as u8 + 1)).collect();
                output.insert(output.len() / 2, stone(&edicts, None));
                output[0].value += Amount::from_sat(nth as u64);
                made.push(spend(&inputs, output));
            }
            mine(&mut ledger, made);
            let supply = ledger.supply(&[], &Default::default());
            prop_assert_eq!(supply.elsewhere + supply.burned, PREMINE);
            history.push(ledger.clone());
        }
        while let Some(after) = history.pop() {
            prop_assert_eq!(&ledger, &after);
            if !history.is_empty() {
                ledger.undo().unwrap();
            }
        }
    }
}

/// What the outputs of `tx` get when its first inputs bring these amounts, by the ledger and in order.
fn alz_of(amounts: &[u128], tx: &Transaction) -> Vec<u128> {
    let (mut ledger, vault) = etched_ledger();
    let total: u128 = amounts.iter().sum();
    let mut outputs: Vec<TxOut> = amounts.iter().map(|_| to(1)).collect();
    outputs.push(to(99));
    let edicts: Vec<_> = (0u32..).zip(amounts).map(|(place, alz)| (RUNE, *alz, place)).collect();
    outputs.push(stone(&edicts, Some(amounts.len() as u32)));
    let source = spend(&[vault], outputs);
    let mut tx = tx.clone();
    tx.input.truncate(amounts.len());
    for (vout, input) in tx.input.iter_mut().enumerate() {
        input.previous_output = OutPoint { txid: source.compute_txid(), vout: vout as u32 };
    }
    mine(&mut ledger, vec![source]);
    mine(&mut ledger, vec![tx.clone()]);
    let txid = tx.compute_txid();
    let given: Vec<u128> = (0..tx.output.len() as u32)
        .filter_map(|vout| ledger.holding(&OutPoint { txid, vout }).map(|holding| holding.alz))
        .collect();
    assert_eq!(given.iter().sum::<u128>(), total);
    given
}
