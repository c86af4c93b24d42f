//! The RPC endpoints of one CometBFT chain, each of which may lie. One that is caught is not asked again before the next
//! start, by name in the log and in the answer to `GET /v1/health`; one that is merely silent or behind is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use aes_chains::cosmos::rpc_client;
use aes_chains::Liars;
use aes_evidence::cosmos::Hop;
use aes_protocol::ChainId;
use futures::future::try_join;
use tendermint::block::Height;
use tendermint::validator::{Info, Set};
use tendermint_light_client::types::{LightBlock, PeerId};
use tendermint_proto::v0_38::types::ValidatorSet as RawSet;
use tendermint_rpc::{Client, Error, HttpClient, Paging};

pub(super) struct Endpoint {
    /// without what may be secret in the URL
    pub name: String,
    pub rpc: HttpClient,
    pub peer: PeerId,
}

/// Longer than this none is waited for: there are others, and a request has ten seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

pub(super) struct Endpoints {
    all: Vec<Arc<Endpoint>>,
    /// the one that answered last
    preferred: AtomicUsize,
    pub liars: Liars,
}

/// Why an endpoint gave no light block.
#[derive(Debug)]
pub(super) enum FetchError {
    /// no answer, or not yet: ask another one, or later
    Rpc(Error),
    /// what no honest node answers
    Lie(String),
}

impl Endpoints {
    pub fn new(chain: &ChainId, urls: &[aes_config::Endpoint], timeout: Duration) -> Result<Self, Error> {
        let timeout = timeout.min(LONGEST_WAIT);
        let endpoint = |(position, at): (u8, &aes_config::Endpoint)| {
            Ok(Arc::new(Endpoint {
                name: at.to_string(),
                rpc: rpc_client(at, timeout)?,
                peer: PeerId::new([position; 20]),
            }))
        };
        let all = (0u8..).zip(urls).map(endpoint).collect::<Result<_, Error>>()?;
        Ok(Self { all, preferred: AtomicUsize::new(0), liars: Liars::new(chain) })
    }

    /// Those that were not caught, the one that answered last first.
    pub fn alive(&self) -> Vec<Arc<Endpoint>> {
        let preferred = self.preferred.load(Ordering::Relaxed);
        let (before, from) = self.all.split_at(preferred.min(self.all.len()));
        from.iter().chain(before).filter(|endpoint| !self.liars.contains(&endpoint.name)).cloned().collect()
    }

    pub fn answered(&self, endpoint: &Arc<Endpoint>) {
        if let Some(position) = self.all.iter().position(|other| Arc::ptr_eq(other, endpoint)) {
            self.preferred.store(position, Ordering::Relaxed);
        }
    }
}

impl Endpoint {
    /// The newest one where no height is given. A set that is `known` by its hash is not asked for again.
    pub async fn light_block(&self, height: Option<Height>, known: &[Set]) -> Result<LightBlock, FetchError> {
        let commit = match height {
            Some(height) => self.rpc.commit(height).await,
            None => self.rpc.latest_commit().await,
        };
        let signed_header = commit.map_err(FetchError::Rpc)?.signed_header;
        let header = &signed_header.header;
        if height.is_some_and(|height| height != header.height) {
            let lie = format!("header {} for an answer about another height", header.height);
            return Err(FetchError::Lie(lie));
        }
        let (validators, next_validators) = try_join(
            self.validators(header.height, header.validators_hash, known),
            self.validators(header.height.increment(), header.next_validators_hash, known),
        )
        .await?;
        Ok(LightBlock::new(signed_header, validators, next_validators, self.peer))
    }

    async fn validators(&self, height: Height, hash: tendermint::Hash, known: &[Set]) -> Result<Set, FetchError> {
        if let Some(set) = known.iter().find(|set| set.hash() == hash) {
            return Ok(set.clone());
        }
        let answer = self.rpc.validators(height, Paging::All).await.map_err(FetchError::Rpc)?;
        // An address is of its key, whatever the node says.
        let validators = answer.validators.into_iter().map(|told| Info::new(told.pub_key, told.power).into()).collect();
        let raw = RawSet { validators, proposer: None, total_voting_power: 0 };
        let set = Set::try_from(raw).map_err(|cause| FetchError::Lie(format!("validators {height}: {cause}")))?;
        if set.hash() == hash {
            Ok(set)
        } else {
            Err(FetchError::Lie(format!("the validators it gives for block {height} are not the header's")))
        }
    }
}

/// As a file of its own, or a proof, keeps a light block.
pub(super) fn hop_of(block: &LightBlock) -> Hop {
    let mut hop = Hop::new(tendermint::evidence::ConflictingBlock {
        signed_header: block.signed_header.clone(),
        validator_set: block.validators.clone(),
    });
    hop.next_validators = Some(tendermint_proto::Protobuf::<RawSet>::encode_vec(block.next_validators.clone()).into());
    hop
}
