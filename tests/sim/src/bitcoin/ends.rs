//! What became of a leg, and where all ALZ is, by the blocks alone.

use std::collections::{BTreeMap, BTreeSet};

use aes_bitcoin::{Ending, Hold, Ledger, Outcome, Presigned, Supply, Tip};
use aes_coordinator::msg::{ExecutionResponse, LegResponse};
use aes_escrow::msg::HoldStatus;
use aes_protocol::{keccak, Decision, Evidence, Hash32, LegStatus};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{Block, OutPoint, ScriptBuf, Transaction, TxOut};

use super::blocks::reversed;
use super::deploy::signatures;
use super::ledger::{BitcoinLedger, Deployed, SATS};
use crate::check::End;
use crate::keys::Key;
use crate::world::World;

/// Every output there was, and what spent it, each with its height.
pub struct Audit<'a> {
    ledger: &'a BitcoinLedger,
    deployed: &'a Deployed,
    made: BTreeMap<OutPoint, (&'a TxOut, u64)>,
    spent: BTreeMap<OutPoint, (&'a Transaction, u64)>,
    runes: Ledger,
}

/// A hold of a leg that was in the chain.
struct Found {
    hold: Hold,
    height: u64,
}

impl<'a> Audit<'a> {
    pub fn of(world: &'a World) -> Option<Self> {
        let (ledger, deployed) = world.bitcoin.as_ref()?;
        let (mut made, mut spent) = (BTreeMap::new(), BTreeMap::new());
        let mut runes = Ledger::new(deployed.etched, Tip { height: 0, hash: ledger.blocks[0].0 });
        for (height, (_, block)) in (0..).zip(&ledger.blocks).skip(1) {
            runes.apply(block).expect("the next block");
            for tx in &block.txdata {
                let txid = tx.compute_txid();
                let outputs = (0..).zip(&tx.output).map(|(vout, output)| (OutPoint { txid, vout }, (output, height)));
                made.extend(outputs);
                spent.extend(tx.input.iter().map(|input| (input.previous_output, (tx, height))));
            }
        }
        Some(Self { ledger, deployed, made, spent, runes })
    }

    fn presigned(entry: &LegResponse) -> Option<Presigned> {
        Presigned::decode(&entry.presigned.as_ref()?.0).ok()
    }

    /// Those that the chain had: of an unlock there may be several, of which one counts.
    fn holds(&self, id: &Hash32, entry: &LegResponse) -> Vec<Found> {
        let escrow = &self.deployed.escrow;
        if entry.leg.function.is_account_sourced() {
            let hold = Self::presigned(entry).and_then(|presigned| presigned.verify(escrow, id, &entry.leg).ok());
            let at = |hold: &Hold| self.made.get(&hold.outpoint).filter(|(output, _)| **output == hold.script.output());
            let found = hold.and_then(|hold| at(&hold).map(|(_, height)| Found { height: *height, hold }));
            return found.into_iter().collect();
        }
        // of one that can be paid to nobody there is none
        let scripts = escrow.sets.iter().filter_map(|keys| escrow.reserve_hold(id, &entry.leg, keys.set_id()).ok());
        let at = |script: aes_bitcoin::HoldScript| {
            let output = script.output();
            let outputs = self.made.iter().filter(move |(_, (other, _))| **other == output);
            outputs.map(move |(at, (_, height))| Found { hold: script.clone().at(*at), height: *height })
        };
        scripts.flat_map(at).collect()
    }

    /// One that was spent by neither settlement nor escape has not ended.
    fn status(&self, hold: &Hold) -> HoldStatus {
        let spend = self.spent.get(&hold.outpoint);
        match spend.and_then(|(tx, _)| hold.ending(tx).expect("a settlement of each kind")) {
            Some(Ending::Settled(Outcome::Finalize)) => HoldStatus::Finalized,
            Some(Ending::Settled(Outcome::Release)) => HoldStatus::Released,
            Some(Ending::Escaped) => HoldStatus::Escaped,
            Some(Ending::Foreign) | None => HoldStatus::Held,
        }
    }

    pub fn end(&self, record: &ExecutionResponse, entry: &LegResponse) -> End {
        let holds = self.holds(&record.execution_id, entry);
        // what is not given back tells more than what is
        let found = holds.iter().min_by_key(|found| match self.status(&found.hold) {
            HoldStatus::Finalized => 0,
            HoldStatus::Held => 1,
            HoldStatus::Escaped => 2,
            HoldStatus::Released => 3,
        });
        let Some(found) = found else { return End { status: None, was_held: false, settled_at: None } };
        let spent_at = self.spent.get(&found.hold.outpoint).map(|(_, height)| *height);
        // a deposit that came after all is given back, and stays absent on record
        let absent = entry.settled.as_ref().filter(|settled| settled.status == LegStatus::Absent);
        End {
            status: Some(self.status(&found.hold)),
            was_held: absent.is_none_or(|absent| found.height <= absent.height),
            settled_at: spent_at.map(|height| self.ledger.blocks[height as usize].1.header.time.into()),
        }
    }

    /// The block, and the transaction in it that made or spent a hold of this leg.
    pub fn shows(&self, id: &Hash32, entry: &LegResponse, evidence: &Evidence, is_nothing: bool) -> bool {
        let Some((hash, block)) = self.ledger.blocks.get(evidence.height as usize) else { return false };
        let is_block =
            reversed(hash.to_byte_array()) == evidence.block_hash && u64::from(block.header.time) == evidence.time;
        let event_of = |hold: &Hold| keccak(&[serialize(&hold.outpoint), serialize(&hold.script.output())].concat());
        let tx_of = |hold: &Hold| match evidence.status {
            LegStatus::Held => Some(hold.outpoint.txid),
            _ => self.spent.get(&hold.outpoint).map(|(tx, _)| tx.compute_txid()),
        };
        let is_it = |found: &Found| {
            let txid = tx_of(&found.hold);
            event_of(&found.hold) == evidence.event_hash
                && txid.is_some_and(|txid| reversed(txid.to_byte_array()) == evidence.tx_id && has(block, &txid))
        };
        is_block && (is_nothing || self.holds(id, entry).iter().any(is_it))
    }

    pub fn alz_of(&self, account: &[u8]) -> u128 {
        let script = ScriptBuf::from(account.to_vec());
        let own = self.runes.holdings().filter(|(_, holding)| holding.script_pubkey == script);
        own.map(|(_, holding)| holding.alz).sum()
    }

    /// `held`: what is in holds of these.
    pub fn supply<'b>(&self, legs: impl Iterator<Item = (&'b Hash32, &'b LegResponse)>) -> Supply {
        let here = legs.filter(|(_, entry)| entry.leg.chain == self.ledger.id);
        let held: BTreeSet<OutPoint> =
            here.flat_map(|(id, entry)| self.holds(id, entry)).map(|found| found.hold.outpoint).collect();
        let vaults = self.deployed.escrow.vaults().expect("a vault for each set");
        self.runes.supply(&vaults, &held)
    }

    /// All ALZ is somewhere, and so are all sats: fees go to whoever makes the block.
    pub fn is_conserved(&self, supply: &Supply) -> bool {
        let alz = supply.vault + supply.held + supply.elsewhere + supply.burned;
        alz == self.deployed.etched.premine && self.ledger.sats() == SATS
    }

    /// A settlement of the leg's hold with the signatures of these keys, where they are enough.
    pub fn forged(&self, id: &Hash32, entry: &LegResponse, decision: Decision, keys: &[Key]) -> Option<Transaction> {
        let hold = self.holds(id, entry).pop()?.hold;
        let settlement = hold.settlement(decision.into()).expect("a settlement of each kind");
        let presigned = Self::presigned(entry);
        let depositor = presigned.as_ref().map(|presigned| presigned.signature(settlement.outcome()));
        settlement.finish(depositor, &signatures(hold.script.keys(), keys, &settlement.sighash())).ok()
    }
}

fn has(block: &Block, txid: &bitcoin::Txid) -> bool {
    block.txdata.iter().any(|tx| tx.compute_txid() == *txid)
}
