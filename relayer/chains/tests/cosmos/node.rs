//! Endpoints that are not there, and blocks as they come.

use std::time::{Duration, Instant};

use aes_chains::cosmos::{CosmosChain, CosmosClient, SetupError};
use aes_chains::{Chain, ChainError, Depth};
use aes_devnet::{Wasmd, WasmdOptions};
use aes_protocol::ChainId;

use crate::net::{address, chain_id, config, net, WAIT};

/// Nothing listens there: the listener is gone when this returns.
fn dead_endpoint() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn the_next_endpoint_is_asked_where_one_is_silent() {
    let net = net().await;
    let client =
        CosmosClient::new(&chain_id(), &config(vec![dead_endpoint(), net.node.rpc_url.clone()], None)).unwrap();
    let chain = CosmosChain::new(client, &net.escrow);
    let head = chain.head(Depth::Final).await.unwrap();
    let mut ticks = chain.ticks();
    tokio::time::timeout(WAIT, ticks.wait_for(|height| *height > head.height + 2)).await.unwrap().unwrap();

    let lost = CosmosClient::new(&chain_id(), &config(vec![dead_endpoint()], None)).unwrap();
    let error = CosmosChain::new(lost, &net.escrow).head(Depth::Soft).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");

    let other: ChainId = "cosmos:another-1".parse().unwrap();
    let wrong = CosmosClient::new(&other, &config(vec![net.node.rpc_url.clone()], None)).unwrap();
    // whatever is asked: an answer of another chain is none
    for error in [wrong.head().await.unwrap_err(), wrong.balance(&address("COMMIT"), "stake").await.unwrap_err()] {
        assert!(matches!(error, ChainError::BadAnswer { .. }) && error.to_string().contains("'allianza-1'"), "{error}");
    }
}

#[tokio::test]
async fn one_that_takes_the_connection_and_says_nothing_is_left_for_the_next() {
    let net = net().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut impatient = config(vec![url, net.node.rpc_url.clone()], None);
    impatient.timeout = 1;
    let client = CosmosClient::new(&chain_id(), &impatient).unwrap();
    let start = Instant::now();
    client.head().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "the first of the list was not asked");
    // from now on the one that answered is asked first
    let again = Instant::now();
    client.head().await.unwrap();
    assert!(again.elapsed() < Duration::from_secs(1), "asked the silent one again");
}

#[tokio::test]
async fn what_is_missing_in_the_config_is_named() {
    let rpc = vec!["http://127.0.0.1:1".to_owned()];
    let setup = |config| CosmosClient::new(&chain_id(), &config).err().unwrap();
    let mut looks = config(rpc.clone(), None);
    looks.prefix = None;
    assert!(matches!(setup(looks), SetupError::Missing { name: "prefix", .. }));
    let mut signs = config(rpc.clone(), Some("POOR"));
    signs.gas_price = None;
    assert!(matches!(setup(signs), SetupError::Missing { name: "gas_price", .. }));
    assert!(matches!(setup(config(vec![], None)), SetupError::Missing { name: "rpc", .. }));
    let client = CosmosClient::new(&chain_id(), &config(rpc, None)).unwrap();
    assert!(matches!(client.gas_account().await.unwrap_err(), ChainError::NoKey { .. }));
}

#[tokio::test]
async fn blocks_are_seen_at_once_and_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Wasmd::start(WasmdOptions {
        data_dir: folder.path().join("wasmd"),
        chain_id: chain_id().reference().into(),
        block_time: Duration::from_millis(500),
        accounts: vec![],
    })
    .await
    .unwrap();
    let mut slow = config(vec![node.rpc_url.clone()], None);
    // so slow that a height seen quickly was pushed
    slow.poll = 2_000;
    let client = CosmosClient::new(&chain_id(), &slow).unwrap();
    let mut ticks = client.ticks();
    let mut heights = Vec::new();
    let start = Instant::now();
    while heights.len() < 6 {
        tokio::time::timeout(WAIT, ticks.changed()).await.unwrap().unwrap();
        heights.push(*ticks.borrow_and_update());
    }
    assert!(heights.windows(2).all(|pair| pair[0] < pair[1]), "{heights:?}");
    assert!(start.elapsed() < Duration::from_secs(8), "polled, not pushed: {:?}", start.elapsed());
    // the state of a block that was told is there to be read
    let told = *ticks.borrow();
    assert!(client.head().await.unwrap().height >= told);

    let before = *ticks.borrow();
    node.restart().await.unwrap();
    tokio::time::timeout(WAIT * 2, ticks.wait_for(|height| *height > before + 1)).await.unwrap().unwrap();
    node.stop().await.unwrap();
}
