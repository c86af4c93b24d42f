//! Keys by reference: the config file says where a key is, never what it is.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// `{ env = "NAME" }` (64 hex digits in the environment) or `{ keystore = "FILE", password_env = "NAME" }`
/// (Web3 secret storage, as geth writes it) or `{ file = "FILE" }` (64 hex digits in a file only its owner may read,
/// as Docker and systemd hand secrets over).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "write { env = \"NAME\" }, { keystore = \"FILE\", password_env = \"NAME\" } or { file = \"FILE\" }: where the \
                 key is, never what it is"
)]
pub enum KeyRef {
    Env { env: String },
    Keystore { keystore: PathBuf, password_env: String },
    File { file: PathBuf },
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("environment variable {0} is not set; it must hold the key (64 hex digits) or the keystore's password")]
    NoEnv(String),
    #[error("environment variable {0} is empty: as a keystore's password it would protect nothing; set one")]
    EmptyPassword(String),
    #[error("{0} holds no secp256k1 key: give 64 hex digits")]
    NotAKey(String),
    #[error("keystore {}: {cause}", path.display())]
    Keystore { path: PathBuf, cause: String },
    #[error("{source_name} holds no token: give {shortest} or more characters of ASCII, as `openssl rand -hex 32` prints them")]
    Token { source_name: String, shortest: usize },
    #[error("key file {}: {cause}", path.display())]
    File { path: PathBuf, cause: String },
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
            Self::File { file } => Some(file),
        }
    }

    pub fn load(&self) -> Result<SecretKey, KeyError> {
        match self {
            Self::Env { env } => from_hex(variable(env)?, env),
            Self::File { file } => from_hex(read_secret_file(file)?, &file.display().to_string()),
            Self::Keystore { keystore, password_env } => {
                let bytes = eth_keystore::decrypt_key(keystore, &*password(password_env)?);
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

/// Of a keystore, from this environment variable.
pub fn password(env: &str) -> Result<Zeroizing<String>, KeyError> {
    let password = Zeroizing::new(variable(env)?);
    if password.is_empty() {
        return Err(KeyError::EmptyPassword(env.into()));
    }
    Ok(password)
}

fn variable(name: &str) -> Result<String, KeyError> {
    std::env::var(name).map_err(|_| KeyError::NoEnv(name.into()))
}

/// Refuses one that others than its owner may read.
pub(crate) fn read_secret_file(file: &Path) -> Result<String, KeyError> {
    let fail = |cause: String| KeyError::File { path: file.into(), cause };
    let mode = std::fs::metadata(file).map_err(|error| fail(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fail("others than its owner may read it; chmod 600".into()));
    }
    std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))
}

fn from_hex(mut text: String, source: &str) -> Result<SecretKey, KeyError> {
    let bytes = hex::decode(text.trim().trim_start_matches("0x"));
    text.zeroize();
    let mut bytes = bytes.map_err(|_| KeyError::NotAKey(source.into()))?;
    let key = SecretKey::new(&bytes, source);
    bytes.zeroize();
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_others_may_read_is_refused_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "11".repeat(32)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let key = KeyRef::File { file: path.clone() };
        assert!(key.load().unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(format!("{:?}", key.load().unwrap()), "SecretKey(..)");
    }

    #[test]
    fn what_is_no_scalar_of_the_curve_is_refused() {
        for bad in [vec![0; 32], vec![0xff; 32], vec![1; 31], vec![]] {
            assert!(SecretKey::new(&bad, "here").is_err());
        }
    }

    #[test]
    fn an_empty_password_is_refused() {
        // cargo sets it, empty, for a crate of no prerelease: a test sets no variable beside others that read some
        const EMPTY: &str = "CARGO_PKG_VERSION_PRE";
        assert_eq!(std::env::var(EMPTY).as_deref(), Ok(""));
        let keystore = KeyRef::Keystore { keystore: "key.json".into(), password_env: EMPTY.into() };
        for refused in [password(EMPTY).map(|_| ()), keystore.load().map(|_| ())] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(EMPTY) && error.contains("set one"), "{error}");
        }
    }

    #[test]
    fn a_keystore_gives_back_its_key_to_its_password_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.json");
        let key = SecretKey::generate();
        key.save(&path, "secret").unwrap();
        assert!(key.save(&path, "secret").is_err(), "never overwritten");
        let decrypt = |password| eth_keystore::decrypt_key(&path, password);
        assert_eq!(decrypt("secret").unwrap(), key.expose());
        assert!(decrypt("other").is_err());
    }
}
