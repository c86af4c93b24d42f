//! The headers of the followed chain, from the manifest's anchor to its tip. Each has its target computed and its work done
//! (`aes_bitcoin::HeaderTip`), so which chain has most work is no node's word.

use aes_bitcoin::{Checkpoint, HeaderError, HeaderTip, Tip};
use aes_protocol::ChainId;
use bitcoin::block::Header;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Work};

use super::evidence::written;

const LENGTH: usize = 80;
/// Blocks to a retarget.
const PERIOD: u64 = 2016;

pub struct Headers {
    chain: ChainId,
    /// height of the anchor
    first: u64,
    /// from the anchor on, each with the work of all up to it
    rows: Vec<(Header, Work)>,
}

/// Headers that leave the followed chain after the block `from`.
pub struct Branch {
    from: u64,
    tip: HeaderTip,
    rows: Vec<(Header, Work)>,
    work: Work,
}

/// The block to start from so that every target above it can be computed: `height` is in its 2016.
pub fn anchor_below(height: u64) -> u64 {
    height - height % PERIOD
}

impl Headers {
    /// From an anchor that is trusted.
    pub fn new(chain: &ChainId, first: u64, anchor: Header) -> Result<Self, HeaderError> {
        let headers = Self { chain: chain.clone(), first, rows: vec![(anchor, anchor.work())] };
        // a network whose targets are not known is refused here
        headers.tip_at(first, &anchor)?;
        Ok(headers)
    }

    /// As `bytes` wrote them, as far as they can be read: each is checked anew.
    pub fn read(chain: &ChainId, first: u64, bytes: &[u8]) -> Option<Self> {
        let mut headers = bytes.as_chunks::<LENGTH>().0.iter().map_while(|bytes| deserialize::<Header>(bytes).ok());
        let mut read = Self::new(chain, first, headers.next()?).ok()?;
        let mut branch = read.branch(first)?;
        headers.map_while(|header| branch.extend(header).ok()).for_each(drop);
        read.follow(branch);
        Some(read)
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.rows.iter().flat_map(|(header, _)| serialize(header)).collect()
    }

    pub fn tip(&self) -> Tip {
        let above = u64::try_from(self.rows.len()).unwrap_or(u64::MAX).saturating_sub(1);
        let height = self.first.saturating_add(above);
        Tip { height, hash: self.hash_at(height).unwrap_or_else(BlockHash::all_zeros) }
    }

    pub fn at(&self, height: u64) -> Option<&Header> {
        self.row(height).map(|(header, _)| header)
    }

    pub fn hash_at(&self, height: u64) -> Option<BlockHash> {
        self.at(height).map(Header::block_hash)
    }

    /// To be extended after the block of that height.
    pub fn branch(&self, from: u64) -> Option<Branch> {
        let (header, work) = self.row(from)?;
        Some(Branch { from, tip: self.tip_at(from, header).ok()?, rows: vec![], work: *work })
    }

    /// True where the branch has more work than what was followed: then it is followed from now on.
    pub fn follow(&mut self, branch: Branch) -> bool {
        let more = self.rows.last().is_some_and(|(_, work)| branch.work > *work);
        if more {
            let kept = usize::try_from(branch.from.saturating_sub(self.first)).unwrap_or(usize::MAX);
            self.rows.truncate(kept.saturating_add(1));
            self.rows.extend(branch.rows);
        }
        more
    }

    fn row(&self, height: u64) -> Option<&(Header, Work)> {
        self.rows.get(usize::try_from(height.checked_sub(self.first)?).ok()?)
    }

    fn tip_at(&self, height: u64, header: &Header) -> Result<HeaderTip, HeaderError> {
        // its own target may be an easier one than that of its 2016 (testnet4)
        let first = self.at(anchor_below(height)).unwrap_or(header);
        let (hash, bits, epoch_start) = (written(&header.block_hash()), first.bits.to_consensus(), first.time);
        HeaderTip::new(&self.chain, &Checkpoint { height, hash, time: header.time, bits, epoch_start })
    }
}

impl Branch {
    pub fn extend(&mut self, header: Header) -> Result<(), HeaderError> {
        self.work = self.work + self.tip.extend(&header)?;
        self.rows.push((header, self.work));
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}
