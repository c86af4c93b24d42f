//! Making ALZ on a Bitcoin chain: commit to the name, wait, etch it with the whole supply in the first set's vault. What is
//! under way is written to a file before it is sent, so that a run that broke off is gone on with.

use std::path::PathBuf;
use std::time::Duration;

use aes_bitcoin::{
    name_is_open, AttestorKeys, AttestorSets, Coin, CoinError, Draft, Escrow, EtchError, Etched, Etching, RuneId,
    SpacedRune, Vault, CARRIER, COMMIT_BLOCKS,
};
use aes_config::{Anchor, BitcoinEscrow, ChainConfig, ManifestChain};
use aes_protocol::{keccak, AttestorSet, Bytes, ChainId, Domain, Hash32};
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Address, Amount, FeeRate, Network, OutPoint, Sequence, Transaction, TxIn, TxOut, Txid};
use serde::{Deserialize, Serialize};

use super::accounts::network_of;
use super::coins::OwnCoins;
use super::evidence::written;
use super::fees::Fees;
use super::headers::anchor_below;
use super::index::MEDIAN_OF;
use super::node::{Broadcast, Node};
use super::wallet::{total, Wallet};
use crate::error::ChainError;

/// Of commit and reveal together, with room.
const ETCH_VBYTES: u64 = 700;

/// Blocks that are read again while a transaction is waited for.
const REREAD: u64 = 12;

/// What `aes deploy` has of a Bitcoin chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitcoinTerms {
    /// e.g. `ALZ•BRIDGE•TOKEN`
    pub rune: String,
    /// base units
    pub premine: u128,
    pub escape_delay: u64,
    /// base units
    pub max_leg: u128,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct UnderWay {
    /// none until something is made for it
    made_for: Option<MadeFor>,
    /// the first block that is read for coins of the deploying key
    first: u64,
    commit: Option<Transaction>,
    reveal: Option<Transaction>,
}

/// Which deployment the transactions are of: another one's vault is not this one's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct MadeFor {
    deployment: Hash32,
    set_hash: Hash32,
    rune: String,
    /// base units
    premine: String,
}

pub struct BitcoinDeployer {
    id: ChainId,
    node: Node,
    wallet: Wallet,
    fees: Fees,
    network: Network,
    poll: Duration,
    depth: u64,
    file: PathBuf,
}

impl BitcoinDeployer {
    /// Needs the key in the config.
    pub fn new(id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        let refused = |cause: &str| ChainError::Refused { chain: id.clone(), cause: cause.into() };
        let settings = config.bitcoin.as_ref().ok_or_else(|| refused("no `bitcoin` table in this chain's config"))?;
        let wallet = Wallet::new(&id, config)?.ok_or_else(|| ChainError::NoKey { chain: id.clone() })?;
        let fees = Fees::new(config).ok_or_else(|| refused("max_fee is less than 1 sat a virtual byte"))?;
        Ok(Self {
            node: Node::new(id.clone(), config)?,
            network: network_of(&id),
            wallet,
            fees,
            poll: Duration::from_millis(config.poll.max(10)),
            depth: settings.depth.max(1),
            file: settings.index.with_extension("etching.json"),
            id,
        })
    }

    /// Whether the set could keep the vault.
    pub fn check_set(&self, set: &AttestorSet) -> Result<(), ChainError> {
        AttestorKeys::new(set).map(drop).map_err(|error| self.node.refused(error.to_string()))
    }

    /// Where it takes sats from.
    pub fn address(&self) -> String {
        self.wallet.address(self.network)
    }

    /// What the etching costs at today's rate, all told.
    pub async fn cost(&self) -> Result<Amount, ChainError> {
        let rate = self.fees.rate(&self.node).await?;
        Ok(needed(rate))
    }

    /// Returns when the etching is final. `say` is told what is waited for.
    pub async fn etch(
        &self,
        domain: &Domain,
        set: &AttestorSet,
        terms: &BitcoinTerms,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<(ManifestChain, BitcoinEscrow), ChainError> {
        let refused = |cause: String| self.node.refused(cause);
        let name: SpacedRune =
            terms.rune.parse().map_err(|_| refused(format!("'{}' is no name of a rune", terms.rune)))?;
        let etching = Etching { name, premine: terms.premine, symbol: None, key: self.wallet.key() };
        let mut escrow = Escrow {
            chain: self.id.clone(),
            deployment: domain.salt(),
            // a vault's script is the same whatever the rune's id will be
            rune: RuneId::default(),
            first_set: set.id,
            sets: AttestorSets::default(),
        };
        escrow.sets.add(AttestorKeys::new(set).map_err(|error| refused(error.to_string()))?);
        let vault = escrow.vault(set.id).map_err(|error| refused(error.to_string()))?;

        let mut under_way = self.under_way().await?;
        let made_for = MadeFor {
            deployment: domain.salt(),
            set_hash: set.hash(),
            rune: terms.rune.clone(),
            premine: terms.premine.to_string(),
        };
        if under_way.made_for.as_ref().is_some_and(|other| *other != made_for) {
            let file = self.file.display();
            return Err(refused(format!("{file} has the etching of another deployment, set or rune; move it away")));
        }
        under_way.made_for = Some(made_for);
        // the commitment is paid for whether or not the name can be had
        let height = self.node.height().await?.saturating_add(COMMIT_BLOCKS);
        if !name_is_open(name.rune, self.network, height) {
            return Err(refused(format!("'{name}' is too short a name for block {height}; take a longer one")));
        }
        let commit = match under_way.commit.clone() {
            Some(commit) => commit,
            None => {
                let commit = self.commit(&etching, &vault, under_way.first, say).await?;
                under_way.commit = Some(commit.clone());
                self.keep(&under_way)?;
                commit
            }
        };
        let commit_height = self.included(&commit, under_way.first, 1, "the commitment to the name", say).await?.block;
        say(&format!("waiting for block {}, six after the commitment's", commit_height.saturating_add(COMMIT_BLOCKS)));
        self.reach(commit_height.saturating_add(COMMIT_BLOCKS)).await?;
        let reveal = match under_way.reveal.clone() {
            Some(reveal) => reveal,
            None => {
                let reveal = self.reveal(&etching, &vault, &commit)?;
                under_way.reveal = Some(reveal.clone());
                self.keep(&under_way)?;
                reveal
            }
        };
        let id = self.included(&reveal, commit_height, self.depth, "the etching", say).await?;
        let Etched { id, txid, premine } =
            etching.check(&reveal, id, commit_height, self.network).map_err(|error| refused(error.to_string()))?;
        let script = vault.script_pubkey();
        if reveal.output.first().is_none_or(|output| output.script_pubkey != *script) {
            return Err(refused(format!("the etching {txid} gave the supply to another script than this set's vault")));
        }
        let entry = ManifestChain {
            escrow: script.to_bytes().into(),
            escrow_address: Address::from_script(script, self.network).map_err(|e| refused(e.to_string()))?.to_string(),
            asset: id.to_string(),
            code_hash: keccak(vault.descriptor().as_bytes()),
            height: under_way.first,
        };
        let bitcoin = BitcoinEscrow {
            rune: name.to_string(),
            etching: txid.to_string(),
            premine: premine.to_string(),
            first_set: set.id,
            escape_delay: terms.escape_delay,
            max_leg: terms.max_leg.to_string(),
        };
        Ok((entry, bitcoin))
    }

    /// The block from which the headers of a chain that is read from `first` on are followed.
    pub async fn anchor(&self, first: u64) -> Result<Anchor, ChainError> {
        let oldest = first.saturating_sub(1).saturating_sub(u64::try_from(MEDIAN_OF).unwrap_or_default());
        let height = anchor_below(oldest);
        let hash = self.node.hash_at(height).await?;
        let hash = hash.ok_or_else(|| self.node.bad_answer(format!("it has no block {height}")))?;
        Ok(Anchor { height, hash: written(&hash) })
    }

    /// Pays accounts out of this one; a relayer or a depositor needs sats before anything else.
    pub async fn pay(&self, payments: &[(Bytes, u64)]) -> Result<Txid, ChainError> {
        let payments: Vec<(Bytes, Amount)> =
            payments.iter().map(|(to, sats)| (to.clone(), Amount::from_sat(*sats))).collect();
        let rate = self.fees.rate(&self.node).await?;
        let vbytes = u64::try_from(payments.len()).unwrap_or(u64::MAX).saturating_mul(43).saturating_add(ETCH_VBYTES);
        let fee = rate.fee_vb(vbytes).unwrap_or(Amount::MAX_MONEY);
        let add = |sum: Amount, next: Amount| sum.checked_add(next).unwrap_or(Amount::MAX_MONEY);
        let paid = payments.iter().map(|(_, sats)| *sats).fold(fee, add);
        let first = self.under_way().await?.first;
        let coins = self.coins(first, add(paid, CARRIER)).await?;
        let coins = coins.ok_or_else(|| self.node.refused(format!("{} has less than {paid}", self.address())))?;
        let change = total(&coins).checked_sub(paid).unwrap_or_default();
        let own = (Bytes::from(self.wallet.script().to_bytes()), change);
        let output = |(to, value): &(Bytes, Amount)| TxOut { value: *value, script_pubkey: to.0.clone().into() };
        let output = payments.iter().chain(std::iter::once(&own)).map(output).collect();
        let input = |coin: &Coin| TxIn {
            previous_output: coin.outpoint,
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            ..TxIn::default()
        };
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: coins.iter().map(input).collect(),
            output,
        };
        let tx = self.signed(Draft { tx, prevouts: coins.into_iter().map(|coin| coin.output).collect() })?;
        self.hand_over(&tx).await?;
        Ok(tx.compute_txid())
    }

    async fn under_way(&self) -> Result<UnderWay, ChainError> {
        if let Ok(bytes) = std::fs::read(&self.file) {
            return serde_json::from_slice(&bytes).map_err(|error| {
                self.node.refused(format!("{}: {error}; it is not to be edited", self.file.display()))
            });
        }
        // A regtest chain is short and its coins are old; elsewhere the sats are sent when the address is told.
        let first = if self.network == Network::Regtest { 1 } else { self.node.height().await? };
        let under_way = UnderWay { first, ..UnderWay::default() };
        self.keep(&under_way)?;
        Ok(under_way)
    }

    fn keep(&self, under_way: &UnderWay) -> Result<(), ChainError> {
        let write = || -> std::io::Result<()> {
            let beside = self.file.with_extension("new");
            std::fs::write(&beside, serde_json::to_vec_pretty(under_way)?)?;
            std::fs::rename(&beside, &self.file)
        };
        write().map_err(|error| self.node.refused(format!("{}: {error}", self.file.display())))
    }

    async fn commit(
        &self,
        etching: &Etching,
        vault: &Vault,
        first: u64,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Transaction, ChainError> {
        let rate = self.fees.rate(&self.node).await?;
        let mut told = false;
        loop {
            if let Some(coins) = self.coins(first, needed(rate)).await? {
                let draft = etching.commit(&coins, vault, self.wallet.script().as_bytes(), rate);
                return match draft {
                    Ok(draft) => self.signed(draft),
                    Err(EtchError::Coin(CoinError::TooFewSats { missing, .. })) => {
                        Err(self.node.refused(format!("{missing} more are needed at {}", self.address())))
                    }
                    Err(error) => Err(self.node.refused(error.to_string())),
                };
            }
            if !told {
                say(&format!("waiting for {} at {}", needed(rate), self.address()));
                told = true;
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    fn reveal(&self, etching: &Etching, vault: &Vault, commit: &Transaction) -> Result<Transaction, ChainError> {
        let refused = |error: EtchError| self.node.refused(error.to_string());
        let commitment = OutPoint { txid: commit.compute_txid(), vout: 0 };
        let output = commit.output.first().ok_or_else(|| self.node.refused("the commitment has no output"))?;
        let reveal = etching.reveal(commitment, output.value, vault).map_err(refused)?;
        reveal.finish(&self.wallet.sign(reveal.sighash())).map_err(refused)
    }

    fn signed(&self, draft: Draft) -> Result<Transaction, ChainError> {
        let witnesses = self.wallet.witnesses(&draft, 0).map_err(|error| self.node.refused(error))?;
        let mut tx = draft.tx;
        for (input, witness) in tx.input.iter_mut().zip(witnesses) {
            input.witness = witness;
        }
        Ok(tx)
    }

    async fn hand_over(&self, tx: &Transaction) -> Result<(), ChainError> {
        match self.node.broadcast(tx).await? {
            Broadcast::Taken | Broadcast::Mined => Ok(()),
            Broadcast::InputsMissing(cause) | Broadcast::FeeTooLow(cause) | Broadcast::Rejected(cause) => {
                Err(self.node.refused(format!("transaction {}: {cause}", tx.compute_txid())))
            }
        }
    }

    /// Confirmed coins of this account worth so much, read block by block. `None` where there are too few.
    async fn coins(&self, first: u64, wanted: Amount) -> Result<Option<Vec<Coin>>, ChainError> {
        let mut own = OwnCoins::of(Some(self.wallet.script().clone()));
        let tip = self.node.height().await?;
        for height in first..=tip {
            own.apply(&self.block_at(height).await?, height);
        }
        let mut coins = Vec::new();
        for (outpoint, output) in own.spendable(tip) {
            if total(&coins) >= wanted {
                break;
            }
            if self.node.is_unspent(outpoint).await? {
                coins.push(Coin { outpoint, output: output.clone(), alz: 0 });
            }
        }
        Ok((total(&coins) >= wanted).then_some(coins))
    }

    async fn block_at(&self, height: u64) -> Result<bitcoin::Block, ChainError> {
        let missing = || self.node.bad_answer(format!("no block at height {height}"));
        let hash = self.node.hash_at(height).await?.ok_or_else(missing)?;
        self.node.block(hash).await?.ok_or_else(missing)
    }

    async fn reach(&self, height: u64) -> Result<(), ChainError> {
        while self.node.height().await? < height {
            tokio::time::sleep(self.poll).await;
        }
        Ok(())
    }

    /// Hands it over until it is so deep in the chain; the block and the place where it is.
    async fn included(
        &self,
        tx: &Transaction,
        from: u64,
        depth: u64,
        what: &str,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<RuneId, ChainError> {
        let txid = tx.compute_txid();
        say(&format!("waiting for {what}, {txid}, to be {depth} deep"));
        let mut from = from;
        loop {
            let found = self.find(txid, from).await?;
            // what was read once is read again only where a reorg may have changed it
            from = from.max(self.node.height().await?.saturating_sub(REREAD));
            if let Some(id) = found {
                if self.node.height().await?.saturating_add(1) >= id.block.saturating_add(depth) {
                    return Ok(id);
                }
            } else {
                self.hand_over(tx).await?;
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    async fn find(&self, txid: Txid, from: u64) -> Result<Option<RuneId>, ChainError> {
        for block in (from..=self.node.height().await?).rev() {
            let place = self.block_at(block).await?.txdata.iter().position(|tx| tx.compute_txid() == txid);
            if let Some(tx) = place.and_then(|place| u32::try_from(place).ok()) {
                return Ok(Some(RuneId { block, tx }));
            }
        }
        Ok(None)
    }
}

fn needed(rate: FeeRate) -> Amount {
    let fee = rate.fee_vb(ETCH_VBYTES).unwrap_or(Amount::MAX_MONEY);
    fee.checked_add(CARRIER * 3).unwrap_or(Amount::MAX_MONEY)
}
