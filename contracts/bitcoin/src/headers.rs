//! Headers in a row, each with the target that the network's own rules give it. What a header says its target is counts
//! for nothing: who lowers it mines at no cost.

use aes_protocol::{ChainId, ChainKind, Hash32};
use bitcoin::block::Header;
use bitcoin::consensus::Params;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, Network, Target, Work};
use cosmwasm_schema::cw_serde;

/// Seconds after the block before: twice the time that a block should take.
const LATE: u32 = 20 * 60;

/// A block that is trusted, and what the next blocks' targets follow from.
#[cw_serde]
#[derive(Eq)]
pub struct Checkpoint {
    pub height: u64,
    /// as explorers write it
    pub hash: Hash32,
    pub time: u32,
    /// compact target that the rules give the blocks of its 2016; it may have an easier one itself (testnet4)
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
    #[error("{0} is no network whose targets are known (mainnet, testnet4, signet, regtest)")]
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
        let (bits, rule) = self.bits_of_next(epoch_begins, header.time);
        if header.bits != rule {
            return Err(HeaderError::Target { height, named: header.bits, rule });
        }
        let target = Target::from_compact(rule);
        self.hash = header.validate_pow(target).map_err(|_| HeaderError::Work { height })?;
        (self.height, self.time, self.bits) = (height, header.time, bits);
        if epoch_begins {
            self.epoch_start = header.time;
        }
        Ok(target.to_work())
    }

    /// Of its 2016, and its own: on testnet4 a block that says to be 20 minutes later than the one before has the easiest
    /// there is, except where a 2016 begins (BIP-94).
    fn bits_of_next(&self, epoch_begins: bool, time: u32) -> (CompactTarget, CompactTarget) {
        if epoch_begins {
            let timespan = u64::from(self.time.saturating_sub(self.epoch_start));
            let bits = CompactTarget::from_next_work_required(self.bits, timespan, &self.params);
            return (bits, bits);
        }
        let is_late = time > self.time.saturating_add(LATE);
        let rule = match self.params.network == Network::Testnet4 && is_late {
            true => self.params.max_attainable_target.to_compact_lossy(),
            false => self.bits,
        };
        (self.bits, rule)
    }
}

/// CAIP-2 names a network by the first half of its genesis hash.
fn params(chain: &ChainId) -> Result<Params, HeaderError> {
    let named = |network: &Network| {
        let genesis = genesis_block(*network).block_hash().to_string();
        genesis.starts_with(chain.reference())
    };
    // Not testnet3: there an easy block that ends a 2016 makes the next 2016 easy.
    let networks = [Network::Bitcoin, Network::Testnet4, Network::Signet, Network::Regtest];
    let network = networks.into_iter().find(named).filter(|_| chain.kind() == ChainKind::Bitcoin);
    Ok(Params::new(network.ok_or_else(|| HeaderError::Network(chain.clone()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(network: Network, bits: u32) -> HeaderTip {
        let genesis = genesis_block(network).block_hash().to_string();
        let chain = format!("bip122:{}", &genesis[..32]).parse().unwrap();
        let checkpoint =
            Checkpoint { height: 4_031, hash: Hash32::default(), time: 5_000_000, bits, epoch_start: 4_000_000 };
        HeaderTip::new(&chain, &checkpoint).unwrap()
    }

    /// BIP-94: late blocks are easy, the ones after them are not, and a 2016 goes on from what the last 2016 had.
    #[test]
    fn testnet4_has_easy_blocks_and_comes_back_from_them() {
        let (hard, easy) = (CompactTarget::from_consensus(0x1b00_8000), CompactTarget::from_consensus(0x1d00_ffff));
        let test = tip(Network::Testnet4, hard.to_consensus());
        assert_eq!(test.bits_of_next(false, test.time + LATE), (hard, hard));
        assert_eq!(test.bits_of_next(false, test.time + LATE + 1), (hard, easy));
        let (bits, rule) = test.bits_of_next(true, test.time + LATE + 1);
        assert_eq!((bits, rule), (rule, CompactTarget::from_next_work_required(hard, 1_000_000, &test.params)));
        let main = tip(Network::Bitcoin, hard.to_consensus());
        assert_eq!(main.bits_of_next(false, main.time + LATE + 1), (hard, hard));
    }

    #[test]
    fn a_network_whose_targets_are_not_known_is_refused() {
        let testnet3 = "bip122:000000000933ea01ad0ee984209779ba".parse().unwrap();
        let checkpoint = Checkpoint { height: 0, hash: Hash32::default(), time: 0, bits: 0x1d00_ffff, epoch_start: 0 };
        assert!(matches!(HeaderTip::new(&testnet3, &checkpoint), Err(HeaderError::Network(_))));
    }
}
