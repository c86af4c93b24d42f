//! The attestor's key: secp256k1 over a digest as `r ‖ s ‖ v`, and the recovery that checks such a signature.

use aes_config::SecretKey;
use aes_protocol::{address_of_public_key, Bytes, Hash32, Recover};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};

use crate::refusal::Refusal;
use crate::start::StartError;

pub struct Signer {
    key: SigningKey,
    address: [u8; 20],
}

impl Signer {
    pub fn new(secret: &SecretKey) -> Result<Self, StartError> {
        let key = SigningKey::from_slice(secret.expose()).map_err(|_| StartError::Key)?;
        let point = key.verifying_key().to_encoded_point(false);
        let address = address_of_public_key(point.as_bytes()).ok_or(StartError::Key)?;
        Ok(Self { key, address })
    }

    pub fn address(&self) -> &[u8; 20] {
        &self.address
    }

    /// Low s and a nonce after RFC 6979: the same digest always gives the same 65 bytes.
    pub(crate) fn sign(&self, digest: &Hash32) -> Result<Bytes, Refusal> {
        let (signature, recovery_id) =
            self.key.sign_prehash_recoverable(&digest.0).map_err(|error| Refusal::Signing(error.to_string()))?;
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(if recovery_id.is_y_odd() { 28 } else { 27 });
        Ok(bytes.into())
    }
}

/// Public key recovery by the k256 crate, for `Certificate::verify` outside of a chain.
pub struct Secp256k1;

impl Recover for Secp256k1 {
    fn recover(&self, digest: &Hash32, r_s: &[u8], recovery_id: u8) -> Option<Vec<u8>> {
        let signature = Signature::from_slice(r_s).ok()?;
        let recovery_id = RecoveryId::from_byte(recovery_id)?;
        let key = VerifyingKey::recover_from_prehash(&digest.0, &signature, recovery_id).ok()?;
        Some(key.to_encoded_point(false).as_bytes().to_vec())
    }
}
