//! Two headers of one height, both signed by the chain's own validator: nothing is signed any more.

use std::time::Duration;

use aes_config::FollowConfig;
use ed25519_consensus::SigningKey;
use serde_json::{json, Value};
use tendermint::block::signed_header::SignedHeader;
use tendermint::block::{CommitSig, Header};
use tendermint::vote::{SignedVote, Type, ValidatorIndex, Vote};

use crate::net::{chain_id, net, prepared, validator_key, Running};
use crate::proxy::Proxy;

/// The same block with something else in it, signed anew: what only a validator can make.
fn signed_anew(key: &SigningKey, signed: Value, change: impl Fn(&mut Header)) -> Value {
    let mut signed: SignedHeader = serde_json::from_value(signed).unwrap();
    change(&mut signed.header);
    signed.commit.block_id.hash = signed.header.hash();
    let CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } = &mut signed.commit.signatures[0]
    else {
        panic!("the only validator has not signed");
    };
    let vote = Vote {
        vote_type: Type::Precommit,
        height: signed.commit.height,
        round: signed.commit.round,
        block_id: Some(signed.commit.block_id),
        timestamp: Some(*timestamp),
        validator_address: *validator_address,
        validator_index: ValidatorIndex::try_from(0usize).unwrap(),
        signature: signature.clone(),
        extension: vec![],
        extension_signature: None,
    };
    let bytes = SignedVote::from_vote(vote, signed.header.chain_id.clone()).unwrap().sign_bytes();
    *signature = Some(key.sign(&bytes).to_bytes().as_slice().try_into().unwrap());
    serde_json::to_value(signed).unwrap()
}

#[tokio::test]
async fn a_fork_that_validators_signed_stops_every_signature() {
    let net = net().await;
    let proxy = Proxy::before(&net.node.rpc_url).await;
    let folder = tempfile::tempdir().unwrap();
    let rpc = vec![net.node.rpc_url.clone(), proxy.url.clone()];
    let attestor = Running::start(rpc, folder.path(), FollowConfig::default()).await;
    attestor.until("following", |chain| chain.height.is_some() && chain.stopped.is_none()).await;
    let key = validator_key(net);
    proxy.lies(move |method, _, result| {
        if let Some(result) = result.filter(|_| method == "commit") {
            result["signed_header"] = signed_anew(&key, result["signed_header"].take(), |header| {
                header.app_hash = vec![7; 32].try_into().unwrap();
            });
            result["canonical"] = json!(true);
        }
    });
    attestor.until("stopped", |chain| chain.stopped.as_ref().is_some_and(|why| why.contains("has forked"))).await;
    let refused = attestor.client.attest(&prepared(Default::default())).await.unwrap_err().to_string();
    assert!(refused.contains("has forked"), "{refused}");
    assert!(!attestor.health().await.healthy);
    attestor.stop().await;
}

/// To a clock that is a minute slow, every header is from the future: no endpoint is named for that, and the cure is said.
#[tokio::test]
async fn a_slow_clock_is_said_and_nobody_is_named_for_it() {
    let net = net().await;
    let proxy = Proxy::before(&net.node.rpc_url).await;
    let folder = tempfile::tempdir().unwrap();
    let attestor = Running::start(vec![proxy.url.clone()], folder.path(), FollowConfig::default()).await;
    attestor.until("following", |chain| chain.height.is_some()).await;
    let key = validator_key(net);
    proxy.lies(move |method, _, result| {
        if let Some(result) = result.filter(|_| method == "commit") {
            result["signed_header"] = signed_anew(&key, result["signed_header"].take(), |header| {
                header.time = (header.time + Duration::from_secs(60)).unwrap();
            });
        }
    });
    attestor.until("troubled", |chain| chain.trouble.as_ref().is_some_and(|why| why.contains("set the clock"))).await;
    let health = attestor.health().await.followed.remove(&chain_id()).unwrap();
    assert_eq!((health.endpoints, health.liars.len(), health.stopped), (1, 0, None));
    attestor.stop().await;
}
