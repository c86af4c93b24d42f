//! A row of headers from a checkpoint through the leaf's block to a tip with enough work above it; the rules that headers
//! follow are `aes_bitcoin::HeaderTip`.

use aes_bitcoin::{Checkpoint, HeaderTip};
use aes_protocol::{Bytes, ChainId, Hash32};
use alloy_primitives::U256;
use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use cosmwasm_schema::cw_serde;

use super::{written, BitcoinAnchors};
use crate::subject::Block;
use crate::ProofError;

pub const HEADER_LENGTH: usize = 80;
/// Two retargets of mainnet: a checkpoint that is further back belongs replaced.
pub const MAX_HEADERS: usize = 4032;
/// BIP-113: the median of this many blocks' times is the chain's own clock.
pub const MEDIAN_OF: usize = 11;

#[cw_serde]
#[derive(Eq)]
pub struct Row {
    /// the block that the first header follows
    pub checkpoint: Checkpoint,
    /// 80 bytes each, to the tip
    pub headers: Bytes,
    /// which of them is the leaf's block
    pub block: u32,
}

/// What a row shows of its block.
pub struct Mined {
    pub header: Header,
    pub height: u64,
    /// expected hashes from this block to the tip
    pub work: U256,
    pub tip: Tip,
    /// every block from the checkpoint to the one before this: what may be trusted
    passed: Vec<Checkpoint>,
}

pub struct Tip {
    pub height: u64,
    pub hash: Hash32,
}

impl Row {
    /// The block, when the row goes through a trusted checkpoint and bears enough work.
    pub fn verify(&self, chain: &ChainId, anchors: &BitcoinAnchors) -> Result<Mined, ProofError> {
        let mined = self.follow(chain)?;
        let on_the_way = |checkpoint: &Checkpoint| mined.passed.contains(checkpoint);
        let trusted: Vec<_> = anchors.checkpoints.iter().filter(|trusted| on_the_way(&trusted.checkpoint)).collect();
        let enough = |wanted: &Hash32| mined.work >= U256::from_be_bytes(wanted.0);
        if trusted.iter().any(|trusted| enough(&trusted.minimum_work)) {
            return Ok(mined);
        }
        let what = match trusted.first() {
            None => format!("checkpoint {} ({}) of {chain}", self.checkpoint.height, self.checkpoint.hash),
            Some(trusted) => {
                let wanted = U256::from_be_bytes(trusted.minimum_work.0);
                format!("block {} of {chain}: {} expected hashes on it, {wanted} wanted; it", mined.height, mined.work)
            }
        };
        Err(ProofError::NotAnchored { what })
    }

    /// All headers checked, whoever trusts the checkpoint.
    pub fn follow(&self, chain: &ChainId) -> Result<Mined, ProofError> {
        let wrong = |error| ProofError::mismatch("headers", error);
        let (headers, rest) = self.headers.as_slice().as_chunks::<HEADER_LENGTH>();
        if !rest.is_empty() || headers.len() > MAX_HEADERS {
            return Err(ProofError::malformed("headers", format!("no row of 80 bytes each, at most {MAX_HEADERS}")));
        }
        let mut tip = HeaderTip::new(chain, &self.checkpoint).map_err(wrong)?;
        let (mut passed, mut found, mut work) = (Vec::new(), None, U256::ZERO);
        for (at, bytes) in (0u32..).zip(headers) {
            let header: Header = deserialize(bytes).map_err(|error| ProofError::malformed("headers", error))?;
            if at <= self.block {
                passed.push(tip.checkpoint());
            }
            let of_header = U256::from_be_bytes(tip.extend(&header).map_err(wrong)?.to_be_bytes());
            if at == self.block {
                found = Some((header, tip.height()));
            }
            if at >= self.block {
                work = work.saturating_add(of_header);
            }
        }
        let missing = || ProofError::malformed("block", format!("there is no header {}", self.block));
        let (header, height) = found.ok_or_else(missing)?;
        let tip = Tip { height: tip.height(), hash: written(tip.hash().to_byte_array()) };
        Ok(Mined { header, height, work, tip, passed })
    }
}

impl Mined {
    pub(crate) fn block(&self) -> Block {
        let hash = written(self.header.block_hash().to_byte_array());
        Block { height: self.height, hash, time: self.header.time.into() }
    }

    /// By the chain's own clock this block is the first one at or after `time`.
    pub fn check_first_from(&self, time: u64) -> Result<(), ProofError> {
        let mut times: Vec<u32> = self.passed.iter().map(|before| before.time).collect();
        let before = median(&times, self.passed.first())?;
        times.push(self.header.time);
        let at = median(&times, self.passed.first())?;
        if before < time && at >= time {
            return Ok(());
        }
        let cause =
            format!("the median time past goes from {before} to {at} at block {}, not past {time}", self.height);
        Err(ProofError::mismatch("deadline", cause))
    }
}

/// Of the last blocks' times; fewer than eleven only where the chain itself has no more.
fn median(times: &[u32], first: Option<&Checkpoint>) -> Result<u64, ProofError> {
    let from = times.len().saturating_sub(MEDIAN_OF);
    if times.len() < MEDIAN_OF && first.is_none_or(|first| first.height > 0) {
        let cause = format!("they begin less than {MEDIAN_OF} blocks before the one at the deadline");
        return Err(ProofError::malformed("headers", cause));
    }
    let mut last = times.get(from..).unwrap_or_default().to_vec();
    last.sort_unstable();
    let median = last.get(last.len() / 2).copied();
    median.map(u64::from).ok_or_else(|| ProofError::malformed("headers", "there are none"))
}
