//! What became of a leg, read at the finalized block only: the hold first, then the one event that made it so.

use aes_protocol::{keccak, Evidence, Hash32, Leg, LegStatus};
use ethers_contract::EthEvent;
use ethers_core::types::{BlockId, BlockNumber, Filter, Log, H256};
use ethers_providers::Middleware;

use super::abi::escrow::{EscapedFilter, FinalizedFilter, PreparedFilter, ReleasedFilter};
use super::EvmChain;
use crate::chain::{Head, Hold, HoldStatus};
use crate::error::ChainError;

impl EvmChain {
    pub(super) async fn hold_at(
        &self,
        execution_id: &Hash32,
        leg_hash: &Hash32,
        at: BlockId,
    ) -> Result<Option<Hold>, ChainError> {
        let call = self.escrow.hold_of(execution_id.0, leg_hash.0).block(at);
        let (status, deadline, held_at, settled_at) =
            call.call().await.map_err(|error| self.node.contract_failure(error))?;
        let status = match status {
            0 => return Ok(None),
            1 => HoldStatus::Held,
            2 => HoldStatus::Finalized,
            3 => HoldStatus::Released,
            4 => HoldStatus::Escaped,
            other => return Err(self.node.bad_answer(format!("hold status {other}"))),
        };
        let height = |height: u64| Some(height).filter(|height| *height != 0);
        Ok(Some(Hold { status, deadline, held_at: height(held_at), settled_at: height(settled_at) }))
    }

    pub(super) async fn evidence_at_finality(
        &self,
        execution_id: &Hash32,
        leg: &Leg,
        deadline: u64,
    ) -> Result<Option<Evidence>, ChainError> {
        let finalized = self.node.head(BlockNumber::Finalized).await?;
        let leg_hash = leg.hash();
        let Some(hold) = self.hold_at(execution_id, &leg_hash, finalized.height.into()).await? else {
            if finalized.time < deadline {
                return Ok(None);
            }
            // A prepare at or after the deadline is refused, so what is not held by now never will be.
            let block = self.first_block_from(deadline, finalized).await?;
            return Ok(Some(self.evidence_of(
                leg_hash,
                LegStatus::Absent,
                block,
                Hash32::default(),
                Hash32::default(),
            )));
        };
        let (status, event, height) = match (hold.status, hold.held_at) {
            (HoldStatus::Held, _) if hold.deadline != deadline => return Ok(None),
            (HoldStatus::Held, _) => (LegStatus::Held, PreparedFilter::signature(), hold.held_at),
            (HoldStatus::Finalized, _) => (LegStatus::Finalized, FinalizedFilter::signature(), hold.settled_at),
            (HoldStatus::Released, Some(_)) => (LegStatus::Released, ReleasedFilter::signature(), hold.settled_at),
            (HoldStatus::Released, None) => (LegStatus::Absent, ReleasedFilter::signature(), hold.settled_at),
            (HoldStatus::Escaped, _) => (LegStatus::Escaped, EscapedFilter::signature(), hold.settled_at),
        };
        let height = height.ok_or_else(|| self.node.bad_answer(format!("{status:?} hold without a height")))?;
        let block = self.node.head(height).await?;
        let log = self.event_in(block, event, execution_id, &leg_hash).await?;
        let tx = log.transaction_hash.ok_or_else(|| self.node.bad_answer("a log without its transaction"))?;
        Ok(Some(self.evidence_of(leg_hash, status, block, Hash32(tx.0), event_hash(&log))))
    }

    fn evidence_of(
        &self,
        leg_hash: Hash32,
        status: LegStatus,
        block: Head,
        tx_id: Hash32,
        event_hash: Hash32,
    ) -> Evidence {
        Evidence {
            leg_hash,
            status,
            chain: self.node.id.clone(),
            height: block.height,
            block_hash: block.hash,
            tx_id,
            event_hash,
            time: block.time,
        }
    }

    async fn event_in(
        &self,
        block: Head,
        event: H256,
        execution_id: &Hash32,
        leg_hash: &Hash32,
    ) -> Result<Log, ChainError> {
        let filter = Filter::new()
            .at_block_hash(block.hash.0)
            .address(self.escrow.address())
            .topic0(event)
            .topic1(H256(execution_id.0))
            .topic2(H256(leg_hash.0));
        let logs = self.node.client.get_logs(&filter).await.map_err(|error| self.node.failure(error))?;
        let missing = || {
            self.node.bad_answer(format!("the escrow's storage and its logs of block {} do not agree", block.height))
        };
        logs.into_iter().next().ok_or_else(missing)
    }

    /// The first block at or after `time`: bisects from the block that made the escrow up to a block known to be one.
    async fn first_block_from(&self, time: u64, known: Head) -> Result<Head, ChainError> {
        let (mut low, mut found) = (self.created.min(known.height), known);
        while low < found.height {
            let middle = self.node.head(low.midpoint(found.height)).await?;
            if middle.time < time {
                low = middle.height.saturating_add(1);
            } else {
                found = middle;
            }
        }
        Ok(found)
    }
}

fn event_hash(log: &Log) -> Hash32 {
    let mut bytes = log.address.as_bytes().to_vec();
    for topic in &log.topics {
        bytes.extend_from_slice(topic.as_bytes());
    }
    bytes.extend_from_slice(&log.data);
    keccak(&bytes)
}
