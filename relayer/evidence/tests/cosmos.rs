//! CosmWasm proofs: recorded from a real wasmd (`attestor/tests/proved` writes them anew), each byte of them changed in
//! turn; and headers signed by made-up validators, to the last vote.

mod support;

use aes_evidence::cosmos::{
    hash32, record_key, CosmosAnchors, CosmosProof, CosmosShown, Headers, Hop, ModuleRoot, RecordPart, RecordProof, Run,
};
use aes_evidence::{ProofError, Subject};
use aes_protocol::{Bytes, ChainId, Domain, Evidence, Hash32, Leg, LegStatus};
use ics23::commitment_proof::Proof;
use ics23::CommitmentProof;
use prost::Message;
use serde::Deserialize;
use tendermint::block::CommitSig;
use tendermint::evidence::ConflictingBlock;
use tendermint_testgen::light_block::TmLightBlock;
use tendermint_testgen::{Commit, Generator, Header, LightBlock, Validator};

#[derive(Deserialize)]
struct Recorded {
    execution_id: Hash32,
    leg: Leg,
    deadline: u64,
    anchors: CosmosAnchors,
    leaf: Evidence,
    proof: CosmosProof,
}

#[derive(Deserialize)]
struct RecordedRecord {
    execution_id: Hash32,
    domain: Domain,
    anchors: CosmosAnchors,
    proof: RecordProof,
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/testdata/cosmos/wasmd-{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl Recorded {
    fn of(name: &str) -> Self {
        read(name)
    }
    fn subject(&self) -> Subject<'_> {
        Subject { execution_id: &self.execution_id, leg: &self.leg, deadline: self.deadline }
    }
    fn verify(&self, proof: &CosmosProof) -> Result<Evidence, ProofError> {
        proof.verify(&self.subject(), &self.anchors)
    }
}

fn none_proves_another(name: &str) {
    let recorded = Recorded::of(name);
    let verify = |proof: &CosmosProof| recorded.verify(proof);
    support::mutate::none_proves_another(&format!("cosmos-{name}"), &recorded.proof, verify, &recorded.leaf);
}

#[test]
fn no_change_of_a_proof_of_a_held_leg_proves_another() {
    none_proves_another("held");
}

#[test]
fn no_change_of_a_proof_of_a_finalized_leg_proves_another() {
    none_proves_another("finalized");
}

#[test]
fn no_change_of_a_proof_of_absence_proves_another() {
    none_proves_another("absent");
}

#[test]
fn the_record_is_proved_and_hashes_to_its_id() {
    let recorded: RecordedRecord = read("record");
    let verify = |proof: &RecordProof| proof.verify(&recorded.execution_id, &recorded.domain, &recorded.anchors);
    let home = verify(&recorded.proof).unwrap();
    assert_eq!((home.settled.len(), home.settled[0].status), (1, LegStatus::Finalized));
    assert!(recorded.proof.verify(&Hash32([9; 32]), &recorded.domain, &recorded.anchors).is_err());
    support::mutate::none_proves_another("record", &recorded.proof, verify, &home);
    // no part can be left out, be another's, or be changed
    let mut lies = vec![recorded.proof.clone(); 4];
    lies[0].legs = lies[0].record.clone();
    lies[1].settled = lies[1].prepared.clone();
    lies[2].height += 1;
    let changed = String::from_utf8(lies[3].record.value.0.clone()).unwrap().replace("\"commit\"", "\"abort\"");
    lies[3].record.value = changed.into_bytes().into();
    for (position, lie) in lies.iter().enumerate() {
        assert_ne!(lie, &recorded.proof);
        assert!(verify(lie).is_err(), "{position}");
    }
    let key = record_key(RecordPart::Record, &recorded.execution_id);
    assert_eq!(key, aes_coordinator::state::RECORDS.key(&recorded.execution_id.0).to_vec());
    let key = record_key(RecordPart::Settled, &recorded.execution_id);
    assert_eq!(key, aes_coordinator::state::SETTLED.key(&recorded.execution_id.0).to_vec());
}

#[test]
fn a_proof_is_of_its_leg_its_execution_and_its_deadline() {
    let recorded = Recorded::of("held");
    let other_leg = Leg { index: 1, ..recorded.leg.clone() };
    let other_chain = Leg { chain: "cosmos:another-1".parse().unwrap(), ..recorded.leg.clone() };
    let (other_id, subject) = (Hash32([7; 32]), recorded.subject());
    for wrong in [
        Subject { leg: &other_leg, ..subject },
        Subject { leg: &other_chain, ..subject },
        Subject { execution_id: &other_id, ..subject },
        Subject { deadline: recorded.deadline + 1, ..subject },
    ] {
        let refused = recorded.proof.verify(&wrong, &recorded.anchors).unwrap_err();
        assert!(matches!(refused, ProofError::Mismatch { .. }), "{refused}");
    }
    let unanchored = recorded.proof.verify(&subject, &CosmosAnchors::default()).unwrap_err();
    assert!(matches!(unanchored, ProofError::NotAnchored { .. }), "{unanchored}");
    // a header's hash is an anchor too
    let header = recorded.proof.runs[0].hops[0].block().unwrap().signed_header.header;
    let by_hash = CosmosAnchors { headers: vec![hash32(header.hash()).unwrap()], validator_sets: vec![] };
    assert_eq!(recorded.proof.verify(&subject, &by_hash).as_ref(), Ok(&recorded.leaf));
}

#[test]
fn absence_is_not_shown_by_presence_nor_presence_by_absence() {
    let (held, absent) = (Recorded::of("held"), Recorded::of("absent"));
    let mut lie = held.proof.clone();
    lie.shown = CosmosShown::Absence { first: held.leaf.height };
    assert!(held.verify(&lie).unwrap_err().to_string().contains("absence"));
    let CosmosShown::Held { hold } = held.proof.shown.clone() else { panic!("not held") };
    let mut lie = absent.proof.clone();
    lie.shown = CosmosShown::Held { hold };
    assert!(absent.verify(&lie).unwrap_err().to_string().contains("existence"));
    // one neighbour left out
    let mut proof = CommitmentProof::decode(absent.proof.iavl.as_slice()).unwrap();
    let Some(Proof::Nonexist(shown)) = &mut proof.proof else { panic!("no absence") };
    shown.left = None;
    let mut lie = absent.proof.clone();
    lie.iavl = proof.encode_to_vec().into();
    assert!(absent.verify(&lie).is_err());
}

#[test]
fn leaf_and_inner_operations_are_the_trees_own() {
    let recorded = Recorded::of("held");
    let changes: [fn(&mut ics23::ExistenceProof); 8] = [
        |proof| proof.leaf.as_mut().unwrap().hash = ics23::HashOp::Sha512.into(),
        |proof| proof.leaf.as_mut().unwrap().prehash_value = ics23::HashOp::NoHash.into(),
        |proof| proof.leaf.as_mut().unwrap().prehash_key = ics23::HashOp::Sha256.into(),
        |proof| proof.leaf.as_mut().unwrap().length = ics23::LengthOp::NoPrefix.into(),
        |proof| proof.leaf.as_mut().unwrap().prefix = vec![1, 2, 2],
        |proof| proof.leaf = None,
        |proof| proof.path[0].hash = ics23::HashOp::NoHash.into(),
        |proof| proof.path[0].prefix.insert(0, 0),
    ];
    for (position, change) in changes.into_iter().enumerate() {
        for of_module in [false, true] {
            let mut lie = recorded.proof.clone();
            let bytes = if of_module { &mut lie.multistore } else { &mut lie.iavl };
            let mut proof = CommitmentProof::decode(bytes.as_slice()).unwrap();
            let Some(Proof::Exist(shown)) = &mut proof.proof else { panic!("no existence") };
            change(shown);
            *bytes = proof.encode_to_vec().into();
            assert!(recorded.verify(&lie).is_err(), "{position} {of_module}");
        }
    }
    // the trees cannot be exchanged
    let mut lie = recorded.proof.clone();
    std::mem::swap(&mut lie.iavl, &mut lie.multistore);
    assert!(recorded.verify(&lie).is_err());
    assert!(ModuleRoot::verify(&[0; 32], &recorded.proof.multistore).is_err());
    assert!(ModuleRoot::verify(&[], &Bytes(vec![0; 70_000])).is_err());
}

// ---- headers

fn chain() -> ChainId {
    "cosmos:test-chain".parse().unwrap()
}

fn block(powers: &[u64], height: u64) -> ConflictingBlock {
    let validators: Vec<Validator> = (0..).zip(powers).map(|(n, power): (u8, _)| named(n, *power)).collect();
    block_of(&validators, &validators, height)
}

fn named(number: u8, power: u64) -> Validator {
    Validator::new(&number.to_string()).voting_power(power)
}

fn block_of(validators: &[Validator], next: &[Validator], height: u64) -> ConflictingBlock {
    let time = tendermint::Time::from_unix_timestamp(1_000 + i64::try_from(height).unwrap(), 0).unwrap();
    let header = Header::new(validators).height(height).chain_id("test-chain").next_validators(next).time(time);
    let commit = Commit::new(header.clone(), 1);
    let made = LightBlock::new(header, commit).validators(validators).next_validators(next);
    let TmLightBlock { signed_header, validators, .. } = made.generate().unwrap();
    ConflictingBlock { signed_header, validator_set: validators }
}

fn run(blocks: Vec<ConflictingBlock>) -> Run {
    Run { hops: blocks.into_iter().map(Hop::new).collect(), parents: vec![] }
}

fn signed_by(block: &ConflictingBlock) -> CosmosAnchors {
    let set = hash32(block.validator_set.hash()).unwrap();
    CosmosAnchors { headers: vec![], validator_sets: vec![set] }
}

/// Whether the header is believed when so many of its first validators have signed it.
fn believed(powers: &[u64], signers: usize) -> bool {
    let mut block = block(powers, 5);
    for vote in block.signed_header.commit.signatures.iter_mut().skip(signers) {
        *vote = CommitSig::BlockIdFlagAbsent;
    }
    let anchors = signed_by(&block);
    Headers::verify(&chain(), &[run(vec![block])], &anchors).is_ok()
}

#[test]
fn more_than_two_thirds_have_to_sign() {
    assert!(believed(&[50, 50, 50], 3));
    assert!(!believed(&[50, 50, 50], 2), "exactly two thirds");
    assert!(!believed(&[99, 51], 1), "99 of 150: one less than two thirds");
    assert!(!believed(&[100, 50], 1), "100 of 150: exactly two thirds");
    assert!(believed(&[101, 49], 1), "101 of 150");
    // validators stand by descending power: 51 + 50 of 150, then 51 + 50 of 151
    assert!(believed(&[51, 50, 49], 2), "one more than two thirds");
    assert!(!believed(&[51, 50, 50], 1), "one alone");
    assert!(!believed(&[50, 50, 51], 1));
    assert!(!believed(&[1; 9], 6), "six of nine");
    assert!(believed(&[1; 9], 7));
    assert!(!believed(&[1], 0));
}

#[test]
fn a_vote_counts_once_and_only_its_validators() {
    let whole = block(&[50, 50, 50], 5);
    let anchors = signed_by(&whole);
    let check = |block: &ConflictingBlock| Headers::verify(&chain(), &[run(vec![block.clone()])], &anchors);
    check(&whole).unwrap();
    // one's vote in the place of another's
    let mut twice = whole.clone();
    twice.signed_header.commit.signatures[1] = twice.signed_header.commit.signatures[0].clone();
    twice.signed_header.commit.signatures[2] = CommitSig::BlockIdFlagAbsent;
    assert!(check(&twice).is_err());
    // the same votes under another header
    let mut other = whole.clone();
    other.signed_header.header.app_hash = vec![7; 32].try_into().unwrap();
    assert!(check(&other).is_err());
    // another set under the same header
    let mut forged = whole.clone();
    forged.validator_set = block(&[500, 50, 50], 5).validator_set;
    assert!(check(&forged).is_err());
    // a set of its own, fully signed, that no anchor knows
    let stranger = block_of(&[named(77, 50)], &[named(77, 50)], 5);
    assert!(matches!(check(&stranger), Err(ProofError::NotAnchored { .. })));
    // of another chain
    let elsewhere: ChainId = "cosmos:other-chain".parse().unwrap();
    assert!(Headers::verify(&elsewhere, &[run(vec![whole])], &anchors).is_err());
}

#[test]
fn hops_go_forward_over_changing_validators_as_a_light_client_does() {
    let set = |numbers: [u8; 3]| numbers.map(|number| named(number, 50));
    let (first, half, other) = (set([0, 1, 2]), set([1, 2, 3]), set([7, 8, 9]));
    let start = block_of(&first, &first, 5);
    let anchors = signed_by(&start);
    let check = |blocks: Vec<ConflictingBlock>| Headers::verify(&chain(), &[run(blocks)], &anchors);
    // two of the three that were believed have signed it
    check(vec![start.clone(), block_of(&half, &half, 9)]).unwrap();
    // nobody has
    let refused = check(vec![start.clone(), block_of(&other, &other, 9)]).unwrap_err().to_string();
    assert!(refused.contains("too few"), "{refused}");
    // the very next block needs the very next set
    assert!(check(vec![start.clone(), block_of(&half, &half, 6)]).is_err());
    // backwards and standing still
    for height in [4, 5] {
        assert!(check(vec![start.clone(), block_of(&half, &half, height)]).is_err(), "{height}");
    }
    assert!(check(vec![]).is_err());
    // a set that is not the next one of the header before
    let mut hops = run(vec![block_of(&first, &half, 5), block_of(&half, &half, 9)]);
    let anchors = signed_by(&hops.hops[0].block().unwrap());
    let missing = Headers::verify(&chain(), &[hops.clone()], &anchors).unwrap_err().to_string();
    assert!(missing.contains("next validators"), "{missing}");
    let next = block_of(&half, &half, 9).validator_set;
    use tendermint_proto::{v0_38::types::ValidatorSet, Protobuf};
    hops.hops[0].next_validators = Some(Protobuf::<ValidatorSet>::encode_vec(next).into());
    Headers::verify(&chain(), &[hops], &anchors).unwrap();
}
