//! What is remembered of the chain: the rune ledger, and beside it what the ledger forgets and a hold's end needs. It can
//! be rebuilt from the blocks at any time.

use std::collections::{BTreeMap, BTreeSet};

use aes_bitcoin::{Etched, Holding, Ledger, LedgerError, Tip, UNDO_DEPTH};
use bitcoin::{Block, OutPoint, ScriptBuf, Txid};
use serde::{Deserialize, Serialize};

use super::coins::OwnCoins;

/// Of the file; another one is read anew from the blocks.
const FORMAT: u32 = 1;
/// BIP-113: the median of this many blocks' times.
pub const MEDIAN_OF: usize = 11;

/// An output with ALZ that was spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub holding: Holding,
    pub by: Txid,
    pub height: u64,
}

/// An output with ALZ as the chain showed it up to some height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub outpoint: OutPoint,
    pub holding: Holding,
    /// spending transaction and its height
    pub spent: Option<(Txid, u64)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Index {
    format: u32,
    start: Tip,
    ledger: Ledger,
    ended: BTreeMap<OutPoint, Ended>,
    coins: OwnCoins,
    /// transactions that moved ALZ or own coins, with their heights
    txs: BTreeMap<Txid, u64>,
    /// heights of `times`: the first one's, then one after the other
    times_from: u64,
    times: Vec<u32>,
    /// made from the others
    #[serde(skip)]
    by_script: BTreeMap<ScriptBuf, BTreeSet<OutPoint>>,
}

impl Index {
    /// `start` is a block before the etching's; `times` are those of the blocks up to it, eleven where there are as many.
    pub fn new(etched: Etched, start: Tip, times: Vec<u32>, own: Option<ScriptBuf>) -> Self {
        let known = u64::try_from(times.len()).unwrap_or(u64::MAX);
        Self {
            format: FORMAT,
            start,
            ledger: Ledger::new(etched, start),
            ended: BTreeMap::new(),
            coins: OwnCoins::of(own),
            txs: BTreeMap::new(),
            times_from: start.height.saturating_add(1).saturating_sub(known),
            times,
            by_script: BTreeMap::new(),
        }
    }

    /// From the file, where it is of this deployment and this account.
    pub fn read(bytes: &[u8], etched: &Etched, start: u64, own: Option<&ScriptBuf>) -> Option<Self> {
        let mut index: Self = serde_json::from_slice(bytes).ok()?;
        let same = index.format == FORMAT
            && index.ledger.etched() == etched
            && index.start.height == start
            && index.coins.script() == own;
        if !same {
            return None;
        }
        let live = index.ledger.holdings().map(|(outpoint, holding)| (*outpoint, &holding.script_pubkey));
        let gone = index.ended.iter().map(|(outpoint, ended)| (*outpoint, &ended.holding.script_pubkey));
        let mut by_script: BTreeMap<ScriptBuf, BTreeSet<OutPoint>> = BTreeMap::new();
        for (outpoint, script) in live.chain(gone) {
            by_script.entry(script.clone()).or_default().insert(outpoint);
        }
        index.by_script = by_script;
        Some(index)
    }

    pub fn tip(&self) -> Tip {
        self.ledger.tip()
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn coins(&self) -> &OwnCoins {
        &self.coins
    }

    pub fn height_of(&self, txid: &Txid) -> Option<u64> {
        self.txs.get(txid).copied()
    }

    /// When an output with ALZ, or one of the own account, was spent.
    pub fn spent_at(&self, outpoint: &OutPoint) -> Option<u64> {
        self.ended.get(outpoint).map(|ended| ended.height).or_else(|| self.coins.spent_at(outpoint))
    }

    /// The next block. On an error nothing has changed.
    pub fn apply(&mut self, block: &Block) -> Result<(), LedgerError> {
        self.ledger.apply(block)?;
        let height = self.ledger.tip().height;
        // a hold and its settlement may be in one block, after a reorg
        let (spent, made) = self.ledger.last_block();
        let spent: BTreeMap<&OutPoint, &Holding> =
            spent.iter().map(|(outpoint, holding)| (outpoint, holding)).collect();
        for outpoint in made {
            let holding = self.ledger.holding(outpoint).or(spent.get(outpoint).copied());
            if let Some(holding) = holding {
                self.by_script.entry(holding.script_pubkey.clone()).or_default().insert(*outpoint);
            }
            self.txs.insert(outpoint.txid, height);
        }
        for tx in &block.txdata {
            for outpoint in tx.input.iter().map(|input| input.previous_output) {
                let Some(holding) = spent.get(&outpoint) else { continue };
                let by = tx.compute_txid();
                self.txs.insert(by, height);
                self.ended.insert(outpoint, Ended { holding: (*holding).clone(), by, height });
            }
        }
        for txid in self.coins.apply(block, height) {
            self.txs.insert(txid, height);
        }
        self.coins.forget_spent_up_to(height.saturating_sub(u64::try_from(UNDO_DEPTH).unwrap_or(u64::MAX)));
        self.times.push(block.header.time);
        Ok(())
    }

    /// Takes the last block back.
    pub fn undo(&mut self) -> Result<Tip, LedgerError> {
        let tip = self.ledger.undo()?;
        self.ended.retain(|_, ended| ended.height <= tip.height);
        self.txs.retain(|_, height| *height <= tip.height);
        self.coins.undo_above(tip.height);
        self.times.pop();
        let (ledger, ended) = (&self.ledger, &self.ended);
        self.by_script.retain(|_, outpoints| {
            outpoints.retain(|outpoint| ledger.holding(outpoint).is_some() || ended.contains_key(outpoint));
            !outpoints.is_empty()
        });
        Ok(tip)
    }

    /// As it was when `height` was the tip.
    pub fn seen(&self, outpoint: &OutPoint, height: u64) -> Option<Seen> {
        let (holding, spent) = match (self.ended.get(outpoint), self.ledger.holding(outpoint)) {
            (Some(ended), _) => (ended.holding.clone(), Some((ended.by, ended.height))),
            (None, Some(holding)) => (holding.clone(), None),
            (None, None) => return None,
        };
        let spent = spent.filter(|(_, at)| *at <= height);
        (holding.height <= height).then_some(Seen { outpoint: *outpoint, holding, spent })
    }

    /// Every output with ALZ that this script ever had up to `height`, the oldest first.
    pub fn seen_at(&self, script: &ScriptBuf, height: u64) -> Vec<Seen> {
        let outpoints = self.by_script.get(script).into_iter().flatten();
        let mut seen: Vec<Seen> = outpoints.filter_map(|outpoint| self.seen(outpoint, height)).collect();
        seen.sort_by_key(|seen| (seen.holding.height, seen.outpoint));
        seen
    }

    /// The chain's own clock (BIP-113), which never goes back. `None` for a block below the ones that are known.
    pub fn median_time_past(&self, height: u64) -> Option<u64> {
        let at = usize::try_from(height.checked_sub(self.times_from)?).ok()?;
        let from = (at + 1).saturating_sub(MEDIAN_OF);
        if from == 0 && self.times_from > 0 && at + 1 < MEDIAN_OF {
            return None;
        }
        let mut times: Vec<u32> = self.times.get(from..=at)?.to_vec();
        times.sort_unstable();
        times.get(times.len() / 2).copied().map(u64::from)
    }

    /// As its header says.
    pub fn time_of(&self, height: u64) -> Option<u64> {
        let at = usize::try_from(height.checked_sub(self.times_from)?).ok()?;
        self.times.get(at).copied().map(u64::from)
    }

    /// The first block since the deployment whose median time past is at or after `time`.
    pub fn first_from(&self, time: u64) -> Option<u64> {
        let (mut low, mut high) = (self.start.height, self.tip().height.saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            if self.median_time_past(middle)? < time {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        (low <= self.tip().height).then_some(low)
    }
}

#[cfg(test)]
mod tests {
    use aes_bitcoin::{RuneId, CARRIER};
    use bitcoin::absolute::LockTime;
    use bitcoin::block::{Header, Version as BlockVersion};
    use bitcoin::hashes::Hash;
    use bitcoin::transaction::Version;
    use bitcoin::{Amount, BlockHash, CompactTarget, Transaction, TxIn, TxMerkleNode, TxOut};

    use super::*;

    fn script(number: u8) -> ScriptBuf {
        ScriptBuf::from_bytes(vec![number; 22])
    }

    fn pays(from: OutPoint, to: u8) -> Transaction {
        let input = vec![TxIn { previous_output: from, ..TxIn::default() }];
        let output = vec![TxOut { value: CARRIER, script_pubkey: script(to) }];
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output }
    }

    fn block(on: BlockHash, time: u32, txdata: Vec<Transaction>) -> Block {
        let header = Header {
            version: BlockVersion::TWO,
            prev_blockhash: on,
            merkle_root: TxMerkleNode::all_zeros(),
            time,
            bits: CompactTarget::from_consensus(0),
            nonce: 0,
        };
        Block { header, txdata }
    }

    /// The account of script 9 has a coin; blocks of a time each, one second apart from 1000 on, begin at height 20.
    fn index() -> (Index, OutPoint) {
        let start = Tip { height: 20, hash: BlockHash::from_byte_array([20; 32]) };
        let etched = Etched { id: RuneId { block: 900, tx: 1 }, txid: Txid::from_byte_array([7; 32]), premine: 1 };
        let times = (990..1_001).collect();
        let mut index = Index::new(etched, start, times, Some(script(9)));
        let coin = pays(OutPoint { txid: Txid::from_byte_array([5; 32]), vout: 0 }, 9);
        let at = OutPoint { txid: coin.compute_txid(), vout: 0 };
        index.apply(&block(start.hash, 1_001, vec![pays(OutPoint { vout: 1, ..at }, 1), coin])).unwrap();
        (index, at)
    }

    fn spendable(index: &Index) -> Vec<OutPoint> {
        index.coins().spendable(index.tip().height).map(|(outpoint, _)| outpoint).collect()
    }

    #[test]
    fn a_reorg_takes_back_what_its_blocks_did() {
        let (mut index, coin) = index();
        let before = index.tip();
        let spend = pays(coin, 9);
        let txid = spend.compute_txid();
        index.apply(&block(before.hash, 1_002, vec![pays(OutPoint::null(), 1), spend])).unwrap();
        assert_eq!((index.spent_at(&coin), index.height_of(&txid)), (Some(22), Some(22)));
        assert_eq!(spendable(&index), [OutPoint { txid, vout: 0 }]);

        assert_eq!(index.undo().unwrap(), before);
        assert_eq!((index.spent_at(&coin), index.height_of(&txid)), (None, None));
        assert_eq!(spendable(&index), [coin]);
        assert_eq!(index.time_of(22), None);
        let elsewhere = block(BlockHash::from_byte_array([1; 32]), 1_002, Vec::new());
        assert!(matches!(index.apply(&elsewhere), Err(LedgerError::NotNext { .. })));
        assert_eq!(index.tip(), before, "a block that is not the next one changes nothing");
    }

    #[test]
    fn what_comes_and_goes_within_a_block_is_seen() {
        let mut etching = pays(OutPoint { txid: Txid::from_byte_array([5; 32]), vout: 0 }, 1);
        // a runestone: an etching (2: 1) with a premine of 5 (6: 5)
        let runestone = ScriptBuf::from_bytes(vec![0x6a, 0x5d, 4, 2, 1, 6, 5]);
        etching.output.push(TxOut { value: Amount::ZERO, script_pubkey: runestone });
        let start = Tip { height: 20, hash: BlockHash::from_byte_array([20; 32]) };
        let etched = Etched { id: RuneId { block: 21, tx: 1 }, txid: etching.compute_txid(), premine: 5 };
        let first = |tx: &Transaction| OutPoint { txid: tx.compute_txid(), vout: 0 };
        let deposit = pays(first(&etching), 2);
        let settlement = pays(first(&deposit), 3);
        let mut index = Index::new(etched, start, (990..1_001).collect(), None);
        index.apply(&block(start.hash, 1_001, vec![pays(OutPoint::null(), 1), etching.clone()])).unwrap();
        let before = index.tip();
        let both = vec![pays(OutPoint::null(), 1), deposit.clone(), settlement.clone()];
        index.apply(&block(before.hash, 1_002, both)).unwrap();

        let hold = index.seen(&first(&deposit), 22).unwrap();
        assert_eq!((hold.holding.alz, hold.spent), (5, Some((settlement.compute_txid(), 22))));
        assert_eq!(index.seen_at(&script(2), 22), [hold]);
        assert_eq!(index.height_of(&settlement.compute_txid()), Some(22));
        assert_eq!(index.seen(&first(&settlement), 22).unwrap().spent, None);

        assert_eq!(index.undo().unwrap(), before);
        assert_eq!((index.seen(&first(&deposit), 22), index.seen_at(&script(2), 22)), (None, Vec::new()));
        assert_eq!(index.seen(&first(&etching), 22).unwrap().spent, None);
    }

    #[test]
    fn the_chains_clock_is_the_median_of_eleven() {
        let (mut index, _) = index();
        assert_eq!(index.median_time_past(20), Some(995));
        assert_eq!(index.median_time_past(19), None, "its eleven are not known");
        // a header's time may go back, the median does not
        let tip = index.tip();
        index.apply(&block(tip.hash, 997, vec![pays(OutPoint::null(), 1)])).unwrap();
        assert_eq!(
            (index.time_of(22), index.median_time_past(21), index.median_time_past(22)),
            (Some(997), Some(996), Some(997))
        );
        assert_eq!((index.first_from(996), index.first_from(997), index.first_from(998)), (Some(21), Some(22), None));
    }

    #[test]
    fn the_file_is_read_back_for_the_same_deployment_and_account_only() {
        let (index, coin) = index();
        let bytes = serde_json::to_vec(&index).unwrap();
        let etched = *index.ledger().etched();
        let read = Index::read(&bytes, &etched, 20, Some(&script(9))).unwrap();
        assert_eq!((read.tip(), spendable(&read)), (index.tip(), vec![coin]));
        assert!(Index::read(&bytes, &etched, 20, Some(&script(8))).is_none());
        assert!(Index::read(&bytes, &etched, 21, Some(&script(9))).is_none());
        assert!(Index::read(&bytes, &Etched { premine: 2, ..etched }, 20, Some(&script(9))).is_none());
    }

    #[test]
    fn a_coinbase_ripens_and_what_is_spent_for_good_is_forgotten() {
        let mut coins = OwnCoins::of(Some(script(9)));
        let mut coinbase = pays(OutPoint::null(), 9);
        coinbase.output[0].value = Amount::from_sat(50_000);
        coins.apply(&block(BlockHash::all_zeros(), 1, vec![coinbase.clone()]), 10);
        assert_eq!((coins.spendable(108).count(), coins.spendable(109).count()), (0, 1));
        let at = OutPoint { txid: coinbase.compute_txid(), vout: 0 };
        coins.apply(&block(BlockHash::all_zeros(), 2, vec![pays(at, 1)]), 110);
        assert_eq!((coins.spent_at(&at), coins.spendable(200).count()), (Some(110), 0));
        coins.forget_spent_up_to(109);
        assert_eq!(coins.spent_at(&at), Some(110));
        coins.forget_spent_up_to(110);
        assert_eq!(coins.spent_at(&at), None);
    }
}
