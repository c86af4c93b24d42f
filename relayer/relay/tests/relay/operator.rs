//! `relay.listen` within its bounds: what strangers can do to it, and what it does about it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use aes_config::{HttpConfig, TokenRef};
use aes_http::ServeError;
use reqwest::{Client, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::world::{account, World};

const PATIENCE: Duration = Duration::from_secs(30);
const TOKEN: &str = "a token that is long enough to be one";

/// Where it is served, until the test ends.
async fn served(world: &World, bounds: HttpConfig) -> SocketAddr {
    let relay = world.relay(&account(2), "a.db", |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(relay.operator_api(listener, &bounds).unwrap());
    address
}

#[tokio::test]
async fn large_bodies_slow_clients_and_floods_are_refused() {
    let world = World::start().await;
    let requests = NonZeroU32::new(5).unwrap();
    let at = served(&world, HttpConfig { body: 10, head: 1, request: 1, requests, ..HttpConfig::default() }).await;
    let url = format!("http://{at}/metrics");
    let large = Client::new().get(&url).body("eleven bytes").send().await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let mut slow = TcpStream::connect(at).await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nhost: here\r\n").await.unwrap();
    let mut said = Vec::new();
    // however it is closed
    let _ = timeout(PATIENCE, slow.read_to_end(&mut said)).await.expect("it stays open");
    assert!(!String::from_utf8_lossy(&said).contains("200 OK"));

    let refused =
        async { while Client::new().get(&url).send().await.unwrap().status() != StatusCode::TOO_MANY_REQUESTS {} };
    timeout(PATIENCE, refused).await.expect("nothing was refused");
}

#[tokio::test]
async fn with_a_token_it_answers_nobody_without_and_beyond_loopback_it_needs_one() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let token = Some(TokenRef::File { file });
    let at = served(&world, HttpConfig { token, ..HttpConfig::default() }).await;
    for path in ["metrics", "v1/health"] {
        let ask = || Client::new().get(format!("http://{at}/{path}"));
        assert_eq!(ask().send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
        let let_in = ask().bearer_auth(TOKEN).send().await.unwrap().status();
        assert_ne!(let_in, StatusCode::UNAUTHORIZED, "{path}");
    }

    let relay = world.relay(&account(2), "b.db", |_| {});
    let anywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = relay.operator_api(anywhere, &HttpConfig::default()).err();
    assert!(matches!(refused, Some(ServeError::NoToken(_))));
}
