//! A certificate over the leaves of a file.

use aes_protocol::{AttestorSet, Certificate, CertificateError, Domain, Hash32, Recover, Statement};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

struct Secp256k1;

impl Recover for Secp256k1 {
    fn recover(&self, digest: &Hash32, r_s: &[u8], recovery_id: u8) -> Option<Vec<u8>> {
        let signature = Signature::from_slice(r_s).ok()?;
        let recovery_id = RecoveryId::from_byte(recovery_id)?;
        let key = VerifyingKey::recover_from_prehash(&digest.0, &signature, recovery_id).ok()?;
        Some(key.to_encoded_point(false).as_bytes().to_vec())
    }
}

pub(crate) fn verify(
    certificate: &Certificate,
    statement: &Statement,
    domain: &Domain,
    set: &AttestorSet,
) -> Result<(), CertificateError> {
    certificate.verify(statement, domain, set, &Secp256k1).map(|_| ())
}
