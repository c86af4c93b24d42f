//! Keys by reference: the config file says where a key is, never what it is.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `{ env = "NAME" }` (64 hex digits in the environment) or `{ keystore = "FILE", password_env = "NAME" }`
/// (Web3 secret storage, as geth writes it).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum KeyRef {
    Env { env: String },
    Keystore { keystore: PathBuf, password_env: String },
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("environment variable {0} is not set; it must hold the key (64 hex digits) or the keystore's password")]
    NoEnv(String),
    #[error("{0} holds no secp256k1 key: give 64 hex digits")]
    NotAKey(String),
    #[error("keystore {}: {cause}", path.display())]
    Keystore { path: PathBuf, cause: String },
}

/// 32 secret bytes, wiped when dropped and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl SecretKey {
    /// Refuses what is not a scalar of secp256k1; `source` names it in the error.
    pub fn new(bytes: &[u8], source: &str) -> Result<Self, KeyError> {
        let not_a_key = || KeyError::NotAKey(source.into());
        k256::ecdsa::SigningKey::from_slice(bytes).map_err(|_| not_a_key())?;
        Ok(Self(bytes.try_into().map_err(|_| not_a_key())?))
    }

    pub fn generate() -> Self {
        Self(k256::ecdsa::SigningKey::random(&mut rand::thread_rng()).to_bytes().into())
    }

    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Writes it encrypted, as geth does; the file's name is chosen by the caller and must not exist.
    pub fn save(&self, path: &std::path::Path, password: &str) -> Result<(), KeyError> {
        let fail = |cause: String| KeyError::Keystore { path: path.into(), cause };
        if path.exists() {
            return Err(fail("exists already; name another file".into()));
        }
        let dir = path.parent().unwrap_or(std::path::Path::new("."));
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| fail("not a file name".into()))?;
        eth_keystore::encrypt_key(dir, &mut rand::thread_rng(), self.0, password, Some(name))
            .map_err(|error| fail(error.to_string()))?;
        Ok(())
    }
}

impl KeyRef {
    pub(crate) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Env { .. } => None,
            Self::Keystore { keystore, .. } => Some(keystore),
        }
    }

    pub fn load(&self) -> Result<SecretKey, KeyError> {
        let read = |name: &String| std::env::var(name).map_err(|_| KeyError::NoEnv(name.clone()));
        match self {
            Self::Env { env } => {
                let mut text = read(env)?;
                let bytes = hex::decode(text.trim().trim_start_matches("0x"));
                text.zeroize();
                let mut bytes = bytes.map_err(|_| KeyError::NotAKey(env.clone()))?;
                let key = SecretKey::new(&bytes, env);
                bytes.zeroize();
                key
            }
            Self::Keystore { keystore, password_env } => {
                let mut password = read(password_env)?;
                let bytes = eth_keystore::decrypt_key(keystore, &password);
                password.zeroize();
                let mut bytes = bytes.map_err(|error| KeyError::Keystore {
                    path: keystore.clone(),
                    cause: format!("{error}; is {password_env} its password?"),
                })?;
                let key = SecretKey::new(&bytes, &keystore.display().to_string());
                bytes.zeroize();
                key
            }
        }
    }
}
