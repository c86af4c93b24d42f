//! CosmWasm proofs from one CometBFT node: the signed header after a state, and the ICS-23 proofs of that state.

use std::time::Duration;

use aes_chains::cosmos::{rpc_client, rpc_failure, words_of};
use aes_chains::ChainError;
use aes_config::Endpoint;
use aes_protocol::{Bytes, Certificate, ChainId, Domain, Evidence, Hash32, LegStatus};
use tendermint::block::Height;
use tendermint::evidence::ConflictingBlock;
use tendermint::validator::{Info, Set};
use tendermint_proto::v0_38::types as raw;
use tendermint_proto::Protobuf;
use tendermint_rpc::{Client, HttpClient, Paging};

use super::certificates::{self, Wanted};
use super::BuildError;
use crate::cosmos::{
    hold_key, record_key, store_key, CosmosAnchors, CosmosProof, CosmosShown, Headers, Hop, RecordPart, RecordProof,
    Run, Stored, Told, MAX_PARENTS,
};
use crate::Subject;

pub struct CosmosProofBuilder {
    chain: ChainId,
    rpc: HttpClient,
}

/// How long one endpoint may take until the next is asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// A value with both proofs of it.
struct Shown {
    value: Option<Bytes>,
    iavl: Bytes,
    multistore: Bytes,
}

impl CosmosProofBuilder {
    /// With the first endpoint that answers, and is of the chain.
    pub async fn connect(chain: &ChainId, rpc: &[Endpoint]) -> Result<Self, BuildError> {
        let mut causes = Vec::new();
        for endpoint in rpc {
            match Self::answering(chain, endpoint).await {
                Ok(rpc) => return Ok(Self { chain: chain.clone(), rpc }),
                Err(cause) => causes.push(format!("{endpoint}: {cause}")),
            }
        }
        Err(ChainError::Unreachable { chain: chain.clone(), cause: causes.join("; ") }.into())
    }

    async fn answering(chain: &ChainId, endpoint: &Endpoint) -> Result<HttpClient, String> {
        let rpc = rpc_client(endpoint, PATIENCE).map_err(|error| words_of(&error))?;
        let status = rpc.status().await.map_err(|error| words_of(&error))?;
        let network = status.node_info.network.as_str();
        if network == chain.reference() {
            return Ok(rpc);
        }
        Err(format!("it is a node of '{network}'"))
    }

    fn failed(&self, error: &tendermint_rpc::Error) -> BuildError {
        rpc_failure(&self.chain, error).into()
    }

    fn wrong(&self, cause: impl ToString) -> BuildError {
        ChainError::BadAnswer { chain: self.chain.clone(), cause: cause.to_string() }.into()
    }

    /// A proof of `leaf`, which a look at the chain gave.
    pub async fn build(&self, subject: &Subject<'_>, leaf: &Evidence) -> Result<CosmosProof, BuildError> {
        let (key, escrow) = (hold_key(subject), subject.leg.escrow.as_slice());
        let never_held = leaf.status == LegStatus::Absent && leaf.tx_id == Hash32::default();
        // The state right after the leg's moment, where the node still has it: then one header serves for all.
        let own = if never_held { leaf.height.saturating_sub(1) } else { leaf.height };
        let (height, shown) = match self.shown(escrow, &key, own).await {
            Ok(shown) => (own, shown),
            Err(_) => {
                let newest = self.newest().await?;
                (newest, self.shown(escrow, &key, newest).await?)
            }
        };
        let above = height.saturating_add(1);
        let runs = match (height == own, never_held) {
            (true, false) => vec![self.run(above, above).await?],
            (true, true) => vec![self.run(above, own).await?],
            (false, _) => vec![self.run(above, above).await?, self.run(leaf.height, own).await?],
        };
        let shown_as = match (shown.value, leaf.status) {
            (None, _) => CosmosShown::Absence { first: leaf.height },
            (Some(hold), LegStatus::Held) => CosmosShown::Held { hold },
            (Some(hold), _) => CosmosShown::Ended { hold },
        };
        let proof = CosmosProof { runs, height, multistore: shown.multistore, iavl: shown.iavl, shown: shown_as };
        let proved = proof.verify(subject, &self.anchors_of(&proof.runs)?)?;
        if proved != *leaf {
            return Err(self.wrong(format!("it proves {proved:?}, not {leaf:?}")));
        }
        Ok(proof)
    }

    /// That the leg was held, which its hold tells also after it has ended.
    pub async fn held(&self, subject: &Subject<'_>) -> Result<Option<Evidence>, BuildError> {
        let (key, escrow) = (hold_key(subject), subject.leg.escrow.as_slice());
        let shown = self.shown(escrow, &key, self.newest().await?).await?;
        let Some(hold) = shown.value else { return Ok(None) };
        let Ok(told) = Told::held(hold.as_slice(), subject) else { return Ok(None) };
        let header = self.rpc.header(self.at(told.moment.height)?).await.map_err(|error| self.failed(&error))?.header;
        Ok(Some(told.leaf(subject, crate::cosmos::hash32(header.hash())?)))
    }

    /// A proof of an execution's record at the coordinator as it is now.
    pub async fn record(&self, execution_id: &Hash32, domain: &Domain) -> Result<RecordProof, BuildError> {
        let height = self.newest().await?;
        let coordinator = domain.coordinator.as_slice();
        let mut multistore = Bytes::default();
        let mut parts = Vec::new();
        for part in [RecordPart::Record, RecordPart::Legs, RecordPart::Prepared, RecordPart::Settled] {
            let shown = self.shown(coordinator, &record_key(part, execution_id), height).await?;
            multistore = shown.multistore;
            parts.push(shown.value.map(|value| Stored { value, iavl: shown.iavl }));
        }
        let missing = || BuildError::NoRecord(*execution_id);
        let (settled, prepared) = (parts.pop().flatten(), parts.pop().flatten());
        let (legs, record) = (parts.pop().flatten(), parts.pop().flatten());
        let proof = RecordProof {
            runs: vec![self.run(height.saturating_add(1), height.saturating_add(1)).await?],
            height,
            multistore,
            record: record.ok_or_else(missing)?,
            legs: legs.ok_or_else(missing)?,
            prepared,
            settled,
        };
        proof.verify(execution_id, domain, &self.anchors_of(&proof.runs)?)?;
        Ok(proof)
    }

    /// What the attestors signed of an execution, as it stands in this node's index of transactions.
    pub(super) async fn certificate(&self, wanted: &Wanted<'_>) -> Option<Certificate> {
        certificates::certificate(&self.rpc, wanted).await
    }

    /// What must be trusted for these runs: to be compared with what a reader trusts.
    pub fn anchors_of(&self, runs: &[Run]) -> Result<CosmosAnchors, BuildError> {
        let mut anchors = CosmosAnchors::default();
        for run in runs {
            if let Some(hop) = run.hops.first() {
                let header = hop.block()?.signed_header.header;
                let set = crate::cosmos::hash32(header.validators_hash)?;
                if !anchors.validator_sets.contains(&set) {
                    anchors.validator_sets.push(set);
                }
            }
        }
        Headers::verify(&self.chain, runs, &anchors)?;
        Ok(anchors)
    }

    /// Hash of a header as this node has it; `None` while it has not come.
    pub async fn header_hash(&self, height: u64) -> Result<Option<Hash32>, BuildError> {
        if self.newest().await?.saturating_add(1) < height {
            return Ok(None);
        }
        let answer = self.rpc.header(self.at(height)?).await.map_err(|error| self.failed(&error))?;
        Ok(Some(crate::cosmos::hash32(answer.header.hash())?))
    }

    /// The newest height whose state a header proves.
    async fn newest(&self) -> Result<u64, BuildError> {
        let status = self.rpc.status().await.map_err(|error| self.failed(&error))?;
        Ok(status.sync_info.latest_block_height.value().saturating_sub(1))
    }

    fn at(&self, height: u64) -> Result<Height, BuildError> {
        Height::try_from(height).map_err(|cause| self.wrong(cause))
    }

    async fn shown(&self, contract: &[u8], key: &[u8], height: u64) -> Result<Shown, BuildError> {
        let (path, key) = (Some("/store/wasm/key".to_owned()), store_key(contract, key));
        let asked = self.rpc.abci_query(path, key, Some(self.at(height)?), true).await;
        let answer = asked.map_err(|error| self.failed(&error))?;
        if answer.code.is_err() {
            return Err(self.wrong(format!("state {height}: code {}: {}", answer.code.value(), answer.log)));
        }
        let mut ops =
            answer.proof.map(|proof| proof.ops).unwrap_or_default().into_iter().map(|op| Bytes::from(op.data));
        let (Some(iavl), Some(multistore), None) = (ops.next(), ops.next(), ops.next()) else {
            return Err(self.wrong("abci_query gave no proof of two parts"));
        };
        let value = (!answer.value.is_empty()).then(|| answer.value.into());
        Ok(Shown { value, iavl, multistore })
    }

    /// The signed header of a height, and its parents down to `lowest`.
    async fn run(&self, signed: u64, lowest: u64) -> Result<Run, BuildError> {
        if self.newest().await?.saturating_add(1) < signed {
            return Err(BuildError::NoHeader { chain: self.chain.clone(), height: signed });
        }
        let height = self.at(signed)?;
        let commit = self.rpc.commit(height).await.map_err(|error| self.failed(&error))?;
        let answer = self.rpc.validators(height, Paging::All).await.map_err(|error| self.failed(&error))?;
        let validators = answer.validators.into_iter().map(|told| Info::new(told.pub_key, told.power).into()).collect();
        let set = raw::ValidatorSet { validators, proposer: None, total_voting_power: 0 };
        let validator_set = Set::try_from(set).map_err(|cause| self.wrong(cause))?;
        let block = ConflictingBlock { signed_header: commit.signed_header, validator_set };
        if signed.saturating_sub(lowest) > u64::try_from(MAX_PARENTS).unwrap_or(u64::MAX) {
            return Err(self.wrong(format!("header {lowest} is more than {MAX_PARENTS} below {signed}")));
        }
        let mut parents = Vec::new();
        for parent in (lowest..signed).rev() {
            let answer = self.rpc.header(self.at(parent)?).await.map_err(|error| self.failed(&error))?;
            parents.push(Protobuf::<raw::Header>::encode_vec(answer.header).into());
        }
        Ok(Run { hops: vec![Hop::new(block)], parents })
    }
}
