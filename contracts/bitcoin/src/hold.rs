//! One leg's hold: its script, what it must contain, and how it ended.

use aes_protocol::{Hash32, Leg};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut};
use serde::{Deserialize, Serialize};

use crate::escrow::{EscrowError, Vault};
use crate::keys::AttestorKeys;
use crate::payee::payee;
use crate::runes::RuneId;
use crate::sats::{ANCHOR, CARRIER, SETTLE_FEE_RATE};
use crate::script::{Binding, Leaf, Locked, RefundDelay, ScriptError};
use crate::settle::{settle_vbytes, Outcome, SettleError, Settlement};

/// Whose ALZ is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    Account { depositor: XOnlyPublicKey, refund: RefundDelay },
    Reserve,
}

/// A hold before it is known where on the chain it is.
#[derive(Debug, Clone)]
pub struct HoldScript {
    execution_id: Hash32,
    leg: Leg,
    source: Source,
    vault: Vault,
    rune: RuneId,
    payees: Payees,
    pub(crate) locked: Locked,
    settle_vbytes: u64,
    settle_fee: Amount,
    sats: Amount,
}

/// Where the ALZ goes; `None` is destroyed.
#[derive(Debug, Clone)]
pub(crate) struct Payees {
    pub finalize: Option<ScriptBuf>,
    pub release: ScriptBuf,
}

/// A hold in an output of a transaction.
#[derive(Debug, Clone)]
pub struct Hold {
    pub script: HoldScript,
    pub outpoint: OutPoint,
}

/// How a hold's output was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Settled(Outcome),
    /// by the depositor alone, after the refund delay
    Escaped,
    /// by the attestors' keys, into a transaction that is neither settlement: a broken promise, to be shouted about
    Foreign,
}

impl HoldScript {
    pub(crate) fn new(
        execution_id: &Hash32,
        leg: &Leg,
        vault: Vault,
        rune: RuneId,
        source: Source,
    ) -> Result<Self, EscrowError> {
        let index = leg.index;
        let leg_hash = leg.hash();
        let binding = Binding::Hold { execution_id, leg_hash: &leg_hash };
        let locked = match &source {
            Source::Account { depositor, refund } => {
                Locked::by_both_or_later_by_one(binding, vault.keys(), depositor, *refund)?
            }
            Source::Reserve => Locked::by_attestors(binding, vault.keys())?,
        };
        let account =
            |role, script: &[u8]| payee(role, script).map_err(|cause| EscrowError::Payee { leg: index, cause });
        let in_vault = vault.script_pubkey().clone();
        let release = match source {
            Source::Account { .. } => account("from", &leg.from.0)?,
            Source::Reserve => in_vault.clone(),
        };
        let finalize = match leg.function {
            aes_protocol::Function::Transfer | aes_protocol::Function::Unlock => Some(account("to", &leg.to.0)?),
            aes_protocol::Function::Lock => Some(in_vault),
            aes_protocol::Function::Burn | aes_protocol::Function::Mint => None,
        };
        // both settlements would be one transaction, and nobody could say which of them it is
        if finalize.as_ref() == Some(&release) {
            return Err(EscrowError::SamePayee { leg: index });
        }
        let mut hold = Self {
            execution_id: *execution_id,
            leg: leg.clone(),
            source,
            vault,
            rune,
            payees: Payees { finalize, release },
            locked,
            settle_vbytes: 0,
            settle_fee: Amount::ZERO,
            sats: Amount::ZERO,
        };
        hold.settle_vbytes = settle_vbytes(&hold)?;
        let cost = || {
            let fee = SETTLE_FEE_RATE.fee_vb(hold.settle_vbytes)?;
            Some((fee, CARRIER.checked_add(ANCHOR)?.checked_add(fee)?))
        };
        (hold.settle_fee, hold.sats) = cost().ok_or(EscrowError::Fee { leg: index })?;
        Ok(hold)
    }

    pub fn execution_id(&self) -> &Hash32 {
        &self.execution_id
    }

    pub fn leg(&self) -> &Leg {
        &self.leg
    }

    pub fn source(&self) -> Source {
        self.source
    }

    pub fn keys(&self) -> &AttestorKeys {
        self.vault.keys()
    }

    /// the vault that a lock pays into, and that a reserve-sourced hold came from and is released to
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    pub fn rune(&self) -> RuneId {
        self.rune
    }

    pub fn script_pubkey(&self) -> &ScriptBuf {
        &self.locked.script_pubkey
    }

    pub fn descriptor(&self) -> String {
        self.locked.descriptor.to_string()
    }

    /// What the hold's output must hold, to the sat: the carrier, the anchor and the settlement's fee.
    pub fn sats(&self) -> Amount {
        self.sats
    }

    /// Of the larger of the two settlements, signed.
    pub fn settle_vbytes(&self) -> u64 {
        self.settle_vbytes
    }

    /// The same for both settlements.
    pub fn settle_fee(&self) -> Amount {
        self.settle_fee
    }

    pub fn output(&self) -> TxOut {
        TxOut { value: self.sats, script_pubkey: self.script_pubkey().clone() }
    }

    /// The leaf that the attestors sign (with the depositor, for an account-sourced hold).
    pub fn settle_leaf(&self) -> Result<&Leaf, ScriptError> {
        self.locked.leaf(0)
    }

    /// The leaf of the depositor alone; a reserve-sourced hold has none.
    pub fn refund_leaf(&self) -> Result<&Leaf, ScriptError> {
        self.locked.leaf(1)
    }

    pub(crate) fn payees(&self) -> &Payees {
        &self.payees
    }

    pub fn at(self, outpoint: OutPoint) -> Hold {
        Hold { script: self, outpoint }
    }
}

impl Hold {
    pub fn settlement(&self, outcome: Outcome) -> Result<Settlement, SettleError> {
        Settlement::new(self, outcome)
    }

    /// How `spend` ended this hold; `None` when it does not spend it.
    pub fn ending(&self, spend: &Transaction) -> Result<Option<Ending>, SettleError> {
        let Some(input) = spend.input.iter().find(|input| input.previous_output == self.outpoint) else {
            return Ok(None);
        };
        let txid = spend.compute_txid();
        for outcome in [Outcome::Finalize, Outcome::Release] {
            if self.settlement(outcome)?.txid() == txid {
                return Ok(Some(Ending::Settled(outcome)));
            }
        }
        let refund = self.script.refund_leaf().ok().map(|leaf| leaf.script.as_script());
        let escaped = refund.is_some() && input.witness.taproot_leaf_script().map(|leaf| leaf.script) == refund;
        Ok(Some(if escaped { Ending::Escaped } else { Ending::Foreign }))
    }
}
