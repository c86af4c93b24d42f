//! Attestors' keys: who is in a set, and the signatures that a liar gives without being asked twice.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aes_attestor::Signer;
use aes_chains::bitcoin::key_of;
use aes_config::SecretKey;
use aes_protocol::{keccak, Attestor, AttestorSet, Bytes, Certificate, Domain, Hash32, Statement};
use k256::ecdsa::SigningKey;

#[derive(Clone, Debug)]
pub struct Key {
    secret: [u8; 32],
    pub address: [u8; 20],
}

impl Key {
    pub fn of(attestor: usize) -> Self {
        Self::named(&format!("attestor {attestor}"))
    }

    pub fn named(name: &str) -> Self {
        let secret = keccak(name.as_bytes()).0;
        let address =
            *Signer::new(&SecretKey::new(&secret, "the simulation").expect("a key")).expect("a key").address();
        Self { secret, address }
    }

    pub fn secret(&self) -> SecretKey {
        SecretKey::new(&self.secret, "the simulation").expect("a key")
    }

    /// An attestor's other one, for BIP-340.
    pub fn bitcoin(&self) -> SecretKey {
        SecretKey::new(&keccak(&self.secret).0, "the simulation").expect("a key")
    }

    /// As a config refers to it.
    pub fn file(&self, folder: &Path) -> PathBuf {
        let path = folder.join(hex::encode(self.address));
        if !path.exists() {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("a new file");
            file.write_all(hex::encode(self.secret).as_bytes()).expect("room for a key");
        }
        path
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
    let mut keys: Vec<&Key> = keys.iter().collect();
    keys.sort_by_key(|key| key.address);
    let attestor = |key: &Key| Attestor {
        signer: key.address.to_vec().into(),
        bitcoin_key: key_of(&key.bitcoin()).expect("a key"),
    };
    AttestorSet { id, threshold, attestors: keys.into_iter().map(attestor).collect() }
}

/// Of these keys, whoever they are; one signature each, as many as the threshold asks for where there are so many.
pub fn certificate(statement: &Statement, domain: &Domain, set: &AttestorSet, keys: &[Key]) -> Certificate {
    let digest = statement.digest(domain, set.id);
    let mut keys: Vec<&Key> = keys.iter().filter(|key| set.contains(&key.address)).collect();
    keys.sort_by_key(|key| key.address);
    let signatures = keys.iter().take(set.threshold.into()).map(|key| key.sign(&digest)).collect();
    Certificate { attestor_set: set.id, signatures }
}
