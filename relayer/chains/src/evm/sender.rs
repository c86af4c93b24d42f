//! Signing and handing over: nonces are counted here and fees are kept ready, so that a settlement costs one signature
//! and one request. Nothing is stored: after a restart the next nonce is asked of the node.

use std::collections::HashMap;
use std::sync::Arc;

use aes_config::ChainConfig;
use aes_telemetry::{fault, Fault};
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{Address, BlockNumber, Bytes, Eip1559TransactionRequest, H256, U256};
use ethers_core::utils::{keccak256, to_checksum};
use ethers_providers::{Middleware, ProviderError, RpcError};
use ethers_signers::{LocalWallet, Signer};
use tokio::sync::{watch, Mutex};

use super::node::Node;
use crate::error::ChainError;

const GWEI: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Fees {
    /// what a unit of gas costs now
    pub price: U256,
    pub tip: U256,
    pub max: U256,
}

#[derive(Debug, Clone)]
struct Sent {
    nonce: U256,
    to: Option<Address>,
    data: Bytes,
    gas: U256,
    fees: Fees,
}

#[derive(Debug, Default)]
struct Ledger {
    /// `None`: ask the node
    next_nonce: Option<U256>,
    sent: HashMap<H256, Sent>,
}

enum HandOver {
    /// the nonce is used, or further than the node can follow
    Nonce(ChainError),
    Failed(ChainError),
}

#[derive(Debug)]
pub(crate) struct Sender {
    node: Arc<Node>,
    wallet: LocalWallet,
    max_fee: Option<U256>,
    fees: watch::Sender<Option<Fees>>,
    ledger: Mutex<Ledger>,
}

impl Sender {
    /// `None` where the config has no key: then this process only looks.
    pub fn new(node: Arc<Node>, config: &ChainConfig) -> Result<Option<Self>, ChainError> {
        let Some(key) = &config.key else { return Ok(None) };
        let wrong_key = |cause: String| node.refused(format!("chains.\"{}\".key: {cause}", node.id));
        let key = key.load().map_err(|error| wrong_key(error.to_string()))?;
        let wallet = LocalWallet::from_bytes(key.expose()).map_err(|error| wrong_key(error.to_string()))?;
        Ok(Some(Self {
            wallet: wallet.with_chain_id(node.number),
            max_fee: config.max_fee.map(|gwei| U256::from(gwei).saturating_mul(GWEI.into())),
            fees: watch::Sender::new(None),
            ledger: Mutex::default(),
            node,
        }))
    }

    /// Has the fees and the next nonce at hand before anybody wants to send.
    pub async fn warm_up(&self) -> Result<(), ChainError> {
        self.refresh_fees().await?;
        let mut ledger = self.ledger.lock().await;
        if ledger.next_nonce.is_none() {
            ledger.next_nonce = Some(self.nonce_at_node().await?);
        }
        Ok(())
    }

    pub fn address(&self) -> Address {
        self.wallet.address()
    }

    pub async fn balance(&self) -> Result<U256, ChainError> {
        self.node.client.get_balance(self.address(), None).await.map_err(|error| self.node.failure(error))
    }

    pub async fn refresh_fees(&self) -> Result<Fees, ChainError> {
        let client = &self.node.client;
        let (history, price) =
            futures::try_join!(client.fee_history(1, BlockNumber::Latest, &[]), client.get_gas_price())
                .map_err(|error| self.node.failure(error))?;
        // The newest block's base fee, and the next one's. eth_gasPrice is the newest with the tip the node advises.
        let newest = history.base_fee_per_gas.first().copied().unwrap_or_default();
        let next = history.base_fee_per_gas.last().copied().unwrap_or_default();
        let tip = price.saturating_sub(newest);
        let cap = self.max_fee.unwrap_or(U256::MAX);
        // Room for the base fee to double while the transaction waits.
        let max = next.saturating_mul(2.into()).saturating_add(tip).min(cap);
        let fees = Fees { price: price.min(cap), tip: tip.min(max), max };
        self.fees.send_replace(Some(fees));
        Ok(fees)
    }

    pub async fn fees(&self) -> Result<Fees, ChainError> {
        let ready = *self.fees.borrow();
        match ready {
            Some(fees) => Ok(fees),
            None => self.refresh_fees().await,
        }
    }

    /// As `eth_estimateGas` wants it: without fees, so that an empty account is told apart from a revert.
    pub fn unsigned(&self, to: Option<Address>, data: Bytes) -> TypedTransaction {
        let mut request = Eip1559TransactionRequest::new().from(self.address()).data(data);
        request.to = to.map(Into::into);
        request.into()
    }

    pub async fn check_gas_money(&self, gas: U256) -> Result<(), ChainError> {
        let needed = gas.saturating_mul(self.fees().await?.max);
        let balance = self.balance().await?;
        if balance < needed {
            Err(self.insufficient(balance, needed))
        } else {
            Ok(())
        }
    }

    fn insufficient(&self, balance: U256, needed: U256) -> ChainError {
        ChainError::InsufficientGas {
            chain: self.node.id.clone(),
            address: to_checksum(&self.address(), None),
            balance: format!("{balance} wei"),
            needed: format!("{needed} wei"),
        }
    }

    /// One at a time: a nonce is used up only by a transaction that the node has taken.
    pub async fn send(&self, to: Option<Address>, data: Bytes, gas: U256) -> Result<H256, ChainError> {
        let fees = self.fees().await?;
        let mut ledger = self.ledger.lock().await;
        let known = ledger.next_nonce.take();
        let nonce = match known {
            Some(nonce) => nonce,
            None => self.nonce_at_node().await?,
        };
        let mut sent = Sent { nonce, to, data, gas, fees };
        let handed = match self.hand_over(&sent).await {
            Err(HandOver::Nonce(_)) if known.is_some() => {
                sent.nonce = self.nonce_at_node().await?;
                self.hand_over(&sent).await
            }
            handed => handed,
        };
        // On failure the next nonce stays unknown, so the next transaction asks the node.
        let tx = handed.map_err(|(HandOver::Nonce(error) | HandOver::Failed(error))| error)?;
        ledger.next_nonce = Some(sent.nonce.saturating_add(U256::one()));
        ledger.sent.insert(tx, sent);
        Ok(tx)
    }

    /// The same again with an eighth more (nodes want at least a tenth), or today's fees where they are higher.
    /// `None`: not ours, in a block already, or at the cap. Where one before it is lost, it takes that place.
    pub async fn bump(&self, tx: H256) -> Result<Option<H256>, ChainError> {
        let now = self.refresh_fees().await?;
        let mut ledger = self.ledger.lock().await;
        let known = ledger.sent.get(&tx).cloned();
        let Some(mut sent) = (match known {
            Some(sent) => Some(sent),
            None => self.sent_before(tx).await?,
        }) else {
            return Ok(None);
        };
        if self.node.receipt(tx).await?.is_some() {
            return Ok(None);
        }
        let next = self.nonce_at_node().await?;
        if next < sent.nonce {
            // One before it is lost, to a reorg or to the node, and no fee helps: the same call goes in its place.
            sent.nonce = next;
            sent.fees = now;
            return self.hand_over_again(&mut ledger, sent).await;
        }
        let eighth_more = |fee: U256| fee.saturating_add(fee / 8).saturating_add(U256::one());
        let (max, tip) = (eighth_more(sent.fees.max).max(now.max), eighth_more(sent.fees.tip).max(now.tip));
        if self.max_fee.is_some_and(|cap| max > cap) {
            fault!(
                Fault::FeeAtCap,
                chain = %self.node.id,
                ?tx,
                "waits for a block, and its fee is at max_fee: raise it in the config"
            );
            return Ok(None);
        }
        sent.fees = Fees { price: now.price, tip: tip.min(max), max };
        self.hand_over_again(&mut ledger, sent).await
    }

    async fn hand_over_again(&self, ledger: &mut Ledger, sent: Sent) -> Result<Option<H256>, ChainError> {
        match self.hand_over(&sent).await {
            Ok(bumped) => {
                ledger.sent.insert(bumped, sent);
                Ok(Some(bumped))
            }
            // One with this nonce came into a block meanwhile.
            Err(HandOver::Nonce(_)) => Ok(None),
            Err(HandOver::Failed(error)) => Err(error),
        }
    }

    /// By the process before this one: what the node has of it is all there is to know.
    async fn sent_before(&self, tx: H256) -> Result<Option<Sent>, ChainError> {
        let found = self.node.client.get_transaction(tx).await.map_err(|error| self.node.failure(error))?;
        let ours = found.filter(|found| found.from == self.address());
        Ok(ours.map(|found| {
            let price = found.gas_price.unwrap_or_default();
            let max = found.max_fee_per_gas.unwrap_or(price);
            let tip = found.max_priority_fee_per_gas.unwrap_or(price);
            let fees = Fees { price, tip, max };
            Sent { nonce: found.nonce, to: found.to, data: found.input, gas: found.gas, fees }
        }))
    }

    /// It is in a block: what had its nonce or an earlier one needs no bump any more.
    pub async fn settled(&self, tx: H256) {
        let mut ledger = self.ledger.lock().await;
        if let Some(nonce) = ledger.sent.get(&tx).map(|sent| sent.nonce) {
            ledger.sent.retain(|_, other| other.nonce > nonce);
        }
    }

    /// The node dropped it: the next transaction must fill its nonce, or all later ones wait for ever.
    pub async fn lost(&self) {
        self.ledger.lock().await.next_nonce = None;
    }

    async fn nonce_at_node(&self) -> Result<U256, ChainError> {
        let pending = Some(BlockNumber::Pending.into());
        self.node.client.get_transaction_count(self.address(), pending).await.map_err(|error| self.node.failure(error))
    }

    async fn hand_over(&self, sent: &Sent) -> Result<H256, HandOver> {
        let mut fields = Eip1559TransactionRequest::new()
            .from(self.address())
            .chain_id(self.node.number)
            .nonce(sent.nonce)
            .data(sent.data.clone())
            .gas(sent.gas)
            .max_fee_per_gas(sent.fees.max)
            .max_priority_fee_per_gas(sent.fees.tip);
        fields.to = sent.to.map(Into::into);
        let request = TypedTransaction::Eip1559(fields);
        let signature = self
            .wallet
            .sign_transaction_sync(&request)
            .map_err(|error| HandOver::Failed(self.node.refused(format!("signing: {error}"))))?;
        let raw = request.rlp_signed(&signature);
        let tx = H256(keccak256(&raw));
        let error = match self.node.client.send_raw_transaction(raw).await {
            Ok(_) => return Ok(tx),
            Err(error) => error,
        };
        match Rejection::of(&error) {
            Rejection::AlreadyKnown => Ok(tx),
            Rejection::Nonce if self.is_known(tx).await => Ok(tx),
            Rejection::Nonce => Err(HandOver::Nonce(self.node.failure(error))),
            Rejection::Funds => {
                let balance = self.balance().await.map_err(HandOver::Failed)?;
                Err(HandOver::Failed(self.insufficient(balance, sent.gas.saturating_mul(sent.fees.max))))
            }
            Rejection::Other => Err(HandOver::Failed(self.node.failure(error))),
        }
    }

    async fn is_known(&self, tx: H256) -> bool {
        matches!(self.node.client.get_transaction(tx).await, Ok(Some(_)))
    }
}

/// Why a node did not take a transaction. There are no codes for it: each client has its own words.
enum Rejection {
    AlreadyKnown,
    Nonce,
    Funds,
    Other,
}

impl Rejection {
    fn of(error: &ProviderError) -> Self {
        let Some(answer) = error.as_error_response() else { return Self::Other };
        let text = answer.message.to_lowercase().replace([' ', '_'], "");
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["alreadyknown", "alreadyimported", "knowntransaction", "alreadyexists"]) {
            Self::AlreadyKnown
        } else if says(&["insufficientfunds"]) {
            Self::Funds
        } else if says(&["nonce", "underpriced"]) {
            Self::Nonce
        } else {
            Self::Other
        }
    }
}
