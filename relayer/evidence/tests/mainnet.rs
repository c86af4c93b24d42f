//! Headers of public networks under the code that verifies proofs: a commit that a hundred validators signed, and two
//! blocks of the Cosmos Hub. testdata/README.md says where they are from.

use aes_evidence::cosmos::{hash32, CosmosAnchors, Headers, Hop, Run};
use aes_evidence::ProofError;
use aes_protocol::{Bytes, ChainId, Hash32};
use serde::Deserialize;
use tendermint::block::Header;
use tendermint_proto::v0_38::types as raw;
use tendermint_proto::Protobuf;

#[derive(Deserialize)]
struct Celestia {
    hash: Hash32,
    validators: Hash32,
    light_block: Bytes,
}

#[derive(Deserialize)]
struct CosmosHub {
    hash: Hash32,
    header: Header,
    parent_hash: Hash32,
    parent: Header,
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/testdata/cosmos/{name}-mainnet.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn believed(chain: &str, hop: Hop, parents: Vec<Bytes>, anchors: &CosmosAnchors) -> Result<Headers, ProofError> {
    let chain: ChainId = chain.parse().unwrap();
    Headers::verify(&chain, &[Run { hops: vec![hop], parents }], anchors)
}

#[test]
fn a_block_of_celestia_is_believed_because_its_validators_signed_it() {
    let Celestia { hash, validators, light_block } = read("celestia");
    let hop = Hop { light_block, next_validators: None };
    let block = hop.block().unwrap();
    assert_eq!(block.signed_header.commit.signatures.len(), 100);
    let anchors = CosmosAnchors { validator_sets: vec![validators], ..CosmosAnchors::default() };
    let headers = believed("cosmos:celestia", hop.clone(), vec![], &anchors).unwrap();
    assert_eq!(headers.hash(3_001), Ok(hash));

    let other_chain = believed("cosmos:mocha-4", hop.clone(), vec![], &anchors);
    assert!(matches!(other_chain, Err(ProofError::Mismatch { .. })));
    let no_anchor = believed("cosmos:celestia", hop, vec![], &CosmosAnchors::default());
    assert!(matches!(no_anchor, Err(ProofError::NotAnchored { .. })));
    // any one of them changed, in the header or in what was signed
    let mut later = block.clone();
    later.signed_header.header.app_hash = vec![9; 32].try_into().unwrap();
    let mut other_round = block;
    other_round.signed_header.commit.round = 1u8.into();
    for forged in [later, other_round] {
        assert!(matches!(
            believed("cosmos:celestia", Hop::new(forged), vec![], &anchors),
            Err(ProofError::Mismatch { .. })
        ));
    }
}

/// No complete commit of the Hub is in anybody's public test data: here the later block is pinned by its id, and the earlier
/// one follows from it.
#[test]
fn blocks_of_the_cosmos_hub_hash_to_their_ids_and_follow_from_each_other() {
    let hub: CosmosHub = read("cosmoshub");
    let mut block =
        Hop { light_block: read::<Celestia>("celestia").light_block, next_validators: None }.block().unwrap();
    // nobody looks at the votes of a pinned block
    block.signed_header.commit.height = hub.header.height;
    block.signed_header.header = hub.header;
    let hop = Hop::new(block);
    let parent: Bytes = Protobuf::<raw::Header>::encode_vec(hub.parent.clone()).into();
    let anchors = CosmosAnchors { headers: vec![hub.hash], ..CosmosAnchors::default() };
    let headers = believed("cosmos:cosmoshub-4", hop.clone(), vec![parent], &anchors).unwrap();
    assert_eq!((headers.hash(14_183_787), headers.hash(14_183_786)), (Ok(hub.hash), Ok(hub.parent_hash)));
    assert_eq!(hash32(headers.at(14_183_786).unwrap().hash()), Ok(hub.parent_hash));

    let mut changed = hub.parent;
    changed.app_hash = vec![9; 32].try_into().unwrap();
    let changed: Bytes = Protobuf::<raw::Header>::encode_vec(changed).into();
    let refused = believed("cosmos:cosmoshub-4", hop, vec![changed], &anchors).unwrap_err().to_string();
    assert!(refused.contains("not the parent of header 14183787"), "{refused}");
}
