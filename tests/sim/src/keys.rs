//! Attestors' keys: who is in a set, and the signatures that a liar gives without being asked twice.

use aes_attestor::{Secp256k1, Signer};
use aes_config::SecretKey;
use aes_protocol::{
    address_of_public_key, keccak, Attestor, AttestorSet, Bytes, Certificate, Domain, Hash32, Recover, Statement,
};
use k256::ecdsa::SigningKey;

#[derive(Clone, Debug)]
pub struct Key {
    secret: [u8; 32],
    pub address: [u8; 20],
}

impl Key {
    pub fn of(number: usize) -> Self {
        let secret = keccak(format!("attestor {number}").as_bytes()).0;
        let address =
            *Signer::new(&SecretKey::new(&secret, "the simulation").expect("a key")).expect("a key").address();
        Self { secret, address }
    }

    pub fn secret(&self) -> SecretKey {
        SecretKey::new(&self.secret, "the simulation").expect("a key")
    }

    pub fn sign(&self, digest: &Hash32) -> Bytes {
        let key = SigningKey::from_slice(&self.secret).expect("a key");
        let (signature, recovery) = key.sign_prehash_recoverable(&digest.0).expect("a signature");
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + recovery.to_byte());
        bytes.into()
    }
}

pub fn set_of(id: u64, threshold: u8, keys: &[Key]) -> AttestorSet {
    let mut signers: Vec<[u8; 20]> = keys.iter().map(|key| key.address).collect();
    signers.sort();
    let attestor = |signer: [u8; 20]| Attestor { signer: signer.to_vec().into(), bitcoin_key: Hash32::default() };
    AttestorSet { id, threshold, attestors: signers.into_iter().map(attestor).collect() }
}

/// Of these keys, whoever they are; one signature each, as many as the threshold asks for where there are so many.
pub fn certificate(statement: &Statement, domain: &Domain, set: &AttestorSet, keys: &[Key]) -> Certificate {
    let digest = statement.digest(domain, set.id);
    let mut keys: Vec<&Key> = keys.iter().filter(|key| set.contains(&key.address)).collect();
    keys.sort_by_key(|key| key.address);
    let signatures = keys.iter().take(set.threshold.into()).map(|key| key.sign(&digest)).collect();
    Certificate { attestor_set: set.id, signatures }
}

pub fn signer_of(digest: &Hash32, signature: &Bytes) -> Option<[u8; 20]> {
    let (r_s, v) = signature.as_slice().split_at_checked(64)?;
    let key = Secp256k1.recover(digest, r_s, v.first()?.checked_sub(27)?)?;
    address_of_public_key(&key)
}
