//! A word that two processes share, so that one lets the other in: by reference, as keys are.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::keys::{read_secret_file, KeyError};

/// Fewer could be guessed.
const SHORTEST: usize = 32;

/// `{ env = "NAME" }`, or `{ file = "FILE" }` that only its owner may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "write { env = \"NAME\" } or { file = \"FILE\" }: where the token is, never what it is"
)]
pub enum TokenRef {
    Env { env: String },
    File { file: PathBuf },
}

/// Never printed.
#[derive(Clone)]
pub struct Token {
    text: zeroize::Zeroizing<String>,
    digest: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// Compares digests, so that the time it takes tells nothing of the token.
    pub fn is(&self, given: &str) -> bool {
        self.digest == <[u8; 32]>::from(Sha256::digest(given))
    }

    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl TokenRef {
    pub(crate) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Env { .. } => None,
            Self::File { file } => Some(file),
        }
    }

    pub fn load(&self) -> Result<Token, KeyError> {
        let (mut read, source) = match self {
            Self::Env { env } => (std::env::var(env).map_err(|_| KeyError::NoEnv(env.clone()))?, env.clone()),
            Self::File { file } => (read_secret_file(file)?, file.display().to_string()),
        };
        let text = zeroize::Zeroizing::new(read.trim().to_owned());
        read.zeroize();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(KeyError::Token { source_name: source, shortest: SHORTEST });
        }
        Ok(Token { digest: Sha256::digest(text.as_bytes()).into(), text })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_lets_in_who_has_it_and_is_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let load = |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            TokenRef::File { file: file.clone() }.load()
        };
        let text = "t".repeat(SHORTEST);
        let token = load(&format!("{text}\n"), 0o600).unwrap();
        assert!(token.is(&text) && !token.is(&text[1..]) && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert!(load(&text, 0o644).unwrap_err().to_string().contains("chmod 600"));
        for bad in ["", &text[1..], &format!("{text}\u{e9}")] {
            let error = load(bad, 0o600).unwrap_err().to_string();
            assert!(error.contains("32") && (bad.is_empty() || !error.contains(bad)), "{error}");
        }
    }
}
