//! What became of a leg, at the configured depth only, in the protocol's normalized form: hashes as explorers write them,
//! the time of the block's header, and as event the hold's output.

use aes_protocol::{keccak, Evidence, Hash32, Leg, LegStatus};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid};

use super::holds::Found;
use super::BitcoinChain;
use crate::chain::HoldStatus;
use crate::error::ChainError;

/// The last byte first, as it is written everywhere.
pub fn written(hash: &BlockHash) -> Hash32 {
    reversed(hash.to_byte_array())
}

pub fn written_tx(txid: &Txid) -> Hash32 {
    reversed(txid.to_byte_array())
}

pub fn unwritten(hash: &Hash32) -> BlockHash {
    BlockHash::from_byte_array(reversed(hash.0).0)
}

fn reversed(mut bytes: [u8; 32]) -> Hash32 {
    bytes.reverse();
    Hash32(bytes)
}

impl BitcoinChain {
    pub(super) async fn evidence_at_depth(
        &self,
        execution_id: &Hash32,
        leg: &Leg,
        deadline: u64,
    ) -> Result<Option<Evidence>, ChainError> {
        let (tip, last) = (self.height(crate::Depth::Soft)?, self.height(crate::Depth::Final)?);
        let Some(found) = self.find(execution_id, leg, last).await? else {
            // One that is not deep enough yet is no absence.
            let shallow = self.find(execution_id, leg, tip).await?.is_some();
            let first = self.following.follower.index(|index| index.first_from(deadline))?;
            return match first.filter(|first| *first <= last && !shallow) {
                Some(first) => self.leaf(leg, LegStatus::Absent, first, Default::default(), Default::default()).await,
                None => Ok(None),
            };
        };
        if found.deadline != deadline {
            return Ok(None);
        }
        let status = match self.status(&found).await? {
            Some(HoldStatus::Held) => LegStatus::Held,
            Some(HoldStatus::Finalized) => LegStatus::Finalized,
            Some(HoldStatus::Released) => LegStatus::Released,
            Some(HoldStatus::Escaped) => LegStatus::Escaped,
            None => return Ok(None),
        };
        let (txid, height) = found.seen.spent.unwrap_or((found.hold.outpoint.txid, found.seen.holding.height));
        self.leaf(leg, status, height, written_tx(&txid), event_hash(&found)).await
    }

    async fn leaf(
        &self,
        leg: &Leg,
        status: LegStatus,
        height: u64,
        tx_id: Hash32,
        event_hash: Hash32,
    ) -> Result<Option<Evidence>, ChainError> {
        let hash = self.following.follower.hash_at(height)?;
        let time = self.following.follower.index(|index| index.time_of(height))?;
        let time = time.ok_or_else(|| self.node.bad_answer(format!("block {height} is before the deployment")))?;
        let chain = self.node.id.clone();
        let block_hash = written(&hash);
        Ok(Some(Evidence { leg_hash: leg.hash(), status, chain, height, block_hash, tx_id, event_hash, time }))
    }
}

/// keccak of the hold's outpoint and output, as transactions have them.
fn event_hash(found: &Found) -> Hash32 {
    let mut bytes = serialize(&found.hold.outpoint);
    bytes.extend(serialize(&found.hold.script.output()));
    keccak(&bytes)
}
