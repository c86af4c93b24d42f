//! What a reader trusts, pinned in a file of their own; and what a proof rests on, to be compared with it.

use std::collections::BTreeMap;
use std::fmt;

use aes_protocol::{AttestorSet, ChainId, Domain, Evidence, Hash32};
use cosmwasm_schema::cw_serde;

use super::NativeProof;
use crate::cosmos::{hash32, CosmosAnchors, RecordProof, Run};
use crate::evm::EvmAnchors;
use crate::{ProofError, Subject};

#[cw_serde]
#[derive(Default)]
pub struct Anchors {
    /// home chain and coordinator of the deployment; without it any that the file names is taken
    pub deployment: Option<Domain>,
    #[serde(default)]
    pub attestor_sets: Vec<AttestorSet>,
    #[serde(default)]
    pub evm: BTreeMap<ChainId, EvmAnchors>,
    #[serde(default)]
    pub cosmos: BTreeMap<ChainId, CosmosAnchors>,
}

/// A block that a proof rests on: to be found on the chain by whoever wants to believe it.
#[cw_serde]
#[derive(Eq)]
pub struct Anchor {
    pub chain: ChainId,
    pub height: u64,
    pub hash: Hash32,
    /// CosmWasm chains: of the validators that signed it, which is an anchor just as well
    pub validator_set: Option<Hash32>,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} ({})", self.height, self.hash)?;
        match &self.validator_set {
            Some(set) => write!(f, ", signed by validator set {set}"),
            None => Ok(()),
        }
    }
}

impl Anchors {
    /// Takes a block that was checked elsewhere.
    pub fn pin(&mut self, anchor: &Anchor) {
        match &anchor.validator_set {
            Some(_) => self.cosmos.entry(anchor.chain.clone()).or_default().headers.push(anchor.hash),
            None => self.evm.entry(anchor.chain.clone()).or_default().blocks.push(anchor.hash),
        }
    }

    /// These, and the blocks that a proof itself names: to read what cannot be believed yet.
    pub(super) fn and(&self, claimed: &[Anchor]) -> Self {
        let mut all = self.clone();
        for anchor in claimed {
            all.pin(anchor);
        }
        all
    }

    pub(super) fn of_cosmos(&self, chain: &ChainId) -> CosmosAnchors {
        self.cosmos.get(chain).cloned().unwrap_or_default()
    }
}

impl NativeProof {
    pub fn verify(&self, subject: &Subject, anchors: &Anchors) -> Result<Evidence, ProofError> {
        let chain = &subject.leg.chain;
        match self {
            Self::Evm(proof) => proof.verify(subject, &anchors.evm.get(chain).cloned().unwrap_or_default()),
            Self::Cosmos(proof) => proof.verify(subject, &anchors.of_cosmos(chain)),
        }
    }

    /// The blocks that must be trusted.
    pub fn rests_on(&self, chain: &ChainId) -> Result<Vec<Anchor>, ProofError> {
        match self {
            Self::Evm(proof) => {
                let (hash, height) = proof.rests_on()?;
                Ok(vec![Anchor { chain: chain.clone(), height, hash, validator_set: None }])
            }
            Self::Cosmos(proof) => of_runs(chain, &proof.runs),
        }
    }
}

impl RecordProof {
    /// The blocks that must be trusted.
    pub fn rests_on(&self, chain: &ChainId) -> Result<Vec<Anchor>, ProofError> {
        of_runs(chain, &self.runs)
    }
}

fn of_runs(chain: &ChainId, runs: &[Run]) -> Result<Vec<Anchor>, ProofError> {
    let first = |run: &Run| {
        let hop = run.hops.first().ok_or_else(|| ProofError::malformed("run", "it has no hops"))?;
        let header = hop.block()?.signed_header.header;
        let validator_set = Some(hash32(header.validators_hash)?);
        Ok(Anchor { chain: chain.clone(), height: header.height.value(), hash: hash32(header.hash())?, validator_set })
    };
    runs.iter().map(first).collect()
}
