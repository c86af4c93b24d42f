//! What a depositor's own wallet signs: the deposit that makes a hold, the settlements' pre-signatures as PSBTs, and
//! the escape that takes a hold back when no decision ever came.

use aes_protocol::Function;
use bitcoin::bip32::KeySource;
use bitcoin::secp256k1::{schnorr, XOnlyPublicKey};
use bitcoin::taproot::LeafVersion;
use bitcoin::{
    Amount, FeeRate, OutPoint, Psbt, ScriptBuf, TapLeafHash, TapSighash, TapSighashType, Transaction, TxOut,
};

use crate::coins::{fee_of, rest, signed_weight, sum_alz, Coin, CoinError, Draft};
use crate::hold::{Hold, HoldScript, Source};
use crate::keys::verifies;
use crate::payee::{payee, PayeeError};
use crate::runes::edicts_script;
use crate::sats::CARRIER;
use crate::script::{Leaf, Locked, ScriptError};
use crate::settle::{satisfy, satisfy_with_placeholders, script_path_sighash, SettleError, Settlement};
use crate::wallet::{is_of, leaf_signature_in};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepositError {
    #[error(transparent)]
    Coin(#[from] CoinError),
    #[error(transparent)]
    Payee(#[from] PayeeError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error("a {} is prepared by the attestors, from the vault; its depositor is nobody", .0.name())]
    NotADeposit(Function),
    #[error("the hold's sats pay no fee of {fee} at that rate and keep {CARRIER} for the output; give a lower rate")]
    FeeTooHigh { fee: Amount },
    #[error("the PSBT is of another transaction: {got}, expected {wanted}")]
    OtherTransaction { got: bitcoin::Txid, wanted: bitcoin::Txid },
    #[error("the PSBT has no signature by {0} over the hold's leaf; sign it with that key")]
    NotSigned(XOnlyPublicKey),
    #[error("the PSBT has no key path signature for input {0}; sign it with the wallet that has that coin")]
    InputNotSigned(OutPoint),
    #[error("the PSBT's signature for input {0} is not by that coin's key over this transaction; sign it anew")]
    InputSignature(OutPoint),
    #[error("the wallet signed with sighash type {0}; sign with the default one, which is all inputs and outputs")]
    SighashType(TapSighashType),
}

/// Where the hold is in a deposit.
pub const DEPOSIT_VOUT: u32 = 0;

impl HoldScript {
    /// The hold first, then the change (its ALZ by the pointer), then the runestone. Whatever else the coins carry goes
    /// to the change: an edict puts the leg's amount of ALZ, and nothing more, into the hold.
    pub fn deposit(&self, coins: &[Coin], change: &[u8], rate: FeeRate) -> Result<Draft, DepositError> {
        if !matches!(self.source(), Source::Account { .. }) {
            return Err(DepositError::NotADeposit(self.leg().function));
        }
        let need = self.leg().amount.u128();
        let have = sum_alz(coins.iter().map(|coin| coin.alz))?;
        if have < need {
            return Err(CoinError::TooLittleAlz { have, need }.into());
        }
        let change = TxOut { value: CARRIER, script_pubkey: payee("change", change)? };
        let script_pubkey = edicts_script(self.rune(), &[(need, DEPOSIT_VOUT)], Some(1));
        let runestone = TxOut { value: Amount::ZERO, script_pubkey };
        let inputs: Vec<_> = coins.iter().map(|coin| (coin.outpoint, coin.output.clone())).collect();
        let mut draft = Draft::new(&inputs, vec![self.output(), change, runestone]);
        let fee = fee_of(signed_weight(&draft.tx, coins)?, rate)?;
        let over = rest(&draft, fee)?;
        if let Some(change) = draft.tx.output.get_mut(1) {
            change.value = change.value.checked_add(over).ok_or(CoinError::Overflow)?;
        }
        Ok(draft)
    }
}

impl Settlement {
    /// For the depositor's wallet (BIP-371): one input, the leaf to sign, and where the wallet finds its key.
    pub fn psbt(&self, origin: Option<KeySource>) -> Result<Psbt, DepositError> {
        let script = &self.hold().script;
        let Source::Account { depositor, .. } = script.source() else {
            return Err(DepositError::NotADeposit(script.leg().function));
        };
        let draft = Draft { tx: self.unsigned().clone(), prevouts: vec![script.output()] };
        let leaf = script.settle_leaf()?;
        leaf_psbt(&draft, &script.locked, leaf, origin.map(|origin| (depositor, origin)))
    }

    /// The depositor's signature out of what the wallet gave back, checked.
    pub fn signature_in(&self, psbt: &Psbt) -> Result<schnorr::Signature, DepositError> {
        let script = &self.hold().script;
        let Source::Account { depositor, .. } = script.source() else {
            return Err(DepositError::NotADeposit(script.leg().function));
        };
        is_of(psbt, self.unsigned())?;
        let signature = leaf_signature_in(psbt, depositor, script.settle_leaf()?.hash)?;
        self.check_depositor(&signature)?;
        Ok(signature)
    }
}

/// The depositor's way out, open once the refund delay has passed.
#[derive(Debug, Clone)]
pub struct Escape {
    hold: Hold,
    draft: Draft,
    leaf: TapLeafHash,
    sighash: TapSighash,
}

impl Hold {
    /// The whole hold to `to`, which the depositor alone chooses. `value` is what its output has, be that as it should or not.
    pub fn escape(&self, value: Amount, to: &[u8], rate: FeeRate) -> Result<Escape, DepositError> {
        let (depositor, draft) = self.escape_draft(value, to)?;
        let leaf = self.script.refund_leaf()?.hash;
        let mut sized = draft.tx;
        for input in &mut sized.input {
            // the attestors' leaf is not open to one signer, so this is the refund leaf
            satisfy_with_placeholders(&self.script.locked, leaf, input, &[depositor])?;
        }
        self.escape_for(value, to, fee_of(sized.weight(), rate)?)
    }

    /// The same for a fee that is known: what a PSBT that comes back is compared with.
    pub fn escape_for(&self, value: Amount, to: &[u8], fee: Amount) -> Result<Escape, DepositError> {
        let (_, mut draft) = self.escape_draft(value, to)?;
        let leaf = self.script.refund_leaf()?.hash;
        let over = rest(&draft, fee).map_err(|_| DepositError::FeeTooHigh { fee })?;
        if let Some(output) = draft.tx.output.get_mut(0) {
            output.value = output.value.checked_add(over).ok_or(CoinError::Overflow)?;
        }
        let sighash = script_path_sighash(&draft.tx, 0, &draft.prevouts, leaf)?;
        Ok(Escape { hold: self.clone(), draft, leaf, sighash })
    }

    fn escape_draft(&self, value: Amount, to: &[u8]) -> Result<(XOnlyPublicKey, Draft), DepositError> {
        let Source::Account { depositor, refund } = self.script.source() else {
            return Err(DepositError::NotADeposit(self.script.leg().function));
        };
        let output = TxOut { value: CARRIER, script_pubkey: payee("to", to)? };
        let hold = TxOut { value, ..self.script.output() };
        let mut draft = Draft::new(&[(self.outpoint, hold)], vec![output]);
        draft.tx.input.iter_mut().for_each(|input| input.sequence = refund.sequence());
        Ok((depositor, draft))
    }
}

impl Escape {
    pub fn unsigned(&self) -> &Transaction {
        &self.draft.tx
    }

    pub fn sighash(&self) -> TapSighash {
        self.sighash
    }

    pub fn fee(&self) -> Amount {
        self.draft.fee()
    }

    pub fn psbt(&self, origin: Option<KeySource>) -> Result<Psbt, DepositError> {
        let script = &self.hold.script;
        let depositor = match script.source() {
            Source::Account { depositor, .. } => origin.map(|origin| (depositor, origin)),
            Source::Reserve => None,
        };
        leaf_psbt(&self.draft, &script.locked, script.refund_leaf()?, depositor)
    }

    pub fn finish(&self, signature: &schnorr::Signature) -> Result<Transaction, DepositError> {
        let Source::Account { depositor, .. } = self.hold.script.source() else {
            return Err(DepositError::NotADeposit(self.hold.script.leg().function));
        };
        if !verifies(&self.sighash, &depositor, signature) {
            return Err(DepositError::NotSigned(depositor));
        }
        let mut tx = self.draft.tx.clone();
        for input in &mut tx.input {
            satisfy(&self.hold.script.locked, self.leaf, input, &[(depositor, *signature)])?;
        }
        Ok(tx)
    }

    pub fn signature_in(&self, psbt: &Psbt) -> Result<schnorr::Signature, DepositError> {
        let Source::Account { depositor, .. } = self.hold.script.source() else {
            return Err(DepositError::NotADeposit(self.hold.script.leg().function));
        };
        is_of(psbt, self.unsigned())?;
        leaf_signature_in(psbt, depositor, self.leaf)
    }
}

fn leaf_psbt(
    draft: &Draft,
    locked: &Locked,
    leaf: &Leaf,
    signer: Option<(XOnlyPublicKey, KeySource)>,
) -> Result<Psbt, DepositError> {
    let mut psbt = draft.psbt().ok_or_else(|| ScriptError::Leaf(locked.descriptor.to_string()))?;
    for input in &mut psbt.inputs {
        input.tap_internal_key = Some(locked.internal_key);
        input.tap_merkle_root = locked.merkle_root;
        input.tap_scripts.insert(leaf.control_block.clone(), (ScriptBuf::clone(&leaf.script), LeafVersion::TapScript));
        if let Some((key, origin)) = &signer {
            input.tap_key_origins.insert(*key, (vec![leaf.hash], origin.clone()));
        }
    }
    Ok(psbt)
}
