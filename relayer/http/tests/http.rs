//! What strangers can do to a server of ours, and what it does about it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use aes_config::{HttpConfig, TokenRef};
use aes_http::{serve, ServeError, Server};
use axum::routing::post;
use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(30);
const TOKEN: &str = "a token that is long enough to be one";

fn router() -> Router {
    Router::new().route("/echo", post(|body: String| async { body }))
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Running {
    async fn start(config: HttpConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(router(), address, &config).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(async move {
            // an error means that the test is gone
            serve(server, listener, async move { drop(stopped.await) }).await
        });
        Self { address, stop, ended }
    }

    async fn post(&self, body: impl Into<reqwest::Body>, token: Option<&str>) -> reqwest::Response {
        let request = reqwest::Client::new().post(format!("http://{}/echo", self.address)).body(body);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything the server still says, until it closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("it stays open");
    // a reset closes it too
    let _ = read;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_body_too_large_is_refused() {
    let server = Running::start(HttpConfig { body: 10, ..HttpConfig::default() }).await;
    assert_eq!(server.post("ten bytes!", None).await.status(), 200);
    assert_eq!(server.post("eleven bytes", None).await.status(), 413);
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_or_its_body_is_cut() {
    let server = Running::start(HttpConfig { head: 1, request: 1, ..HttpConfig::default() }).await;
    let mut no_head = server.connect().await;
    no_head.write_all(b"POST /echo HTTP/1.1\r\nhost: here\r\n").await.unwrap();
    let mut no_body = server.connect().await;
    no_body.write_all(b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    until_closed(&mut no_head).await;
    let said = until_closed(&mut no_body).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_there_is_room_when_another_ends() {
    let server = Running::start(HttpConfig { connections: 1, ..HttpConfig::default() }).await;
    let mut first = server.connect().await;
    first.write_all(b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(until_closed(&mut server.connect().await).await, "");
    drop(first);
    let again = async {
        loop {
            let sent = reqwest::Client::new().post(format!("http://{}/echo", server.address)).body("hi").send().await;
            if sent.is_ok_and(|response| response.status() == 200) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("no room for another");
}

#[tokio::test]
async fn a_flood_is_refused() {
    let requests = NonZeroU32::new(5).unwrap();
    let server = Running::start(HttpConfig { requests, ..HttpConfig::default() }).await;
    let refused = async { while server.post("hi", None).await.status() != 429 {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("nothing was refused");
}

#[tokio::test]
async fn without_the_token_nothing_is_answered() {
    let folder = std::env::temp_dir().join(format!("aes-http-{}", std::process::id()));
    std::fs::write(&folder, TOKEN).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let token = Some(TokenRef::File { file: folder.clone() });
    let server = Running::start(HttpConfig { token, ..HttpConfig::default() }).await;
    for wrong in [None, Some(""), Some("a token that is long enough to be onf"), Some(&TOKEN[1..])] {
        assert_eq!(server.post("hi", wrong).await.status(), 401, "{wrong:?}");
    }
    assert_eq!(server.post("hi", Some(TOKEN)).await.status(), 200);
    std::fs::remove_file(folder).unwrap();
}

#[tokio::test]
async fn beyond_loopback_it_needs_a_token() {
    let anywhere = "0.0.0.0:7070".parse().unwrap();
    let refused = Server::new(router(), anywhere, &HttpConfig::default());
    assert!(matches!(refused, Err(ServeError::NoToken(address)) if address == anywhere));
}

#[tokio::test]
async fn it_ends_when_told_also_with_a_client_that_never_does() {
    let server = Running::start(HttpConfig { request: 1, ..HttpConfig::default() }).await;
    let mut slow = server.connect().await;
    slow.write_all(b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    server.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, server.ended).await.expect("it does not end").unwrap().unwrap();
}
