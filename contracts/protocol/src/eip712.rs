//! EIP-712: how a struct becomes 32 bytes, and the domain that ties a signature to one deployment.

use cosmwasm_schema::cw_serde;
use sha3::{Digest, Keccak256};

use crate::bytes::{Bytes, Hash32};
use crate::chain::ChainId;

pub fn keccak(bytes: &[u8]) -> Hash32 {
    Hash32(Keccak256::digest(bytes).into())
}

/// `hashStruct`: the type's hash, then one word a field. Dynamic fields go in hashed.
pub(crate) struct StructHash(Vec<u8>);

impl StructHash {
    pub fn of(type_string: &str) -> Self {
        Self(keccak(type_string.as_bytes()).0.to_vec())
    }
    pub fn word(mut self, word: &Hash32) -> Self {
        self.0.extend_from_slice(&word.0);
        self
    }
    pub fn uint(mut self, value: u128) -> Self {
        self.0.extend_from_slice(&[0; 16]);
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    pub fn address(mut self, address: &[u8; 20]) -> Self {
        self.0.extend_from_slice(&[0; 12]);
        self.0.extend_from_slice(address);
        self
    }
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let hash = keccak(bytes);
        self.word(&hash)
    }
    pub fn string(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }
    pub fn finish(self) -> Hash32 {
        keccak(&self.0)
    }
}

/// The deployment a signature is for: the same on all of its chains.
#[cw_serde]
pub struct Domain {
    pub home_chain: ChainId,
    /// the coordinator's canonical address on the home chain
    pub coordinator: Bytes,
}

impl Domain {
    /// `keccak(homeChain ‖ 0x00 ‖ coordinator)`
    pub fn salt(&self) -> Hash32 {
        let mut bytes = self.home_chain.as_str().as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(&self.coordinator.0);
        keccak(&bytes)
    }

    pub fn separator(&self) -> Hash32 {
        StructHash::of("EIP712Domain(string name,string version,bytes32 salt)")
            .string("AES")
            .string("1")
            .word(&self.salt())
            .finish()
    }

    /// What is signed: `keccak(0x1901 ‖ separator ‖ hashStruct)`.
    pub fn digest(&self, struct_hash: &Hash32) -> Hash32 {
        let mut bytes = vec![0x19, 0x01];
        bytes.extend_from_slice(&self.separator().0);
        bytes.extend_from_slice(&struct_hash.0);
        keccak(&bytes)
    }
}
