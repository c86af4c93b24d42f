//! What a virtual byte costs now: the node's estimate between the operator's bounds, or the floor where it has none.

use aes_bitcoin::{FeeBounds, RELAY_FEE_RATE};
use aes_config::ChainConfig;
use bitcoin::FeeRate;

use super::node::Node;
use crate::error::ChainError;

/// sat a virtual byte, where the config says nothing.
const CEILING: u64 = 200;
/// Blocks within which a transaction of ours should be included.
const WITHIN: u16 = 2;

#[derive(Debug, Clone, Copy)]
pub struct Fees {
    pub ceiling: FeeRate,
}

impl Fees {
    pub fn new(config: &ChainConfig) -> Option<Self> {
        let ceiling = FeeRate::from_sat_per_vb(config.max_fee.unwrap_or(CEILING))?;
        (ceiling >= RELAY_FEE_RATE).then_some(Self { ceiling })
    }

    pub async fn rate(&self, node: &Node) -> Result<FeeRate, ChainError> {
        let (estimate, floor) = tokio::try_join!(node.estimated_fee(WITHIN), node.mempool_floor())?;
        let floor = floor.unwrap_or(RELAY_FEE_RATE).clamp(RELAY_FEE_RATE, self.ceiling);
        let bounds = FeeBounds::new(floor, self.ceiling).map_err(|error| node.refused(error.to_string()))?;
        Ok(bounds.clamp(estimate))
    }
}
