//! The headers of a proof, from the reader's checkpoint to a tip; the rules that they follow are `aes_bitcoin::HeaderTip`.

use aes_bitcoin::{Checkpoint, HeaderTip};
use aes_protocol::ChainId;
use alloy_primitives::U256;
use bitcoin::block::Header;
use bitcoin::consensus::deserialize;

use crate::ProofError;

pub const HEADER_LENGTH: usize = 80;
/// Two retargets of mainnet: a checkpoint that is further back belongs replaced.
pub const MAX_HEADERS: usize = 4032;

pub(super) struct Mined {
    pub header: Header,
    pub height: u64,
    /// expected hashes from this block to the last header
    pub work: U256,
}

/// The header at `position`, after all of them were checked.
pub(super) fn follow(
    chain: &ChainId,
    checkpoint: &Checkpoint,
    headers: &[u8],
    position: u32,
) -> Result<Mined, ProofError> {
    let wrong = |error| ProofError::mismatch("headers", error);
    let (headers, rest) = headers.as_chunks::<HEADER_LENGTH>();
    if !rest.is_empty() || headers.len() > MAX_HEADERS {
        return Err(ProofError::malformed("headers", format!("no row of 80 bytes each, at most {MAX_HEADERS}")));
    }
    let mut tip = HeaderTip::new(chain, checkpoint).map_err(wrong)?;
    let mut found = None;
    for (at, bytes) in (0u32..).zip(headers) {
        let header: Header = deserialize(bytes).map_err(|error| ProofError::malformed("headers", error))?;
        let work = U256::from_be_bytes(tip.extend(&header).map_err(wrong)?.to_be_bytes());
        if at == position {
            found = Some(Mined { header, height: tip.height(), work });
        } else if let Some(mined) = &mut found {
            mined.work = mined.work.saturating_add(work);
        }
    }
    found.ok_or_else(|| ProofError::malformed("block", format!("there is no header {position}")))
}
