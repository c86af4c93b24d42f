//! The protocol's messages made by hand, with attestor keys that the test has: to send each in any order, twice, or
//! with something wrong about it.

use aes_chains::{EscrowMessage, SettlementItem};
use aes_cli::context::Context;
use aes_cli::devnet::Devnet;
use aes_coordinator::msg::{DecidedProof, ExecuteMsg, ExecutionResponse};
use aes_protocol::{
    decisions_tree, evidence_root, manifest_tree, Attestor, AttestorSet, Certificate, ChainId, Decision, DecisionLeaf,
    Domain, Evidence, Hash32, Leg, LegStatus, Statement,
};
use anyhow::{ensure, Context as _, Result};
use ethers_core::types::H256;
use ethers_signers::{LocalWallet, Signer};
use futures::future::try_join_all;

use crate::net::{send_chain, send_home};
use crate::until;

/// An attestor set whose keys are here, ascending by signer.
pub struct Attestors {
    pub set: AttestorSet,
    keys: Vec<LocalWallet>,
}

impl Attestors {
    /// 2 of these.
    pub fn new(id: u64, mut keys: Vec<LocalWallet>) -> Self {
        keys.sort_by_key(|key| key.address());
        let signers = keys.iter().map(|key| key.address().as_bytes().into());
        let attestors = signers.map(|signer| Attestor { signer, bitcoin_key: Hash32::default() }).collect();
        Self { set: AttestorSet { id, threshold: 2, attestors }, keys }
    }

    /// The devnet's own, set 1.
    pub fn of(devnet: &Devnet) -> Result<Self> {
        let keys = devnet.attestor_keys().into_iter().map(|key| Ok(LocalWallet::from_bytes(key.expose())?));
        Ok(Self::new(1, keys.collect::<Result<_>>()?))
    }

    /// Who signs in the name of a set, though not all of them are in it.
    pub fn in_the_name_of(set: &AttestorSet, keys: Vec<LocalWallet>) -> Self {
        Self { set: set.clone(), ..Self::new(set.id, keys) }
    }

    /// 2 of 3 that nobody knows.
    pub fn strangers(id: u64) -> Self {
        Self::new(id, (0..3).map(|_| LocalWallet::new(&mut rand::thread_rng())).collect())
    }

    pub fn certify(&self, domain: &Domain, statement: &Statement) -> Result<Certificate> {
        let digest = H256(statement.digest(domain, self.set.id).0);
        let signers = self.keys.iter().take(self.set.threshold.into());
        let signatures = signers.map(|key| Ok(key.sign_hash(digest)?.to_vec().into())).collect::<Result<_>>()?;
        Ok(Certificate { attestor_set: self.set.id, signatures })
    }
}

/// A relayer's work by hand: the attestors' certificates are true, the order is the test's.
pub struct Hand<'a> {
    pub context: &'a Context,
    pub attestors: &'a Attestors,
}

impl Hand<'_> {
    fn certify(&self, statement: &Statement) -> Result<Certificate> {
        self.attestors.certify(&self.context.manifest.domain, statement)
    }

    pub fn prepare_reserve(&self, execution: &ExecutionResponse, leg: &Leg) -> Result<EscrowMessage> {
        let ExecutionResponse { execution_id, manifest_root, deadline, .. } = *execution;
        let legs: Vec<Leg> = execution.legs.iter().map(|entry| entry.leg.clone()).collect();
        let path = manifest_tree(&legs).and_then(|tree| tree.path(&leg.hash())).context("the leg's path")?;
        let certificate = self.certify(&Statement::Opened { execution_id, manifest_root, deadline })?;
        Ok(EscrowMessage::PrepareReserve { execution_id, deadline, leg: leg.clone(), manifest_root, path, certificate })
    }

    pub async fn prepare_reserves(&self, execution: &ExecutionResponse) -> Result<()> {
        for leg in execution.legs.iter().map(|entry| &entry.leg).filter(|leg| !leg.function.is_account_sourced()) {
            send_chain(self.context, &leg.chain, &self.prepare_reserve(execution, leg)?).await?;
        }
        Ok(())
    }

    /// Of every leg, once each is final with one of these statuses.
    pub async fn evidence(&self, execution: &ExecutionResponse, wanted: &[LegStatus]) -> Result<Vec<Evidence>> {
        try_join_all(execution.legs.iter().map(|entry| async {
            let (id, leg, chain) = (&execution.execution_id, &entry.leg, self.context.chain(&entry.leg.chain)?);
            until(chain.ticks(), &format!("leg {} {wanted:?}", leg.index), async || {
                let evidence = chain.evidence(id, leg, execution.deadline).await?;
                Ok(evidence.filter(|evidence| wanted.contains(&evidence.status)))
            })
            .await
        }))
        .await
    }

    pub async fn commit(&self, execution: &ExecutionResponse) -> Result<ExecuteMsg> {
        let evidence = self.evidence(execution, &[LegStatus::Held]).await?;
        let root = evidence_root(&evidence).context("the evidence's root")?;
        let execution_id = execution.execution_id;
        let certificate = self.certify(&Statement::Prepared { execution_id, evidence_root: root })?;
        Ok(ExecuteMsg::Commit { execution_id, evidence, certificate })
    }

    pub async fn record(&self, execution: &ExecutionResponse, decision: Decision) -> Result<ExecuteMsg> {
        let ends: &[LegStatus] = match decision {
            Decision::Commit => &[LegStatus::Finalized, LegStatus::Escaped],
            Decision::Abort => &[LegStatus::Released, LegStatus::Absent, LegStatus::Escaped],
        };
        let evidence = self.evidence(execution, ends).await?;
        let root = evidence_root(&evidence).context("the evidence's root")?;
        let execution_id = execution.execution_id;
        let certificate = self.certify(&Statement::Settled { execution_id, decision, evidence_root: root })?;
        Ok(ExecuteMsg::Record { execution_id, evidence, certificate })
    }

    /// One message a chain, for all these executions under one set of signatures.
    pub fn settle(
        &self,
        executions: &[&ExecutionResponse],
        decision: Decision,
    ) -> Result<Vec<(ChainId, EscrowMessage)>> {
        let leaf = |execution: &&ExecutionResponse| DecisionLeaf { execution_id: execution.execution_id, decision };
        let leaves: Vec<DecisionLeaf> = executions.iter().map(leaf).collect();
        let tree = decisions_tree(&leaves).context("no executions")?;
        let certificate = self.certify(&Statement::Decided { decisions_root: tree.root() })?;
        let mut messages = Vec::new();
        for chain in self.context.chains.keys() {
            let mut items = Vec::new();
            for (execution, leaf) in executions.iter().zip(&leaves) {
                let here = execution.legs.iter().map(|entry| entry.leg.clone()).filter(|leg| leg.chain == *chain);
                let legs: Vec<Leg> = here.collect();
                if !legs.is_empty() {
                    let path = tree.path(&leaf.hash()).context("the decision's path")?;
                    items.push(SettlementItem { execution_id: execution.execution_id, path, legs });
                }
            }
            if !items.is_empty() {
                let certificate = certificate.clone();
                messages.push((chain.clone(), EscrowMessage::Settle { decision, certificate, items }));
            }
        }
        Ok(messages)
    }

    /// The decision of one execution, as the coordinator takes it for proof.
    pub fn decided(&self, execution_id: Hash32, decision: Decision) -> Result<DecidedProof> {
        let leaf = DecisionLeaf { execution_id, decision };
        let tree = decisions_tree(&[leaf]).context("the decision's tree")?;
        let certificate = self.certify(&Statement::Decided { decisions_root: tree.root() })?;
        Ok(DecidedProof { path: tree.path(&leaf.hash()).context("the decision's path")?, certificate })
    }

    pub async fn settle_all(&self, executions: &[&ExecutionResponse], decision: Decision) -> Result<()> {
        let messages = self.settle(executions, decision)?;
        try_join_all(messages.iter().map(|(chain, message)| send_chain(self.context, chain, message))).await?;
        Ok(())
    }

    /// From everything held to recorded.
    pub async fn commit_all(&self, execution: &ExecutionResponse) -> Result<ExecutionResponse> {
        send_home(self.context, &self.commit(execution).await?).await?;
        self.settle_all(&[execution], Decision::Commit).await?;
        send_home(self.context, &self.record(execution, Decision::Commit).await?).await?;
        self.context.execution(&execution.execution_id).await
    }

    /// The next set, signed by this one, on every chain.
    pub fn rotate(&self, next: &Attestors) -> Result<Certificate> {
        let (new_set, new_set_hash) = (next.set.id, next.set.hash());
        let certificate = self.certify(&Statement::Rotated { new_set, new_set_hash })?;
        ensure!(certificate.attestor_set + 1 == new_set, "set {new_set} does not follow");
        Ok(certificate)
    }
}
