//! Headers in a row, each with the target that the network's own rules give it. What a header says its target is counts
//! for nothing: who lowers it mines at no cost.

use aes_protocol::{ChainId, ChainKind, Hash32};
use alloy_primitives::U256;
use bitcoin::block::Header;
use bitcoin::consensus::{deserialize, Params};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, Network, Target};
use cosmwasm_schema::cw_serde;

use super::written;
use crate::ProofError;

pub const HEADER_LENGTH: usize = 80;
/// Two retargets of mainnet: a checkpoint that is further back belongs replaced.
pub const MAX_HEADERS: usize = 4032;

/// A block that is trusted, and what the next blocks' targets follow from.
#[cw_serde]
#[derive(Eq)]
pub struct Checkpoint {
    pub height: u64,
    /// as explorers write it
    pub hash: Hash32,
    pub time: u32,
    /// compact target
    pub bits: u32,
    /// time of the first block of its 2016
    pub epoch_start: u32,
}

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
    let params = params(chain)?;
    let (headers, rest) = headers.as_chunks::<HEADER_LENGTH>();
    if !rest.is_empty() || headers.len() > MAX_HEADERS {
        return Err(ProofError::malformed("headers", format!("no row of 80 bytes each, at most {MAX_HEADERS}")));
    }
    let mut tip = Tip::new(checkpoint);
    let mut found = None;
    for (at, bytes) in (0u32..).zip(headers) {
        let header: Header = deserialize(bytes).map_err(|error| ProofError::malformed("headers", error))?;
        let work = tip.extend(&header, &params)?;
        if at == position {
            found = Some(Mined { header, height: tip.height, work });
        } else if let Some(mined) = &mut found {
            mined.work = mined.work.saturating_add(work);
        }
    }
    found.ok_or_else(|| ProofError::malformed("block", format!("there is no header {position}")))
}

struct Tip {
    height: u64,
    hash: BlockHash,
    time: u32,
    bits: CompactTarget,
    epoch_start: u32,
}

impl Tip {
    fn new(checkpoint: &Checkpoint) -> Self {
        Self {
            height: checkpoint.height,
            hash: BlockHash::from_byte_array(written(checkpoint.hash.0).0),
            time: checkpoint.time,
            bits: CompactTarget::from_consensus(checkpoint.bits),
            epoch_start: checkpoint.epoch_start,
        }
    }

    /// Goes on to `header` and says what work it took.
    fn extend(&mut self, header: &Header, params: &Params) -> Result<U256, ProofError> {
        if header.prev_blockhash != self.hash {
            let what = format!("block {} of the checkpoint's chain", self.height);
            let cause =
                format!("header {} follows {}, not {what}", self.height.saturating_add(1), header.prev_blockhash);
            return Err(ProofError::mismatch("headers", cause));
        }
        let height = self.height.checked_add(1).ok_or_else(|| ProofError::malformed("checkpoint", "no such height"))?;
        let epoch_begins = height.checked_rem(params.difficulty_adjustment_interval()) == Some(0);
        let bits = if epoch_begins {
            let timespan = u64::from(self.time.saturating_sub(self.epoch_start));
            CompactTarget::from_next_work_required(self.bits, timespan, params)
        } else {
            self.bits
        };
        let target = Target::from_compact(bits);
        let refused =
            |error: &dyn ToString| ProofError::mismatch("headers", format!("header {height}: {}", error.to_string()));
        if header.bits != bits {
            return Err(refused(&format!(
                "its target is {:08x}, the rules say {:08x}",
                header.bits.to_consensus(),
                bits.to_consensus()
            )));
        }
        self.hash = header.validate_pow(target).map_err(|error| refused(&error))?;
        (self.height, self.time, self.bits) = (height, header.time, bits);
        if epoch_begins {
            self.epoch_start = header.time;
        }
        Ok(U256::from_be_bytes(target.to_work().to_be_bytes()))
    }
}

/// CAIP-2 names a network by the first half of its genesis hash.
fn params(chain: &ChainId) -> Result<Params, ProofError> {
    let named = |network: &Network| {
        let genesis = genesis_block(*network).block_hash().to_string();
        genesis.starts_with(chain.reference())
    };
    let networks = [Network::Bitcoin, Network::Signet, Network::Regtest];
    let network = networks.into_iter().find(named).filter(|_| chain.kind() == ChainKind::Bitcoin);
    // The test networks with minimum-difficulty blocks are none: there an hour of one computer outdoes a day of all.
    let cause = || format!("{chain} is no network whose work proves anything (mainnet, signet, regtest)");
    Ok(Params::new(network.ok_or_else(|| ProofError::mismatch("chain", cause()))?))
}
