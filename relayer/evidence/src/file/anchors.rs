//! What a reader trusts, pinned in a file of their own; and what a proof rests on, to be compared with it.

use std::collections::BTreeMap;
use std::fmt;

use aes_protocol::{AttestorSet, ChainId, Domain, Evidence, Hash32};
use alloy_primitives::U256;
use cosmwasm_schema::cw_serde;

use super::NativeProof;
use crate::bitcoin::{BitcoinAnchors, Checkpoint, TrustedCheckpoint};
use crate::cosmos::{hash32, CosmosAnchors, RecordProof, Run};
use crate::evm::EvmAnchors;
use crate::{ProofError, Subject};

#[cw_serde]
#[derive(Default)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct Anchors {
    /// home chain and coordinator of the deployment: without it nothing is proved, for anyone can make one of their own
    pub deployment: Option<Domain>,
    #[serde(default)]
    pub attestor_sets: Vec<AttestorSet>,
    #[serde(default)]
    pub evm: BTreeMap<ChainId, EvmAnchors>,
    #[serde(default)]
    pub cosmos: BTreeMap<ChainId, CosmosAnchors>,
    #[serde(default)]
    pub bitcoin: BTreeMap<ChainId, BitcoinAnchors>,
}

/// A block that a proof rests on: to be found on the chain by whoever wants to believe it.
#[cw_serde]
#[derive(Eq)]
pub struct Anchor {
    pub chain: ChainId,
    pub height: u64,
    pub hash: Hash32,
    pub basis: Basis,
}

/// Why a block may be believed.
#[cw_serde]
#[derive(Eq)]
pub enum Basis {
    /// EVM chains: it is final, says a node
    Finality {},
    /// CosmWasm chains: these validators signed it
    Validators { set: Hash32 },
    /// Bitcoin: the expected hashes (256 bits, big-endian) from block `from`, which has the leg's transaction, to this one,
    /// and all of it upon a checkpoint
    Work { checkpoint: Checkpoint, from: u64, work: Hash32 },
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} ({})", self.height, self.hash)?;
        match &self.basis {
            Basis::Finality {} => Ok(()),
            Basis::Validators { set } => write!(f, ", signed by validator set {set}"),
            Basis::Work { checkpoint, work, .. } => {
                let work = U256::from_be_bytes(work.0);
                write!(f, ", {work} expected hashes upon checkpoint {} ({})", checkpoint.height, checkpoint.hash)
            }
        }
    }
}

impl Anchors {
    /// Takes a block that was checked elsewhere.
    pub fn pin(&mut self, anchor: &Anchor) {
        let (chain, hash) = (anchor.chain.clone(), anchor.hash);
        match &anchor.basis {
            Basis::Finality {} => self.evm.entry(chain).or_default().blocks.push(hash),
            Basis::Validators { .. } => self.cosmos.entry(chain).or_default().headers.push(hash),
            Basis::Work { checkpoint, work, .. } => {
                let trusted = TrustedCheckpoint { checkpoint: checkpoint.clone(), minimum_work: *work };
                self.bitcoin.entry(chain).or_default().checkpoints.push(trusted);
            }
        }
    }

    pub(super) fn of_cosmos(&self, chain: &ChainId) -> CosmosAnchors {
        self.cosmos.get(chain).cloned().unwrap_or_default()
    }
}

impl NativeProof {
    pub fn verify(&self, subject: &Subject, domain: &Domain, anchors: &Anchors) -> Result<Evidence, ProofError> {
        let chain = &subject.leg.chain;
        match self {
            Self::Evm(proof) => proof.verify(subject, &anchors.evm.get(chain).cloned().unwrap_or_default()),
            Self::Cosmos(proof) => proof.verify(subject, &anchors.of_cosmos(chain)),
            Self::Bitcoin(proof) => {
                let pinned = anchors.bitcoin.get(chain).cloned().unwrap_or_default();
                proof.verify(subject, domain, &pinned, &anchors.attestor_sets)
            }
        }
    }

    /// `anchors`, and what the proof itself names: to read what cannot be believed yet.
    pub(super) fn claimed(&self, chain: &ChainId, anchors: &Anchors) -> Result<Anchors, ProofError> {
        let mut all = anchors.clone();
        self.rests_on(chain)?.iter().for_each(|anchor| all.pin(anchor));
        if let Self::Bitcoin(proof) = self {
            all.attestor_sets.extend_from_slice(proof.sets());
        }
        Ok(all)
    }

    /// The blocks that must be trusted.
    pub fn rests_on(&self, chain: &ChainId) -> Result<Vec<Anchor>, ProofError> {
        match self {
            Self::Evm(proof) => {
                let anchor = |(hash, height)| Anchor { chain: chain.clone(), height, hash, basis: Basis::Finality {} };
                Ok(proof.rests_on()?.into_iter().map(anchor).collect())
            }
            Self::Cosmos(proof) => of_runs(chain, &proof.runs),
            Self::Bitcoin(proof) => {
                let mined = proof.row.follow(chain)?;
                let (checkpoint, work) = (proof.row.checkpoint.clone(), Hash32(mined.work.to_be_bytes()));
                let basis = Basis::Work { checkpoint, from: mined.height, work };
                Ok(vec![Anchor { chain: chain.clone(), height: mined.tip.height, hash: mined.tip.hash, basis }])
            }
        }
    }
}

impl RecordProof {
    pub(super) fn claimed(&self, chain: &ChainId, anchors: &Anchors) -> Result<Anchors, ProofError> {
        let mut all = anchors.clone();
        self.rests_on(chain)?.iter().for_each(|anchor| all.pin(anchor));
        Ok(all)
    }

    /// The blocks that must be trusted.
    pub fn rests_on(&self, chain: &ChainId) -> Result<Vec<Anchor>, ProofError> {
        of_runs(chain, &self.runs)
    }
}

fn of_runs(chain: &ChainId, runs: &[Run]) -> Result<Vec<Anchor>, ProofError> {
    let first = |run: &Run| {
        let hop = run.hops.first().ok_or_else(|| ProofError::malformed("run", "it has no hops"))?;
        let header = hop.block()?.signed_header.header;
        let basis = Basis::Validators { set: hash32(header.validators_hash)? };
        Ok(Anchor { chain: chain.clone(), height: header.height.value(), hash: hash32(header.hash())?, basis })
    };
    runs.iter().map(first).collect()
}
