//! Who did not sign: an escrow believes a certificate only together with the addresses of the set's other members,
//! which it does not keep where reading them is cheap. Here they are read once a set.

use std::collections::HashMap;

use aes_protocol::{keccak, Certificate, DecisionLeaf, Statement};
use ethers_core::types::{Address, RecoveryMessage, Signature, H256};
use tokio::sync::{Mutex, OnceCell};

use super::abi;
use super::node::{Client, Node};
use crate::chain::EscrowMessage;
use crate::error::ChainError;

#[derive(Default)]
pub(super) struct Members {
    /// of the escrow's EIP-712 domain
    separator: OnceCell<[u8; 32]>,
    /// ascending, by set
    sets: Mutex<HashMap<u64, Vec<Address>>>,
}

impl Members {
    /// The members, ascending, whose signatures the message's certificate lacks; none for a message without one.
    /// What is wrong with a certificate is for the escrow to say.
    pub async fn absent(
        &self,
        message: &EscrowMessage,
        escrow: &abi::AesEscrow<Client>,
        node: &Node,
    ) -> Result<Vec<Address>, ChainError> {
        let Some((certificate, statement)) = signed(message) else { return Ok(vec![]) };
        let separator = || async { escrow.domain_separator().call().await };
        let separator =
            self.separator.get_or_try_init(separator).await.map_err(|error| node.contract_failure(error))?;
        let hash = statement.hash(certificate.attestor_set);
        let digest = H256(keccak(&[&[0x19, 0x01][..], separator, &hash.0].concat()).0);
        let signer =
            |signature: &[u8]| Signature::try_from(signature).ok()?.recover(RecoveryMessage::Hash(digest)).ok();
        let signers: Vec<Address> =
            certificate.signatures.iter().filter_map(|signature| signer(signature.as_slice())).collect();
        let mut members = self.of(certificate.attestor_set, escrow, node).await?;
        members.retain(|member| !signers.contains(member));
        Ok(members)
    }

    /// A set never changes once it is there; one that is not there yet is asked for again.
    async fn of(&self, set: u64, escrow: &abi::AesEscrow<Client>, node: &Node) -> Result<Vec<Address>, ChainError> {
        let mut sets = self.sets.lock().await;
        if let Some(members) = sets.get(&set) {
            return Ok(members.clone());
        }
        let answer = escrow.attestor_set(set).call().await;
        let (_, _, attestors) = answer.map_err(|error| node.contract_failure(error))?;
        let members: Vec<Address> = attestors.into_iter().map(|attestor| attestor.signer).collect();
        if !members.is_empty() {
            sets.insert(set, members.clone());
        }
        Ok(members)
    }
}

/// The certificate in the message, and what it must be on.
fn signed(message: &EscrowMessage) -> Option<(&Certificate, Statement)> {
    match message {
        EscrowMessage::PrepareReserve { execution_id, deadline, manifest_root, certificate, .. } => {
            let (execution_id, manifest_root) = (*execution_id, *manifest_root);
            Some((certificate, Statement::Opened { execution_id, manifest_root, deadline: *deadline }))
        }
        EscrowMessage::Settle { decision, certificate, items } => {
            let first = items.first()?;
            let leaf = DecisionLeaf { execution_id: first.execution_id, decision: *decision };
            Some((certificate, Statement::Decided { decisions_root: leaf.root(&first.path) }))
        }
        EscrowMessage::Rotate { set, certificate } => {
            Some((certificate, Statement::Rotated { new_set: set.id, new_set_hash: set.hash() }))
        }
        EscrowMessage::Prepare { .. } | EscrowMessage::Escape { .. } | EscrowMessage::FundVault { .. } => None,
    }
}
