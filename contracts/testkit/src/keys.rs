//! Attestors with real keys: sets, and certificates that verify.

use aes_protocol::{address_of_public_key, Attestor, AttestorSet, Bytes, Certificate, Domain, Hash32, Statement};
use k256::ecdsa::SigningKey;

/// A set whose keys the test has, ascending by address.
#[derive(Clone)]
pub struct Attestors {
    pub set: AttestorSet,
    keys: Vec<SigningKey>,
}

fn address(key: &SigningKey) -> [u8; 20] {
    address_of_public_key(key.verifying_key().to_encoded_point(false).as_bytes()).unwrap()
}

impl Attestors {
    /// `seed` makes the keys; two sets of one seed and id are the same set.
    pub fn new(id: u64, count: u8, threshold: u8, seed: u8) -> Self {
        let mut keys: Vec<_> = (1..=count)
            .map(|n| {
                let mut secret = [seed; 32];
                secret[31] = n;
                SigningKey::from_slice(&secret).unwrap()
            })
            .collect();
        keys.sort_by_key(address);
        let attestors = keys
            .iter()
            .map(|key| Attestor { signer: address(key).to_vec().into(), bitcoin_key: Hash32::default() })
            .collect();
        Self { set: AttestorSet { id, threshold, attestors }, keys }
    }

    pub fn sign(&self, domain: &Domain, statement: &Statement) -> Certificate {
        let digest = statement.digest(domain, self.set.id);
        let sign = |key: &SigningKey| {
            let (signature, recovery) = key.sign_prehash_recoverable(&digest.0).unwrap();
            let mut bytes = signature.to_bytes().to_vec();
            bytes.push(27 + recovery.to_byte());
            Bytes::from(bytes)
        };
        let signatures = self.keys.iter().take(self.set.threshold.into()).map(sign).collect();
        Certificate { attestor_set: self.set.id, signatures }
    }

    pub fn rotate_to(&self, domain: &Domain, next: &AttestorSet) -> Certificate {
        self.sign(domain, &Statement::Rotated { new_set: next.id, new_set_hash: next.hash() })
    }
}
