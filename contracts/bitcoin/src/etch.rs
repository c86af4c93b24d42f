//! Making ALZ: a rune is named in two steps, so that nobody who sees the name in the mempool can take it. The
//! commitment is in a Taproot leaf, at least five blocks before the reveal that etches; the supply goes to the vault.

use bitcoin::blockdata::{opcodes, script};
use bitcoin::script::PushBytesBuf;
use bitcoin::secp256k1::{schnorr, Secp256k1, XOnlyPublicKey};
use bitcoin::taproot::{LeafVersion, TaprootBuilder, TaprootSpendInfo};
use bitcoin::{
    Amount, FeeRate, Network, OutPoint, ScriptBuf, TapLeafHash, TapSighash, Transaction, TxOut, Txid, Witness,
};

use crate::coins::{fee_of, rest, signed_weight, Coin, CoinError, Draft};
use crate::escrow::Vault;
use crate::keys::verifies;
use crate::ledger::Etched;
use crate::payee::{payee, PayeeError};
use crate::runes::{decipher, etching_script, name_is_open, Artifact, RuneId, SpacedRune};
use crate::sats::CARRIER;
use crate::settle::{script_path_sighash, SettleError};

/// ALZ's base units on every chain.
pub const DIVISIBILITY: u8 = 18;

/// Between the commitment's block and the reveal's: `ordinals` asks for six confirmations, the reveal's block included.
pub const COMMIT_BLOCKS: u64 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etching {
    pub name: SpacedRune,
    /// base units
    pub premine: u128,
    pub symbol: Option<char>,
    /// signs the reveal, and can take the commitment back by the key path
    pub key: XOnlyPublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EtchError {
    #[error(transparent)]
    Coin(#[from] CoinError),
    #[error(transparent)]
    Payee(#[from] PayeeError),
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error("a premine of zero makes no rune to move; give base units")]
    NoPremine,
    #[error("'{0}' is reserved by the protocol; choose another name")]
    Reserved(SpacedRune),
    #[error("the name's commitment is no Taproot leaf")]
    Leaf,
    #[error("{0} does not sign this reveal")]
    Signature(XOnlyPublicKey),
    #[error("transaction {txid} is not the etching of {name}: {why}")]
    NotTheEtching { txid: Txid, name: SpacedRune, why: &'static str },
}

/// An unsigned reveal.
#[derive(Debug, Clone)]
pub struct Reveal {
    draft: Draft,
    key: XOnlyPublicKey,
    leaf: ScriptBuf,
    spend_info: TaprootSpendInfo,
    sighash: TapSighash,
}

impl Etching {
    /// `<commitment> OP_DROP <key> OP_CHECKSIG`
    fn leaf(&self) -> Result<ScriptBuf, EtchError> {
        if self.premine == 0 {
            return Err(EtchError::NoPremine);
        }
        if self.name.rune.is_reserved() {
            return Err(EtchError::Reserved(self.name));
        }
        let commitment = PushBytesBuf::try_from(self.name.rune.commitment()).map_err(|_| EtchError::Leaf)?;
        Ok(script::Builder::new()
            .push_slice(commitment)
            .push_opcode(opcodes::all::OP_DROP)
            .push_x_only_key(&self.key)
            .push_opcode(opcodes::all::OP_CHECKSIG)
            .into_script())
    }

    fn spend_info(&self) -> Result<TaprootSpendInfo, EtchError> {
        let builder = TaprootBuilder::new().add_leaf(0, self.leaf()?).map_err(|_| EtchError::Leaf)?;
        builder.finalize(&Secp256k1::verification_only(), self.key).map_err(|_| EtchError::Leaf)
    }

    fn commit_script(&self) -> Result<ScriptBuf, EtchError> {
        Ok(ScriptBuf::new_p2tr_tweaked(self.spend_info()?.output_key()))
    }

    /// The commitment first, with the sats that the reveal needs at `rate`; then the change.
    pub fn commit(&self, coins: &[Coin], vault: &Vault, change: &[u8], rate: FeeRate) -> Result<Draft, EtchError> {
        Coin::without_alz(coins)?;
        let reveal_fee = fee_of(self.reveal_transaction(OutPoint::null(), vault)?.weight(), rate)?;
        let value = CARRIER.checked_add(reveal_fee).ok_or(CoinError::Overflow)?;
        let output = vec![
            TxOut { value, script_pubkey: self.commit_script()? },
            TxOut { value: Amount::ZERO, script_pubkey: payee("change", change)? },
        ];
        let inputs: Vec<_> = coins.iter().map(|coin| (coin.outpoint, coin.output.clone())).collect();
        let mut draft = Draft::new(&inputs, output);
        let fee = fee_of(signed_weight(&draft.tx, coins)?, rate)?;
        let left = rest(&draft, fee)?;
        if left < CARRIER {
            draft.tx.output.pop();
        } else if let Some(change) = draft.tx.output.last_mut() {
            change.value = left;
        }
        Ok(draft)
    }

    /// From the commitment's output: the supply to the vault, the etching beside it. What is over the carrier is fee.
    pub fn reveal(&self, commitment: OutPoint, value: Amount, vault: &Vault) -> Result<Reveal, EtchError> {
        let mut tx = self.reveal_transaction(commitment, vault)?;
        tx.input.iter_mut().for_each(|input| input.witness.clear());
        let draft = Draft { tx, prevouts: vec![TxOut { value, script_pubkey: self.commit_script()? }] };
        rest(&draft, Amount::ZERO)?;
        let leaf = self.leaf()?;
        let hash = TapLeafHash::from_script(&leaf, LeafVersion::TapScript);
        let sighash = script_path_sighash(&draft.tx, 0, &draft.prevouts, hash)?;
        Ok(Reveal { draft, key: self.key, leaf, spend_info: self.spend_info()?, sighash })
    }

    /// With a witness of the right size.
    fn reveal_transaction(&self, commitment: OutPoint, vault: &Vault) -> Result<Transaction, EtchError> {
        let runestone = etching_script(self.name, DIVISIBILITY, self.premine, self.symbol);
        let output = vec![
            TxOut { value: CARRIER, script_pubkey: vault.script_pubkey().clone() },
            TxOut { value: Amount::ZERO, script_pubkey: runestone },
        ];
        let mut tx = Draft::new(&[(commitment, TxOut::NULL)], output).tx;
        for input in &mut tx.input {
            input.witness = witness(&[1; 64], &self.leaf()?, &self.spend_info()?)?;
        }
        Ok(tx)
    }

    /// That `reveal`, at `id` in the chain, etched this rune, by every rule that its block and its commitment can show.
    /// Whether somebody etched the name before, only an index of all runes can: ask one before you commit.
    pub fn check(
        &self,
        reveal: &Transaction,
        id: RuneId,
        commit_height: u64,
        network: Network,
    ) -> Result<Etched, EtchError> {
        let txid = reveal.compute_txid();
        let refuse = |why| EtchError::NotTheEtching { txid, name: self.name, why };
        let Some(Artifact::Runestone(stone)) = decipher(&reveal.output) else {
            return Err(refuse("it has no valid runestone"));
        };
        let etching = stone.etching.ok_or_else(|| refuse("its runestone etches nothing"))?;
        let same = etching.rune == Some(self.name.rune)
            && etching.premine == Some(self.premine)
            && etching.divisibility == Some(DIVISIBILITY)
            && etching.terms.is_none();
        if !same {
            return Err(refuse("name, premine or divisibility are others, or it may be minted later"));
        }
        let leaf = self.leaf()?;
        let commits = |input: &bitcoin::TxIn| {
            input.witness.taproot_leaf_script().is_some_and(|shown| shown.script == leaf.as_script())
        };
        if !reveal.input.iter().any(commits) {
            return Err(refuse("no input shows the commitment"));
        }
        if id.block < commit_height.saturating_add(COMMIT_BLOCKS) {
            return Err(refuse("the commitment is younger than six confirmations"));
        }
        if !name_is_open(self.name.rune, network, id.block) {
            return Err(refuse("names this short are not open yet"));
        }
        Ok(Etched { id, txid, premine: self.premine })
    }
}

fn witness(signature: &[u8], leaf: &ScriptBuf, spend_info: &TaprootSpendInfo) -> Result<Witness, EtchError> {
    let control = spend_info.control_block(&(leaf.clone(), LeafVersion::TapScript)).ok_or(EtchError::Leaf)?;
    Ok(Witness::from_slice(&[signature, leaf.as_bytes(), &control.serialize()]))
}

impl Reveal {
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    pub fn sighash(&self) -> TapSighash {
        self.sighash
    }

    pub fn finish(&self, signature: &schnorr::Signature) -> Result<Transaction, EtchError> {
        if !verifies(&self.sighash, &self.key, signature) {
            return Err(EtchError::Signature(self.key));
        }
        let mut tx = self.draft.tx.clone();
        for input in &mut tx.input {
            input.witness = witness(&signature.serialize(), &self.leaf, &self.spend_info)?;
        }
        Ok(tx)
    }
}
