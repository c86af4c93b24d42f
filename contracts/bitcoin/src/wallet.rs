//! A depositor's wallet that is elsewhere: its key as descriptors write it (BIP-380), and what it signs (BIP-174, BIP-371).

use std::str::FromStr;

use bitcoin::bip32::KeySource;
use bitcoin::secp256k1::{schnorr, Secp256k1, XOnlyPublicKey};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::{taproot, Psbt, ScriptBuf, TapSighashType, Transaction, Witness};
use miniscript::descriptor::{DescriptorPublicKey, SinglePub, SinglePubKey};

use crate::coins::Draft;
use crate::deposit::DepositError;
use crate::keys::verifies;

/// `[d34db33f/86h/0h/0h/0/0]` and an x-only key. Its account is P2TR by the key path (BIP-86); with the same key it signs
/// inside a hold's script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletKey {
    pub key: XOnlyPublicKey,
    pub origin: KeySource,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no x-only key with its origin; write [fingerprint/path]key, as your wallet's descriptor has it")]
pub struct WalletKeyError(String);

impl FromStr for WalletKey {
    type Err = WalletKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(DescriptorPublicKey::Single(SinglePub { origin: Some(origin), key: SinglePubKey::XOnly(key) })) => {
                Ok(Self { key, origin })
            }
            _ => Err(WalletKeyError(text.into())),
        }
    }
}

impl WalletKey {
    pub fn script(&self) -> ScriptBuf {
        ScriptBuf::new_p2tr(&Secp256k1::verification_only(), self.key, None)
    }
}

impl Draft {
    /// For a wallet all of whose inputs these are. `None` only for a transaction that is signed already.
    pub fn psbt_for(&self, wallet: &WalletKey) -> Option<Psbt> {
        let mut psbt = self.psbt()?;
        for input in &mut psbt.inputs {
            input.tap_internal_key = Some(wallet.key);
            input.tap_key_origins.insert(wallet.key, (Vec::new(), wallet.origin.clone()));
        }
        Some(psbt)
    }

    /// The transaction as the wallet signed it: the one that was asked for, and every input's signature right.
    pub fn signed_in(&self, psbt: &Psbt) -> Result<Transaction, DepositError> {
        is_of(psbt, &self.tx)?;
        let mut tx = self.tx.clone();
        let mut cache = SighashCache::new(&self.tx);
        for (place, (input, prevout)) in tx.input.iter_mut().zip(&self.prevouts).enumerate() {
            let coin = input.previous_output;
            let signature = psbt.inputs.get(place).and_then(key_path_signature);
            let signature = signature.ok_or(DepositError::InputNotSigned(coin))?;
            let wrong = |_| DepositError::InputSignature(coin);
            if !matches!(signature.sighash_type, TapSighashType::Default | TapSighashType::All) {
                return Err(DepositError::SighashType(signature.sighash_type));
            }
            let key = prevout.script_pubkey.as_bytes().get(2..).filter(|_| prevout.script_pubkey.is_p2tr());
            let key = XOnlyPublicKey::from_slice(key.unwrap_or_default()).map_err(wrong)?;
            let sighash = cache
                .taproot_key_spend_signature_hash(place, &Prevouts::All(&self.prevouts), signature.sighash_type)
                .map_err(|_| DepositError::InputSignature(coin))?;
            if !verifies(&sighash, &key, &signature.signature) {
                return Err(DepositError::InputSignature(coin));
            }
            input.witness = Witness::p2tr_key_spend(&signature);
        }
        Ok(tx)
    }
}

/// Some wallets leave the signature where BIP-371 has it, others finalize the input.
fn key_path_signature(input: &bitcoin::psbt::Input) -> Option<taproot::Signature> {
    let finalized = || {
        let witness = input.final_script_witness.as_ref().filter(|witness| witness.len() == 1)?;
        taproot::Signature::from_slice(witness.nth(0)?).ok()
    };
    input.tap_key_sig.or_else(finalized)
}

/// The signature of a leaf with one signer, likewise: in a finalized input it is the first of three elements.
pub(crate) fn leaf_signature_in(
    psbt: &Psbt,
    by: XOnlyPublicKey,
    leaf: bitcoin::TapLeafHash,
) -> Result<schnorr::Signature, DepositError> {
    let input = psbt.inputs.first().ok_or(DepositError::NotSigned(by))?;
    let finalized = || {
        let witness = input.final_script_witness.as_ref().filter(|witness| witness.len() == 3)?;
        taproot::Signature::from_slice(witness.nth(0)?).ok()
    };
    let signature = input.tap_script_sigs.get(&(by, leaf)).copied().or_else(finalized);
    let signature = signature.ok_or(DepositError::NotSigned(by))?;
    if signature.sighash_type != TapSighashType::Default {
        return Err(DepositError::SighashType(signature.sighash_type));
    }
    Ok(signature.signature)
}

pub(crate) fn is_of(psbt: &Psbt, tx: &Transaction) -> Result<(), DepositError> {
    let (got, wanted) = (psbt.unsigned_tx.compute_txid(), tx.compute_txid());
    if got == wanted {
        Ok(())
    } else {
        Err(DepositError::OtherTransaction { got, wanted })
    }
}
