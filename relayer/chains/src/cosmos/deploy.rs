//! What `aes deploy` and a user's commands need beside the traits: code, contracts, coins.

use std::io::Write;
use std::time::Duration;

use aes_coordinator::msg::ExecuteMsg as CoordinatorMsg;
use aes_protocol::{Certificate, Hash32};
use cosmrs::cosmwasm::MsgExecuteContract;
use cosmrs::proto::cosmos::auth::v1beta1::BaseAccount;
use cosmrs::proto::cosmos::bank::v1beta1::MsgSend;
use cosmrs::proto::cosmos::base::v1beta1::Coin as ProtoCoin;
use cosmrs::proto::cosmos::crypto::multisig::LegacyAminoPubKey;
use cosmrs::proto::cosmwasm::wasm::v1::{
    ContractInfo, MsgInstantiateContract, MsgInstantiateContract2, MsgMigrateContract, MsgStoreCode, MsgUpdateAdmin,
    QueryCodeRequest, QueryCodeResponse, QueryContractInfoRequest, QueryContractInfoResponse,
};
use cosmrs::proto::traits::Name;
use cosmrs::tx::Msg;
use cosmrs::{Any, Tx};
use cosmwasm_std::{instantiate2_address, CanonicalAddr};
use serde::de::DeserializeOwned;
use serde::Serialize;
use tendermint_rpc::endpoint::tx;
use tendermint_rpc::query::Query;
use tendermint_rpc::{Client, Order};

use super::account::bech32_of;
use super::client::{any, CosmosClient};
use super::fee::Gas;
use crate::chain::TxId;
use crate::error::ChainError;

/// A node's body limit is 1 MB, and a simulation goes there in hex: twice the bytes.
const GZIP_ABOVE: usize = 400_000;
const WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    pub amount: u128,
    pub denom: String,
}

impl From<&Coin> for ProtoCoin {
    fn from(coin: &Coin) -> Self {
        Self { denom: coin.denom.clone(), amount: coin.amount.to_string() }
    }
}

impl CosmosClient {
    /// What fees are paid in.
    pub fn fee_denom(&self) -> Result<&str, ChainError> {
        Ok(&self.signer()?.price.denom)
    }

    /// Our account, bech32.
    pub fn address(&self) -> Result<&str, ChainError> {
        Ok(&self.signer()?.address)
    }

    /// Returns the code's id once it is in a block.
    pub async fn store_code(&self, wasm: &[u8]) -> Result<u64, ChainError> {
        let id = self.broadcast(vec![self.code_message(wasm)?], Gas::Simulated).await?;
        let code_id = self.told(&self.included(&id, WAIT).await?, "store_code", "code_id")?;
        code_id.parse().map_err(|_| self.bad_answer(format!("code id '{code_id}'")))
    }

    /// What `store_code` would cost, in the fee token's base units.
    pub async fn cost_of_code(&self, wasm: &[u8]) -> Result<u128, ChainError> {
        self.estimate(vec![self.code_message(wasm)?], Gas::Simulated).await
    }

    fn code_message(&self, wasm: &[u8]) -> Result<Any, ChainError> {
        Ok(any(&MsgStoreCode {
            sender: self.address()?.into(),
            wasm_byte_code: if wasm.len() > GZIP_ABOVE { self.gzip(wasm)? } else { wasm.to_vec() },
            instantiate_permission: None,
        }))
    }

    /// Returns the contract's address and the height at which it was made. `admin` may migrate it.
    pub async fn instantiate(
        &self,
        code_id: u64,
        label: &str,
        admin: Option<&str>,
        msg: &impl Serialize,
    ) -> Result<(String, u64), ChainError> {
        let message = MsgInstantiateContract {
            sender: self.address()?.into(),
            admin: admin.unwrap_or_default().into(),
            code_id,
            label: label.into(),
            msg: self.json(msg)?,
            funds: vec![],
        };
        let id = self.broadcast(vec![any(&message)], Gas::Simulated).await?;
        let found = self.included(&id, WAIT).await?;
        Ok((self.told(&found, "instantiate", "_contract_address")?, found.height.value()))
    }

    /// Where `instantiate_at` will put a contract of that code (sha-256 of the wasm), bech32.
    pub fn address_of_instance(&self, code: &Hash32, salt: &Hash32) -> Result<String, ChainError> {
        let creator = CanonicalAddr::from(self.signer()?.account.0.as_slice());
        let refused = |cause: String| self.refused(format!("the address of a new contract: {cause}"));
        let address = instantiate2_address(&code.0, &creator, &salt.0).map_err(|error| refused(error.to_string()))?;
        bech32_of(&address.as_slice().into(), self.prefix()).map_err(|error| refused(error.to_string()))
    }

    /// As `instantiate`, at the address that `address_of_instance` tells beforehand.
    pub async fn instantiate_at(
        &self,
        code_id: u64,
        label: &str,
        admin: Option<&str>,
        salt: &Hash32,
        msg: &impl Serialize,
    ) -> Result<(), ChainError> {
        let message = MsgInstantiateContract2 {
            sender: self.address()?.into(),
            admin: admin.unwrap_or_default().into(),
            code_id,
            label: label.into(),
            msg: self.json(msg)?,
            funds: vec![],
            salt: salt.0.to_vec(),
            fix_msg: false,
        };
        let id = self.broadcast(vec![any(&message)], Gas::Simulated).await?;
        self.included(&id, WAIT).await?;
        Ok(())
    }

    /// The height at which the contract at an address was made; `None`: there is none.
    pub async fn made_at(&self, contract: &str) -> Result<Option<u64>, ChainError> {
        match self.contract_info(contract).await {
            Ok(info) => Ok(Some(info.created.map_or(1, |position| position.block_height))),
            // wasmd's own words; a query has no error codes
            Err(ChainError::Refused { cause, .. }) if cause.contains("no such contract") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether one key alone speaks for an account: it is no contract, no module of the chain (as governance is), no multisig.
    pub async fn is_plain_key(&self, address: &str) -> Result<bool, ChainError> {
        if self.made_at(address).await?.is_some() {
            return Ok(false);
        }
        // one that never received anything is no module: those are there from the start
        let Some(any) = self.account_at(address).await? else { return Ok(true) };
        let Ok(account) = any.to_msg::<BaseAccount>() else { return Ok(false) };
        Ok(account.pub_key.is_none_or(|key| key.type_url != LegacyAminoPubKey::type_url()))
    }

    /// Puts other code under a contract of which we are the migrator.
    pub async fn migrate(&self, contract: &str, code_id: u64, msg: &impl Serialize) -> Result<TxId, ChainError> {
        let message = MsgMigrateContract {
            sender: self.address()?.into(),
            contract: contract.into(),
            code_id,
            msg: self.json(msg)?,
        };
        self.broadcast(vec![any(&message)], Gas::Simulated).await
    }

    /// The certificate that moved the coordinator to an attestor set, from the transaction that brought it. `None`
    /// where the node keeps no index of transactions that goes back so far.
    pub async fn certificate_of_rotation(
        &self,
        coordinator: &str,
        set: u64,
    ) -> Result<Option<Certificate>, ChainError> {
        let query = Query::eq("wasm-aes-rotated.new_set", set.to_string())
            .and_eq("wasm-aes-rotated._contract_address", coordinator);
        let found = self
            .must(|client| {
                let query = query.clone();
                async move { client.tx_search(query, false, 1, 30, Order::Ascending).await }
            })
            .await?;
        let sent = found.txs.iter().filter(|tx| tx.tx_result.code.is_ok()).filter_map(|tx| Tx::from_bytes(&tx.tx).ok());
        let mut messages =
            sent.flat_map(|tx| tx.body.messages).filter_map(|any| MsgExecuteContract::from_any(&any).ok());
        Ok(messages.find_map(|message| match serde_json::from_slice(&message.msg).ok()? {
            CoordinatorMsg::Rotate { set: next, certificate } if next.id == set => Some(certificate),
            _ => None,
        }))
    }

    pub async fn execute(&self, contract: &str, msg: &impl Serialize, funds: &[Coin]) -> Result<TxId, ChainError> {
        self.broadcast(vec![self.call(contract, msg, funds)?], Gas::Simulated).await
    }

    /// What `execute` would cost, in the fee token's base units.
    pub async fn cost(&self, contract: &str, msg: &impl Serialize, funds: &[Coin]) -> Result<u128, ChainError> {
        self.estimate(vec![self.call(contract, msg, funds)?], Gas::Simulated).await
    }

    pub async fn ask<T: DeserializeOwned>(&self, contract: &str, msg: &impl Serialize) -> Result<T, ChainError> {
        self.smart(contract, msg).await
    }

    pub async fn send(&self, to: &str, coin: &Coin) -> Result<TxId, ChainError> {
        let message =
            MsgSend { from_address: self.address()?.into(), to_address: to.into(), amount: vec![coin.into()] };
        self.broadcast(vec![any(&message)], Gas::Simulated).await
    }

    /// Who may put other code under a contract; `None`: nobody, ever.
    pub async fn migrator(&self, contract: &str) -> Result<Option<String>, ChainError> {
        Ok(Some(self.contract_info(contract).await?.admin).filter(|admin| !admin.is_empty()))
    }

    /// Hands on the right to put other code under a contract.
    pub async fn set_migrator(&self, contract: &str, next: &str) -> Result<TxId, ChainError> {
        let message =
            MsgUpdateAdmin { sender: self.address()?.into(), new_admin: next.into(), contract: contract.into() };
        self.broadcast(vec![any(&message)], Gas::Simulated).await
    }

    /// Name and version that a contract says of itself (cw2).
    pub async fn contract_version(&self, contract: &str) -> Result<(String, String), ChainError> {
        #[derive(serde::Deserialize)]
        struct Said {
            contract: String,
            version: String,
        }
        let stored = self.stored(contract, b"contract_info").await?;
        let said: Said = serde_json::from_slice(&stored.value)
            .map_err(|error| self.bad_answer(format!("version of {contract}: {error}")))?;
        Ok((said.contract, said.version))
    }

    async fn contract_info(&self, contract: &str) -> Result<ContractInfo, ChainError> {
        let request = QueryContractInfoRequest { address: contract.into() };
        let (answer, _): (QueryContractInfoResponse, _) =
            self.query("/cosmwasm.wasm.v1.Query/ContractInfo", &request).await?;
        answer.contract_info.ok_or_else(|| self.bad_answer(format!("no contract at {contract}")))
    }

    /// sha-256 of the wasm that a contract runs, as the chain keeps it.
    pub async fn code_hash(&self, contract: &str) -> Result<Hash32, ChainError> {
        let code_id = self.contract_info(contract).await?.code_id;
        let (answer, _): (QueryCodeResponse, _) =
            self.query("/cosmwasm.wasm.v1.Query/Code", &QueryCodeRequest { code_id }).await?;
        let hash = answer.code_info.map(|info| info.data_hash).unwrap_or_default();
        Hash32::try_from(hash.as_slice()).map_err(|error| self.bad_answer(format!("code hash of {contract}: {error}")))
    }

    fn gzip(&self, wasm: &[u8]) -> Result<Vec<u8>, ChainError> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let packed = encoder.write_all(wasm).and_then(|()| encoder.finish());
        packed.map_err(|error| self.refused(format!("cannot pack the wasm: {error}")))
    }

    /// An attribute of an event in a transaction's result.
    fn told(&self, found: &tx::Response, kind: &str, key: &str) -> Result<String, ChainError> {
        let event = found.tx_result.events.iter().filter(|event| event.kind == kind);
        let mut attributes = event.flat_map(|event| &event.attributes);
        let attribute = attributes.find(|attribute| attribute.key_str().is_ok_and(|name| name == key));
        let value = attribute.and_then(|attribute| attribute.value_str().ok());
        value
            .map(Into::into)
            .ok_or_else(|| self.bad_answer(format!("transaction {} tells no {kind}.{key}", found.hash)))
    }
}
