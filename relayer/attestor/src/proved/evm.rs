//! EVM legs: a leaf counts once a receipt (or the empty slot) proves it under a header that enough endpoints give as final.
//! A single endpoint can then neither invent an event nor a block; it can only be silent, or be caught.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use aes_chains::evm::{EvmChain, Node};
use aes_chains::{by_host, Chain, ChainError, Depth, FollowHealth, Hold, Liars};
use aes_config::{ChainConfig, ManifestChain};
use aes_evidence::build::{BuildError, EvmProofBuilder};
use aes_evidence::evm::EvmAnchors;
use aes_evidence::Subject;
use aes_protocol::{Bytes, ChainId, Evidence, Hash32, Leg};
use futures::future::join_all;

/// Seconds; longer than this no endpoint is waited for: there are others, and a request has ten.
const LONGEST_WAIT: u64 = 3;

/// The URLs of one host, which share a fate.
struct Endpoint {
    name: String,
    chain: Arc<dyn Chain>,
    builder: EvmProofBuilder,
}

/// An EVM chain as several endpoints show it.
pub struct Witnessed {
    id: ChainId,
    endpoints: Vec<Endpoint>,
    /// the one that gave the last proof
    preferred: AtomicUsize,
    /// so many have to say the same
    enough: usize,
    /// the escrow and the hash of its code, without which an empty slot of it shows nothing
    code: (Bytes, Hash32),
    liars: Liars,
}

impl Witnessed {
    /// `enough` endpoints where so many are configured; with one alone, that one's word on which blocks are final.
    pub fn new(id: &ChainId, settings: &ChainConfig, entry: &ManifestChain, enough: usize) -> Result<Self, ChainError> {
        let timeout = settings.timeout.min(LONGEST_WAIT);
        let endpoint = |(name, rpc): (String, Vec<aes_config::Endpoint>)| {
            let alone = ChainConfig { rpc, timeout, ..settings.clone() };
            let builder = EvmProofBuilder::new(Arc::new(Node::new(id.clone(), &alone)?));
            Ok(Endpoint { name, chain: EvmChain::new(id.clone(), &alone, entry)?, builder })
        };
        let endpoints = by_host(&settings.rpc).into_iter().map(endpoint).collect::<Result<_, ChainError>>()?;
        let code = (entry.escrow.clone(), entry.code_hash);
        Ok(Self { id: id.clone(), endpoints, preferred: AtomicUsize::new(0), enough, code, liars: Liars::new(id) })
    }

    pub fn health(&self) -> FollowHealth {
        FollowHealth {
            height: None,
            time: None,
            endpoints: self.alive().count(),
            liars: self.liars.all(),
            trouble: None,
            stopped: None,
        }
    }

    /// Those that were not caught, the one that gave the last proof first.
    fn alive(&self) -> impl Iterator<Item = &Endpoint> {
        let preferred = self.preferred.load(Ordering::Relaxed);
        let (before, from) = self.endpoints.split_at(preferred.min(self.endpoints.len()));
        from.iter().chain(before).filter(|endpoint| !self.liars.contains(&endpoint.name))
    }

    fn gave_a_proof(&self, endpoint: &Endpoint) {
        if let Some(position) = self.endpoints.iter().position(|other| other.name == endpoint.name) {
            self.preferred.store(position, Ordering::Relaxed);
        }
    }

    /// What enough of the endpoints say alike; nothing but a reserve rests on it. A receipt proof would show no more: it leads to
    /// a block that is not final, and so to the same endpoints' word.
    pub async fn hold(&self, execution_id: &Hash32, leg: &Leg) -> Result<Option<Hold>, ChainError> {
        let asked = self.alive().map(|endpoint| endpoint.chain.hold(execution_id, leg, Depth::Soft));
        let answers = join_all(asked).await;
        let said: Vec<&Option<Hold>> = answers.iter().flatten().collect();
        let alike = |hold: &&&Option<Hold>| said.iter().filter(|other| *other == *hold).count() >= self.enough;
        match said.iter().find(alike) {
            Some(hold) => Ok(**hold),
            None => Err(self.too_few("the same of the hold", &answers)),
        }
    }

    /// The first endpoint's leaf that its own proof proves and whose block enough endpoints give as final.
    pub async fn evidence(&self, subject: &Subject<'_>) -> Result<Option<Evidence>, ChainError> {
        let (mut nothing, mut failed) = (0usize, None);
        for endpoint in self.alive() {
            let seen = endpoint.chain.evidence(subject.execution_id, subject.leg, subject.deadline).await;
            let leaf = match seen {
                Ok(Some(leaf)) => leaf,
                Ok(None) => {
                    nothing = nothing.saturating_add(1);
                    continue;
                }
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            match self.proved(endpoint, subject, &leaf).await {
                Ok(()) => {
                    self.gave_a_proof(endpoint);
                    return Ok(Some(leaf));
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if nothing < self.enough => Err(error),
            None if nothing == 0 => Err(self.too_few("anything", &[] as &[Result<(), ChainError>])),
            _ => Ok(None),
        }
    }

    async fn proved(&self, endpoint: &Endpoint, subject: &Subject<'_>, leaf: &Evidence) -> Result<(), ChainError> {
        let blocks = match endpoint.builder.build(subject, leaf, None).await {
            Ok(proof) => {
                let blocks = proof.rests_on().unwrap_or_default();
                let hashes = blocks.iter().map(|(hash, _)| *hash).collect();
                let code_hashes = BTreeMap::from([self.code.clone()]);
                match proof.verify(subject, &EvmAnchors { blocks: hashes, code_hashes }) {
                    Ok(proved) if proved == *leaf => blocks,
                    Ok(_) => return Err(self.caught(endpoint, "its proof is of another leaf than it told of")),
                    // the escrow has other code than the manifest says, which is no lie of the endpoint
                    Err(error) => {
                        return Err(ChainError::BadAnswer { chain: self.id.clone(), cause: error.to_string() })
                    }
                }
            }
            Err(error @ (BuildError::Contradiction(_) | BuildError::Proof(_))) => {
                return Err(self.caught(endpoint, &format!("of {:?}: {error}", leaf.status)));
            }
            // silent, pruned, busy, without the calls that a proof takes, or newer than this program: no lie
            Err(BuildError::Chain(error)) => return Err(error),
            Err(error) => {
                let cause = format!("{}: {error}", endpoint.name);
                return Err(ChainError::Unreachable { chain: self.id.clone(), cause });
            }
        };
        for (hash, height) in blocks {
            self.agreed(endpoint, height, hash).await?;
        }
        Ok(())
    }

    /// Enough endpoints give the block as final.
    async fn agreed(&self, endpoint: &Endpoint, height: u64, block_hash: Hash32) -> Result<(), ChainError> {
        let asked = self.alive().map(|other| async move { (other, other.builder.final_hash(height).await) });
        let answers = join_all(asked).await;
        let told = |hash: Hash32| {
            answers.iter().filter(|(_, said)| said.as_ref().is_ok_and(|said| *said == Some(hash))).count()
        };
        let mut refused = None;
        for (other, said) in &answers {
            let Ok(Some(hash)) = said else { continue };
            // It stands alone against enough others: the chain is theirs.
            let against = answers.iter().filter_map(|(_, said)| said.as_ref().ok().copied().flatten());
            let others = against.filter(|other| other != hash).collect::<Vec<_>>();
            let outvoted =
                others.iter().any(|other| told(*other) >= self.enough.max(2)) && told(*hash) < self.enough.max(2);
            if outvoted {
                let error = self.caught(other, &format!("final block {height} has hash {hash} for it alone"));
                refused = refused.or((other.name == endpoint.name).then_some(error));
            }
        }
        match refused {
            Some(error) => Err(error),
            None if told(block_hash) >= self.enough => Ok(()),
            None => {
                let answers: Vec<_> = answers.into_iter().map(|(_, said)| said).collect();
                Err(self.too_few(&format!("block {height} ({block_hash}) as final"), &answers))
            }
        }
    }

    fn caught(&self, endpoint: &Endpoint, lie: &str) -> ChainError {
        self.liars.caught(&endpoint.name, lie);
        ChainError::BadAnswer { chain: self.id.clone(), cause: format!("{}: {lie}", endpoint.name) }
    }

    fn too_few<T, E: std::fmt::Display>(&self, what: &str, answers: &[Result<T, E>]) -> ChainError {
        let silent: Vec<String> = answers.iter().filter_map(|said| Some(said.as_ref().err()?.to_string())).collect();
        let cause = format!("fewer than {} endpoints say {what} {}", self.enough, silent.join("; "));
        ChainError::Unreachable { chain: self.id.clone(), cause }
    }
}
