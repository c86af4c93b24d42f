//! What is on an EVM chain already, read back in the words of a deployment's settings. It needs no key.

use std::sync::Arc;

use aes_config::ChainConfig;
use aes_protocol::{Attestor, AttestorSet, ChainId, Domain, Hash32};
use ethers_core::types::{Address, I256};
use ethers_core::utils::to_checksum;
use ethers_providers::Middleware;

use super::abi::{self, escrow};
use super::deploy::{Artifact, EscrowSettings, EscrowState};
use super::node::{Client, Node};
use crate::error::ChainError;

pub struct EvmReader {
    pub(super) node: Arc<Node>,
}

impl EvmReader {
    pub async fn connect(id: ChainId, config: &ChainConfig) -> Result<Self, ChainError> {
        let node = Node::new(id, config)?;
        node.height().await?;
        Ok(Self { node: Arc::new(node) })
    }

    /// Of the newest block.
    pub async fn height(&self) -> Result<u64, ChainError> {
        self.node.height().await
    }

    /// keccak-256 of the code there; `None` where there is none.
    pub async fn code_hash(&self, address: &str) -> Result<Option<Hash32>, ChainError> {
        self.node.code_hash(self.parse(address)?).await
    }

    /// Whether the contract there is of this build.
    pub async fn is_build(&self, artifact: &Artifact, address: &str) -> Result<bool, ChainError> {
        let code = self.node.client.get_code(self.parse(address)?, None).await;
        Ok(artifact.leaves(&code.map_err(|error| self.node.failure(error))?))
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

    /// Of an escrow or a token: its admin, and who may accept the handover.
    pub async fn admins(&self, contract: &str) -> Result<(String, Option<String>), ChainError> {
        let contract = abi::AesEscrow::new(self.parse(contract)?, self.node.client.clone());
        let (owner, pending) = (contract.owner(), contract.pending_owner());
        let read = futures::try_join!(owner.call(), pending.call());
        let (owner, pending) = read.map_err(|error| self.node.contract_failure(error))?;
        Ok((to_checksum(&owner, None), (!pending.is_zero()).then(|| to_checksum(&pending, None))))
    }

    /// As the chain writes it, so that two ways of writing one address compare as one.
    pub fn checksummed(&self, address: &str) -> Result<String, ChainError> {
        Ok(to_checksum(&self.parse(address)?, None))
    }

    fn token(&self, address: &str) -> Result<abi::AlzToken<Client>, ChainError> {
        Ok(abi::AlzToken::new(self.parse(address)?, self.node.client.clone()))
    }

    pub(super) fn parse(&self, address: &str) -> Result<Address, ChainError> {
        address.parse().map_err(|_| self.node.refused(format!("'{address}' is no address: write 0x and 40 hex digits")))
    }
}
