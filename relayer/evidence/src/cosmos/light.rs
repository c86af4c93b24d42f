//! Headers: which are believed, because an anchor says so or more than two thirds of a believed validator set signed
//! them. The counting is the Tendermint light client's own verifier; here is only what it is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use aes_protocol::{Bytes, ChainId, ChainKind, Hash32};
use cosmwasm_schema::cw_serde;
use tendermint::block::Header;
use tendermint::evidence::ConflictingBlock;
use tendermint::validator::Set;
use tendermint::Hash;
use tendermint_light_client_verifier::options::Options;
use tendermint_light_client_verifier::types::{TrustThreshold, TrustedBlockState, UntrustedBlockState};
use tendermint_light_client_verifier::{ProdVerifier, Verdict};
use tendermint_proto::v0_38::types as raw;
use tendermint_proto::Protobuf;

use crate::ProofError;

/// A validator is some 80 bytes and its signature 110: room for a thousand of them.
const MOST_BYTES: usize = 256 * 1024;
pub const MAX_RUNS: usize = 8;
pub const MAX_HOPS: usize = 64;
pub const MAX_PARENTS: usize = 256;

/// What is trusted of a chain. Either field alone is enough.
#[cw_serde]
#[derive(Default, Eq)]
pub struct CosmosAnchors {
    /// hashes of headers
    pub headers: Vec<Hash32>,
    /// hashes of validator sets: a header of the chain that more than two thirds of one of them signed is believed,
    /// whatever its height
    pub validator_sets: Vec<Hash32>,
}

/// Headers in a row, down from one that an anchor leads to.
#[cw_serde]
#[derive(Eq)]
pub struct Run {
    /// ascending, mostly one: the first rests on an anchor, each next one on the one before it, as a light client goes
    pub hops: Vec<Hop>,
    /// protobuf `tendermint.types.Header`: the last hop's parent, then each one's parent
    pub parents: Vec<Bytes>,
}

#[cw_serde]
#[derive(Eq)]
pub struct Hop {
    /// protobuf `tendermint.types.LightBlock`: header, commit, validator set
    pub light_block: Bytes,
    /// protobuf `tendermint.types.ValidatorSet`, where the next hop rests on it and it is not the block's own
    pub next_validators: Option<Bytes>,
}

/// Headers of one chain that are believed, by height.
#[derive(Debug, Clone, Default)]
pub struct Headers(BTreeMap<u64, Header>);

impl Headers {
    pub fn verify(chain: &ChainId, runs: &[Run], anchors: &CosmosAnchors) -> Result<Self, ProofError> {
        if chain.kind() != ChainKind::Cosmos {
            return Err(ProofError::mismatch("chain", format!("{chain} is none with CosmWasm")));
        }
        if runs.len() > MAX_RUNS {
            return Err(ProofError::malformed("runs", format!("more than {MAX_RUNS}")));
        }
        let mut headers = Self::default();
        for run in runs {
            run.verify(chain, anchors, &mut headers)?;
        }
        Ok(headers)
    }

    pub fn at(&self, height: u64) -> Result<&Header, ProofError> {
        self.0.get(&height).ok_or_else(|| ProofError::malformed("headers", format!("header {height} is missing")))
    }

    /// The hash of a block: its own header's, or what the one after it says of its parent.
    pub fn hash(&self, height: u64) -> Result<Hash32, ProofError> {
        if let Some(header) = self.0.get(&height) {
            return hash32(header.hash());
        }
        let child = self.at(height.saturating_add(1))?;
        let parent = child.last_block_id.ok_or_else(|| ProofError::malformed("header", "it names no parent"))?;
        hash32(parent.hash)
    }

    /// Of the state after a block; the header after it has it.
    pub fn app_hash(&self, height: u64) -> Result<&[u8], ProofError> {
        Ok(self.at(height.saturating_add(1))?.app_hash.as_bytes())
    }

    /// Two believed headers of one height are a fork of the chain: the anchors let both in, so neither is used.
    pub(super) fn insert(&mut self, header: Header) -> Result<(), ProofError> {
        let (height, hash) = (header.height.value(), header.hash());
        match self.0.insert(height, header) {
            Some(other) if other.hash() != hash => {
                Err(ProofError::mismatch("headers", format!("there are two of height {height}")))
            }
            _ => Ok(()),
        }
    }
}

/// Unix seconds, as contracts see a block's time.
pub fn seconds(header: &Header) -> Result<u64, ProofError> {
    u64::try_from(header.time.unix_timestamp()).map_err(|_| ProofError::malformed("header", "its time is before 1970"))
}

pub fn hash32(hash: Hash) -> Result<Hash32, ProofError> {
    Hash32::try_from(hash.as_bytes()).map_err(|cause| ProofError::malformed("header", cause))
}

impl Run {
    fn verify(&self, chain: &ChainId, anchors: &CosmosAnchors, headers: &mut Headers) -> Result<(), ProofError> {
        if self.hops.len() > MAX_HOPS || self.parents.len() > MAX_PARENTS {
            return Err(ProofError::malformed("run", format!("more than {MAX_HOPS} hops or {MAX_PARENTS} parents")));
        }
        let mut last: Option<(ConflictingBlock, Set)> = None;
        for hop in &self.hops {
            let block = hop.block()?;
            of_chain(&block.signed_header.header, chain)?;
            match &last {
                None => rests_on(&block, anchors)?,
                Some((before, next)) => follows(&block, before, next)?,
            }
            let next = hop.next_validators()?.unwrap_or_else(|| block.validator_set.clone());
            last = Some((block, next));
        }
        let (block, _) = last.ok_or_else(|| ProofError::malformed("run", "it has no hops"))?;
        let mut child = block.signed_header.header;
        for bytes in &self.parents {
            let parent = decode("header", bytes, <Header as Protobuf<raw::Header>>::decode_vec)?;
            let named = child.last_block_id.map(|id| id.hash);
            if named != Some(parent.hash()) || parent.height.increment() != child.height {
                return Err(ProofError::mismatch("header", format!("it is not the parent of header {}", child.height)));
            }
            headers.insert(std::mem::replace(&mut child, parent))?;
        }
        headers.insert(child)
    }
}

impl Hop {
    pub fn new(block: ConflictingBlock) -> Self {
        Self { light_block: Protobuf::<raw::LightBlock>::encode_vec(block).into(), next_validators: None }
    }

    pub fn next_validators(&self) -> Result<Option<Set>, ProofError> {
        let read = |bytes| decode("next validators", bytes, <Set as Protobuf<raw::ValidatorSet>>::decode_vec);
        self.next_validators.as_ref().map(read).transpose()
    }

    pub fn block(&self) -> Result<ConflictingBlock, ProofError> {
        decode("light block", &self.light_block, <ConflictingBlock as Protobuf<raw::LightBlock>>::decode_vec)
    }
}

fn decode<T>(
    what: &'static str,
    bytes: &Bytes,
    form: fn(&[u8]) -> Result<T, tendermint_proto::Error>,
) -> Result<T, ProofError> {
    if bytes.0.len() > MOST_BYTES {
        return Err(ProofError::malformed(what, format!("{} bytes, at most {MOST_BYTES} are read", bytes.0.len())));
    }
    form(bytes.as_slice()).map_err(|cause| ProofError::malformed(what, cause))
}

fn of_chain(header: &Header, chain: &ChainId) -> Result<(), ProofError> {
    if header.chain_id.as_str() == chain.reference() {
        return Ok(());
    }
    Err(ProofError::mismatch("header", format!("it is of chain '{}', not of {chain}", header.chain_id)))
}

fn untrusted(block: &ConflictingBlock) -> UntrustedBlockState<'_> {
    UntrustedBlockState { signed_header: &block.signed_header, validators: &block.validator_set, next_validators: None }
}

/// Believed by its hash, or because a believed validator set signed it.
fn rests_on(block: &ConflictingBlock, anchors: &CosmosAnchors) -> Result<(), ProofError> {
    let header = &block.signed_header.header;
    let (hash, validators) = (hash32(header.hash())?, hash32(header.validators_hash)?);
    if anchors.headers.contains(&hash) {
        return Ok(());
    }
    if !anchors.validator_sets.contains(&validators) {
        let (height, chain) = (header.height, &header.chain_id);
        let what = format!("header {height} ({hash}) of {chain}, signed by validator set {validators},");
        return Err(ProofError::NotAnchored { what });
    }
    let verifier = ProdVerifier::default();
    passed(block, verifier.verify_validator_sets(&untrusted(block)))?;
    passed(block, verifier.verify_commit(&untrusted(block)))
}

/// As a light client goes forward: a third of the next validators of the block before, two thirds of its own. No
/// trusting period runs out between the hops of a file: what its reader trusts, it trusts now.
fn follows(block: &ConflictingBlock, before: &ConflictingBlock, next: &Set) -> Result<(), ProofError> {
    let before = &before.signed_header.header;
    if next.hash() != before.next_validators_hash {
        let cause = format!("the validators after header {} are missing or others", before.height);
        return Err(ProofError::malformed("next validators", cause));
    }
    let trusted = TrustedBlockState {
        chain_id: &before.chain_id,
        header_time: before.time,
        height: before.height,
        next_validators: next,
        next_validators_hash: before.next_validators_hash,
    };
    let options = Options {
        trust_threshold: TrustThreshold::ONE_THIRD,
        trusting_period: Duration::from_secs(1),
        clock_drift: Duration::ZERO,
    };
    let (verifier, now) = (ProdVerifier::default(), before.time);
    passed(block, verifier.verify_validator_sets(&untrusted(block)))?;
    passed(block, verifier.validate_against_trusted(&untrusted(block), &trusted, &options, now))?;
    passed(block, verifier.verify_commit_against_trusted(&untrusted(block), &trusted, &options))
}

fn passed(block: &ConflictingBlock, verdict: Verdict) -> Result<(), ProofError> {
    let cause = match verdict {
        Verdict::Success => return Ok(()),
        Verdict::NotEnoughTrust(tally) => format!("too few validators of the header before it signed it: {tally}"),
        Verdict::Invalid(cause) => cause.to_string(),
    };
    let height = block.signed_header.header.height;
    Err(ProofError::mismatch("light block", format!("header {height}: {cause}")))
}
