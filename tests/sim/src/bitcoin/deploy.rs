//! The chain as it is at the start: ALZ etched into the first set's vault, and from there, by holds and settlements like any
//! other, to the people; with sats for whoever sends something.

use aes_bitcoin::{
    AttestorKeys, AttestorSets, AttestorSignature, Coin, Escrow, Etching, Outcome, Payer, RuneId, VaultCoin, CARRIER,
    COMMIT_BLOCKS,
};
use aes_chains::bitcoin::{account_of, keypair, sign};
use aes_config::{Anchor, BitcoinEscrow, ManifestChain};
use aes_protocol::{keccak, AttestorSet, Function, Hash32, Leg};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, FeeRate, Network, OutPoint, ScriptBuf, Sequence, TapSighash, TapSighashType, Transaction, TxIn, TxOut,
    Witness,
};

use super::blocks::reversed;
use super::ledger::{BitcoinLedger, Deployed, SATS};
use crate::dice::Dice;
use crate::evm::deploy::{Terms, RICH, VAULT};
use crate::keys::Key;

const CHAIN: &str = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328";
const RUNE: &str = "ALZ•BRIDGE•TOKEN";
const RATE: FeeRate = FeeRate::from_sat_per_vb_u32(2);
/// Outputs with ALZ that each of the people has at the start.
const PURSES: u128 = 4;
/// Coins without ALZ of each account, and what each is worth.
const COINS: usize = 20;
const COIN: Amount = Amount::from_sat(500_000);

pub fn wallet(name: &str) -> ScriptBuf {
    let chain = CHAIN.parse().expect("a chain");
    let (script, _) = account_of(&Key::named(name).secret(), &chain).expect("a key");
    ScriptBuf::from(script.0)
}

/// Of as many of these keys as the threshold asks for; fewer where there are not so many.
pub fn signatures(of: &AttestorKeys, keys: &[Key], sighash: &TapSighash) -> Vec<AttestorSignature> {
    let keys: Vec<Keypair> = keys.iter().map(|key| keypair(&key.bitcoin()).expect("a key")).collect();
    let by = |key: &bitcoin::XOnlyPublicKey| keys.iter().find(|own| own.x_only_public_key().0 == *key);
    let signers = of.keys().iter().filter_map(|key| Some((key, by(key)?)));
    let signature = |(key, own): (&bitcoin::XOnlyPublicKey, &Keypair)| AttestorSignature {
        key: *key,
        signature: sign(own, *sighash),
    };
    signers.take(of.threshold()).map(signature).collect()
}

struct Maker<'a> {
    ledger: BitcoinLedger,
    time: u64,
    dice: &'a mut Dice,
    admin: Keypair,
    /// the admin's coins without ALZ
    coins: Vec<Coin>,
}

impl Maker<'_> {
    fn mine(&mut self) {
        self.time += 10;
        self.ledger.mine(self.time, self.dice);
    }

    fn take(&mut self, tx: &Transaction) {
        self.ledger.take(tx).unwrap_or_else(|error| panic!("setting up: {error}"));
    }

    /// Out of the one output that anybody spends.
    fn pay(&mut self, all: OutPoint, accounts: &[ScriptBuf]) {
        let coins = accounts.iter().flat_map(|account| std::iter::repeat_n(account, COINS));
        let mut output: Vec<TxOut> =
            coins.map(|account| TxOut { value: COIN, script_pubkey: account.clone() }).collect();
        let paid: Amount = output.iter().map(|output| output.value).sum();
        output.push(TxOut { value: SATS - paid - Amount::from_sat(100_000), script_pubkey: accounts[0].clone() });
        let input = vec![TxIn { previous_output: all, sequence: Sequence::MAX, ..TxIn::default() }];
        let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output };
        let txid = tx.compute_txid();
        let coin =
            |(vout, output): (u32, &TxOut)| Coin { outpoint: OutPoint { txid, vout }, output: output.clone(), alz: 0 };
        self.coins = (0..).zip(&tx.output).take(COINS).map(coin).collect();
        self.take(&tx);
        self.mine();
    }

    fn coin(&mut self) -> Coin {
        self.coins.pop().expect("enough coins")
    }

    /// The admin's witness for one input.
    fn witness(&self, tx: &Transaction, prevouts: &[TxOut], input: usize) -> Witness {
        let key = self.admin.tap_tweak(&Secp256k1::new(), None).to_keypair();
        let prevouts = Prevouts::All(prevouts);
        let sighash = SighashCache::new(tx).taproot_key_spend_signature_hash(input, &prevouts, TapSighashType::Default);
        Witness::from_slice(&[sign(&key, sighash.expect("all prevouts")).serialize()])
    }

    /// Returns the vault's first output, with all ALZ.
    fn etch(&mut self, escrow: &mut Escrow, set: &AttestorSet) -> (aes_bitcoin::Etched, VaultCoin) {
        let premine = VAULT + 3 * RICH;
        let key = self.admin.x_only_public_key().0;
        let etching = Etching { name: RUNE.parse().expect("a name"), premine, symbol: None, key };
        let vault = escrow.vault(set.id).expect("a vault");
        let coin = self.coin();
        let change = coin.output.script_pubkey.clone();
        let draft = etching.commit(&[coin], &vault, change.as_bytes(), RATE).expect("a commitment");
        let mut commit = draft.tx;
        commit.input[0].witness = self.witness(&commit, &draft.prevouts, 0);
        self.take(&commit);
        self.mine();
        let committed = self.ledger.height();
        (1..COMMIT_BLOCKS).for_each(|_| self.mine());
        let commitment = OutPoint { txid: commit.compute_txid(), vout: 0 };
        let reveal = etching.reveal(commitment, commit.output[0].value, &vault).expect("a reveal");
        let reveal = reveal.finish(&sign(&self.admin, reveal.sighash())).expect("its signature");
        self.take(&reveal);
        self.mine();
        let id = RuneId { block: self.ledger.height(), tx: 1 };
        let etched = etching.check(&reveal, id, committed, Network::Regtest).expect("an etching by the rules");
        escrow.rune = id;
        let outpoint = OutPoint { txid: etched.txid, vout: 0 };
        (etched, VaultCoin { outpoint, value: CARRIER, alz: premine, set_id: set.id })
    }

    /// Out of the vault as an unlock is; what is left there.
    fn unlock(&mut self, escrow: &Escrow, keys: &[Key], vault: &VaultCoin, to: &ScriptBuf, amount: u128) -> VaultCoin {
        let leg = Leg {
            index: 0,
            chain: self.ledger.id.clone(),
            escrow: escrow.address().expect("an address"),
            function: Function::Unlock,
            from: Default::default(),
            to: to.to_bytes().into(),
            amount: amount.into(),
        };
        let id = Hash32(vault.outpoint.txid.to_byte_array());
        let hold = escrow.reserve_hold(&id, &leg, vault.set_id).expect("a hold");
        let coin = self.coin();
        let payer = Payer { change: coin.output.script_pubkey.clone(), coins: vec![coin], rate: RATE };
        let spend = escrow.move_to_hold(&hold, &[*vault], &payer).expect("a move");
        let set = hold.keys().clone();
        let digests = spend.sighashes().expect("digests");
        let attestors: Vec<_> = digests.iter().map(|digest| signatures(&set, keys, digest)).collect();
        let witness = self.witness(spend.unsigned(), &spend.draft().prevouts, 1);
        let moved = spend.finish(&attestors, &[witness]).expect("signatures");
        self.take(&moved);
        let txid = moved.compute_txid();
        let settlement = hold.at(OutPoint { txid, vout: 0 }).settlement(Outcome::Finalize).expect("a settlement");
        let settled = settlement.finish(None, &signatures(&set, keys, &settlement.sighash())).expect("signatures");
        self.take(&settled);
        VaultCoin { outpoint: OutPoint { txid, vout: 1 }, alz: vault.alz - amount, ..*vault }
    }
}

/// `next` is the set that a rotation brings: whoever checks knows both.
pub fn chain(
    depth: u64,
    time: u64,
    people: &[&str],
    payers: &[String],
    terms: &Terms,
    (keys, next): (&[Key], &AttestorSet),
    dice: &mut Dice,
) -> (BitcoinLedger, Deployed) {
    let (ledger, all) = BitcoinLedger::new(CHAIN.parse().expect("a chain"), depth);
    let hash = reversed(ledger.blocks[0].0.to_byte_array());
    let admin = keypair(&Key::named("admin").secret()).expect("a key");
    let mut maker = Maker { ledger, time: time - 300, dice, admin, coins: Vec::new() };
    let names = std::iter::once("admin").chain(people.iter().copied()).chain(payers.iter().map(String::as_str));
    let accounts: Vec<ScriptBuf> = names.map(wallet).collect();
    maker.pay(all, &accounts);

    let mut sets = AttestorSets::default();
    sets.add(AttestorKeys::new(terms.set).expect("keys"));
    let (chain, first_set) = (maker.ledger.id.clone(), terms.set.id);
    let mut escrow = Escrow { chain, deployment: terms.domain.salt(), rune: RuneId::default(), first_set, sets };
    let (etched, mut vault) = maker.etch(&mut escrow, terms.set);
    for person in people {
        for _ in 0..PURSES {
            vault = maker.unlock(&escrow, keys, &vault, &wallet(person), RICH / PURSES);
        }
    }
    (0..depth).for_each(|_| maker.mine());

    let script = escrow.vault(first_set).expect("a vault");
    let entry = ManifestChain {
        escrow: escrow.address().expect("an address"),
        escrow_address: script.script_pubkey().to_hex_string(),
        asset: etched.id.to_string(),
        code_hash: keccak(script.descriptor().as_bytes()),
        height: 1,
    };
    let bitcoin = BitcoinEscrow {
        rune: RUNE.into(),
        etching: etched.txid.to_string(),
        premine: etched.premine.to_string(),
        first_set,
        escape_delay: terms.escape_delay,
        max_leg: RICH.to_string(),
    };
    escrow.sets.add(AttestorKeys::new(next).expect("keys"));
    (maker.ledger, Deployed { escrow, etched, entry, terms: bitcoin, anchor: Anchor { height: 0, hash } })
}
