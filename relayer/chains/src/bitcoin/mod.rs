//! Bitcoin: holds are Taproot outputs, ALZ is a rune, and the certificate is the attestors' signatures on a transaction
//! (`aes-bitcoin` has the scripts and transactions). The chain is followed block by block; nothing but blocks is believed.

mod accounts;
mod answer;
mod bump;
mod claims;
mod coins;
mod cosign;
mod deploy;
mod deposit;
mod deposits;
mod escrow;
mod evidence;
mod fees;
mod folder;
mod follow;
mod gather;
mod headers;
mod holds;
mod index;
mod late;
mod node;
mod psbt;
mod reserve;
mod rpc;
mod sent;
mod settle;
mod vault;
mod wallet;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use aes_config::{Anchor, BitcoinEscrow, ChainConfig, ManifestChain};
use aes_protocol::{Bytes, ChainId, Evidence, Hash32, Leg};
use async_trait::async_trait;
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Network, ScriptBuf, Txid};
use tokio::sync::{watch, Mutex, Semaphore};
use tokio::task::AbortHandle;

use crate::chain::{Chain, Depth, EscrowMessage, GasAccount, Head, Hold, Outcome, TxId};
use crate::error::ChainError;
use crate::home::Home;
use crate::liars::FollowHealth;
use accounts::network_of;
pub use accounts::{account_of, address_of, key_of, script_of};
use claims::Claims;
pub use cosign::{BaseUnits, Cosignable, Cosigned, Cosigners, Purpose, Refusals, SigningRequest, ToSign};
pub use deploy::{BitcoinDeployer, BitcoinTerms};
use deposits::Deposits;
use escrow::{Sets, Terms};
use fees::Fees;
use follow::{Followed, Follower, Following};
use holds::{Records, Scripts};
use late::Late;
pub use node::Node;
pub use psbt::DepositPsbts;
pub use rpc::{Answer, NodeError, Wire};
use sent::SentBook;
pub use wallet::{keypair, sign};
use wallet::{Elsewhere, Purse, Wallet};

/// Between the ids of the transactions that one message became.
const SEPARATOR: char = ',';

pub struct BitcoinChain {
    own: Weak<Self>,
    name: String,
    network: Network,
    node: Arc<Node>,
    home: Arc<dyn Home>,
    terms: Terms,
    sets: Sets,
    following: Following,
    wallet: Option<Wallet>,
    /// instead of a key here
    elsewhere: Option<Elsewhere>,
    deposits: Deposits,
    fees: Fees,
    depth: u64,
    vault_outputs: usize,
    records: Records,
    scripts: Scripts,
    sent: SentBook,
    late: Late,
    cosigners: OnceLock<Arc<dyn Cosigners>>,
    /// held while vault outputs are chosen
    choosing: Mutex<()>,
    claims: Claims,
    /// a permit for each question to the attestors
    asking: Semaphore,
    keeper: OnceLock<AbortHandle>,
}

impl Drop for BitcoinChain {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

impl BitcoinChain {
    /// Asks no node yet. The home chain is where deposits' pre-signatures and the attestor sets are read.
    pub fn new(
        node: Node,
        config: &ChainConfig,
        entry: &ManifestChain,
        bitcoin: &BitcoinEscrow,
        anchor: Anchor,
        home: Arc<dyn Home>,
    ) -> Result<Arc<Self>, ChainError> {
        let (id, node) = (node.id.clone(), Arc::new(node));
        let refused = |cause: String| ChainError::Refused { chain: id.clone(), cause };
        let settings = config.bitcoin.as_ref();
        let settings = settings.ok_or_else(|| refused(format!("no [chains.\"{id}\".bitcoin] table in the config")))?;
        let fees = Fees::new(config).ok_or_else(|| refused("max_fee is less than 1 sat a virtual byte".into()))?;
        let terms = Terms::read(&id, entry, bitcoin)?;
        let wallet = Wallet::new(&id, config)?;
        let elsewhere = settings.wallet.as_deref().map(Elsewhere::read).transpose().map_err(refused)?;
        if wallet.is_some() && elsewhere.is_some() {
            return Err(refused(
                "`key` and `bitcoin.wallet` are both given: whose coins is this process to spend?".into(),
            ));
        }
        let own = wallet.as_ref().map(Wallet::script).or(elsewhere.as_ref().map(|elsewhere| elsewhere.purse.script()));
        let sent = SentBook::beside(&settings.index);
        let sent =
            sent.map_err(|error| refused(format!("what was sent is beside {}: {error}", settings.index.display())))?;
        let followed = Followed {
            etched: terms.etched,
            anchor,
            first: entry.height.max(1),
            own: own.cloned(),
            file: settings.index.clone(),
            depth: settings.depth.max(1),
            poll: Duration::from_millis(config.poll.max(10)),
        };
        let following = Follower::start(node.clone(), followed);
        let chain = Arc::new_cyclic(|own| Self {
            own: own.clone(),
            name: config.name.clone(),
            network: network_of(&id),
            sets: Sets::new(id, home.clone(), terms.clone()),
            node,
            home,
            terms,
            following,
            wallet,
            elsewhere,
            deposits: Deposits::beside(&settings.index),
            fees,
            depth: settings.depth.max(1),
            vault_outputs: usize::try_from(settings.vault_outputs).unwrap_or(usize::MAX).max(1),
            records: Records::default(),
            scripts: Scripts::default(),
            sent,
            late: Late::default(),
            cosigners: OnceLock::new(),
            choosing: Mutex::new(()),
            claims: Claims::default(),
            asking: Semaphore::new(gather::AT_ONCE),
            keeper: OnceLock::new(),
        });
        chain.keep_sent();
        Ok(chain)
    }

    /// How the following of its blocks goes on.
    pub fn health(&self) -> FollowHealth {
        self.following.follower.health()
    }

    fn wallet(&self) -> Result<&Wallet, ChainError> {
        self.wallet.as_ref().ok_or_else(|| ChainError::NoKey { chain: self.node.id.clone() })
    }

    /// Of the key here, or of the wallet elsewhere.
    fn purse(&self) -> Result<&Purse, ChainError> {
        match (&self.wallet, &self.elsewhere) {
            (Some(wallet), _) => Ok(&wallet.purse),
            (None, Some(elsewhere)) => Ok(&elsewhere.purse),
            (None, None) => Err(ChainError::NoKey { chain: self.node.id.clone() }),
        }
    }

    /// The key that signs inside a hold's script, and its account.
    fn depositor(&self) -> Result<(XOnlyPublicKey, &ScriptBuf), ChainError> {
        let key = match &self.elsewhere {
            Some(elsewhere) => elsewhere.key.key,
            None => self.wallet()?.key(),
        };
        Ok((key, self.purse()?.script()))
    }

    /// The last block at that depth.
    fn height(&self, depth: Depth) -> Result<u64, ChainError> {
        let tip = self.following.follower.index(|index| index.tip().height)?;
        Ok(match depth {
            Depth::Soft => tip,
            Depth::Final => tip.saturating_sub(self.depth.saturating_sub(1)),
        })
    }

    fn txids(&self, tx: &TxId) -> Result<Vec<Txid>, ChainError> {
        let parse = |text: &str| text.parse().map_err(|_| self.node.refused(format!("'{text}' is no transaction id")));
        tx.0.split(SEPARATOR).map(parse).collect()
    }
}

fn joined(ids: &[Txid]) -> TxId {
    let ids: Vec<String> = ids.iter().map(Txid::to_string).collect();
    TxId(ids.join(&SEPARATOR.to_string()))
}

#[async_trait]
impl Chain for BitcoinChain {
    fn id(&self) -> &ChainId {
        &self.node.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn ticks(&self) -> watch::Receiver<u64> {
        self.following.follower.ticks()
    }

    /// That the chain has the etching, and that the first set's vault is the escrow.
    async fn check_contract(&self) -> Result<(), ChainError> {
        self.following.follower.wait_until_read().await;
        self.sets.escrow().await?;
        let (tip, etched) = self.following.follower.index(|index| (index.tip().height, *index.ledger().etched()))?;
        if tip < etched.id.block {
            return Err(self
                .node
                .bad_answer(format!("the chain ends at {tip}, ALZ was etched in {}", etched.id.block)));
        }
        Ok(())
    }

    /// Its time is the median time past, the chain's own clock: a header's may go back.
    async fn head(&self, depth: Depth) -> Result<Head, ChainError> {
        self.following.follower.wait_until_read().await;
        let height = self.height(depth)?;
        let hash = self.following.follower.hash_at(height)?;
        let time = self.following.follower.index(|index| index.median_time_past(height))?;
        let time = time.ok_or_else(|| self.node.bad_answer(format!("block {height} has no median time past")))?;
        Ok(Head { height, hash: evidence::written(&hash), time })
    }

    async fn hold(&self, execution_id: &Hash32, leg: &Leg, depth: Depth) -> Result<Option<Hold>, ChainError> {
        self.following.follower.wait_until_read().await;
        let Some(found) = self.find(execution_id, leg, self.height(depth)?).await? else { return Ok(None) };
        let Some(status) = self.status(&found).await? else { return Ok(None) };
        Ok(Some(Hold {
            status,
            deadline: found.deadline,
            held_at: Some(found.seen.holding.height),
            settled_at: found.seen.spent.map(|(_, height)| height),
        }))
    }

    async fn evidence(&self, execution_id: &Hash32, leg: &Leg, deadline: u64) -> Result<Option<Evidence>, ChainError> {
        self.following.follower.wait_until_read().await;
        self.evidence_at_depth(execution_id, leg, deadline).await
    }

    async fn alz_balance(&self, account: &Bytes) -> Result<u128, ChainError> {
        self.following.follower.wait_until_read().await;
        let script = ScriptBuf::from(account.0.clone());
        self.following.follower.index(|index| {
            let seen = index.seen_at(&script, index.tip().height);
            let unspent = seen.iter().filter(|seen| seen.spent.is_none());
            unspent.map(|seen| seen.holding.alz).fold(0, u128::saturating_add)
        })
    }

    async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        self.following.follower.wait_until_read().await;
        let purse = self.purse()?;
        let balance = self.following.follower.index(|index| purse.balance(index))?;
        Ok(GasAccount {
            address: purse.address(self.network),
            account: purse.script().to_bytes().into(),
            balance: balance.to_sat().into(),
            denom: "sat".into(),
        })
    }

    async fn submit(&self, message: &EscrowMessage) -> Result<TxId, ChainError> {
        self.following.follower.wait_until_read().await;
        let ids = match message {
            EscrowMessage::Prepare { execution_id, deadline, leg } => {
                vec![self.prepare(execution_id, *deadline, leg).await?]
            }
            EscrowMessage::PrepareReserve { execution_id, leg, .. } => {
                vec![self.prepare_reserve(execution_id, leg).await?]
            }
            EscrowMessage::Settle { decision, items, .. } => self.settle(*decision, items).await?,
            EscrowMessage::Escape { execution_id, leg } => vec![self.escape(execution_id, leg).await?],
            EscrowMessage::Rotate { .. } => {
                return Err(self
                    .node
                    .refused("no contract here keeps a set: relayers move the vault when the coordinator has rotated"))
            }
            EscrowMessage::FundVault { .. } => {
                return Err(self
                    .node
                    .refused("the whole supply starts in the vault; what was unlocked comes back by a lock"))
            }
        };
        Ok(joined(&ids))
    }

    /// In sats. A settlement pays for itself, out of what the hold was made with.
    async fn estimate(&self, message: &EscrowMessage) -> Result<u128, ChainError> {
        let rate = self.fees.rate(&self.node).await?;
        let fee = |vbytes| u128::from(rate.fee_vb(vbytes).map_or(u64::MAX, |fee| fee.to_sat()));
        let carried = u128::from(aes_bitcoin::CARRIER.to_sat()).saturating_mul(4);
        Ok(match message {
            EscrowMessage::Prepare { .. } | EscrowMessage::PrepareReserve { .. } => fee(400).saturating_add(carried),
            EscrowMessage::Settle { .. } => 0,
            EscrowMessage::Escape { .. } => fee(140),
            EscrowMessage::Rotate { .. } | EscrowMessage::FundVault { .. } => 0,
        })
    }

    /// Of several transactions: included when all are, pending when any is.
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        self.following.follower.wait_until_read().await;
        let mut included = None;
        let mut unknown = false;
        let mut pending = false;
        for txid in self.txids(tx)? {
            match self.outcome_of(txid).await? {
                Outcome::Included { height, time, .. } => included = included.max(Some((height, time))),
                Outcome::Pending => pending = true,
                Outcome::Unknown | Outcome::Failed { .. } => unknown = true,
            }
        }
        Ok(match (unknown, pending, included) {
            (true, ..) => Outcome::Unknown,
            (_, true, _) | (_, _, None) => Outcome::Pending,
            (_, _, Some((height, time))) => Outcome::Included { height, time, unpaid: Vec::new() },
        })
    }

    async fn bump(&self, tx: &TxId) -> Result<Option<TxId>, ChainError> {
        let mut ids = Vec::new();
        let mut changed = false;
        for txid in self.txids(tx)? {
            let bumped = self.bump_one(txid).await?;
            changed |= bumped.is_some();
            ids.push(bumped.unwrap_or(txid));
        }
        Ok(changed.then(|| joined(&ids)))
    }

    fn check_finality(&self) -> Result<(), ChainError> {
        match self.following.follower.stopped() {
            Some(why) => Err(self.node.bad_answer(format!("{why}; then start this attestor again"))),
            None => Ok(()),
        }
    }

    fn cosignable(&self) -> Option<&dyn Cosignable> {
        Some(self)
    }

    fn bitcoin(&self) -> Option<&BitcoinChain> {
        Some(self)
    }
}
