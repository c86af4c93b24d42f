//! The escrow on a CosmWasm chain. A committed CometBFT block is final, so both depths are the same here.

use std::sync::Arc;

use aes_escrow::msg::{self, ExecuteMsg, Opened, ReceiveMsg, Settlement};
use aes_protocol::{Bytes, ChainId, Decision, Evidence, Hash32, Leg};
use async_trait::async_trait;
use cosmrs::proto::cosmwasm::wasm::v1::MsgExecuteContract;
use cosmrs::Any;
use cosmwasm_std::{Binary, Uint128};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::account::{account_of, bech32_of};
use super::client::{any, CosmosClient};
use super::fee::{bound, Gas};
use super::{evidence, Coin};
use crate::chain::{Chain, Depth, EscrowMessage, GasAccount, Head, Hold, HoldStatus, Outcome, TxId};
use crate::error::ChainError;
use aes_config::ManifestChain;

pub struct CosmosChain {
    client: Arc<CosmosClient>,
    escrow: String,
    code_hash: Hash32,
    asset: Asset,
}

enum Asset {
    Bank { denom: String },
    Cw20 { address: String },
}

/// cw20's own words, as far as we use them.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Cw20Msg<'a> {
    Send { contract: &'a str, amount: Uint128, msg: Binary },
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Cw20Query {
    Balance { address: String },
}

#[derive(Deserialize)]
struct Cw20Balance {
    balance: Uint128,
}

impl CosmosChain {
    pub fn new(client: Arc<CosmosClient>, manifest: &ManifestChain) -> Self {
        let asset = manifest.asset.clone();
        // a bank denom could not pass for an address of this chain: bech32 has a checksum
        let asset = match account_of(&asset, &client.prefix) {
            Ok(_) => Asset::Cw20 { address: asset },
            Err(_) => Asset::Bank { denom: asset },
        };
        Self { client, escrow: manifest.escrow_address.clone(), code_hash: manifest.code_hash, asset }
    }

    /// The transaction's message, and the gas it is given.
    fn encode(&self, message: &EscrowMessage) -> Result<(Any, Gas), ChainError> {
        let (msg, gas) = match message.clone() {
            EscrowMessage::Prepare { execution_id, deadline, leg } => {
                let amount = leg.amount;
                let native = ExecuteMsg::Prepare { execution_id, deadline, leg: leg.clone(), opened: None };
                let hook = ReceiveMsg::Prepare { execution_id, deadline, leg };
                return Ok((self.pay(amount, &native, &hook)?, Gas::Simulated));
            }
            EscrowMessage::FundVault { amount } => {
                let call = self.pay(amount.into(), &ExecuteMsg::FundVault {}, &ReceiveMsg::FundVault {})?;
                return Ok((call, Gas::Simulated));
            }
            EscrowMessage::PrepareReserve { execution_id, deadline, leg, manifest_root, path, certificate } => {
                let opened = Some(Opened { manifest_root, path, certificate });
                (ExecuteMsg::Prepare { execution_id, deadline, leg, opened }, Gas::Simulated)
            }
            EscrowMessage::Settle { decision, certificate, items } => {
                let signatures = certificate.signatures.len();
                let legs = items.iter().map(|item| item.legs.len()).sum();
                let items = items
                    .into_iter()
                    .map(|item| Settlement { execution_id: item.execution_id, path: item.path, legs: item.legs })
                    .collect();
                let msg = match decision {
                    Decision::Commit => ExecuteMsg::Finalize { certificate, items },
                    Decision::Abort => ExecuteMsg::Release { certificate, items },
                };
                let bytes = self.client.json(&msg)?.len();
                (msg, bound(bytes, signatures, legs))
            }
            EscrowMessage::Escape { execution_id, leg } => (ExecuteMsg::Escape { execution_id, leg }, Gas::Simulated),
            EscrowMessage::Rotate { set, certificate } => (ExecuteMsg::Rotate { set, certificate }, Gas::Simulated),
        };
        Ok((self.client.call(&self.escrow, &msg, &[])?, gas))
    }

    /// ALZ to the escrow with a message: as funds, or by cw20's `send`.
    fn pay(&self, amount: Uint128, native: &ExecuteMsg, hook: &ReceiveMsg) -> Result<Any, ChainError> {
        match &self.asset {
            Asset::Bank { denom } => {
                let coin = Coin { amount: amount.u128(), denom: denom.clone() };
                self.client.call(&self.escrow, native, &[coin])
            }
            Asset::Cw20 { address } => {
                let msg = Binary::new(self.client.json(hook)?);
                self.client.call(address, &Cw20Msg::Send { contract: &self.escrow, amount, msg }, &[])
            }
        }
    }
}

impl CosmosClient {
    /// A call of a contract by our account.
    pub(super) fn call(&self, contract: &str, msg: &impl Serialize, funds: &[Coin]) -> Result<Any, ChainError> {
        Ok(any(&MsgExecuteContract {
            sender: self.signer()?.address.clone(),
            contract: contract.into(),
            msg: self.json(msg)?,
            funds: funds.iter().map(Into::into).collect(),
        }))
    }
}

#[async_trait]
impl Chain for CosmosChain {
    fn id(&self) -> &ChainId {
        &self.client.id
    }

    fn name(&self) -> &str {
        &self.client.name
    }

    fn ticks(&self) -> watch::Receiver<u64> {
        self.client.ticks()
    }

    async fn check_contract(&self) -> Result<(), ChainError> {
        let there = self.client.code_hash(&self.escrow).await?;
        if there == self.code_hash {
            return Ok(());
        }
        let (escrow, manifest) = (&self.escrow, self.code_hash);
        Err(self
            .client
            .bad_answer(format!("{escrow} runs code {there}, the manifest says {manifest}; is it of this deployment?")))
    }

    async fn head(&self, _: Depth) -> Result<Head, ChainError> {
        self.client.head().await
    }

    async fn hold(&self, execution_id: &Hash32, leg: &Leg, _: Depth) -> Result<Option<Hold>, ChainError> {
        let stored = evidence::stored_hold(&self.client, &self.escrow, execution_id, &leg.hash()).await?;
        Ok(stored.hold.map(|(hold, _)| Hold {
            status: match hold.status {
                msg::HoldStatus::Held => HoldStatus::Held,
                msg::HoldStatus::Finalized => HoldStatus::Finalized,
                msg::HoldStatus::Released => HoldStatus::Released,
                msg::HoldStatus::Escaped => HoldStatus::Escaped,
            },
            deadline: hold.deadline,
            held_at: hold.held_at.map(|moment| moment.time),
            settled_at: hold.settled_at.map(|moment| moment.time),
        }))
    }

    async fn evidence(&self, execution_id: &Hash32, leg: &Leg, deadline: u64) -> Result<Option<Evidence>, ChainError> {
        evidence::evidence(&self.client, &self.escrow, execution_id, &leg.hash(), deadline).await
    }

    async fn alz_balance(&self, account: &Bytes) -> Result<u128, ChainError> {
        let address =
            bech32_of(account, &self.client.prefix).map_err(|error| self.client.refused(error.to_string()))?;
        match &self.asset {
            Asset::Bank { denom } => self.client.balance(&address, denom).await,
            Asset::Cw20 { address: token } => {
                let answer: Cw20Balance = self.client.smart(token, &Cw20Query::Balance { address }).await?;
                Ok(answer.balance.u128())
            }
        }
    }

    async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        self.client.gas_account().await
    }

    async fn submit(&self, message: &EscrowMessage) -> Result<TxId, ChainError> {
        let (call, gas) = self.encode(message)?;
        self.client.broadcast(vec![call], gas).await
    }

    async fn estimate(&self, message: &EscrowMessage) -> Result<u128, ChainError> {
        let (call, gas) = self.encode(message)?;
        self.client.estimate(vec![call], gas).await
    }

    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        self.client.outcome(tx).await
    }

    /// Blocks take transactions in the order they came, at the price the node asks: there is nothing to raise.
    async fn bump(&self, _: &TxId) -> Result<Option<TxId>, ChainError> {
        Ok(None)
    }
}
