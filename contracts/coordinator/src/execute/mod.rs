//! One file for each group of messages, and what several of them check alike.

pub mod admin;
pub mod attach;
pub mod decide;
pub mod equivocation;
pub mod open;
pub mod record;

use aes_protocol::{evidence_root, Bytes, Evidence, Hash32, Leg, LegStatus, LegsError};
use cosmwasm_std::{Addr, Api, StdResult};

use crate::error::ContractError;
use crate::state::Record;

pub fn address(api: &dyn Api, what: &'static str, address: String) -> Result<Addr, ContractError> {
    api.addr_validate(&address).map_err(|cause| ContractError::Address {
        what,
        address,
        cause: cause.as_ref().to_string(),
    })
}

/// Canonical bytes, as hashes take an account.
pub fn account(api: &dyn Api, address: &Addr) -> StdResult<Bytes> {
    Ok(api.addr_canonicalize(address.as_str())?.as_slice().into())
}

fn is_opener_or_relayer(record: &Record, sender: &Addr) -> bool {
    *sender == record.opener || record.relayer.as_ref() == Some(sender)
}

/// One piece of evidence a leg, in their order, each with a status that fits; answers with their root.
fn check_evidence(
    legs: &[Leg],
    evidence: &[Evidence],
    fits: fn(LegStatus) -> bool,
    expected: &'static str,
) -> Result<Hash32, ContractError> {
    if evidence.len() != legs.len() {
        return Err(ContractError::EvidenceCount { got: evidence.len(), legs: legs.len() });
    }
    for (position, (leg, piece)) in legs.iter().zip(evidence).enumerate() {
        let leg_hash = leg.hash();
        if piece.leg_hash != leg_hash {
            return Err(ContractError::EvidenceLeg { position, got: piece.leg_hash, expected: leg_hash });
        }
        if piece.chain != leg.chain {
            let (got, expected) = (piece.chain.clone(), leg.chain.clone());
            return Err(ContractError::EvidenceChain { position, got, expected });
        }
        if !fits(piece.status) {
            return Err(ContractError::EvidenceStatus { position, got: piece.status, expected });
        }
        if piece.status == LegStatus::Escaped && !leg.function.is_account_sourced() {
            return Err(ContractError::EvidenceEscape { position, function: leg.function.name() });
        }
    }
    Ok(evidence_root(evidence).ok_or(LegsError::Count(0))?)
}
