//! EVM chains: an escrow contract, read with `eth_call` and logs, spoken to with EIP-1559 transactions.

mod abi;
mod absent;
mod contracts;
mod deploy;
mod evidence;
mod message;
mod node;
mod operate;
mod packed;
mod rpc;
mod sender;
mod unpaid;

use std::sync::Arc;

use aes_config::{ChainConfig, ManifestChain};
use aes_protocol::{Bytes, ChainId, Evidence, Hash32, Leg};
use async_trait::async_trait;
use ethers_core::abi::AbiEncode;
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{Address, BlockNumber, Bytes as CallData, TransactionRequest, H256, U256};
use ethers_core::utils::to_checksum;
use ethers_providers::Middleware;
use tokio::sync::{watch, Mutex};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::chain::{Chain, Depth, EscrowMessage, GasAccount, Head, Hold, Outcome, TxId};
use crate::error::ChainError;
use absent::Members;
pub use contracts::EvmReader;
pub use deploy::{Artifact, ArtifactError, Deployed, EscrowSettings, EscrowState, EvmDeployer, Limits, Made};
pub use message::{settlement_gas, EscrowCalls};
use node::Client;
pub use node::Node;
pub use operate::AdminCall;
pub use rpc::{Answer, Wire};
use sender::Sender;

/// What a deposit takes where its own estimate must wait for the allowance.
const DEPOSIT_GAS: u64 = 150_000;

pub struct EvmChain {
    name: String,
    node: Arc<Node>,
    sender: Option<Arc<Sender>>,
    escrow: abi::AesEscrow<Client>,
    members: Members,
    token: abi::AlzToken<Client>,
    /// block in which the escrow was made
    created: u64,
    /// of the escrow, as the manifest has it
    code_hash: Hash32,
    ticks: watch::Receiver<u64>,
    poller: AbortHandle,
    /// the deposit sent last: until it is in a block, the allowance it will use up looks free
    last_deposit: Mutex<Option<H256>>,
}

/// What the node says to a message that is not sent yet.
enum Check {
    Passes {
        gas: U256,
    },
    /// nothing but the depositor's allowance is missing
    WantsAllowance {
        amount: u128,
    },
}

impl EvmChain {
    /// Asks nothing of a node yet: that an endpoint is of this chain is checked when it is first asked.
    /// Must be called inside a tokio runtime: it watches the chain's height in a task of its own.
    pub fn new(id: ChainId, config: &ChainConfig, entry: &ManifestChain) -> Result<Arc<Self>, ChainError> {
        Self::over(Node::new(id, config)?, config, entry)
    }

    /// The same on nodes that are there already.
    pub fn over(node: Node, config: &ChainConfig, entry: &ManifestChain) -> Result<Arc<Self>, ChainError> {
        let node = Arc::new(node);
        let wrong = |what: &str, text: &dyn std::fmt::Display| {
            node.refused(format!("the manifest's {what} {text} is no address"))
        };
        let escrow = abi::account(&entry.escrow).filter(|address| !address.is_zero());
        let escrow = escrow.ok_or_else(|| wrong("escrow", &entry.escrow))?;
        let token: Address = entry.asset.parse().map_err(|_| wrong("asset", &entry.asset))?;
        let sender = Sender::new(node.clone(), config)?.map(Arc::new);

        let (tick, ticks) = watch::channel(0);
        let poller = tokio::spawn(watch_blocks(node.clone(), sender.clone(), tick)).abort_handle();
        Ok(Arc::new(Self {
            name: config.name.clone(),
            escrow: abi::AesEscrow::new(escrow, node.client.clone()),
            members: Members::default(),
            token: abi::AlzToken::new(token, node.client.clone()),
            node,
            sender,
            created: entry.height,
            code_hash: entry.code_hash,
            ticks,
            poller,
            last_deposit: Mutex::new(None),
        }))
    }

    fn sender(&self) -> Result<&Arc<Sender>, ChainError> {
        self.sender.as_ref().ok_or_else(|| ChainError::NoKey { chain: self.node.id.clone() })
    }

    fn messages(&self) -> EscrowCalls<'_> {
        EscrowCalls { chain: &self.node.id, address: self.escrow.address() }
    }

    async fn call_data(&self, sender: &Sender, message: &EscrowMessage) -> Result<CallData, ChainError> {
        let absent = self.members.absent(message, &self.escrow, &self.node).await?;
        self.messages().call_data(message, sender.address(), &absent)
    }

    fn at(depth: Depth) -> BlockNumber {
        match depth {
            Depth::Soft => BlockNumber::Latest,
            Depth::Final => BlockNumber::Finalized,
        }
    }

    async fn alz_of(&self, address: Address) -> Result<u128, ChainError> {
        let balance = self.token.balance_of(address).call().await.map_err(|error| self.node.contract_failure(error))?;
        self.node.amount(balance, "the ALZ balance")
    }

    async fn check(&self, sender: &Sender, message: &EscrowMessage, data: &CallData) -> Result<Check, ChainError> {
        let request = sender.unsigned(Some(self.escrow.address()), data.clone());
        let error = match self.node.client.estimate_gas(&request, None).await {
            Ok(gas) => return Ok(Check::Passes { gas }),
            Err(error) => error,
        };
        let refused_by_token = node::revert_data(&error).is_some_and(|revert| !abi::is_escrow_error(&revert));
        let refusal = self.node.failure(error);
        let Some(amount) = message::deposit(message).filter(|_| refused_by_token) else { return Err(refusal) };

        let me = sender.address();
        let allowance = self.token.allowance(me, self.escrow.address()).call().await;
        if allowance.map_err(|error| self.node.contract_failure(error))? >= amount.into() {
            return Err(refusal);
        }
        let balance = self.alz_of(me).await?;
        if balance < amount {
            let me = to_checksum(&me, None);
            return Err(self.node.refused(format!("{me} has {balance} base units of ALZ, the message takes {amount}")));
        }
        Ok(Check::WantsAllowance { amount })
    }

    fn approval(&self, amount: u128) -> CallData {
        abi::token::ApproveCall { spender: self.escrow.address(), value: amount.into() }.encode().into()
    }

    /// Everything but a settlement: asked of the node first, so that a refusal costs nothing.
    async fn send_checked(&self, sender: &Sender, message: &EscrowMessage, data: CallData) -> Result<H256, ChainError> {
        let gas = match self.check(sender, message, &data).await? {
            Check::Passes { gas } => gas,
            Check::WantsAllowance { amount } => {
                let approval = self.approval(amount);
                let token = self.token.address();
                let request = sender.unsigned(Some(token), approval.clone());
                let gas =
                    self.node.client.estimate_gas(&request, None).await.map_err(|error| self.node.failure(error))?;
                // Both, so that the fee of an approval is not spent on a deposit that cannot follow.
                sender.check_gas_money(gas.saturating_add(DEPOSIT_GAS.into())).await?;
                self.node.mined(sender.send(Some(token), approval, with_room(gas)).await?).await?;
                match self.check(sender, message, &data).await? {
                    Check::Passes { gas } => gas,
                    Check::WantsAllowance { .. } => {
                        return Err(self.node.refused("the token did not keep the allowance given to the escrow"))
                    }
                }
            }
        };
        sender.check_gas_money(with_room(gas)).await?;
        sender.send(Some(self.escrow.address()), data, with_room(gas)).await
    }

    async fn send_deposit(&self, sender: &Sender, message: &EscrowMessage, data: CallData) -> Result<H256, ChainError> {
        let mut last = self.last_deposit.lock().await;
        if let Some(tx) = last.take() {
            self.node.done_with(tx).await?;
        }
        let tx = self.send_checked(sender, message, data).await?;
        *last = Some(tx);
        Ok(tx)
    }

    fn tx_hash(&self, tx: &TxId) -> Result<H256, ChainError> {
        tx.0.parse().map_err(|_| self.node.refused(format!("'{}' is no transaction id", tx.0)))
    }

    /// A receipt does not say why: the same call is made again on the state of its block.
    async fn failure_cause(&self, tx: H256, height: u64, gas_used: Option<U256>) -> Result<String, ChainError> {
        let found = self.node.client.get_transaction(tx).await.map_err(|error| self.node.failure(error))?;
        let Some(transaction) = found else { return Ok("reverted".into()) };
        if gas_used.is_some_and(|used| used >= transaction.gas) {
            return Ok(format!("out of gas: it was given {}", transaction.gas));
        }
        let mut request = TransactionRequest::new().from(transaction.from).gas(transaction.gas).data(transaction.input);
        request.to = transaction.to.map(Into::into);
        let again = self.node.client.call(&TypedTransaction::Legacy(request), Some(height.into())).await;
        Ok(match again.as_ref().err().and_then(node::revert_data) {
            Some(revert) => abi::revert_text(&revert),
            None => "reverted".into(),
        })
    }
}

impl Drop for EvmChain {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

/// Estimates are exact for the state they saw; the block that takes the transaction may have another.
fn with_room(gas: U256) -> U256 {
    gas.saturating_add(gas / 4).saturating_add(10_000.into())
}

/// Tells of every new block, and has fees and nonce ready before anybody wants to send.
async fn watch_blocks(node: Arc<Node>, sender: Option<Arc<Sender>>, ticks: watch::Sender<u64>) {
    let mut every = tokio::time::interval(node.poll);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reachable = true;
    loop {
        every.tick().await;
        let height = match node.height().await {
            Ok(height) => height,
            Err(error) => {
                // once, and not again at every poll while it lasts
                if std::mem::replace(&mut reachable, false) {
                    tracing::warn!(%error, "no new height");
                }
                continue;
            }
        };
        reachable = true;
        // Also when it is lower: after a reorg, and after a node that named a height nobody has come to.
        let moved = ticks.send_if_modified(|seen| std::mem::replace(seen, height) != height);
        if let (true, Some(sender)) = (moved, &sender) {
            if let Err(error) = sender.warm_up().await {
                tracing::warn!(%error, "fees stay as they were");
            }
        }
    }
}

#[async_trait]
impl Chain for EvmChain {
    fn id(&self) -> &ChainId {
        &self.node.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.clone()
    }

    async fn check_contract(&self) -> Result<(), ChainError> {
        let address = self.escrow.address();
        let found = match self.node.code_hash(address).await? {
            Some(hash) if hash == self.code_hash => return Ok(()),
            Some(hash) => format!("code {hash}"),
            None => "no code".into(),
        };
        Err(self.node.bad_answer(format!("{address:?} has {found}, the manifest's escrow is {}", self.code_hash)))
    }

    async fn head(&self, depth: Depth) -> Result<Head, ChainError> {
        self.node.head(Self::at(depth)).await
    }

    async fn hold(&self, execution_id: &Hash32, leg: &Leg, depth: Depth) -> Result<Option<Hold>, ChainError> {
        self.messages().check_own(leg)?;
        self.hold_at(execution_id, &leg.hash(), Self::at(depth).into()).await
    }

    async fn evidence(&self, execution_id: &Hash32, leg: &Leg, deadline: u64) -> Result<Option<Evidence>, ChainError> {
        self.messages().check_own(leg)?;
        self.evidence_at_finality(execution_id, leg, deadline).await
    }

    async fn alz_balance(&self, account: &Bytes) -> Result<u128, ChainError> {
        let address = abi::account(account).filter(|address| !address.is_zero());
        let address =
            address.ok_or_else(|| self.node.refused(format!("account {account} is not 20 bytes, not all zero")))?;
        self.alz_of(address).await
    }

    async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        let sender = self.sender()?;
        let address = sender.address();
        Ok(GasAccount {
            address: to_checksum(&address, None),
            account: address.as_bytes().into(),
            balance: self.node.amount(sender.balance().await?, "the balance")?,
            denom: "wei".into(),
        })
    }

    async fn submit(&self, message: &EscrowMessage) -> Result<TxId, ChainError> {
        let sender = self.sender()?;
        let data = self.call_data(sender, message).await?;
        let tx = match message {
            EscrowMessage::Settle { certificate, items, .. } => {
                let gas = settlement_gas(certificate, items, data.len());
                sender.send(Some(self.escrow.address()), data, gas.into()).await?
            }
            EscrowMessage::Prepare { .. } | EscrowMessage::FundVault { .. } => {
                self.send_deposit(sender, message, data).await?
            }
            _ => self.send_checked(sender, message, data).await?,
        };
        Ok(TxId(format!("{tx:?}")))
    }

    async fn estimate(&self, message: &EscrowMessage) -> Result<u128, ChainError> {
        let sender = self.sender()?;
        let data = self.call_data(sender, message).await?;
        let gas = match self.check(sender, message, &data).await? {
            Check::Passes { gas } => gas,
            Check::WantsAllowance { amount } => {
                let request = sender.unsigned(Some(self.token.address()), self.approval(amount));
                let gas =
                    self.node.client.estimate_gas(&request, None).await.map_err(|error| self.node.failure(error))?;
                gas.saturating_add(DEPOSIT_GAS.into())
            }
        };
        let price = sender.refresh_fees().await?.price;
        self.node.amount(gas.saturating_mul(price), "the fee")
    }

    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        let hash = self.tx_hash(tx)?;
        let Some(receipt) = self.node.receipt(hash).await? else {
            let known = self.node.client.get_transaction(hash).await.map_err(|error| self.node.failure(error))?;
            if known.is_some() {
                return Ok(Outcome::Pending);
            }
            if let Some(sender) = &self.sender {
                sender.lost().await;
            }
            return Ok(Outcome::Unknown);
        };
        if let Some(sender) = &self.sender {
            sender.settled(hash).await;
        }
        let height = receipt.block_number.unwrap_or_default().as_u64();
        if receipt.status == Some(0.into()) {
            return Ok(Outcome::Failed { height, cause: self.failure_cause(hash, height, receipt.gas_used).await? });
        }
        let time = self.node.head(height).await?.time;
        Ok(Outcome::Included { height, time, unpaid: unpaid::unpaid(receipt, self.escrow.address()) })
    }

    async fn bump(&self, tx: &TxId) -> Result<Option<TxId>, ChainError> {
        let bumped = self.sender()?.bump(self.tx_hash(tx)?).await?;
        Ok(bumped.map(|tx| TxId(format!("{tx:?}"))))
    }
}
