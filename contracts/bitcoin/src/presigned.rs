//! The depositor's word, as `attach` keeps it on the home chain: which output is the hold, how its script is made, and
//! one signature over each settlement. With the execution and the leg it rebuilds both transactions from nothing.

use aes_protocol::{Bytes, Hash32, Leg};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{schnorr, XOnlyPublicKey};
use bitcoin::{OutPoint, Txid};

use crate::escrow::{Escrow, EscrowError};
use crate::hold::Hold;
use crate::script::RefundDelay;
use crate::settle::{Outcome, SettleError};

const VERSION: u8 = 1;

/// Version, set, depositor, refund units, txid, output, and two BIP-340 signatures.
pub const PRESIGNED_LENGTH: usize = 1 + 8 + 32 + 2 + 32 + 4 + 64 + 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    pub set_id: u64,
    pub depositor: XOnlyPublicKey,
    pub refund: RefundDelay,
    pub outpoint: OutPoint,
    pub finalize: schnorr::Signature,
    pub release: schnorr::Signature,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresignedError {
    #[error("attached bytes have version {0}, this release reads version 1")]
    Version(u8),
    #[error("attached bytes of version 1 are {PRESIGNED_LENGTH} long, got {0}")]
    Length(usize),
    #[error("attached bytes: '{0}' is not one; make them anew with `aes prepare`")]
    Field(&'static str),
    #[error(transparent)]
    Hold(#[from] EscrowError),
    /// names the outcome whose signature is bad
    #[error(transparent)]
    Signature(#[from] SettleError),
}

impl Presigned {
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(PRESIGNED_LENGTH);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.set_id.to_be_bytes());
        bytes.extend_from_slice(&self.depositor.serialize());
        bytes.extend_from_slice(&self.refund.units().to_be_bytes());
        bytes.extend_from_slice(self.outpoint.txid.as_byte_array());
        bytes.extend_from_slice(&self.outpoint.vout.to_be_bytes());
        bytes.extend_from_slice(&self.finalize.serialize());
        bytes.extend_from_slice(&self.release.serialize());
        bytes.into()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, PresignedError> {
        match bytes.first() {
            Some(&VERSION) if bytes.len() == PRESIGNED_LENGTH => {}
            Some(&VERSION) | None => return Err(PresignedError::Length(bytes.len())),
            Some(other) => return Err(PresignedError::Version(*other)),
        }
        let mut rest = bytes.get(1..).unwrap_or_default();
        let set_id = u64::from_be_bytes(take(&mut rest, "set id")?);
        let depositor = XOnlyPublicKey::from_slice(&take::<32>(&mut rest, "depositor key")?)
            .map_err(|_| PresignedError::Field("depositor key"))?;
        let refund = RefundDelay::from_units(u16::from_be_bytes(take(&mut rest, "refund delay")?))
            .ok_or(PresignedError::Field("refund delay"))?;
        let txid = Txid::from_byte_array(take(&mut rest, "hold")?);
        let vout = u32::from_be_bytes(take(&mut rest, "hold")?);
        let mut signature = |what| {
            schnorr::Signature::from_slice(&take::<64>(&mut rest, what)?).map_err(|_| PresignedError::Field(what))
        };
        let finalize = signature("finalize signature")?;
        let release = signature("release signature")?;
        Ok(Self { set_id, depositor, refund, outpoint: OutPoint { txid, vout }, finalize, release })
    }

    /// The hold it speaks of, rebuilt. Nothing is checked against the chain yet: that is [`Hold::check`].
    pub fn hold(&self, escrow: &Escrow, execution_id: &Hash32, leg: &Leg) -> Result<Hold, PresignedError> {
        let script = escrow.account_hold(execution_id, leg, self.set_id, self.depositor, self.refund)?;
        Ok(script.at(self.outpoint))
    }

    /// The hold, when both signatures are the depositor's over its two settlements.
    pub fn verify(&self, escrow: &Escrow, execution_id: &Hash32, leg: &Leg) -> Result<Hold, PresignedError> {
        let hold = self.hold(escrow, execution_id, leg)?;
        for outcome in [Outcome::Finalize, Outcome::Release] {
            hold.settlement(outcome)?.check_depositor(self.signature(outcome))?;
        }
        Ok(hold)
    }

    pub fn signature(&self, outcome: Outcome) -> &schnorr::Signature {
        match outcome {
            Outcome::Finalize => &self.finalize,
            Outcome::Release => &self.release,
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8], what: &'static str) -> Result<[u8; N], PresignedError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(PresignedError::Field(what))?;
    *rest = tail;
    Ok(*head)
}
