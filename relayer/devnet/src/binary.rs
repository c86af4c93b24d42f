//! Where the node binaries are: an environment variable, the cache that `make nodes` fills, or PATH.

use std::env;
use std::path::PathBuf;

use crate::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Wasmd,
    Anvil,
    Btcd,
}

impl Binary {
    pub fn locate(self) -> Result<PathBuf, Error> {
        let (name, variable) = match self {
            Self::Wasmd => ("wasmd", "AES_WASMD"),
            Self::Anvil => ("anvil", "AES_ANVIL"),
            Self::Btcd => ("btcd", "AES_BTCD"),
        };
        // Whoever names a binary wants that one: falling back to another would hide the mistake.
        if let Some(path) = env::var_os(variable).map(PathBuf::from) {
            return if path.is_file() { Ok(path) } else { Err(Error::NoSuchBinary { variable, path }) };
        }
        let cached = cache().map(|cache| cache.join("bin").join(name));
        let on_path = env::var_os("PATH")
            .iter()
            .flat_map(|path| env::split_paths(path).map(|folder| folder.join(name)))
            .collect::<Vec<_>>();
        cached.into_iter().chain(on_path).find(|path| path.is_file()).ok_or(Error::NotInstalled { name, variable })
    }
}

/// The same folder as in the Makefile.
fn cache() -> Option<PathBuf> {
    env::var_os("AES_CACHE")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/aes")))
}
