//! Bitcoin proofs from blocks as they are, which Core and btcd both give; no index of transactions is needed.

use aes_bitcoin::{AttestorKeys, AttestorSets, Escrow, Hold, Presigned, RuneId};
use aes_chains::bitcoin::Node;
use aes_chains::ChainError;
use aes_config::ChainConfig;
use aes_protocol::{AttestorSet, Bytes, ChainId, Domain, Evidence, Hash32, LegStatus};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::merkle_tree::PartialMerkleTree;
use bitcoin::{Block, BlockHash, Transaction, Txid};

use super::BuildError;
use crate::bitcoin::{
    event_hash, txid, written, BitcoinProof, BitcoinShown, Checkpoint, HoldTerms, Included, Row, MEDIAN_OF,
};
use crate::file::{Anchor, Basis};
use crate::{subject, ProofError, Subject};

pub struct BitcoinProofBuilder {
    node: Node,
    depth: u64,
}

/// What a deployment's holds are made of, beside the execution and the leg.
pub struct Terms<'a> {
    pub domain: &'a Domain,
    pub rune: RuneId,
    /// every set from the first whose vault is the escrow
    pub sets: &'a [AttestorSet],
    /// of the leg, where it is account-sourced
    pub presigned: Option<Bytes>,
}

/// A hold and the transaction that made it.
struct Made {
    hold: Hold,
    transaction: Transaction,
}

impl BitcoinProofBuilder {
    pub fn new(chain: &ChainId, config: &ChainConfig) -> Result<Self, BuildError> {
        let depth = config.bitcoin.as_ref().map_or(1, |settings| settings.depth.max(1));
        Ok(Self { node: Node::new(chain.clone(), config)?, depth })
    }

    /// That the leg was held, in the block that its hold names.
    pub async fn held(&self, subject: &Subject<'_>, terms: &Terms<'_>, height: u64) -> Result<Evidence, BuildError> {
        let block = self.block(self.hash_at(height).await?).await?;
        let made = self.made(subject, terms, &block)?;
        let hash = written(block.block_hash().to_byte_array());
        let of_block = subject::Block { height, hash, time: block.header.time.into() };
        Ok(subject.leaf(LegStatus::Held, of_block, txid(&made.transaction), event_hash(&made.hold)))
    }

    /// A proof of `leaf`, which a look at the chain gave; of an end with `held`, how it began.
    pub async fn build(
        &self,
        subject: &Subject<'_>,
        terms: &Terms<'_>,
        leaf: &Evidence,
        held: Option<&Evidence>,
    ) -> Result<BitcoinProof, BuildError> {
        let block = self.block(unwritten(&leaf.block_hash)).await?;
        let shown = match (leaf.status, held) {
            (LegStatus::Absent, _) => BitcoinShown::Absence {},
            (LegStatus::Held, _) => {
                let made = self.made(subject, terms, &block)?;
                let hold = self.terms(terms, &made)?;
                BitcoinShown::Held { made: self.included(&block, leaf, false)?, hold }
            }
            (_, Some(held)) => {
                let made = self.made(subject, terms, &self.block(unwritten(&held.block_hash)).await?)?;
                let hold = self.terms(terms, &made)?;
                let spent = self.included(&block, leaf, leaf.status == LegStatus::Escaped)?;
                BitcoinShown::Ended { spent, made: bare(made.transaction), hold }
            }
            (_, None) => return Err(self.node.bad_answer("it has the end of a hold and not its beginning").into()),
        };
        let below = if leaf.status == LegStatus::Absent { MEDIAN_OF } else { 1 };
        let row = self.row(leaf.height, u64::try_from(below).unwrap_or(1)).await?;
        Ok(BitcoinProof { row, shown })
    }

    /// Hash of the anchor's block as this node has it, when it has all that the anchor says; `None` while the block with
    /// the leg's transaction is not as deep as the config asks.
    pub async fn final_hash(&self, anchor: &Anchor) -> Result<Option<Hash32>, BuildError> {
        let Basis::Work { checkpoint, from, .. } = &anchor.basis else {
            return Err(ProofError::mismatch("anchor", "it is of no Bitcoin chain").into());
        };
        if self.node.height().await? < from.saturating_add(self.depth - 1).max(anchor.height) {
            return Ok(None);
        }
        let own = self.checkpoint(checkpoint.height).await?;
        if own != *checkpoint {
            let cause = format!("checkpoint {} is {own:?} there, not {checkpoint:?}", checkpoint.height);
            return Err(ProofError::mismatch("headers", cause).into());
        }
        Ok(Some(written(self.hash_at(anchor.height).await?.to_byte_array())))
    }

    /// From `below` blocks under the leaf's to as deep above it as the config asks, where there are as many.
    async fn row(&self, height: u64, below: u64) -> Result<Row, BuildError> {
        let checkpoint = self.checkpoint(height.saturating_sub(below)).await?;
        let tip = self.node.height().await?.min(height.saturating_add(self.depth - 1));
        let mut headers = Vec::new();
        for above in checkpoint.height.saturating_add(1)..=tip {
            headers.extend(serialize(&self.node.header(self.hash_at(above).await?).await?));
        }
        let block = u32::try_from(height.saturating_sub(checkpoint.height).saturating_sub(1)).unwrap_or(u32::MAX);
        Ok(Row { checkpoint, headers: headers.into(), block })
    }

    async fn checkpoint(&self, height: u64) -> Result<Checkpoint, BuildError> {
        let hash = self.hash_at(height).await?;
        let header = self.node.header(hash).await?;
        // on testnet4 the block itself may have an easier target than its 2016
        let first = self.node.header(self.hash_at(height - height % 2016).await?).await?;
        let (hash, bits) = (written(hash.to_byte_array()), first.bits.to_consensus());
        Ok(Checkpoint { height, hash, time: header.time, bits, epoch_start: first.time })
    }

    async fn hash_at(&self, height: u64) -> Result<BlockHash, ChainError> {
        let hash = self.node.hash_at(height).await?;
        hash.ok_or_else(|| self.node.bad_answer(format!("it has no block {height} any more")))
    }

    async fn block(&self, hash: BlockHash) -> Result<Block, ChainError> {
        let block = self.node.block(hash).await?;
        block.ok_or_else(|| self.node.bad_answer(format!("it has no block {hash}")))
    }

    /// The leg's hold among the outputs of a block.
    fn made(&self, subject: &Subject<'_>, terms: &Terms<'_>, block: &Block) -> Result<Made, BuildError> {
        let refused = |error: &dyn ToString| self.node.bad_answer(error.to_string());
        let mut sets = AttestorSets::default();
        for set in terms.sets {
            sets.add(AttestorKeys::new(set).map_err(|error| refused(&error))?);
        }
        let first_set = terms.sets.first().map_or(0, |set| set.id);
        let (chain, deployment) = (subject.leg.chain.clone(), terms.domain.salt());
        let escrow = Escrow { chain, deployment, rune: terms.rune, first_set, sets };
        let (execution_id, leg) = (subject.execution_id, subject.leg);
        if let Some(presigned) = &terms.presigned {
            let hold = Presigned::decode(presigned.as_slice())
                .and_then(|presigned| presigned.hold(&escrow, execution_id, leg))
                .map_err(|error| refused(&error))?;
            let of_hold = |tx: &&Transaction| tx.compute_txid() == hold.outpoint.txid;
            if let Some(transaction) = block.txdata.iter().find(of_hold).cloned() {
                return Ok(Made { hold, transaction });
            }
        } else {
            for keys in escrow.sets.iter() {
                let script = escrow.reserve_hold(execution_id, leg, keys.set_id()).map_err(|error| refused(&error))?;
                for transaction in &block.txdata {
                    let places = (0u32..).zip(&transaction.output);
                    let place = places.into_iter().find(|(_, output)| **output == script.output());
                    if let Some((vout, _)) = place {
                        let outpoint = bitcoin::OutPoint { txid: transaction.compute_txid(), vout };
                        return Ok(Made { hold: script.at(outpoint), transaction: transaction.clone() });
                    }
                }
            }
        }
        Err(refused(&format!("block {} has no hold of leg {}", block.block_hash(), leg.index)).into())
    }

    fn terms(&self, terms: &Terms<'_>, made: &Made) -> Result<HoldTerms, BuildError> {
        let under = made.hold.script.keys().set_id();
        let mut sets: Vec<AttestorSet> = terms.sets.iter().take(1).cloned().collect();
        sets.extend(terms.sets.iter().skip(1).find(|set| set.id == under).cloned());
        let (rune, presigned) = (terms.rune.to_string(), terms.presigned.clone());
        Ok(HoldTerms { rune, sets, presigned, output: made.hold.outpoint.vout })
    }

    fn included(&self, block: &Block, leaf: &Evidence, whole: bool) -> Result<Included, BuildError> {
        let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
        let wanted = Txid::from_raw_hash(unwritten::<Txid>(&leaf.tx_id).to_raw_hash());
        let missing = || self.node.bad_answer(format!("block {} has no {}", leaf.height, leaf.tx_id));
        let coinbase = block.txdata.first().cloned().ok_or_else(missing)?;
        let transaction = block.txdata.iter().find(|tx| tx.compute_txid() == wanted).cloned().ok_or_else(missing)?;
        let matches: Vec<bool> = (0usize..).zip(&txids).map(|(at, txid)| at == 0 || *txid == wanted).collect();
        Ok(Included {
            merkle: serialize(&PartialMerkleTree::from_txids(&txids, &matches)).into(),
            coinbase: bare(coinbase),
            // how a hold was escaped from stands in the witness
            transaction: if whole { serialize(&transaction).into() } else { bare(transaction) },
        })
    }
}

/// Without the witness, which is under no transaction id.
fn bare(mut transaction: Transaction) -> Bytes {
    transaction.input.iter_mut().for_each(|input| input.witness.clear());
    serialize(&transaction).into()
}

fn unwritten<H: Hash<Bytes = [u8; 32]>>(hash: &Hash32) -> H {
    H::from_byte_array(written(hash.0).0)
}
