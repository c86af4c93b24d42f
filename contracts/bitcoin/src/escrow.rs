//! One deployment on one Bitcoin chain: its rune, its attestor sets, its vaults, and the holds of its legs.

use aes_protocol::{Bytes, ChainId, Hash32, Leg};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::ScriptBuf;
use serde::{Deserialize, Serialize};

use crate::hold::{HoldScript, Source};
use crate::keys::{AttestorKeys, AttestorSets, KeysError};
use crate::payee::PayeeError;
use crate::runes::RuneId;
use crate::script::{Binding, Locked, RefundDelay, ScriptError};

/// What every party must agree on to build the same scripts and transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    pub chain: ChainId,
    /// `Domain::salt` of the deployment
    pub deployment: Hash32,
    /// ALZ's id: block and place of its etching
    pub rune: RuneId,
    /// the deployment's first set; the escrow's name in legs is that set's vault, and stays when sets rotate
    pub first_set: u64,
    pub sets: AttestorSets,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EscrowError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("leg {leg}: {cause}")]
    Payee { leg: u8, cause: PayeeError },
    #[error("leg {leg} is on {got}, this escrow on {wanted}")]
    Chain { leg: u8, got: ChainId, wanted: ChainId },
    #[error("leg {leg} names escrow {got}, this one is {wanted}")]
    Escrow { leg: u8, got: Bytes, wanted: Bytes },
    #[error("leg {leg}: a {function} is held from {wanted}")]
    Source { leg: u8, function: &'static str, wanted: &'static str },
    #[error("leg {leg}: {cause}")]
    Leg { leg: u8, cause: aes_protocol::LegError },
    #[error(
        "leg {leg}: whether it is finalized or released, the same account is paid; on Bitcoin no such leg can be held"
    )]
    SamePayee { leg: u8 },
    #[error("leg {leg}: the settlement's fee is over what an amount can say")]
    Fee { leg: u8 },
}

/// Where one set keeps the reserve.
#[derive(Debug, Clone)]
pub struct Vault {
    keys: AttestorKeys,
    pub(crate) locked: Locked,
}

impl Vault {
    pub fn set_id(&self) -> u64 {
        self.keys.set_id()
    }

    pub fn script_pubkey(&self) -> &ScriptBuf {
        &self.locked.script_pubkey
    }

    pub fn descriptor(&self) -> String {
        self.locked.descriptor.to_string()
    }

    pub fn keys(&self) -> &AttestorKeys {
        &self.keys
    }
}

impl Escrow {
    /// What legs give as `escrow`.
    pub fn address(&self) -> Result<Bytes, EscrowError> {
        Ok(self.vault(self.first_set)?.script_pubkey().to_bytes().into())
    }

    pub fn vault(&self, set_id: u64) -> Result<Vault, EscrowError> {
        let keys = self.sets.get(set_id)?.clone();
        let locked = Locked::by_attestors(Binding::Vault { deployment: &self.deployment, set_id }, &keys)?;
        Ok(Vault { keys, locked })
    }

    /// Every set's vault: what a watcher counts as reserve.
    pub fn vaults(&self) -> Result<Vec<Vault>, EscrowError> {
        self.sets.iter().map(|keys| self.vault(keys.set_id())).collect()
    }

    /// The hold of a `transfer`, `lock` or `burn`.
    pub fn account_hold(
        &self,
        execution_id: &Hash32,
        leg: &Leg,
        set_id: u64,
        depositor: XOnlyPublicKey,
        refund: RefundDelay,
    ) -> Result<HoldScript, EscrowError> {
        self.hold(execution_id, leg, set_id, Source::Account { depositor, refund })
    }

    /// The hold of an `unlock`.
    pub fn reserve_hold(&self, execution_id: &Hash32, leg: &Leg, set_id: u64) -> Result<HoldScript, EscrowError> {
        self.hold(execution_id, leg, set_id, Source::Reserve)
    }

    fn hold(&self, execution_id: &Hash32, leg: &Leg, set_id: u64, source: Source) -> Result<HoldScript, EscrowError> {
        self.check_leg(leg, source)?;
        HoldScript::new(execution_id, leg, self.vault(set_id)?, self.rune, source)
    }

    fn check_leg(&self, leg: &Leg, source: Source) -> Result<(), EscrowError> {
        let index = leg.index;
        leg.validate().map_err(|cause| EscrowError::Leg { leg: index, cause })?;
        if leg.chain != self.chain {
            return Err(EscrowError::Chain { leg: index, got: leg.chain.clone(), wanted: self.chain.clone() });
        }
        let wanted = self.address()?;
        if leg.escrow != wanted {
            return Err(EscrowError::Escrow { leg: index, got: leg.escrow.clone(), wanted });
        }
        let from_account = leg.function.is_account_sourced();
        if from_account != matches!(source, Source::Account { .. }) {
            let wanted = if from_account { "its depositor's account" } else { "the vault" };
            return Err(EscrowError::Source { leg: index, function: leg.function.name(), wanted });
        }
        Ok(())
    }
}
