//! What a proof is about. The reader knows it beforehand; a proof never says it by itself.

use aes_protocol::{Evidence, Hash32, Leg, LegStatus};

#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub execution_id: &'a Hash32,
    pub leg: &'a Leg,
    /// of the execution, in Unix seconds: a hold with another one is not this leg's hold
    pub deadline: u64,
}

/// The block that a leaf speaks of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub height: u64,
    pub hash: Hash32,
    pub time: u64,
}

impl Subject<'_> {
    pub(crate) fn leaf(&self, status: LegStatus, block: Block, tx_id: Hash32, event_hash: Hash32) -> Evidence {
        Evidence {
            leg_hash: self.leg.hash(),
            status,
            chain: self.leg.chain.clone(),
            height: block.height,
            block_hash: block.hash,
            tx_id,
            event_hash,
            time: block.time,
        }
    }
}
