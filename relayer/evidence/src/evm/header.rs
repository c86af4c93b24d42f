//! A block's header. Only the fields that are used are read, by their place in the list, so that chains whose headers
//! have more of them (Polygon, rollups) are served too; the hash is over the bytes as they are.

use aes_protocol::{keccak, Bytes, Hash32};
use alloy_primitives::B256;
use alloy_rlp::Decodable;

use super::trie::list;
use crate::subject::Block;
use crate::ProofError;

pub(super) struct Header {
    pub hash: Hash32,
    pub parent: Hash32,
    pub state_root: B256,
    pub transactions_root: B256,
    pub receipts_root: B256,
    pub number: u64,
    pub time: u64,
}

impl Header {
    pub fn read(bytes: &Bytes) -> Result<Self, ProofError> {
        let fields = list("header", bytes.as_slice())?;
        Ok(Self {
            hash: keccak(bytes.as_slice()),
            parent: Hash32(field::<B256>(&fields, 0)?.0),
            state_root: field(&fields, 3)?,
            transactions_root: field(&fields, 4)?,
            receipts_root: field(&fields, 5)?,
            number: field(&fields, 8)?,
            time: field(&fields, 11)?,
        })
    }

    pub fn block(&self) -> Block {
        Block { height: self.number, hash: self.hash, time: self.time }
    }

    pub fn check_parent(&self, parent: &Header) -> Result<(), ProofError> {
        if self.parent == parent.hash && self.number.checked_sub(1) == Some(parent.number) {
            return Ok(());
        }
        let cause = format!("block {} does not follow block {} ({})", self.number, parent.number, parent.hash);
        Err(ProofError::mismatch("headers", cause))
    }
}

fn field<T: Decodable>(fields: &[&[u8]], place: usize) -> Result<T, ProofError> {
    let mut item = *fields.get(place).ok_or_else(|| ProofError::malformed("header", format!("no field {place}")))?;
    let wrong = |cause: &dyn ToString| ProofError::malformed("header", format!("field {place}: {}", cause.to_string()));
    let value = T::decode(&mut item).map_err(|error| wrong(&error))?;
    if item.is_empty() {
        Ok(value)
    } else {
        Err(wrong(&"bytes behind it"))
    }
}
