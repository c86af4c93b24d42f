//! The manifest: addresses and code hashes of one deployment. Written by `aes deploy`, read by everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use aes_protocol::{Bytes, ChainId, Conservation, Domain, Hash32};
use serde::{Deserialize, Serialize};

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("manifest {}: {cause}; run `aes deploy` first", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("manifest {}: {cause}", path.display())]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("manifest {}: {cause}; it is written by `aes deploy`, not by hand", path.display())]
    Parse { path: PathBuf, cause: String },
    #[error("manifest {}: has format {found}, this program reads {known}; use the `aes` of the release that wrote it", path.display())]
    OtherVersion { path: PathBuf, found: u32, known: u32 },
    #[error("the manifest has no chain {0}; add it to [deploy.chains] and run `aes deploy`")]
    NoChain(ChainId),
    #[error("the manifest has no block of {0} to follow its headers from; run `aes deploy` again, which writes one")]
    NoAnchor(ChainId),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// of this file's format
    pub version: u32,
    pub domain: Domain,
    /// the coordinator's bech32 address
    pub coordinator: String,
    pub coordinator_code_hash: Hash32,
    pub conservation: Conservation,
    pub chains: BTreeMap<ChainId, ManifestChain>,
    /// ERC-20 addresses of ALZ that `aes deploy` has made on chains whose escrow it has not made yet
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<ChainId, String>,
    /// code of ALZ where it is a contract: keccak-256 of the ERC-20's, sha-256 of the cw20's wasm
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asset_code: BTreeMap<ChainId, Hash32>,
    /// chains whose vault has had its first filling: what leaves it afterwards is not missing from it
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub filled: BTreeSet<ChainId>,
    /// a block of each CosmWasm or Bitcoin chain from which its headers are followed
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub anchors: BTreeMap<ChainId, Anchor>,
    /// what a Bitcoin chain has beside its entry in `chains`: there no contract keeps the settings
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bitcoin: BTreeMap<ChainId, BitcoinEscrow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    pub height: u64,
    pub hash: Hash32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestChain {
    /// canonical bytes, as legs carry it
    pub escrow: Bytes,
    /// as the chain writes it
    pub escrow_address: String,
    /// ERC-20 or cw20 address, or bank denom
    pub asset: String,
    /// keccak-256 of the deployed EVM code, sha-256 of the wasm
    pub code_hash: Hash32,
    /// block in which the escrow was made
    pub height: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitcoinEscrow {
    /// ALZ's name there, e.g. `ALZ•BRIDGE•TOKEN`; its id, `block:transaction`, is the entry's `asset`
    pub rune: String,
    /// id of the etching transaction, as explorers write it
    pub etching: String,
    /// base units, all there will ever be
    pub premine: String,
    /// attestor set whose vault is the escrow that legs name
    pub first_set: u64,
    /// seconds after a deadline until a depositor can take an undecided hold back
    pub escape_delay: u64,
    /// base units: the largest leg
    pub max_leg: String,
}

impl Manifest {
    pub const VERSION: u32 = 1;

    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Format {
            version: u32,
        }
        let text = std::fs::read_to_string(path).map_err(|cause| ManifestError::Read { path: path.into(), cause })?;
        let parse = |error: serde_json::Error| ManifestError::Parse { path: path.into(), cause: error.to_string() };
        let Format { version: found } = serde_json::from_str(&text).map_err(parse)?;
        if found != Self::VERSION {
            return Err(ManifestError::OtherVersion { path: path.into(), found, known: Self::VERSION });
        }
        serde_json::from_str(&text).map_err(parse)
    }

    pub fn save(&self, path: &Path) -> Result<(), ManifestError> {
        write_whole(path, self).map_err(|cause| ManifestError::Write { path: path.into(), cause })
    }

    pub fn chain(&self, id: &ChainId) -> Result<&ManifestChain, ManifestError> {
        self.chains.get(id).ok_or_else(|| ManifestError::NoChain(id.clone()))
    }

    pub fn anchor(&self, id: &ChainId) -> Result<&Anchor, ManifestError> {
        self.anchors.get(id).ok_or_else(|| ManifestError::NoAnchor(id.clone()))
    }

    pub fn bitcoin(&self, id: &ChainId) -> Result<&BitcoinEscrow, ManifestError> {
        self.bitcoin.get(id).ok_or_else(|| ManifestError::NoChain(id.clone()))
    }
}

/// As JSON, whole or not at all: written beside, synced and renamed.
pub fn write_whole(path: &Path, value: &impl Serialize) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all((serde_json::to_string_pretty(value)? + "\n").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        std::fs::write(&path, text).unwrap();
        Manifest::load(&path).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_of_another_format_says_which() {
        let error = error_of(r#"{"version": 2, "anything": "else"}"#);
        assert!(error.contains("has format 2, this program reads 1"), "{error}");
    }

    #[test]
    fn a_malformed_manifest_says_what_is_wrong_and_where() {
        for (text, cause) in [
            ("", "EOF"),
            ("manifest", "line 1"),
            ("{}", "missing field `version`"),
            (r#"{"version": "1"}"#, "invalid type"),
            (r#"{"version": 1}"#, "missing field"),
            (r#"{"version": 1, "surprise": 1}"#, "surprise"),
        ] {
            let error = error_of(text);
            assert!(error.contains(cause) && error.contains("manifest.json"), "{text}: {error}");
        }
    }
}
