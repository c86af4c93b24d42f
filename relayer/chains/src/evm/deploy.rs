//! What a deployment does on an EVM chain, one step a method, each waiting for its block; and what is there already,
//! read back in the words of the settings, so that the two can be compared.

use std::path::Path;
use std::sync::Arc;

use aes_config::ChainConfig;
use aes_protocol::{Attestor, AttestorSet, Bytes, ChainId, Domain, Hash32};
use ethers_core::abi::{encode, AbiEncode, Tokenizable};
use ethers_core::types::{Address, Bytes as CallData, TransactionReceipt, I256};
use ethers_core::utils::to_checksum;
use ethers_providers::Middleware;
use serde::{Deserialize, Serialize};

use super::abi::{self, escrow, token};
use super::node::{Client, Node};
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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// canonical bytes, as legs carry it
    pub account: Bytes,
    /// as the chain writes it
    pub address: String,
    pub code_hash: Hash32,
    /// block in which it was made
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

pub struct EvmDeployer {
    node: Arc<Node>,
    sender: Sender,
}

impl EvmDeployer {
    /// Needs the chain's key in the config.
    pub async fn connect(id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        let (node, _) = Node::connect(id, config).await?;
        let node = Arc::new(node);
        let sender = Sender::new(node.clone(), config).await?;
        let sender = sender.ok_or_else(|| ChainError::NoKey { chain: node.id.clone() })?;
        Ok(Self { node, sender })
    }

    /// The deploying key's own.
    pub fn address(&self) -> String {
        to_checksum(&self.sender.address(), None)
    }

    /// keccak-256 of the code there; `None` where there is none.
    pub async fn code_hash(&self, address: &str) -> Result<Option<Hash32>, ChainError> {
        self.node.code_hash(self.parse(address)?).await
    }

    /// `admin` may set the bridge; `supply` goes to `holder` at once.
    pub async fn deploy_token(
        &self,
        artifact: &Artifact,
        admin: &str,
        holder: &str,
        supply: u128,
    ) -> Result<Deployed, ChainError> {
        let arguments = [self.parse(admin)?.into_token(), self.parse(holder)?.into_token(), supply.into_token()];
        self.deploy(artifact, encode(&arguments)).await
    }

    pub async fn deploy_escrow(&self, artifact: &Artifact, settings: &EscrowSettings) -> Result<Deployed, ChainError> {
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
        self.deploy(artifact, encode(&[settings.into_token()])).await
    }

    async fn deploy(&self, artifact: &Artifact, arguments: Vec<u8>) -> Result<Deployed, ChainError> {
        let mut code = artifact.bytecode.to_vec();
        code.extend_from_slice(&arguments);
        let receipt = self.send(None, code).await?;
        let address =
            receipt.contract_address.ok_or_else(|| self.node.bad_answer("a deployment without an address"))?;
        let text = to_checksum(&address, None);
        let code_hash =
            self.code_hash(&text).await?.ok_or_else(|| self.node.bad_answer(format!("no code at {text}")))?;
        Ok(Deployed { account: address.as_bytes().into(), address: text, code_hash, height: self.height_of(&receipt)? })
    }

    /// The one account that may mint and burn; the zero address where none is set.
    pub async fn bridge(&self, token: &str) -> Result<String, ChainError> {
        let bridge = self.token(token)?.bridge().call().await.map_err(|error| self.node.contract_failure(error))?;
        Ok(to_checksum(&bridge, None))
    }

    pub async fn token_balance(&self, token: &str, holder: &str) -> Result<u128, ChainError> {
        let call = self.token(token)?.balance_of(self.parse(holder)?);
        self.node.amount(call.call().await.map_err(|error| self.node.contract_failure(error))?, "the balance")
    }

    pub async fn set_bridge(&self, token: &str, escrow: &str) -> Result<u64, ChainError> {
        let call = token::SetBridgeCall { new_bridge: self.parse(escrow)? };
        self.execute(token, call).await
    }

    pub async fn transfer(&self, token: &str, to: &str, amount: u128) -> Result<u64, ChainError> {
        self.execute(token, token::TransferCall { to: self.parse(to)?, value: amount.into() }).await
    }

    /// From the deploying key's ALZ: the allowance, then the escrow takes it.
    pub async fn fund_vault(&self, token: &str, escrow: &str, amount: u128) -> Result<u64, ChainError> {
        self.execute(token, token::ApproveCall { spender: self.parse(escrow)?, value: amount.into() }).await?;
        self.execute(escrow, escrow::FundVaultCall { amount }).await
    }

    pub async fn schedule_limits(&self, escrow: &str, limits: Limits) -> Result<u64, ChainError> {
        self.execute(escrow, escrow::ScheduleLimitsCall { next: limits.into() }).await
    }

    pub async fn apply_limits(&self, escrow: &str) -> Result<u64, ChainError> {
        self.execute(escrow, escrow::ApplyLimitsCall).await
    }

    /// What is at the address now. Refused where it is no escrow of ours.
    pub async fn escrow(&self, address: &str) -> Result<EscrowState, ChainError> {
        let contract = abi::AesEscrow::new(self.parse(address)?, self.node.client.clone());
        let read = async {
            let id = contract.current_set().call().await?;
            let (threshold, _, members) = contract.attestor_set(id).call().await?;
            let (pending, applicable_at) = contract.pending_limits().call().await?;
            let settings = escrow::Settings {
                home_chain: contract.home_chain().call().await?,
                coordinator: contract.coordinator().call().await?,
                token: contract.token().call().await?,
                attestor_set: escrow::AttestorSet { id, threshold, attestors: members },
                limits: contract.limits().call().await?,
                max_horizon: contract.max_horizon().call().await?,
                escape_delay: contract.escape_delay().call().await?,
                limits_delay: contract.limits_delay().call().await?,
                set_grace: contract.set_grace().call().await?,
                admin: contract.owner().call().await?,
            };
            let books =
                (contract.vault().call().await?, contract.held().call().await?, contract.issued().call().await?);
            Ok((
                settings,
                pending,
                applicable_at,
                books,
                contract.version().call().await?,
                contract.paused().call().await?,
            ))
        };
        let (settings, pending, applicable_at, (vault, held, issued), version, paused) =
            read.await.map_err(|error| self.node.contract_failure(error))?;
        Ok(EscrowState {
            settings: self.settings(settings)?,
            version,
            vault: self.node.amount(vault, "the vault")?,
            held: self.node.amount(held, "what is held")?,
            issued: self.issued(issued)?,
            paused,
            pending_limits: (applicable_at != 0).then(|| (pending.into(), applicable_at)),
        })
    }

    fn settings(&self, settings: escrow::Settings) -> Result<EscrowSettings, ChainError> {
        let home_chain =
            settings.home_chain.parse().map_err(|error| self.node.bad_answer(format!("homeChain: {error}")))?;
        let member = |attestor: escrow::Attestor| Attestor {
            signer: attestor.signer.as_bytes().into(),
            bitcoin_key: Hash32(attestor.bitcoin_key),
        };
        let set = settings.attestor_set;
        Ok(EscrowSettings {
            domain: Domain { home_chain, coordinator: settings.coordinator.to_vec().into() },
            token: to_checksum(&settings.token, None),
            attestor_set: AttestorSet {
                id: set.id,
                threshold: set.threshold,
                attestors: set.attestors.into_iter().map(member).collect(),
            },
            limits: settings.limits.into(),
            max_horizon: settings.max_horizon,
            escape_delay: settings.escape_delay,
            limits_delay: settings.limits_delay,
            set_grace: settings.set_grace,
            admin: to_checksum(&settings.admin, None),
        })
    }

    fn issued(&self, issued: I256) -> Result<i128, ChainError> {
        i128::try_from(issued).map_err(|_| self.node.bad_answer(format!("issued {issued} does not fit 128 bits")))
    }

    async fn execute(&self, to: &str, call: impl AbiEncode) -> Result<u64, ChainError> {
        let receipt = self.send(Some(self.parse(to)?), call.encode()).await?;
        self.height_of(&receipt)
    }

    async fn send(&self, to: Option<Address>, data: Vec<u8>) -> Result<TransactionReceipt, ChainError> {
        let data = CallData::from(data);
        self.sender.refresh_fees().await?;
        let request = self.sender.unsigned(to, data.clone());
        let gas = self.node.client.estimate_gas(&request, None).await.map_err(|error| self.node.failure(error))?;
        let gas = super::with_room(gas);
        self.sender.check_gas_money(gas).await?;
        self.node.mined(self.sender.send(to, data, gas).await?).await
    }

    fn height_of(&self, receipt: &TransactionReceipt) -> Result<u64, ChainError> {
        let height = receipt.block_number.ok_or_else(|| self.node.bad_answer("a receipt without its block"))?;
        Ok(height.as_u64())
    }

    fn token(&self, address: &str) -> Result<abi::AlzToken<Client>, ChainError> {
        Ok(abi::AlzToken::new(self.parse(address)?, self.node.client.clone()))
    }

    fn parse(&self, address: &str) -> Result<Address, ChainError> {
        address.parse().map_err(|_| self.node.refused(format!("'{address}' is no address: write 0x and 40 hex digits")))
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
