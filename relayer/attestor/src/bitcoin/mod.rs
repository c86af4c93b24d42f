//! Signing on Bitcoin, where the certificate is the attestors' signatures on the transaction itself. The same order as for
//! a statement: look at the home chain and at the own node, journal, sign.

mod cosigners;
pub(crate) mod journal;
mod opened;

use std::collections::BTreeSet;

use aes_chains::bitcoin::{keypair, sign, Cosignable, Cosigned, Purpose, SigningRequest};
use aes_config::SecretKey;
use aes_protocol::{ChainId, Decision, Hash32};
use bitcoin::hashes::Hash;
use bitcoin::key::Keypair;
use bitcoin::TapSighash;
use serde::{Deserialize, Serialize};

use crate::attestor::{decision_of, Attestor};
use crate::refusal::Refusal;
use crate::start::StartError;
use crate::wire::Request;
pub use cosigners::AttestorCosigners;
use journal::Signing;
pub(crate) use opened::Opened;

/// The body of `POST /v1/bitcoin`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosignBody {
    pub chain: ChainId,
    pub request: SigningRequest,
}

/// The key for BIP-340; never the one that signs statements.
pub struct BitcoinSigner(Keypair);

impl BitcoinSigner {
    pub fn new(secret: &SecretKey, other: &SecretKey) -> Result<Self, StartError> {
        if secret.expose() == other.expose() {
            return Err(StartError::SameKey);
        }
        keypair(secret).map(Self).ok_or(StartError::Key)
    }

    /// x-only, as attestor sets list it.
    pub fn key(&self) -> Hash32 {
        Hash32(self.0.x_only_public_key().0.serialize())
    }
}

impl Attestor {
    pub(crate) async fn cosign(&self, body: &CosignBody) -> Result<Cosigned, Refusal> {
        let signer = self.bitcoin.as_ref().ok_or_else(|| Refusal::NoBitcoinKey(body.chain.clone()))?;
        let chain = match &body.request {
            // decided already: its money must not wait
            SigningRequest::Settlement { .. } => self.chain(&body.chain)?,
            SigningRequest::Reserve { .. } | SigningRequest::Rearrange { .. } => self.unshaken(&body.chain)?,
        };
        let cosignable = chain.cosignable().ok_or_else(|| Refusal::NotCosigned(body.chain.clone()))?;
        let decision = self.allows(&body.request).await?;
        let to_sign = cosignable.to_sign(&body.request, decision).await?;
        let key = signer.key();
        if !to_sign.keys.contains(&key) {
            return Err(Refusal::NotACosigner { key, txid: to_sign.txid });
        }
        let signing = Signing::new(body, &to_sign)?;
        self.journal_signing(signing, cosignable).await?;
        let signature = |(_, digest): &(_, Hash32)| {
            sign(&signer.0, TapSighash::from_byte_array(digest.0)).serialize().as_slice().into()
        };
        Ok(Cosigned { key, signatures: to_sign.inputs.iter().map(signature).collect() })
    }

    /// What the home chain must show first: a decision for a settlement, what `Opened` asks for before the reserve moves.
    async fn allows(&self, request: &SigningRequest) -> Result<Option<Decision>, Refusal> {
        match request {
            SigningRequest::Settlement { execution_id, .. } => Ok(Some(self.decision(*execution_id).await?.decision)),
            SigningRequest::Reserve { execution_id, .. } => {
                if !self.opened.is_fresh(execution_id) {
                    self.look(&Request::Opened { execution_id: *execution_id }).await?;
                }
                Ok(None)
            }
            SigningRequest::Rearrange { .. } => Ok(None),
        }
    }

    /// A vault output that was signed away for another execution is free again once that one is decided: then its move is in
    /// a block already, or nothing waits for it any more. And a leg is free of the output that was signed for its hold once
    /// something else has spent that for good: then none of the moves that were signed can be in a block.
    async fn journal_signing(&self, mut signing: Signing, chain: &dyn Cosignable) -> Result<(), Refusal> {
        loop {
            let Err(refusal) = self.journal.enter_signing(signing.clone()).await else { return Ok(()) };
            let is_over = match &refusal {
                Refusal::Reserved { by, .. } => {
                    let decided = self.record(by).await.and_then(|record| decision_of(by, record.state));
                    signing.over.insert(*by) && decided.is_ok()
                }
                Refusal::SecondHold { first, .. } => {
                    let outpoint = first.parse().map_err(|error| Refusal::Journal(format!("'{first}': {error}")))?;
                    signing.gone.insert(first.clone()) && chain.is_gone(&outpoint)?
                }
                _ => false,
            };
            if !is_over {
                return Err(refusal);
            }
        }
    }
}

impl Signing {
    fn new(body: &CosignBody, to_sign: &aes_chains::bitcoin::ToSign) -> Result<Self, Refusal> {
        let leg = match &body.request {
            SigningRequest::Settlement { execution_id, leg, .. }
            | SigningRequest::Reserve { execution_id, leg, .. } => Some((*execution_id, *leg)),
            SigningRequest::Rearrange { .. } => None,
        };
        Ok(Self {
            chain: body.chain.clone(),
            purpose: to_sign.purpose,
            leg,
            txid: to_sign.txid,
            outpoints: to_sign.inputs.iter().map(|(outpoint, _)| outpoint.to_string()).collect(),
            request: serde_json::to_string(&body.request).map_err(|error| Refusal::Journal(error.to_string()))?,
            over: BTreeSet::new(),
            gone: BTreeSet::new(),
        })
    }
}

/// As the journal writes it.
pub(crate) fn name_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Settle(Decision::Commit) => "finalize",
        Purpose::Settle(Decision::Abort) => "release",
        Purpose::Reserve => "reserve",
        Purpose::Rearrange => "rearrange",
    }
}
