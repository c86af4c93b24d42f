//! The packed bytes that the escrow takes where a transaction's gas matters (contracts/evm/src/IAesEscrow.sol has the
//! layouts). `None` where a count is too large for its byte: the escrow would refuse so many anyway.

use aes_protocol::{Certificate, Hash32, Leg, SIGNATURE_LENGTH};
use ethers_core::types::Address;

/// An execution's legs with the accounts as this chain writes them, and the path of its decision.
pub(super) struct Execution<'a> {
    pub execution_id: Hash32,
    pub path: &'a [Hash32],
    pub legs: Vec<(&'a Leg, Address, Address)>,
}

/// What a prepare says of its leg beside the accounts.
pub(super) fn terms(leg: &Leg, deadline: u64) -> [u8; 26] {
    let mut terms = [0; 26];
    let parts = [leg.index].into_iter().chain([leg.function.code()]).chain(deadline.to_be_bytes());
    for (byte, value) in terms.iter_mut().zip(parts.chain(leg.amount.u128().to_be_bytes())) {
        *byte = value;
    }
    terms
}

/// `absent`: the members of its set that did not sign, ascending.
pub(super) fn certificate(certificate: &Certificate, absent: &[Address]) -> Option<Vec<u8>> {
    let mut bytes = certificate.attestor_set.to_be_bytes().to_vec();
    bytes.push(count(certificate.signatures.len())?);
    bytes.push(count(absent.len())?);
    for signature in &certificate.signatures {
        let signature: &[u8; SIGNATURE_LENGTH] = signature.as_slice().try_into().ok()?;
        bytes.extend_from_slice(signature);
    }
    for member in absent {
        bytes.extend_from_slice(member.as_bytes());
    }
    Some(bytes)
}

pub(super) fn batch(mut bytes: Vec<u8>, executions: &[Execution<'_>]) -> Option<Vec<u8>> {
    for execution in executions {
        bytes.extend_from_slice(&execution.execution_id.0);
        bytes.push(count(execution.path.len())?);
        bytes.push(count(execution.legs.len())?);
        for hash in execution.path {
            bytes.extend_from_slice(&hash.0);
        }
        for (leg, from, to) in &execution.legs {
            bytes.extend_from_slice(&[leg.index, leg.function.code()]);
            bytes.extend_from_slice(&leg.amount.u128().to_be_bytes());
            bytes.extend_from_slice(from.as_bytes());
            bytes.extend_from_slice(to.as_bytes());
        }
    }
    Some(bytes)
}

fn count(length: usize) -> Option<u8> {
    length.try_into().ok()
}
