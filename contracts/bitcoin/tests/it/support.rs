//! A deployment with keys that the tests hold, and each of our transactions made and signed for real.

use std::collections::BTreeMap;

use aes_bitcoin::{
    AttestorKeys, AttestorSets, AttestorSignature, Coin, Escrow, Etched, Etching, Hold, HoldScript, Outcome, Payer,
    Presigned, RefundDelay, RuneId, VaultCoin, CARRIER,
};
use aes_protocol::{Attestor, AttestorSet, Function, Hash32, Leg};
use bitcoin::hashes::Hash;
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{schnorr, All, Keypair, Message, Secp256k1, SecretKey, XOnlyPublicKey};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::{Amount, FeeRate, OutPoint, ScriptBuf, TapSighash, TapSighashType, Transaction, TxOut, Txid, Witness};

pub const ALZ: u128 = 1_000_000_000_000_000_000;
pub const PREMINE: u128 = 1_000_000_000 * ALZ;
pub const RUNE: RuneId = RuneId { block: 840_123, tx: 1 };
/// Unix seconds
pub const DEADLINE: u64 = 1_800_000_000;
pub const ESCAPE_DELAY: u64 = 3 * 86_400;

pub fn secp() -> Secp256k1<All> {
    Secp256k1::new()
}

pub fn keypair(number: u8) -> Keypair {
    Keypair::from_secret_key(&secp(), &SecretKey::from_slice(&[number; 32]).unwrap())
}

pub fn x_only(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

pub fn sign(number: u8, sighash: &TapSighash) -> schnorr::Signature {
    secp().sign_schnorr_no_aux_rand(&Message::from(*sighash), &keypair(number))
}

/// Attestors have keys 10, 11, ..; set 2 has keys 40, 41, ..
pub fn attestor(set_id: u64, nth: u8) -> u8 {
    if set_id == 1 {
        10 + nth
    } else {
        40 + nth
    }
}

pub fn attestor_set(set_id: u64, threshold: u8, count: u8) -> AttestorSet {
    let one = |nth| Attestor {
        signer: vec![nth + 1; 20].into(),
        bitcoin_key: x_only(attestor(set_id, nth)).serialize().into(),
    };
    AttestorSet { id: set_id, threshold, attestors: (0..count).map(one).collect() }
}

/// By the first attestors, as many as the threshold.
pub fn attest(keys: &AttestorKeys, sighash: &TapSighash) -> Vec<AttestorSignature> {
    let one = |nth: usize| {
        let number = attestor(keys.set_id(), nth as u8);
        AttestorSignature { key: x_only(number), signature: sign(number, sighash) }
    };
    (0..keys.threshold()).map(one).collect()
}

/// P2TR of one of the tests' keys, by its key path.
pub fn wallet(number: u8) -> ScriptBuf {
    ScriptBuf::new_p2tr(&secp(), x_only(number), None)
}

pub const DEPOSITOR: u8 = 100;
pub const FROM: u8 = 101;
pub const TO: u8 = 102;
pub const RELAYER: u8 = 103;

pub fn escrow() -> Escrow {
    escrow_of(2, 3)
}

pub fn escrow_of(threshold: u8, count: u8) -> Escrow {
    let mut sets = AttestorSets::default();
    for set_id in [1, 2] {
        sets.add(AttestorKeys::new(&attestor_set(set_id, threshold, count)).unwrap());
    }
    let chain = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328".parse().unwrap();
    Escrow { chain, deployment: Hash32([7; 32]), rune: RUNE, first_set: 1, sets }
}

pub fn leg(escrow: &Escrow, function: Function, amount: u128) -> Leg {
    let account = |wanted, number| if wanted { wallet(number).to_bytes().into() } else { Default::default() };
    Leg {
        index: 0,
        chain: escrow.chain.clone(),
        escrow: escrow.address().unwrap(),
        function,
        from: account(function.is_account_sourced(), FROM),
        to: account(function.has_recipient(), TO),
        amount: amount.into(),
    }
}

pub const EXECUTION: Hash32 = Hash32([0xe1; 32]);

pub fn refund() -> RefundDelay {
    RefundDelay::until(DEADLINE - 3600, DEADLINE + ESCAPE_DELAY).unwrap()
}

pub fn hold_script(escrow: &Escrow, function: Function, amount: u128) -> HoldScript {
    let leg = leg(escrow, function, amount);
    if function.is_account_sourced() {
        escrow.account_hold(&EXECUTION, &leg, 1, x_only(DEPOSITOR), refund()).unwrap()
    } else {
        escrow.reserve_hold(&EXECUTION, &leg, 1).unwrap()
    }
}

pub fn outpoint(number: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number; 32]), vout: u32::from(number) }
}

pub fn hold(escrow: &Escrow, function: Function, amount: u128) -> Hold {
    hold_script(escrow, function, amount).at(outpoint(9))
}

pub fn presign(hold: &Hold) -> Presigned {
    let aes_bitcoin::Source::Account { depositor, refund } = hold.script.source() else { panic!("a reserve's hold") };
    let by = |outcome| sign(DEPOSITOR, &hold.settlement(outcome).unwrap().sighash());
    Presigned {
        set_id: hold.script.keys().set_id(),
        depositor,
        refund,
        outpoint: hold.outpoint,
        finalize: by(Outcome::Finalize),
        release: by(Outcome::Release),
    }
}

/// A transaction with what it spends: all that a verifier of scripts needs.
#[derive(Clone)]
pub struct Signed {
    pub tx: Transaction,
    pub prevouts: Vec<TxOut>,
}

pub fn settle(hold: &Hold, outcome: Outcome) -> Signed {
    let settlement = hold.settlement(outcome).unwrap();
    let depositor = hold.script.leg().function.is_account_sourced().then(|| sign(DEPOSITOR, &settlement.sighash()));
    let attestors = attest(hold.script.keys(), &settlement.sighash());
    Signed { tx: settlement.finish(depositor.as_ref(), &attestors).unwrap(), prevouts: vec![hold.script.output()] }
}

pub fn rate(sat_per_vb: u32) -> FeeRate {
    FeeRate::from_sat_per_vb_u32(sat_per_vb)
}

pub fn coin(number: u8, owner: u8, sats: u64, alz: u128) -> Coin {
    let output = TxOut { value: Amount::from_sat(sats), script_pubkey: wallet(owner) };
    Coin { outpoint: outpoint(number), output, alz }
}

pub fn payer(numbers: std::ops::Range<u8>) -> Payer {
    let coins = numbers.map(|number| coin(number, RELAYER, 50_000, 0)).collect();
    Payer { coins, change: wallet(RELAYER), rate: rate(4) }
}

pub fn vault_coin(number: u8, alz: u128) -> VaultCoin {
    VaultCoin { outpoint: outpoint(number), value: CARRIER, alz, set_id: 1 }
}

/// A wallet's key path signature over one input.
pub fn key_path(tx: &Transaction, prevouts: &[TxOut], input: usize, owner: u8) -> Witness {
    let sighash = SighashCache::new(tx)
        .taproot_key_spend_signature_hash(input, &Prevouts::All(prevouts), TapSighashType::Default)
        .unwrap();
    let tweaked = keypair(owner).tap_tweak(&secp(), None).to_keypair();
    let signature = secp().sign_schnorr_no_aux_rand(&Message::from(sighash), &tweaked);
    Witness::from_slice(&[&signature.serialize()[..]])
}

pub fn sign_vault(spend: &aes_bitcoin::VaultSpend, sets: &[&AttestorKeys]) -> Signed {
    let attestors: Vec<_> =
        spend.sighashes().unwrap().iter().zip(sets).map(|(sighash, keys)| attest(keys, sighash)).collect();
    let (tx, prevouts) = (spend.unsigned(), &spend.draft().prevouts);
    let payers: Vec<_> = (sets.len()..tx.input.len()).map(|input| key_path(tx, prevouts, input, RELAYER)).collect();
    Signed { tx: spend.finish(&attestors, &payers).unwrap(), prevouts: prevouts.clone() }
}

pub fn sign_wallet(draft: aes_bitcoin::Draft, owner: u8, skip: usize) -> Signed {
    let mut tx = draft.tx.clone();
    for input in skip..tx.input.len() {
        tx.input[input].witness = key_path(&draft.tx, &draft.prevouts, input, owner);
    }
    Signed { tx, prevouts: draft.prevouts }
}

pub fn etching() -> Etching {
    Etching {
        name: "ALZ•BRIDGE•TOKEN".parse().unwrap(), premine: PREMINE, symbol: Some('ℵ'), key: x_only(RELAYER)
    }
}

pub fn etched(reveal: &Transaction) -> Etched {
    Etched { id: RUNE, txid: reveal.compute_txid(), premine: PREMINE }
}

/// Every template, signed, by the name of its figure.
pub fn templates(threshold: u8, count: u8) -> BTreeMap<&'static str, Signed> {
    let escrow = escrow_of(threshold, count);
    let vault = escrow.vault(1).unwrap();
    let set = vault.keys();
    let mut all = BTreeMap::new();
    for (function, settle_name, release_name) in [
        (Function::Transfer, "settle", "release"),
        (Function::Lock, "settle_lock", "release_lock"),
        (Function::Burn, "burn", "release_burn"),
        (Function::Unlock, "settle_unlock", "release_unlock"),
    ] {
        let hold = hold(&escrow, function, 100 * ALZ);
        all.insert(settle_name, settle(&hold, Outcome::Finalize));
        all.insert(release_name, settle(&hold, Outcome::Release));
    }

    let transfer = hold(&escrow, Function::Transfer, 100 * ALZ);
    let escape = transfer.escape(transfer.script.sats(), wallet(FROM).as_bytes(), rate(2)).unwrap();
    let tx = escape.finish(&sign(DEPOSITOR, &escape.sighash())).unwrap();
    all.insert("refund", Signed { tx, prevouts: vec![transfer.script.output()] });

    let coins = [coin(20, FROM, 10_000, 150 * ALZ)];
    let deposit = transfer.script.deposit(&coins, wallet(FROM).as_bytes(), rate(2)).unwrap();
    all.insert("deposit", sign_wallet(deposit, FROM, 0));

    let unlock = hold_script(&escrow, Function::Unlock, 100 * ALZ);
    let reserve = escrow.move_to_hold(&unlock, &[vault_coin(30, 500 * ALZ)], &payer(31..32)).unwrap();
    all.insert("reserve_hold", sign_vault(&reserve, &[set]));
    let split = escrow.rearrange_vault(&[vault_coin(30, 400 * ALZ)], &[100 * ALZ; 4], 1, &payer(31..32)).unwrap();
    all.insert("split", sign_vault(&split, &[set]));
    let four: Vec<_> = (30..34).map(|number| vault_coin(number, 100 * ALZ)).collect();
    let join = escrow.rearrange_vault(&four, &[400 * ALZ], 1, &payer(35..36)).unwrap();
    all.insert("join", sign_vault(&join, &[set; 4]));
    let rotate = escrow.rearrange_vault(&[vault_coin(30, 100 * ALZ)], &[100 * ALZ], 2, &payer(35..36)).unwrap();
    all.insert("rotate", sign_vault(&rotate, &[set]));

    let etching = etching();
    let commit = etching.commit(&[coin(50, RELAYER, 20_000, 0)], &vault, wallet(RELAYER).as_bytes(), rate(2)).unwrap();
    let commit = sign_wallet(commit, RELAYER, 0);
    let commitment = OutPoint { txid: commit.tx.compute_txid(), vout: 0 };
    let reveal = etching.reveal(commitment, commit.tx.output[0].value, &vault).unwrap();
    let tx = reveal.finish(&sign(RELAYER, &reveal.sighash())).unwrap();
    all.insert("etch_reveal", Signed { tx, prevouts: reveal.draft().prevouts.clone() });
    all.insert("etch_commit", commit);

    let settlement = transfer.settlement(Outcome::Finalize).unwrap();
    let child =
        settlement.anchor_child(&[coin(60, RELAYER, 50_000, 0)], wallet(RELAYER).as_bytes(), rate(20), None).unwrap();
    all.insert("anchor_child", sign_wallet(child, RELAYER, 1));
    all
}
