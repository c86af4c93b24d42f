//! Transactions: handed over in their order, and what became of them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cosmrs::proto::cosmos::tx::v1beta1::{SimulateRequest, SimulateResponse};
use cosmrs::Any;
use sha2::{Digest, Sha256};
use tendermint::abci::Event;
use tendermint_rpc::endpoint::tx;
use tendermint_rpc::Client;

use super::client::CosmosClient;
use super::endpoints::NodeError;
use super::evidence::attribute;
use super::fee::{with_margin, Gas};
use super::refusal::{expected_sequence, words};
use super::signer::{Position, Signer};
use crate::chain::{Outcome, TxId, Unpaid};
use crate::error::ChainError;

/// How long a transaction that we sent, and that no block shows, counts as on its way.
const PENDING: Duration = Duration::from_secs(60);
/// Tries to agree with the node on the sequence.
const TRIES: usize = 4;
/// Codes of the SDK's own errors.
const WRONG_SEQUENCE: u32 = 32;
const INSUFFICIENT_FUNDS: u32 = 5;
const IN_MEMPOOL: u32 = 19;
const MEMPOOL_FULL: u32 = 20;
const OUT_OF_GAS: u32 = 11;

impl CosmosClient {
    /// Signs and hands over, in the order of the calls. Ok: the node has it in its mempool.
    pub(super) async fn broadcast(&self, messages: Vec<Any>, gas: Gas) -> Result<TxId, ChainError> {
        let signer = self.signer()?;
        let gas = match gas {
            Gas::Bound(gas) if !self.bounds_fail.load(Ordering::Relaxed) => gas,
            _ => with_margin(self.simulate(messages.clone()).await?),
        };
        let number = self.account_number(signer).await?;
        let mut next = signer.sequence.lock().await;
        for _ in 0..TRIES {
            let sequence = match *next {
                Some(sequence) => sequence,
                None => self.account(signer).await?.sequence,
            };
            // unknown again if this ends early: the node may or may not have taken it
            *next = None;
            let bytes = signer
                .sign(messages.clone(), gas, Position { number, sequence })
                .map_err(|cause| self.refused(format!("cannot sign: {cause}")))?;
            let id = TxId(hex::encode_upper(Sha256::digest(&bytes)));
            let answer = self.endpoints.ask(|client| {
                let bytes = bytes.clone();
                async move { client.broadcast_tx_sync(bytes).await }
            });
            let answer = match answer.await? {
                Ok(answer) => answer,
                // these very bytes: handed over by a try whose answer got lost
                Err(NodeError(text)) if text.contains("already exists in cache") => {
                    *next = sequence.checked_add(1);
                    return Ok(self.handed_over(id));
                }
                Err(NodeError(cause)) => return Err(ChainError::Unreachable { chain: self.id.clone(), cause }),
            };
            let sdk = answer.codespace == "sdk";
            match answer.code.value() {
                0 => {
                    *next = sequence.checked_add(1);
                    return Ok(self.handed_over(id));
                }
                IN_MEMPOOL if sdk => {
                    *next = sequence.checked_add(1);
                    return Ok(self.handed_over(id));
                }
                WRONG_SEQUENCE if sdk => *next = expected_sequence(&answer.log),
                INSUFFICIENT_FUNDS if sdk => {
                    *next = Some(sequence);
                    return Err(self.insufficient_gas(signer, Some(gas)).await);
                }
                MEMPOOL_FULL if sdk => {
                    *next = Some(sequence);
                    return Err(ChainError::Unreachable { chain: self.id.clone(), cause: answer.log });
                }
                _ => {
                    *next = Some(sequence);
                    return Err(self.refused(words(&answer.log)));
                }
            }
        }
        Err(self.no_agreement(signer))
    }

    /// The fee that `broadcast` would pay; the node runs the messages, so a refusal shows here.
    pub(super) async fn estimate(&self, messages: Vec<Any>, gas: Gas) -> Result<u128, ChainError> {
        let signer = self.signer()?;
        let simulated = self.simulate(messages).await?;
        Ok(signer.price.fee(match gas {
            Gas::Bound(gas) if !self.bounds_fail.load(Ordering::Relaxed) => gas,
            _ => with_margin(simulated),
        }))
    }

    /// Gas used, run on top of what is in the node's mempool. First beside our other transactions, so that a
    /// simulation holds up no settlement; where they keep overtaking it, they wait.
    async fn simulate(&self, messages: Vec<Any>) -> Result<u64, ChainError> {
        let signer = self.signer()?;
        let counted = *signer.sequence.lock().await;
        if let Some(gas) = self.simulate_from(signer, &messages, counted, TRIES).await? {
            return Ok(gas);
        }
        let held = signer.sequence.lock().await;
        // after each block a node forgets the mempool's sequence for a moment, and many tries fit into that
        let gas = self.simulate_from(signer, &messages, *held, 10 * TRIES).await?;
        gas.ok_or_else(|| self.no_agreement(signer))
    }

    /// None: the node wanted another sequence each time.
    async fn simulate_from(
        &self,
        signer: &Signer,
        messages: &[Any],
        counted: Option<u64>,
        tries: usize,
    ) -> Result<Option<u64>, ChainError> {
        let mut sequence = match counted {
            Some(sequence) => sequence,
            None => self.account(signer).await?.sequence,
        };
        for _ in 0..tries {
            let tx_bytes = signer
                .unsigned(messages.to_vec(), sequence)
                .map_err(|cause| self.refused(format!("cannot encode: {cause}")))?;
            let request = SimulateRequest { tx_bytes, ..Default::default() };
            let answer: Result<(SimulateResponse, _), _> =
                self.query("/cosmos.tx.v1beta1.Service/Simulate", &request).await;
            match answer {
                Ok((answer, _)) => {
                    let gas = answer.gas_info.ok_or_else(|| self.bad_answer("no gas_info"))?;
                    return Ok(Some(gas.gas_used));
                }
                Err(ChainError::Refused { chain, cause }) => {
                    sequence = expected_sequence(&cause).ok_or(ChainError::Refused { chain, cause })?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn no_agreement(&self, signer: &Signer) -> ChainError {
        let cause =
            format!("it does not agree on the sequence of {}; does another process use this key?", signer.address);
        ChainError::Unreachable { chain: self.id.clone(), cause }
    }

    pub async fn outcome(&self, id: &TxId) -> Result<Outcome, ChainError> {
        let Some(found) = self.find(id).await? else {
            let sent = self.lock_sent().get(&id.0).copied();
            return Ok(if sent.is_some_and(|at| at.elapsed() < PENDING) { Outcome::Pending } else { Outcome::Unknown });
        };
        self.lock_sent().remove(&id.0);
        let height = found.height.value();
        if found.tx_result.code.is_ok() {
            let unpaid = found.tx_result.events.iter().filter_map(unpaid).collect();
            return Ok(Outcome::Included { height, time: self.block_time(height).await?, unpaid });
        }
        if found.tx_result.codespace == "sdk" && found.tx_result.code.value() == OUT_OF_GAS {
            self.bounds_fail.store(true, Ordering::Relaxed);
        }
        Ok(Outcome::Failed { height, cause: words(&found.tx_result.log) })
    }

    /// Looks at each block, until `limit`.
    pub(super) async fn included(&self, id: &TxId, limit: Duration) -> Result<tx::Response, ChainError> {
        let mut ticks = self.ticks();
        let look = async {
            loop {
                match self.find(id).await? {
                    Some(found) if found.tx_result.code.is_ok() => return Ok(found),
                    Some(found) => return Err(self.refused(words(&found.tx_result.log))),
                    // the index of transactions may lag behind the block: look again soon
                    None => _ = tokio::time::timeout(self.poll, ticks.changed()).await,
                }
            }
        };
        let late = || ChainError::Unreachable {
            chain: self.id.clone(),
            cause: format!("transaction {} is in no block after {} s", id.0, limit.as_secs()),
        };
        tokio::time::timeout(limit, look).await.map_err(|_| late())?
    }

    pub async fn wait_for(&self, id: &TxId, limit: Duration) -> Result<u64, ChainError> {
        Ok(self.included(id, limit).await?.height.value())
    }

    async fn find(&self, id: &TxId) -> Result<Option<tx::Response>, ChainError> {
        let hash: tendermint::Hash =
            id.0.parse().map_err(|_| self.refused(format!("'{}' is no transaction id", id.0)))?;
        match self.endpoints.ask(|client| async move { client.tx(hash, false).await }).await? {
            Ok(found) => Ok(Some(found)),
            Err(NodeError(text)) if text.contains("not found") => Ok(None),
            Err(NodeError(text)) => Err(self.bad_answer(text)),
        }
    }

    fn handed_over(&self, id: TxId) -> TxId {
        let mut sent = self.lock_sent();
        sent.retain(|_, at| at.elapsed() < PENDING);
        sent.insert(id.0.clone(), Instant::now());
        id
    }

    fn lock_sent(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        // a map of times is whole whenever its lock is free, even after a panic elsewhere
        self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// As an escrow tells of a payment that failed. Nothing but an alarm hangs on it.
fn unpaid(event: &Event) -> Option<Unpaid> {
    let failed = event.kind == "wasm-aes-settled" && attribute(event, "result") == Some("failed");
    failed.then(|| {
        Some(Unpaid {
            execution_id: attribute(event, "execution_id")?.parse().ok()?,
            leg_hash: attribute(event, "leg_hash")?.parse().ok()?,
            cause: attribute(event, "failure")?.into(),
        })
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_that_failed_is_told_with_its_leg_and_cause() {
        let (execution_id, leg_hash) = (aes_protocol::Hash32([3; 32]), aes_protocol::Hash32([4; 32]));
        let event = |result: &str| {
            let (id, leg) = (execution_id.to_string(), leg_hash.to_string());
            let told = [("execution_id", id.as_str()), ("leg_hash", &leg), ("result", result), ("failure", "blocked")];
            Event::new("wasm-aes-settled", told)
        };
        assert_eq!(unpaid(&event("failed")), Some(Unpaid { execution_id, leg_hash, cause: "blocked".into() }));
        assert_eq!(unpaid(&event("settled")), None);
    }
}
