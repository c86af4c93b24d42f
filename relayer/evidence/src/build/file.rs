//! A whole proof file: the home chain's record, and for each leg what the record says of it, proved in its own chain.

use std::sync::Arc;

use aes_chains::evm::Node;
use aes_chains::{Chain, ChainError, Chains, Depth, Home};
use aes_config::{Config, Manifest};
use aes_coordinator::state::Record;
use aes_protocol::{AttestorSet, Bytes, ChainId, ChainKind, Decision, Evidence, Hash32, LegStatus, Statement};

use super::bitcoin::Terms;
use super::certificates::Wanted;
use super::{BitcoinProofBuilder, BuildError, CosmosProofBuilder, EvmProofBuilder};
use crate::cosmos::{CosmosAnchors, HomeRecord, RecordProof};
use crate::file::{Certified, LegProofs, NativeProof, ProofFile, Shown};
use crate::{ProofError, Subject};

pub struct FileBuilder<'a> {
    pub config: &'a Config,
    pub manifest: &'a Manifest,
    pub home: &'a dyn Home,
    pub chains: &'a Chains,
}

impl FileBuilder<'_> {
    pub async fn build(&self, execution_id: &Hash32) -> Result<ProofFile, BuildError> {
        let domain = &self.manifest.domain;
        let home = self.cosmos(&domain.home_chain).await?;
        let proof = home.record(execution_id, domain).await?;
        let record = read(&home, &proof, execution_id, self.manifest)?;
        let execution = record.execution(domain)?;
        let sets = self.sets().await?;
        let answer = self.home.execution(execution_id).await?;
        let attached = answer.map(|answer| answer.legs).unwrap_or_default();

        let mut legs = Vec::with_capacity(record.legs.len());
        for (at, leg) in record.legs.iter().enumerate() {
            let presigned = attached.get(at).and_then(|entry| entry.presigned.clone());
            let subject = Subject { execution_id, leg, deadline: execution.deadline };
            let proofs = async { self.leg(subject, &sets, presigned).await?.proofs(&record, at).await }.await;
            legs.push(proofs.map_err(|cause| BuildError::Leg { leg: leg.index, cause: Box::new(cause) })?);
        }
        let Record { decision, prepared_root, settled_root, .. } = record.record;
        let execution_id = *execution_id;
        let prepared = prepared_root.map(|evidence_root| Statement::Prepared { execution_id, evidence_root });
        let settled = decision.zip(settled_root).map(|(decision, evidence_root)| Statement::Settled {
            execution_id,
            decision,
            evidence_root,
        });
        let (home_node, sets) = (&home, &sets);
        let certified = |root: Option<Hash32>, statement: Option<Statement>| async move {
            let (evidence_root, statement) = root.zip(statement)?;
            let certificate = home_node.certificate(&Wanted { statement, domain, sets }).await;
            Some(Certified { evidence_root, certificate })
        };
        let (prepared, settled) = (certified(prepared_root, prepared).await, certified(settled_root, settled).await);
        let version = ProofFile::VERSION;
        Ok(ProofFile { version, execution, legs, decision, prepared, settled, home: Some(proof) })
    }

    async fn cosmos(&self, chain: &ChainId) -> Result<CosmosProofBuilder, BuildError> {
        CosmosProofBuilder::connect(chain, &self.config.chain(chain)?.rpc).await
    }

    /// Every attestor set there has been.
    pub async fn sets(&self) -> Result<Vec<AttestorSet>, BuildError> {
        let mut sets = vec![self.home.attestor_set(None).await?.set];
        while let Some(before) = sets.last().and_then(|set| set.id.checked_sub(1)) {
            match self.home.attestor_set(Some(before)).await {
                Ok(answer) => sets.push(answer.set),
                Err(error @ ChainError::Unreachable { .. }) => return Err(error.into()),
                // the current one was the first
                Err(_) => break,
            }
        }
        sets.reverse();
        Ok(sets)
    }

    /// `presigned`: what is attached of the leg at the home chain.
    pub async fn leg<'a>(
        &'a self,
        subject: Subject<'a>,
        sets: &'a [AttestorSet],
        presigned: Option<Bytes>,
    ) -> Result<LegBuilder<'a>, BuildError> {
        let id = &subject.leg.chain;
        let settings = self.config.chain(id)?;
        let kind = match id.kind() {
            ChainKind::Evm => Kind::Evm(EvmProofBuilder::new(Arc::new(Node::new(id.clone(), settings)?))),
            ChainKind::Cosmos => Kind::Cosmos(self.cosmos(id).await?),
            ChainKind::Bitcoin => {
                let (entry, escrow) = (self.manifest.chain(id)?, self.manifest.bitcoin(id)?);
                let cause = || ProofError::malformed("manifest", "its asset is no rune's id, block:transaction");
                let rune = entry.asset.parse().map_err(|_| cause())?;
                let first = sets.iter().position(|set| set.id == escrow.first_set).unwrap_or_default();
                let sets = sets.get(first..).unwrap_or_default();
                let terms = Terms { domain: &self.manifest.domain, rune, sets, presigned };
                Kind::Bitcoin(BitcoinProofBuilder::new(id, settings)?, terms)
            }
        };
        let chain = self.chains.get(id).ok_or_else(|| aes_config::ManifestError::NoChain(id.clone()))?;
        Ok(LegBuilder { chain: chain.as_ref(), subject, kind })
    }
}

enum Kind<'a> {
    Evm(EvmProofBuilder),
    Cosmos(CosmosProofBuilder),
    Bitcoin(BitcoinProofBuilder, Terms<'a>),
}

/// Builds one leg's proofs.
pub struct LegBuilder<'a> {
    chain: &'a dyn Chain,
    subject: Subject<'a>,
    kind: Kind<'a>,
}

impl LegBuilder<'_> {
    async fn proofs(&self, record: &HomeRecord, at: usize) -> Result<LegProofs, BuildError> {
        let settled = match record.settled.get(at) {
            Some(leaf) => Some(leaf.clone()),
            None => self.end(record.record.decision).await?,
        };
        let held = match record.prepared.get(at) {
            Some(leaf) => Some(leaf.clone()),
            None => self.held().await?,
        };
        let shown = |leaf: Option<Evidence>| async {
            let Some(leaf) = leaf else { return Ok::<_, BuildError>(None) };
            let proof = self.proof(&leaf, held.as_ref()).await?;
            Ok(Some(Shown { leaf, proof }))
        };
        let (settled, held) = (shown(settled).await?, shown(held.clone()).await?);
        Ok(LegProofs { leg: self.subject.leg.clone(), held, settled })
    }

    /// As the leg's own chain has it, where it is not recorded yet.
    async fn end(&self, decision: Option<Decision>) -> Result<Option<Evidence>, BuildError> {
        let Subject { execution_id, leg, deadline } = self.subject;
        let leaf = self.chain.evidence(execution_id, leg, deadline).await?;
        // The record that is proved may be a block older than the end: what it does not know of is for the next file.
        Ok(leaf.filter(|leaf| match leaf.status {
            LegStatus::Held => false,
            LegStatus::Escaped => true,
            LegStatus::Finalized => decision == Some(Decision::Commit),
            LegStatus::Released | LegStatus::Absent => decision == Some(Decision::Abort),
        }))
    }

    /// That it was held, whatever became of it since.
    async fn held(&self) -> Result<Option<Evidence>, BuildError> {
        let Subject { execution_id, leg, deadline } = &self.subject;
        let hold = self.chain.hold(execution_id, leg, Depth::Final).await?;
        let Some(height) = hold.filter(|hold| hold.deadline == *deadline).and_then(|hold| hold.held_at) else {
            return Ok(None);
        };
        match &self.kind {
            Kind::Evm(builder) => builder.held(&self.subject, height).await.map(Some),
            Kind::Cosmos(builder) => builder.held(&self.subject).await,
            Kind::Bitcoin(builder, terms) => builder.held(&self.subject, terms, height).await.map(Some),
        }
    }

    /// Of `leaf`, which a look at the chain gave; of an end on Bitcoin with the leaf of how it began.
    pub async fn proof(&self, leaf: &Evidence, held: Option<&Evidence>) -> Result<NativeProof, BuildError> {
        Ok(match &self.kind {
            Kind::Evm(builder) => NativeProof::Evm(builder.build(&self.subject, leaf, None).await?),
            Kind::Cosmos(builder) => NativeProof::Cosmos(builder.build(&self.subject, leaf).await?),
            Kind::Bitcoin(builder, terms) => {
                NativeProof::Bitcoin(builder.build(&self.subject, terms, leaf, held).await?)
            }
        })
    }
}

/// The record as it is shown, believing the node for the moment: the file's reader need not.
fn read(
    home: &CosmosProofBuilder,
    proof: &RecordProof,
    execution_id: &Hash32,
    manifest: &Manifest,
) -> Result<HomeRecord, BuildError> {
    let anchors: CosmosAnchors = home.anchors_of(&proof.runs)?;
    Ok(proof.verify(execution_id, &manifest.domain, &anchors)?)
}
