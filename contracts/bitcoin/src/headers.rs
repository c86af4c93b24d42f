//! Headers in a row, each with the target that the network's own rules give it. What a header says its target is counts
//! for nothing: who lowers it mines at no cost.

use aes_protocol::{ChainId, ChainKind, Hash32};
use bitcoin::block::Header;
use bitcoin::consensus::Params;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, Network, Target, Work};
use cosmwasm_schema::cw_serde;

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

/// The last header of a row that began at a checkpoint.
#[derive(Debug, Clone)]
pub struct HeaderTip {
    params: Params,
    height: u64,
    hash: BlockHash,
    time: u32,
    bits: CompactTarget,
    epoch_start: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("{0} is no network whose work proves anything (mainnet, signet, regtest)")]
    Network(ChainId),
    #[error("header {height} follows {named}, not block {} ({before}) of the checkpoint's chain", .height.saturating_sub(1))]
    Parent { height: u64, named: BlockHash, before: BlockHash },
    #[error("header {height}: its target is {:08x}, the rules say {:08x}", .named.to_consensus(), .rule.to_consensus())]
    Target { height: u64, named: CompactTarget, rule: CompactTarget },
    #[error("header {height}: its hash does not meet the target")]
    Work { height: u64 },
}

impl HeaderTip {
    pub fn new(chain: &ChainId, checkpoint: &Checkpoint) -> Result<Self, HeaderError> {
        let mut hash = checkpoint.hash.0;
        hash.reverse();
        Ok(Self {
            params: params(chain)?,
            height: checkpoint.height,
            hash: BlockHash::from_byte_array(hash),
            time: checkpoint.time,
            bits: CompactTarget::from_consensus(checkpoint.bits),
            epoch_start: checkpoint.epoch_start,
        })
    }

    pub fn height(&self) -> u64 {
        self.height
    }

    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// From here on it can be trusted like the first one: a reader need not begin there again.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut hash = self.hash.to_byte_array();
        hash.reverse();
        let (bits, hash) = (self.bits.to_consensus(), Hash32(hash));
        Checkpoint { height: self.height, hash, time: self.time, bits, epoch_start: self.epoch_start }
    }

    /// Goes on to `header` and says what work it took. On an error nothing has changed.
    pub fn extend(&mut self, header: &Header) -> Result<Work, HeaderError> {
        let height = self.height.saturating_add(1);
        if header.prev_blockhash != self.hash {
            return Err(HeaderError::Parent { height, named: header.prev_blockhash, before: self.hash });
        }
        let epoch_begins = height.checked_rem(self.params.difficulty_adjustment_interval()) == Some(0);
        let rule = if epoch_begins {
            let timespan = u64::from(self.time.saturating_sub(self.epoch_start));
            CompactTarget::from_next_work_required(self.bits, timespan, &self.params)
        } else {
            self.bits
        };
        if header.bits != rule {
            return Err(HeaderError::Target { height, named: header.bits, rule });
        }
        let target = Target::from_compact(rule);
        self.hash = header.validate_pow(target).map_err(|_| HeaderError::Work { height })?;
        (self.height, self.time, self.bits) = (height, header.time, rule);
        if epoch_begins {
            self.epoch_start = header.time;
        }
        Ok(target.to_work())
    }
}

/// CAIP-2 names a network by the first half of its genesis hash.
fn params(chain: &ChainId) -> Result<Params, HeaderError> {
    let named = |network: &Network| {
        let genesis = genesis_block(*network).block_hash().to_string();
        genesis.starts_with(chain.reference())
    };
    // The test networks with minimum-difficulty blocks are none: there an hour of one computer outdoes a day of all.
    let networks = [Network::Bitcoin, Network::Signet, Network::Regtest];
    let network = networks.into_iter().find(named).filter(|_| chain.kind() == ChainKind::Bitcoin);
    Ok(Params::new(network.ok_or_else(|| HeaderError::Network(chain.clone()))?))
}
