//! What a relayer asks attestors to sign on Bitcoin, where the certificate is their signatures on the transaction itself,
//! and what an attestor's own node says such a request comes to.

use std::fmt;
use std::sync::Arc;

use aes_bitcoin::Payer;
use aes_protocol::{AttestorSet, Bytes, ChainId, Decision, Hash32};
use async_trait::async_trait;
use bitcoin::{FeeRate, OutPoint, TxOut};
use serde::{Deserialize, Serialize};

use crate::error::ChainError;

/// Proposed by a relayer, rebuilt by each attestor from its own view: what is signed is never taken from the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SigningRequest {
    /// a hold's settlement, as the coordinator decided
    Settlement { execution_id: Hash32, leg: u8, hold: OutPoint },
    /// vault outputs into the hold of a reserve-sourced leg
    Reserve { execution_id: Hash32, leg: u8, coins: Vec<OutPoint>, payer: Payer },
    /// the vault's ALZ in other outputs of the current set's vault
    Rearrange { coins: Vec<OutPoint>, amounts: Vec<BaseUnits>, payer: Payer },
}

impl fmt::Display for SigningRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settlement { execution_id, leg, hold } => write!(f, "leg {leg} of {execution_id} out of {hold}"),
            Self::Reserve { execution_id, leg, coins, .. } => {
                write!(f, "leg {leg} of {execution_id} into its hold, out of {} vault outputs", coins.len())
            }
            Self::Rearrange { coins, amounts, .. } => {
                write!(f, "{} vault outputs into {}", coins.len(), amounts.len())
            }
        }
    }
}

/// Base units, as text: JSON's numbers end at 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseUnits(pub u128);

impl Serialize for BaseUnits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BaseUnits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// Which of the journal's rules a signature comes under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Settle(Decision),
    Reserve,
    Rearrange,
}

/// What an attestor's node has found a request to come to.
#[derive(Debug, Clone)]
pub struct ToSign {
    pub purpose: Purpose,
    /// of the attestors whose signatures count: their BIP-340 keys
    pub keys: Vec<Hash32>,
    /// each output that is spent under those keys, with the digest to sign
    pub inputs: Vec<(OutPoint, Hash32)>,
    pub txid: Hash32,
}

/// One attestor's answer: a signature for each input, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosigned {
    /// x-only
    pub key: Hash32,
    /// 64 bytes each
    pub signatures: Vec<Bytes>,
}

/// Why attestors did not sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    pub said: Vec<String>,
    /// of those that have signed another hold of the leg: the vault output that theirs spends
    pub pinned: Vec<OutPoint>,
    /// vault outputs that they have signed away for other legs
    pub reserved: Vec<OutPoint>,
}

/// Asks attestors for their signatures; a relayer has it, an attestor has not.
#[async_trait]
pub trait Cosigners: Send + Sync {
    /// Gives each answer to `take` as it comes, until that says it has enough. What the others said is the error.
    async fn ask(
        &self,
        chain: &ChainId,
        request: &SigningRequest,
        take: &mut (dyn FnMut(Cosigned) -> Result<bool, String> + Send),
    ) -> Result<(), Refusals>;
}

/// A chain whose certificates are signatures on its transactions.
#[async_trait]
pub trait Cosignable: Send + Sync {
    /// For a relayer, once, before the first message is submitted.
    fn set_cosigners(&self, cosigners: Arc<dyn Cosigners>);
    /// For an attestor: rebuilds the transaction from what its own node shows. What the coordinator decided, whether the
    /// execution is in the state that allows it, and what was signed before, is the attestor's to judge.
    async fn to_sign(&self, request: &SigningRequest, decision: Option<Decision>) -> Result<ToSign, ChainError>;
    /// Spent in a block that is final: no other transaction that spends it can ever be in one.
    fn is_gone(&self, outpoint: &OutPoint) -> Result<bool, ChainError>;
    /// Whether a set could keep the vault: after a rotation to one that cannot, nothing here would ever move again.
    fn check_set(&self, set: &AttestorSet) -> Result<(), ChainError>;
}

/// The request's bounds that need no node.
pub fn payer_is_bounded(payer: &Payer, most: FeeRate) -> Result<(), String> {
    const MOST_COINS: usize = 32;
    if payer.coins.len() > MOST_COINS {
        return Err(format!("{} coins pay the fee; {MOST_COINS} are enough", payer.coins.len()));
    }
    if payer.rate > most {
        return Err(format!("{} sat/kwu is over {}", payer.rate.to_sat_per_kwu(), most.to_sat_per_kwu()));
    }
    let outputs: Vec<&TxOut> = payer.coins.iter().map(|coin| &coin.output).collect();
    if outputs.iter().any(|output| output.value > bitcoin::Amount::MAX_MONEY) {
        return Err("a coin is worth more than there is".into());
    }
    Ok(())
}
