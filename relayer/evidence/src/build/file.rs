//! A whole proof file: the home chain's record, and for each leg what the record says of it, proved in its own chain.

use std::sync::Arc;

use aes_chains::evm::Node;
use aes_chains::Chains;
use aes_config::{Config, Manifest};
use aes_coordinator::state::Record;
use aes_protocol::{ChainKind, Decision, Evidence, Hash32, LegStatus};

use super::certificates::Moment;
use super::{BuildError, CosmosProofBuilder, EvmProofBuilder};
use crate::cosmos::{CosmosAnchors, HomeRecord, RecordProof};
use crate::file::{Certified, LegProofs, NativeProof, ProofFile, Shown};
use crate::Subject;

pub struct FileBuilder<'a> {
    pub config: &'a Config,
    pub manifest: &'a Manifest,
    pub chains: &'a Chains,
}

impl FileBuilder<'_> {
    pub async fn build(&self, execution_id: &Hash32) -> Result<ProofFile, BuildError> {
        let domain = &self.manifest.domain;
        let home = self.cosmos(&domain.home_chain)?;
        let proof = home.record(execution_id, domain).await?;
        let record = read(&home, &proof, execution_id, self.manifest)?;
        let execution = record.execution(domain)?;

        let mut legs = Vec::with_capacity(record.legs.len());
        for (at, leg) in record.legs.iter().enumerate() {
            let subject = Subject { execution_id, leg, deadline: execution.deadline };
            let at_leg = |source: BuildError| BuildError::Leg { leg: leg.index, source: Box::new(source) };
            let (held, settled) = self.leaves(&record, at, &subject).await.map_err(at_leg)?;
            let held = self.shown(&subject, held).await.map_err(at_leg)?;
            let settled = self.shown(&subject, settled).await.map_err(at_leg)?;
            legs.push(LegProofs { leg: leg.clone(), held, settled });
        }
        let Record { decision, prepared_root, settled_root, .. } = record.record;
        let mut certified = Vec::new();
        for (moment, root) in [(Moment::Committed, prepared_root), (Moment::Recorded, settled_root)] {
            certified.push(match root {
                Some(evidence_root) => {
                    Some(Certified { evidence_root, certificate: home.certificate(moment, execution_id).await })
                }
                None => None,
            });
        }
        let (settled, prepared) = (certified.pop().flatten(), certified.pop().flatten());
        let version = ProofFile::VERSION;
        Ok(ProofFile { version, execution, legs, decision, prepared, settled, home: Some(proof) })
    }

    fn cosmos(&self, chain: &aes_protocol::ChainId) -> Result<CosmosProofBuilder, BuildError> {
        let rpc = self.config.chain(chain)?.rpc.first().map_or("", |at| at.expose().as_str());
        CosmosProofBuilder::new(chain, rpc)
    }

    /// As the record has them; of a settlement that is not recorded yet, as the leg's own chain does.
    async fn leaves(
        &self,
        record: &HomeRecord,
        at: usize,
        subject: &Subject<'_>,
    ) -> Result<(Option<Evidence>, Option<Evidence>), BuildError> {
        let (mut held, mut settled) = (record.prepared.get(at).cloned(), record.settled.get(at).cloned());
        if let (None, Some(chain)) = (&settled, self.chains.get(&subject.leg.chain)) {
            let now = chain.evidence(subject.execution_id, subject.leg, subject.deadline).await?;
            match now {
                Some(leaf) if leaf.status == LegStatus::Held => held = held.or(Some(leaf)),
                // Before a commit nothing held is no end yet: the leg may be held until the deadline.
                Some(leaf) if record.record.decision == Some(Decision::Abort) || leaf.tx_id != Hash32::default() => {
                    settled = Some(leaf)
                }
                _ => {}
            }
        }
        Ok((held, settled))
    }

    async fn shown(&self, subject: &Subject<'_>, leaf: Option<Evidence>) -> Result<Option<Shown>, BuildError> {
        let Some(leaf) = leaf else { return Ok(None) };
        let chain = &subject.leg.chain;
        let proof = match chain.kind() {
            ChainKind::Evm => {
                let node = Node::new(chain.clone(), self.config.chain(chain)?)?;
                NativeProof::Evm(EvmProofBuilder::new(Arc::new(node)).build(subject, &leaf, None).await?)
            }
            ChainKind::Cosmos => NativeProof::Cosmos(self.cosmos(chain)?.build(subject, &leaf).await?),
            ChainKind::Bitcoin => {
                return Err(BuildError::NoProof { leg: subject.leg.index, chain: chain.clone() });
            }
        };
        Ok(Some(Shown { leaf, proof }))
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
