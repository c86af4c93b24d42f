//! Settlements: for each hold two transactions, fixed when it is made. Who signs picks which, and nothing else.
//!
//! Version 2, no lock time, one input, the anchor last. No runestone where the whole amount moves: all runes go to the
//! first output that is no OP_RETURN. A burn sends the ALZ to its own OP_RETURN by an edict.

use std::collections::BTreeMap;

use aes_protocol::Decision;
use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::{schnorr, XOnlyPublicKey};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::transaction::Version;
use bitcoin::{
    taproot, Amount, OutPoint, ScriptBuf, Sequence, TapLeafHash, TapSighash, TapSighashType, Transaction, TxIn, TxOut,
    Txid, Witness,
};
use serde::{Deserialize, Serialize};

use crate::hold::{Hold, HoldScript, Source};
use crate::keys::{verifies, AttestorSignature, SignatureError};
use crate::runes::edicts_script;
use crate::sats::{anchor_script, ANCHOR, CARRIER};
use crate::script::{Locked, ScriptError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Finalize,
    Release,
}

impl From<Decision> for Outcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Commit => Self::Finalize,
            Decision::Abort => Self::Release,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Attestors(#[from] SignatureError),
    #[error("hold {0}: its depositor's signature is missing; take it from what was attached to the leg")]
    DepositorMissing(OutPoint),
    #[error("hold {outpoint}: the depositor's signature does not verify over its {outcome:?} transaction")]
    Depositor { outpoint: OutPoint, outcome: Outcome },
    #[error("hold {0} is the reserve's: it has no depositor to sign")]
    NoDepositor(OutPoint),
    #[error("{what} cannot be signed for: {why}")]
    Sighash { what: OutPoint, why: String },
    #[error("{what}: the signatures do not satisfy its script: {why}")]
    Witness { what: OutPoint, why: String },
}

/// An unsigned settlement of one hold. It names its outcome; the attestors' journal has one entry for the hold's outpoint,
/// so a hold once signed for one outcome is never signed for the other.
#[derive(Debug, Clone)]
pub struct Settlement {
    hold: Hold,
    outcome: Outcome,
    unsigned: Transaction,
    sighash: TapSighash,
}

impl Settlement {
    pub(crate) fn new(hold: &Hold, outcome: Outcome) -> Result<Self, SettleError> {
        let unsigned = transaction(&hold.script, hold.outpoint, outcome);
        let leaf = hold.script.settle_leaf()?.hash;
        let sighash = script_path_sighash(&unsigned, 0, &[hold.script.output()], leaf)?;
        Ok(Self { hold: hold.clone(), outcome, unsigned, sighash })
    }

    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub fn unsigned(&self) -> &Transaction {
        &self.unsigned
    }

    /// Signatures are in the witness: signed or not, the id is this.
    pub fn txid(&self) -> Txid {
        self.unsigned.compute_txid()
    }

    /// What the depositor and the attestors sign (BIP-341, every input and output).
    pub fn sighash(&self) -> TapSighash {
        self.sighash
    }

    pub fn fee(&self) -> Amount {
        self.hold.script.settle_fee()
    }

    /// The pay-to-anchor output, for the child that raises the fee.
    pub fn anchor(&self) -> OutPoint {
        let last = self.unsigned.output.len().saturating_sub(1);
        OutPoint { txid: self.txid(), vout: u32::try_from(last).unwrap_or(u32::MAX) }
    }

    pub fn check_depositor(&self, signature: &schnorr::Signature) -> Result<(), SettleError> {
        let outpoint = self.hold.outpoint;
        let Source::Account { depositor, .. } = self.hold.script.source() else {
            return Err(SettleError::NoDepositor(outpoint));
        };
        if verifies(&self.sighash, &depositor, signature) {
            Ok(())
        } else {
            Err(SettleError::Depositor { outpoint, outcome: self.outcome })
        }
    }

    pub fn check_attestors(&self, signatures: &[AttestorSignature]) -> Result<(), SignatureError> {
        self.hold.script.keys().check(&self.sighash, signatures)
    }

    /// The signed transaction, when every signature is right.
    pub fn finish(
        &self,
        depositor: Option<&schnorr::Signature>,
        attestors: &[AttestorSignature],
    ) -> Result<Transaction, SettleError> {
        let outpoint = self.hold.outpoint;
        let mut signed: Vec<(XOnlyPublicKey, schnorr::Signature)> = Vec::new();
        match (self.hold.script.source(), depositor) {
            (Source::Account { depositor, .. }, Some(signature)) => {
                self.check_depositor(signature)?;
                signed.push((depositor, *signature));
            }
            (Source::Account { .. }, None) => return Err(SettleError::DepositorMissing(outpoint)),
            (Source::Reserve, Some(_)) => return Err(SettleError::NoDepositor(outpoint)),
            (Source::Reserve, None) => {}
        }
        self.check_attestors(attestors)?;
        signed.extend(attestors.iter().map(|by| (by.key, by.signature)));
        let mut tx = self.unsigned.clone();
        let leaf = self.hold.script.settle_leaf()?.hash;
        for input in &mut tx.input {
            satisfy(&self.hold.script.locked, leaf, input, &signed)?;
        }
        Ok(tx)
    }
}

fn transaction(hold: &HoldScript, outpoint: OutPoint, outcome: Outcome) -> Transaction {
    let carry = |script_pubkey: &ScriptBuf| TxOut { value: CARRIER, script_pubkey: script_pubkey.clone() };
    let payees = hold.payees();
    let mut output = match (outcome, &payees.finalize) {
        (Outcome::Finalize, Some(to)) => vec![carry(to)],
        (Outcome::Finalize, None) => {
            // amount 0 is all of it; the edict's output is this very OP_RETURN
            let script_pubkey = edicts_script(hold.rune(), &[(0, 0)], None);
            vec![TxOut { value: Amount::ZERO, script_pubkey }, carry(&payees.release)]
        }
        (Outcome::Release, _) => vec![carry(&payees.release)],
    };
    output.push(TxOut { value: ANCHOR, script_pubkey: anchor_script() });
    let input = TxIn { previous_output: outpoint, sequence: Sequence::ENABLE_RBF_NO_LOCKTIME, ..TxIn::default() };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
}

/// What the larger of a hold's two settlements weighs when signed; the fee of both is made for it.
pub(crate) fn settle_vbytes(hold: &HoldScript) -> Result<u64, ScriptError> {
    let leaf = hold.settle_leaf()?.hash;
    let mut signers: Vec<XOnlyPublicKey> = hold.keys().keys().iter().take(hold.keys().threshold()).copied().collect();
    if let Source::Account { depositor, .. } = hold.source() {
        signers.push(depositor);
    }
    let mut largest = 0;
    for outcome in [Outcome::Finalize, Outcome::Release] {
        let mut tx = transaction(hold, OutPoint::null(), outcome);
        for input in &mut tx.input {
            satisfy_with_placeholders(&hold.locked, leaf, input, &signers)?;
        }
        largest = largest.max(tx.weight().to_vbytes_ceil());
    }
    Ok(largest)
}

pub(crate) fn script_path_sighash(
    tx: &Transaction,
    input: usize,
    prevouts: &[TxOut],
    leaf: TapLeafHash,
) -> Result<TapSighash, SettleError> {
    SighashCache::new(tx)
        .taproot_script_spend_signature_hash(input, &Prevouts::All(prevouts), leaf, TapSighashType::Default)
        .map_err(|why| {
            let what = tx.input.get(input).map(|input| input.previous_output).unwrap_or_default();
            SettleError::Sighash { what, why: why.to_string() }
        })
}

pub(crate) fn satisfy(
    locked: &Locked,
    leaf: TapLeafHash,
    input: &mut TxIn,
    signed: &[(XOnlyPublicKey, schnorr::Signature)],
) -> Result<(), SettleError> {
    let signatures: BTreeMap<(XOnlyPublicKey, TapLeafHash), taproot::Signature> = signed
        .iter()
        .map(|(key, signature)| {
            ((*key, leaf), taproot::Signature { signature: *signature, sighash_type: TapSighashType::Default })
        })
        .collect();
    let what = input.previous_output;
    // the sequence says whether the refund leaf is open
    let opens = input.sequence;
    locked
        .descriptor
        .satisfy(input, (signatures, opens))
        .map_err(|why| SettleError::Witness { what, why: why.to_string() })
}

/// A witness of the right size: BIP-340 signatures are always 64 bytes, so the size is known before anyone signs.
pub(crate) fn satisfy_with_placeholders(
    locked: &Locked,
    leaf: TapLeafHash,
    input: &mut TxIn,
    signers: &[XOnlyPublicKey],
) -> Result<(), ScriptError> {
    let refused = |why: String| ScriptError::Descriptor { descriptor: locked.descriptor.to_string(), why };
    let placeholder = schnorr::Signature::from_slice(&[1; 64]).map_err(|why| refused(why.to_string()))?;
    let signed: Vec<_> = signers.iter().map(|key| (*key, placeholder)).collect();
    input.witness = Witness::new();
    satisfy(locked, leaf, input, &signed).map_err(|why| refused(why.to_string()))
}
