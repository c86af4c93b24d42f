//! What the relayer and the attestors ask of a chain with an escrow on it, whatever its kind.

use aes_protocol::{AttestorSet, Bytes, Certificate, ChainId, Decision, Evidence, Hash32, Leg};
use async_trait::async_trait;
use tokio::sync::watch;

use crate::bitcoin::{BitcoinChain, Cosignable};
use crate::error::ChainError;

/// How deep in the chain something must be to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// in a block: enough to let a reserve follow, or to plan
    Soft,
    /// what can no longer be undone: EVM the `finalized` block, CometBFT a committed block
    Final,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub height: u64,
    pub hash: Hash32,
    /// Unix seconds
    pub time: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldStatus {
    Held,
    Finalized,
    Released,
    Escaped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub status: HoldStatus,
    /// as stored with the hold; another one than the execution's means it is not this leg's hold
    pub deadline: u64,
    /// none for a tombstone: released before it was ever held
    pub held_at: Option<u64>,
    pub settled_at: Option<u64>,
}

/// A transaction's id as its chain writes it (EVM: 0x hex; CosmWasm: upper-case hex).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TxId(pub String);

/// A leg whose payment failed in a settlement that is in a block: it is held as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpaid {
    pub execution_id: Hash32,
    pub leg_hash: Hash32,
    pub cause: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// not in a block yet
    Pending,
    Included {
        height: u64,
        time: u64,
        unpaid: Vec<Unpaid>,
    },
    /// in a block, and reverted there
    Failed {
        height: u64,
        cause: String,
    },
    /// the node does not know it: dropped or replaced
    Unknown,
}

/// The account that pays this process's fees on a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GasAccount {
    /// as the chain writes it
    pub address: String,
    pub account: Bytes,
    /// in the fee token's base units
    pub balance: u128,
    pub denom: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementItem {
    pub execution_id: Hash32,
    /// of the execution's decision under the certificate's root
    pub path: Vec<Hash32>,
    pub legs: Vec<Leg>,
}

/// What can be sent to an escrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EscrowMessage {
    /// account-sourced, by the depositor whose key the adapter holds; gives the allowance first where the chain wants one
    Prepare {
        execution_id: Hash32,
        deadline: u64,
        leg: Leg,
    },
    /// reserve-sourced, by anyone
    PrepareReserve {
        execution_id: Hash32,
        deadline: u64,
        leg: Leg,
        manifest_root: Hash32,
        path: Vec<Hash32>,
        certificate: Certificate,
    },
    Settle {
        decision: Decision,
        certificate: Certificate,
        items: Vec<SettlementItem>,
    },
    Escape {
        execution_id: Hash32,
        leg: Leg,
    },
    Rotate {
        set: AttestorSet,
        certificate: Certificate,
    },
    FundVault {
        amount: u128,
    },
}

#[async_trait]
pub trait Chain: Send + Sync {
    fn id(&self) -> &ChainId;
    /// what people call it, e.g. `polygon`
    fn name(&self) -> &str;
    /// the height of the newest block seen; changes with every block, so a loop can wait on it
    fn ticks(&self) -> watch::Receiver<u64>;

    /// Whether the code at the escrow's address is the manifest's; `BadAnswer` says what is there instead.
    async fn check_contract(&self) -> Result<(), ChainError>;
    async fn head(&self, depth: Depth) -> Result<Head, ChainError>;
    async fn hold(&self, execution_id: &Hash32, leg: &Leg, depth: Depth) -> Result<Option<Hold>, ChainError>;
    /// What became of the leg, at finality, in the protocol's normalized form; the same bytes from every honest node.
    /// `None` while nothing is final: never held and the deadline not passed at finality, or held with another deadline.
    /// Never held and a final block at or after `deadline`: `absent`, with the first such block.
    async fn evidence(&self, execution_id: &Hash32, leg: &Leg, deadline: u64) -> Result<Option<Evidence>, ChainError>;
    /// ALZ of an account, in base units
    async fn alz_balance(&self, account: &Bytes) -> Result<u128, ChainError>;
    async fn gas_account(&self) -> Result<GasAccount, ChainError>;

    /// Signs and hands to the node. Ok means that the node has taken it into its mempool.
    async fn submit(&self, message: &EscrowMessage) -> Result<TxId, ChainError>;
    /// What `submit` would cost, asked of the node, in the fee token's base units. Sends nothing.
    async fn estimate(&self, message: &EscrowMessage) -> Result<u128, ChainError>;
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError>;
    /// Pays more for a transaction that waits too long (EVM: the same nonce, higher fees). Ok(None): nothing to bump.
    async fn bump(&self, tx: &TxId) -> Result<Option<TxId>, ChainError>;

    /// An error where a reorg took back what was final: attestors sign nothing new of the chain before their next start.
    fn check_finality(&self) -> Result<(), ChainError> {
        Ok(())
    }

    /// Where the certificate is signatures on a transaction of the chain itself: Bitcoin.
    fn cosignable(&self) -> Option<&dyn Cosignable> {
        None
    }

    /// Where a depositor's wallet may be elsewhere.
    fn bitcoin(&self) -> Option<&BitcoinChain> {
        None
    }
}
