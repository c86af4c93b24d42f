//! The attestors whose signatures count, under an id, with a threshold.

use cosmwasm_schema::cw_serde;

use crate::bytes::{Bytes, Hash32};
use crate::eip712::{keccak, StructHash};

pub const MAX_ATTESTORS: usize = 32;

#[cw_serde]
#[derive(Eq)]
pub struct Attestor {
    /// the 20-byte address that the secp256k1 key recovers to
    pub signer: Bytes,
    /// x-only key for Bitcoin (BIP-340); zero where the deployment has none
    pub bitcoin_key: Hash32,
}

#[cw_serde]
#[derive(Eq)]
pub struct AttestorSet {
    pub id: u64,
    pub threshold: u8,
    /// ascending by signer
    pub attestors: Vec<Attestor>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("a set has 1 to 32 attestors, got {0}")]
    Count(usize),
    #[error("threshold {threshold} of {count} attestors: give 1 to {count}")]
    Threshold { threshold: u8, count: usize },
    #[error("attestor {position}: a signer is a 20-byte address, not all zero")]
    Signer { position: usize },
    #[error("attestor {position}: signers are listed once each, in ascending order")]
    Order { position: usize },
}

impl AttestorSet {
    pub fn validate(&self) -> Result<(), SetError> {
        let count = self.attestors.len();
        if count == 0 || count > MAX_ATTESTORS {
            return Err(SetError::Count(count));
        }
        if self.threshold == 0 || usize::from(self.threshold) > count {
            return Err(SetError::Threshold { threshold: self.threshold, count });
        }
        let mut last: Option<&Bytes> = None;
        for (position, attestor) in self.attestors.iter().enumerate() {
            if attestor.signer.0.len() != 20 || attestor.signer.0.iter().all(|b| *b == 0) {
                return Err(SetError::Signer { position });
            }
            if last.is_some_and(|last| *last >= attestor.signer) {
                return Err(SetError::Order { position });
            }
            last = Some(&attestor.signer);
        }
        Ok(())
    }

    /// EIP-712 `hashStruct`; an array is the hash of its elements' hashes.
    pub fn hash(&self) -> Hash32 {
        let mut elements = Vec::new();
        for attestor in &self.attestors {
            let mut signer = [0u8; 20];
            if attestor.signer.0.len() == 20 {
                signer.copy_from_slice(&attestor.signer.0);
            }
            let element = StructHash::of("Attestor(address signer,bytes32 bitcoinKey)")
                .address(&signer)
                .word(&attestor.bitcoin_key)
                .finish();
            elements.extend_from_slice(&element.0);
        }
        StructHash::of(
            "AttestorSet(uint64 id,uint8 threshold,Attestor[] attestors)Attestor(address signer,bytes32 bitcoinKey)",
        )
        .uint(self.id.into())
        .uint(self.threshold.into())
        .word(&keccak(&elements))
        .finish()
    }

    pub fn contains(&self, signer: &[u8; 20]) -> bool {
        self.attestors.iter().any(|attestor| attestor.signer.0 == signer)
    }
}
