//! What a deployment does on an EVM chain, one step a method, each waiting for its block; `contracts.rs` reads back
//! what is there, so that the two can be compared.

use std::ops::Deref;
use std::path::Path;

use aes_config::ChainConfig;
use aes_protocol::{AttestorSet, Bytes, ChainId, Domain, Hash32};
use ethers_core::abi::{encode, AbiEncode, Tokenizable};
use ethers_core::types::{Address, BlockNumber, Bytes as CallData, TransactionReceipt, U256};
use ethers_core::utils::{get_contract_address, to_checksum};
use ethers_providers::Middleware;
use serde::{Deserialize, Serialize};

use super::abi::{self, escrow, token};
use super::contracts::EvmReader;
use super::sender::Sender;
use crate::error::ChainError;

/// `{abi, bytecode}` of a contract, as `npm run artifacts` writes it; forge's own output is read too.
#[derive(Debug, Clone, Deserialize)]
pub struct Artifact {
    #[serde(deserialize_with = "bytecode")]
    bytecode: CallData,
}

fn bytecode<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<CallData, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Bytecode {
        Plain(CallData),
        Forge { object: CallData },
    }
    Ok(match Bytecode::deserialize(deserializer)? {
        Bytecode::Plain(code) | Bytecode::Forge { object: code } => code,
    })
}

#[derive(Debug, thiserror::Error)]
#[error("artifact {file}: {cause}; build it with `make contracts`")]
pub struct ArtifactError {
    file: String,
    cause: String,
}

impl Artifact {
    pub fn load(file: &Path) -> Result<Self, ArtifactError> {
        let fail = |cause: String| ArtifactError { file: file.display().to_string(), cause };
        let text = std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| fail(error.to_string()))
    }

    /// Whether a contract of this build leaves such code behind: it stands in the bytecode, with zeros where each
    /// contract has immutables of its own.
    pub(super) fn leaves(&self, code: &[u8]) -> bool {
        let same = |built: &[u8]| built.iter().zip(code).all(|(built, is)| built == is || *built == 0);
        !code.is_empty() && self.bytecode.windows(code.len()).any(same)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// canonical bytes, as legs carry it
    pub account: Bytes,
    /// as the chain writes it
    pub address: String,
    pub code_hash: Hash32,
    /// block in which it was made; one before that where it was found again
    pub height: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    pub max_leg: u128,
    pub reserve_per_hour: u128,
    pub mint_cap: u128,
}

/// What an escrow is made with; of one that is there, its current set, limits and admin.
#[derive(Debug, Clone, PartialEq)]
pub struct EscrowSettings {
    pub domain: Domain,
    /// ERC-20 address
    pub token: String,
    pub attestor_set: AttestorSet,
    pub limits: Limits,
    pub max_horizon: u64,
    pub escape_delay: u64,
    pub limits_delay: u64,
    pub set_grace: u64,
    pub admin: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EscrowState {
    pub settings: EscrowSettings,
    pub version: String,
    pub vault: u128,
    pub held: u128,
    /// minted less burned
    pub issued: i128,
    pub paused: bool,
    /// limits that wait, and from when anyone may apply them
    pub pending_limits: Option<(Limits, u64)>,
}

/// What became of a contract that was to be made, by the nonce of its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    There(Deployed),
    /// its transaction is in no block yet
    Waiting,
    /// the nonce went to something else, or to nothing
    Not,
}

pub struct EvmDeployer {
    reader: EvmReader,
    pub(super) sender: Sender,
}

/// Who deploys may look, too.
impl Deref for EvmDeployer {
    type Target = EvmReader;

    fn deref(&self) -> &EvmReader {
        &self.reader
    }
}

impl EvmDeployer {
    /// Needs the chain's key in the config.
    pub async fn connect(id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        let reader = EvmReader::connect(id, config).await?;
        let sender = Sender::new(reader.node.clone(), config)?;
        let sender = sender.ok_or_else(|| ChainError::NoKey { chain: reader.node.id.clone() })?;
        Ok(Self { reader, sender })
    }

    /// The deploying key's own.
    pub fn address(&self) -> String {
        to_checksum(&self.sender.address(), None)
    }

    /// `admin` may set the bridge; `supply` goes to `holder` at once.
    pub async fn deploy_token(
        &self,
        artifact: &Artifact,
        admin: &str,
        holder: &str,
        supply: u128,
    ) -> Result<Deployed, ChainError> {
        self.create(self.token_code(artifact, admin, holder, supply)?).await
    }

    pub async fn deploy_escrow(&self, artifact: &Artifact, settings: &EscrowSettings) -> Result<Deployed, ChainError> {
        self.create(self.escrow_code(artifact, settings)?).await
    }

    pub(super) fn token_code(
        &self,
        artifact: &Artifact,
        admin: &str,
        holder: &str,
        supply: u128,
    ) -> Result<Vec<u8>, ChainError> {
        let arguments = [self.parse(admin)?.into_token(), self.parse(holder)?.into_token(), supply.into_token()];
        Ok([&artifact.bytecode[..], &encode(&arguments)].concat())
    }

    pub(super) fn escrow_code(&self, artifact: &Artifact, settings: &EscrowSettings) -> Result<Vec<u8>, ChainError> {
        let wrong_set = || self.node.refused("attestor_set: a signer is not 20 bytes");
        let settings = escrow::Settings {
            home_chain: settings.domain.home_chain.to_string(),
            coordinator: settings.domain.coordinator.0.clone().into(),
            token: self.parse(&settings.token)?,
            attestor_set: abi::attestor_set(&settings.attestor_set).ok_or_else(wrong_set)?,
            limits: settings.limits.into(),
            max_horizon: settings.max_horizon,
            escape_delay: settings.escape_delay,
            limits_delay: settings.limits_delay,
            set_grace: settings.set_grace,
            admin: self.parse(&settings.admin)?,
        };
        Ok([&artifact.bytecode[..], &encode(&[settings.into_token()])].concat())
    }

    /// The nonce of the next transaction, and where a contract that it makes will be.
    pub async fn next_contract(&self) -> Result<(u64, String), ChainError> {
        let nonce = self.nonce(BlockNumber::Pending).await?;
        Ok((nonce, to_checksum(&get_contract_address(self.sender.address(), nonce), None)))
    }

    /// Looks for what `next_contract` told beforehand. `before`: a block in which it was not there yet.
    pub async fn made(&self, nonce: u64, address: &str, before: u64) -> Result<Made, ChainError> {
        if let Some(code_hash) = self.code_hash(address).await? {
            let account = self.parse(address)?.as_bytes().into();
            return Ok(Made::There(Deployed { account, address: address.into(), code_hash, height: before }));
        }
        let used = |next: u64| next > nonce;
        let waits = used(self.nonce(BlockNumber::Pending).await?) && !used(self.nonce(BlockNumber::Latest).await?);
        Ok(if waits { Made::Waiting } else { Made::Not })
    }

    async fn nonce(&self, at: BlockNumber) -> Result<u64, ChainError> {
        let count = self.node.client.get_transaction_count(self.sender.address(), Some(at.into())).await;
        Ok(count.map_err(|error| self.node.failure(error))?.as_u64())
    }

    async fn create(&self, code: Vec<u8>) -> Result<Deployed, ChainError> {
        let receipt = self.send(None, code).await?;
        let address =
            receipt.contract_address.ok_or_else(|| self.node.bad_answer("a deployment without an address"))?;
        let text = to_checksum(&address, None);
        let code_hash =
            self.code_hash(&text).await?.ok_or_else(|| self.node.bad_answer(format!("no code at {text}")))?;
        Ok(Deployed { account: address.as_bytes().into(), address: text, code_hash, height: self.height_of(&receipt)? })
    }

    pub async fn transfer(&self, token: &str, to: &str, amount: u128) -> Result<u64, ChainError> {
        self.execute(token, token::TransferCall { to: self.parse(to)?, value: amount.into() }).await
    }

    /// From the deploying key's ALZ: the allowance, then the escrow takes it.
    pub async fn fund_vault(&self, token: &str, escrow: &str, amount: u128) -> Result<u64, ChainError> {
        self.execute(token, token::ApproveCall { spender: self.parse(escrow)?, value: amount.into() }).await?;
        self.execute(escrow, escrow::FundVaultCall { amount }).await
    }

    async fn execute(&self, to: &str, call: impl AbiEncode) -> Result<u64, ChainError> {
        let receipt = self.send(Some(self.parse(to)?), call.encode()).await?;
        self.height_of(&receipt)
    }

    pub(super) async fn send(&self, to: Option<Address>, data: Vec<u8>) -> Result<TransactionReceipt, ChainError> {
        let data = CallData::from(data);
        self.sender.refresh_fees().await?;
        let gas = super::with_room(self.gas(to, data.clone()).await?);
        self.sender.check_gas_money(gas).await?;
        self.node.mined(self.sender.send(to, data, gas).await?).await
    }

    /// What the node says that it takes.
    pub(super) async fn gas(&self, to: Option<Address>, data: CallData) -> Result<U256, ChainError> {
        let request = self.sender.unsigned(to, data);
        self.node.client.estimate_gas(&request, None).await.map_err(|error| self.node.failure(error))
    }

    pub(super) fn height_of(&self, receipt: &TransactionReceipt) -> Result<u64, ChainError> {
        let height = receipt.block_number.ok_or_else(|| self.node.bad_answer("a receipt without its block"))?;
        Ok(height.as_u64())
    }
}

impl From<Limits> for escrow::Limits {
    fn from(limits: Limits) -> Self {
        Self { max_leg: limits.max_leg, reserve_per_hour: limits.reserve_per_hour, mint_cap: limits.mint_cap }
    }
}
impl From<escrow::Limits> for Limits {
    fn from(limits: escrow::Limits) -> Self {
        Self { max_leg: limits.max_leg, reserve_per_hour: limits.reserve_per_hour, mint_cap: limits.mint_cap }
    }
}
