//! The few JSON-RPC calls that starting a node takes.

use std::time::Duration;

use serde_json::{json, Value};

use crate::Error;

/// A node on a busy machine takes its time, but for one that is frozen somebody waits.
const ANSWER: Duration = Duration::from_secs(15);

pub(crate) async fn call(url: &str, method: &str, params: Value) -> Result<Value, Error> {
    let fail = |reason: String| Error::Rpc { url: url.into(), method: method.into(), reason };
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let send = async {
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
        let response = client.post(url).json(&request).send().await?;
        response.json::<Value>().await
    };
    let mut answer = send.await.map_err(|error| fail(error.to_string()))?;
    match answer.get("error") {
        // btcd sends an empty one with every answer
        Some(error) if !error.is_null() => Err(fail(error.to_string())),
        _ => Ok(answer["result"].take()),
    }
}
