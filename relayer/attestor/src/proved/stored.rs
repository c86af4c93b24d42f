//! What an attestor reads of a CometBFT chain's storage: each value with an ICS-23 proof under a header that is believed.

use std::sync::Arc;

use aes_chains::cosmos::{words_of, Prover};
use aes_chains::{ChainError, Head};
use aes_evidence::cosmos::{store_key, ModuleRoot};
use aes_protocol::Bytes;
use async_trait::async_trait;
use futures::future::try_join_all;
use tendermint::block::Height;
use tendermint_rpc::endpoint::abci_query::AbciQuery;
use tendermint_rpc::Client;

use super::chain::Followed;
use super::endpoints::Endpoint;
use super::headers::Believed;

/// ABCI: a key of the wasm module, with its proof where one is asked for.
const KEYS: &str = "/store/wasm/key";

#[async_trait]
impl Prover for Followed {
    /// After the newest block that a header proves; where a node says that it has changed in the newest block of all,
    /// after that one, whose proof comes with the next header. What a node says of blocks beyond that is no reason to wait.
    async fn stored(&self, contract: &Bytes, keys: &[Vec<u8>]) -> Result<(Vec<Vec<u8>>, u64), ChainError> {
        let newest = self.reach(2).await?.height;
        let at = newest.saturating_sub(1);
        let (proved, told) = tokio::join!(self.proved(contract, keys, at), self.told(contract, keys));
        let proved = proved?;
        let told = told.filter(|told| (newest..=newest.saturating_add(1)).contains(&told.height));
        let Some(told) = told.filter(|told| told.values != proved) else { return Ok((proved, at)) };
        match self.proved(contract, keys, told.height).await {
            Ok(newer) => {
                if told.of_one_block && newer != told.values {
                    let lie = format!("a value after block {} that the proof refutes", told.height);
                    self.endpoints.liars.caught(&told.endpoint.name, &lie);
                }
                Ok((newer, told.height))
            }
            Err(error) if self.endpoints.alive().is_empty() => Err(error),
            Err(error) => {
                let endpoint = &told.endpoint.name;
                tracing::warn!(chain = %self.chain, endpoint, %error, "a change that a node tells of is not proved");
                Ok((proved, at))
            }
        }
    }

    async fn block(&self, height: u64) -> Result<Head, ChainError> {
        Ok(self.header(height).await?.head)
    }

    async fn newest(&self) -> Result<Head, ChainError> {
        self.reach(1).await
    }
}

impl Followed {
    /// The values after block `height`, proved under the header of the next one. A node has them before that header is
    /// there: both are asked for at once, so that the answer is here when the header is.
    async fn proved(&self, contract: &Bytes, keys: &[Vec<u8>], height: u64) -> Result<Vec<Vec<u8>>, ChainError> {
        let mut silent = Vec::new();
        for endpoint in self.endpoints.alive() {
            let asked = try_join_all(keys.iter().map(|key| ask(&endpoint, contract, key, height)));
            let (answers, next) = tokio::join!(asked, self.header(height.saturating_add(1)));
            let next = next?;
            let check = |answers: Vec<AbciQuery>| {
                let values = keys.iter().zip(answers).map(|(key, answer)| proved_value(answer, &next, contract, key));
                values.collect::<Result<Vec<_>, _>>()
            };
            match answers.and_then(check) {
                Ok(values) => {
                    self.endpoints.answered(&endpoint);
                    return Ok(values);
                }
                Err(NoValue::Silent(cause)) => silent.push(format!("{}: {cause}", endpoint.name)),
                Err(NoValue::Lie(lie)) => self.endpoints.liars.caught(&endpoint.name, &lie),
            }
        }
        if silent.is_empty() {
            return Err(self.unreachable("every endpoint was caught lying; GET /v1/health says which and at what"));
        }
        Err(self.unreachable(silent.join("; ")))
    }

    /// What an endpoint says there is now, not proved: only a reason to wait for the next header.
    async fn told(&self, contract: &Bytes, keys: &[Vec<u8>]) -> Option<Told> {
        let endpoint = self.endpoints.alive().into_iter().next()?;
        let ask = |key: &Vec<u8>| {
            let key = store_key(contract.as_slice(), key);
            endpoint.rpc.abci_query(Some(KEYS.to_owned()), key, None, false)
        };
        let answers = try_join_all(keys.iter().map(ask)).await.ok()?;
        let heights = || answers.iter().map(|answer| answer.height.value());
        let (height, of_one_block) = (heights().max()?, heights().min() == heights().max());
        Some(Told { values: answers.into_iter().map(|answer| answer.value).collect(), height, of_one_block, endpoint })
    }
}

struct Told {
    values: Vec<Vec<u8>>,
    height: u64,
    /// or the chain went on between two keys
    of_one_block: bool,
    endpoint: Arc<Endpoint>,
}

enum NoValue {
    /// not there, or not any more
    Silent(String),
    Lie(String),
}

async fn ask(endpoint: &Endpoint, contract: &Bytes, key: &[u8], height: u64) -> Result<AbciQuery, NoValue> {
    let at = Height::try_from(height).map_err(|cause| NoValue::Silent(cause.to_string()))?;
    let path = Some(KEYS.to_owned());
    let asked = endpoint.rpc.abci_query(path, store_key(contract.as_slice(), key), Some(at), true);
    let answer = asked.await.map_err(|error| NoValue::Silent(words_of(&error)))?;
    if answer.code.is_err() {
        // behind (7, or -32603 in some versions), pruned, or no proofs below height 2 (18): not there, and no lie
        return Err(NoValue::Silent(format!("code {}: {}", answer.code.value(), answer.log)));
    }
    if answer.height != at {
        return Err(NoValue::Lie(format!("state {} for a question about state {height}", answer.height)));
    }
    Ok(answer)
}

fn proved_value(answer: AbciQuery, next: &Believed, contract: &Bytes, key: &[u8]) -> Result<Vec<u8>, NoValue> {
    let [iavl, multistore] = match answer.proof.map(|proof| proof.ops) {
        Some(ops) if ops.len() == 2 => [0, 1].map(|op| Bytes::from(ops[op].data.clone())),
        _ => return Err(NoValue::Lie("an answer without the proof that was asked for".into())),
    };
    let value = Some(answer.value.as_slice()).filter(|value| !value.is_empty());
    ModuleRoot::verify(&next.app_hash, &multistore)
        .and_then(|root| root.check(contract.as_slice(), key, value, &iavl))
        .map_err(|cause| NoValue::Lie(format!("state {}: {cause}", answer.height)))?;
    Ok(answer.value)
}
