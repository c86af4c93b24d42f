//! The attestors' BIP-340 keys by set id, and their signatures: who signed, in which order, and that it verifies.

use std::collections::BTreeMap;

use aes_protocol::AttestorSet;
use bitcoin::secp256k1::{schnorr, Message, Secp256k1, XOnlyPublicKey};
use bitcoin::TapSighash;
use serde::{Deserialize, Serialize};

/// The Bitcoin side of an attestor set, in the set's own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestorKeys {
    set_id: u64,
    threshold: usize,
    keys: Vec<XOnlyPublicKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    #[error("attestor set {set_id}: {cause}")]
    Set { set_id: u64, cause: aes_protocol::SetError },
    #[error(
        "attestor set {set_id}: attestor {position} has no BIP-340 key; give the x-only key of its Bitcoin signer"
    )]
    NoKey { set_id: u64, position: usize },
    #[error("attestor set {set_id}: attestor {position} has the Bitcoin key of another; each needs one of its own")]
    Repeated { set_id: u64, position: usize },
    /// Two thresholds that share no attestor could sign two holds of one `unlock`: their journals know nothing of each other.
    #[error("attestor set {set_id}: a threshold of {threshold} of {count} is not more than half, as Bitcoin needs; raise it")]
    Minority { set_id: u64, threshold: usize, count: usize },
    #[error("attestor set {0} is not known here; add it from the coordinator's `rotate`")]
    UnknownSet(u64),
}

/// One attestor's signature over one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestorSignature {
    pub key: XOnlyPublicKey,
    pub signature: schnorr::Signature,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("{got} attestor signatures where set {set_id} asks for exactly {wanted}")]
    Count { set_id: u64, got: usize, wanted: usize },
    #[error("attestor signature {position}: {key} is not in set {set_id}")]
    Unknown { set_id: u64, position: usize, key: XOnlyPublicKey },
    #[error("attestor signature {position}: signatures stand once each, in the order of the set")]
    Order { position: usize },
    #[error("attestor signature {position} by {key} does not verify over this transaction")]
    Invalid { position: usize, key: XOnlyPublicKey },
}

impl AttestorKeys {
    pub fn new(set: &AttestorSet) -> Result<Self, KeysError> {
        let set_id = set.id;
        set.validate().map_err(|cause| KeysError::Set { set_id, cause })?;
        let mut keys: Vec<XOnlyPublicKey> = Vec::with_capacity(set.attestors.len());
        for (position, attestor) in set.attestors.iter().enumerate() {
            let key = XOnlyPublicKey::from_slice(&attestor.bitcoin_key.0)
                .map_err(|_| KeysError::NoKey { set_id, position })?;
            if keys.contains(&key) {
                return Err(KeysError::Repeated { set_id, position });
            }
            keys.push(key);
        }
        let (threshold, count) = (usize::from(set.threshold), keys.len());
        if threshold.saturating_mul(2) <= count {
            return Err(KeysError::Minority { set_id, threshold, count });
        }
        Ok(Self { set_id, threshold, keys })
    }

    pub fn set_id(&self) -> u64 {
        self.set_id
    }

    pub fn threshold(&self) -> usize {
        self.threshold
    }

    pub fn keys(&self) -> &[XOnlyPublicKey] {
        &self.keys
    }

    /// Exactly the threshold, each of this set, once, in the set's order, each over `sighash`.
    pub fn check(&self, sighash: &TapSighash, signatures: &[AttestorSignature]) -> Result<(), SignatureError> {
        let set_id = self.set_id;
        if signatures.len() != self.threshold {
            return Err(SignatureError::Count { set_id, got: signatures.len(), wanted: self.threshold });
        }
        let mut last = None;
        for (position, AttestorSignature { key, signature }) in signatures.iter().enumerate() {
            let Some(place) = self.keys.iter().position(|known| known == key) else {
                return Err(SignatureError::Unknown { set_id, position, key: *key });
            };
            if last.is_some_and(|last| last >= place) {
                return Err(SignatureError::Order { position });
            }
            last = Some(place);
            if !verifies(sighash, key, signature) {
                return Err(SignatureError::Invalid { position, key: *key });
            }
        }
        Ok(())
    }
}

pub(crate) fn verifies(sighash: &TapSighash, key: &XOnlyPublicKey, signature: &schnorr::Signature) -> bool {
    let message = Message::from(*sighash);
    Secp256k1::verification_only().verify_schnorr(signature, &message, key).is_ok()
}

/// Every set there ever was: an older one's holds and vault outputs stay spendable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestorSets(BTreeMap<u64, AttestorKeys>);

impl AttestorSets {
    pub fn add(&mut self, keys: AttestorKeys) {
        self.0.insert(keys.set_id, keys);
    }

    pub fn get(&self, set_id: u64) -> Result<&AttestorKeys, KeysError> {
        self.0.get(&set_id).ok_or(KeysError::UnknownSet(set_id))
    }

    pub fn current(&self) -> Option<&AttestorKeys> {
        self.0.values().next_back()
    }

    pub fn iter(&self) -> impl Iterator<Item = &AttestorKeys> {
        self.0.values()
    }
}
