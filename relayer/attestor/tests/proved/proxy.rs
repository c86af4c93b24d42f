//! A CometBFT endpoint in front of a real node that changes what it likes in the answers.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Changes the method's parameters before the node sees them, and its result before the caller does.
pub type Lie = Arc<dyn Fn(&str, &mut Value, Option<&mut Value>) + Send + Sync>;

pub struct Proxy {
    pub url: String,
    lie: Arc<Mutex<Option<Lie>>>,
    served: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    node: String,
    http: reqwest::Client,
    lie: Arc<Mutex<Option<Lie>>>,
}

impl Proxy {
    /// Honest until told otherwise.
    pub async fn before(node: &str) -> Self {
        let lie = Arc::new(Mutex::new(None));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = Shared { node: node.into(), http, lie: lie.clone() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(pass)).with_state(shared);
        let served = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, lie, served }
    }

    pub fn lies(&self, lie: impl Fn(&str, &mut Value, Option<&mut Value>) + Send + Sync + 'static) {
        *self.lie.lock().unwrap() = Some(Arc::new(lie));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn pass(State(shared): State<Shared>, Json(mut request): Json<Value>) -> Json<Value> {
    let lie = shared.lie.lock().unwrap().clone();
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    if let Some(lie) = &lie {
        lie(&method, &mut request["params"], None);
    }
    let answer = shared.http.post(&shared.node).json(&request).send().await;
    let mut answer: Value = match answer {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(error) => serde_json::json!({ "jsonrpc": "2.0", "id": request["id"], "error": error.to_string() }),
    };
    if let (Some(lie), Some(result)) = (&lie, answer.get_mut("result")) {
        lie(&method, &mut request["params"], Some(result));
    }
    Json(answer)
}
