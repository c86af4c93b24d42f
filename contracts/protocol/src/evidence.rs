//! What happened to a leg, in one normalized form for every kind of chain.

use cosmwasm_schema::cw_serde;

use crate::bytes::Hash32;
use crate::chain::ChainId;
use crate::eip712::StructHash;
use crate::tree::Tree;

#[cw_serde]
#[derive(Copy, Eq)]
pub enum LegStatus {
    Held,
    Finalized,
    Released,
    /// rolled back before it was ever held: reads `not_prepared`, never `reverted`
    Absent,
    Escaped,
}

impl LegStatus {
    pub fn code(self) -> u8 {
        match self {
            Self::Held => 1,
            Self::Finalized => 2,
            Self::Released => 3,
            Self::Absent => 4,
            Self::Escaped => 5,
        }
    }
}

#[cw_serde]
#[derive(Eq)]
pub struct Evidence {
    pub leg_hash: Hash32,
    pub status: LegStatus,
    pub chain: ChainId,
    pub height: u64,
    pub block_hash: Hash32,
    /// zero where no transaction speaks of it: absent because the deadline passed with nothing held
    pub tx_id: Hash32,
    /// EVM: keccak of address ‖ topics ‖ data of the log; CosmWasm: keccak of the stored hold; zero like `tx_id`
    pub event_hash: Hash32,
    /// Unix seconds of the block
    pub time: u64,
}

impl Evidence {
    pub fn hash(&self) -> Hash32 {
        StructHash::of(
            "Evidence(bytes32 legHash,uint8 status,string chain,uint64 height,bytes32 blockHash,bytes32 txId,bytes32 eventHash,uint64 time)",
        )
        .word(&self.leg_hash)
        .uint(self.status.code().into())
        .string(self.chain.as_str())
        .uint(self.height.into())
        .word(&self.block_hash)
        .word(&self.tx_id)
        .word(&self.event_hash)
        .uint(self.time.into())
        .finish()
    }
}

/// `None` for no leaves.
pub fn evidence_root(leaves: &[Evidence]) -> Option<Hash32> {
    Tree::new(&leaves.iter().map(Evidence::hash).collect::<Vec<_>>()).map(|tree| tree.root())
}
