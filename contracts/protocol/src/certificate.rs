//! Certificates: `threshold` signatures of one attestor set on one statement.
//! Verifiers recover the signers, they never trust a list.

use cosmwasm_schema::cw_serde;

use crate::bytes::{Bytes, Hash32};
use crate::decision::Decision;
use crate::eip712::{keccak, Domain, StructHash};
use crate::set::AttestorSet;

/// `r ‖ s ‖ v`
pub const SIGNATURE_LENGTH: usize = 65;

/// Half the order of secp256k1: a signature with a larger `s` is the malleated twin of one with a smaller.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// What attestors say. The set that says it is part of what is signed.
#[cw_serde]
#[derive(Copy, Eq)]
pub enum Statement {
    /// every account-sourced leg is held: the reserve may follow
    Opened { execution_id: Hash32, manifest_root: Hash32, deadline: u64 },
    /// every leg is held, at finality
    Prepared { execution_id: Hash32, evidence_root: Hash32 },
    /// what the coordinator decided for each execution under the root
    Decided { decisions_root: Hash32 },
    /// every leg ended as decided, at finality
    Settled { execution_id: Hash32, decision: Decision, evidence_root: Hash32 },
    /// the next set
    Rotated { new_set: u64, new_set_hash: Hash32 },
}

impl Statement {
    pub fn hash(&self, attestor_set: u64) -> Hash32 {
        let fields = match self {
            Self::Opened { execution_id, manifest_root, deadline } => {
                StructHash::of("Opened(bytes32 executionId,bytes32 manifestRoot,uint64 deadline,uint64 attestorSet)")
                    .word(execution_id)
                    .word(manifest_root)
                    .uint((*deadline).into())
            }
            Self::Prepared { execution_id, evidence_root } => {
                StructHash::of("Prepared(bytes32 executionId,bytes32 evidenceRoot,uint64 attestorSet)")
                    .word(execution_id)
                    .word(evidence_root)
            }
            Self::Decided { decisions_root } => {
                StructHash::of("Decided(bytes32 decisionsRoot,uint64 attestorSet)").word(decisions_root)
            }
            Self::Settled { execution_id, decision, evidence_root } => {
                StructHash::of("Settled(bytes32 executionId,uint8 decision,bytes32 evidenceRoot,uint64 attestorSet)")
                    .word(execution_id)
                    .uint(decision.code().into())
                    .word(evidence_root)
            }
            Self::Rotated { new_set, new_set_hash } => {
                StructHash::of("Rotated(uint64 newSet,bytes32 newSetHash,uint64 attestorSet)")
                    .uint((*new_set).into())
                    .word(new_set_hash)
            }
        };
        fields.uint(attestor_set.into()).finish()
    }

    pub fn digest(&self, domain: &Domain, attestor_set: u64) -> Hash32 {
        domain.digest(&self.hash(attestor_set))
    }
}

#[cw_serde]
#[derive(Eq)]
pub struct Certificate {
    pub attestor_set: u64,
    /// 65 bytes each, `r ‖ s ‖ v` with v 27 or 28, in ascending order of their signers' addresses
    pub signatures: Vec<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate is of attestor set {got}, checked against set {expected}")]
    OtherSet { got: u64, expected: u64 },
    #[error("{got} signatures, the set's threshold is {threshold}: give exactly that many")]
    Count { got: usize, threshold: u8 },
    #[error("signature {0}: not r (32 bytes), s (32 bytes, the lower of the two), v (27 or 28)")]
    Malformed(usize),
    #[error("signature {0}: recovers to no key")]
    Unrecoverable(usize),
    #[error("signature {position}: signed by {signer}, which is not in attestor set {set}")]
    Stranger { position: usize, signer: Bytes, set: u64 },
    #[error("signature {0}: signatures stand in ascending order of their signers, each once")]
    Order(usize),
}

/// Public key recovery, which a contract asks of its chain and everyone else does by themselves.
pub trait Recover {
    /// The uncompressed key (65 bytes, or the 64 behind its prefix) that signed `digest`, or `None`.
    fn recover(&self, digest: &Hash32, r_s: &[u8], recovery_id: u8) -> Option<Vec<u8>>;
}

/// Ethereum's address of an uncompressed secp256k1 key.
pub fn address_of_public_key(key: &[u8]) -> Option<[u8; 20]> {
    let point = match (key.len(), key.first()) {
        (65, Some(4)) => key.get(1..)?,
        (64, _) => key,
        _ => return None,
    };
    keccak(point).0.get(12..)?.try_into().ok()
}

impl Certificate {
    /// Exactly `threshold` signatures of `set` on `statement` in this deployment.
    pub fn verify(
        &self,
        statement: &Statement,
        domain: &Domain,
        set: &AttestorSet,
        recover: &impl Recover,
    ) -> Result<(), CertificateError> {
        if self.attestor_set != set.id {
            return Err(CertificateError::OtherSet { got: self.attestor_set, expected: set.id });
        }
        if self.signatures.len() != usize::from(set.threshold) {
            return Err(CertificateError::Count { got: self.signatures.len(), threshold: set.threshold });
        }
        let digest = statement.digest(domain, self.attestor_set);
        let mut last: Option<[u8; 20]> = None;
        for (position, signature) in self.signatures.iter().enumerate() {
            let signer = recover_signer(&digest, signature, position, recover)?;
            if !set.contains(&signer) {
                return Err(CertificateError::Stranger { position, signer: signer.to_vec().into(), set: set.id });
            }
            if last.is_some_and(|last| last >= signer) {
                return Err(CertificateError::Order(position));
            }
            last = Some(signer);
        }
        Ok(())
    }
}

fn recover_signer(
    digest: &Hash32,
    signature: &Bytes,
    position: usize,
    recover: &impl Recover,
) -> Result<[u8; 20], CertificateError> {
    let malformed = CertificateError::Malformed(position);
    let (Some(r_s), Some(s), Some(v), SIGNATURE_LENGTH) =
        (signature.0.get(..64), signature.0.get(32..64), signature.0.get(64), signature.0.len())
    else {
        return Err(malformed);
    };
    let recovery_id = match v {
        27 => 0,
        28 => 1,
        _ => return Err(malformed),
    };
    if s > HALF_ORDER.as_slice() {
        return Err(malformed);
    }
    recover
        .recover(digest, r_s, recovery_id)
        .and_then(|key| address_of_public_key(&key))
        .ok_or(CertificateError::Unrecoverable(position))
}
