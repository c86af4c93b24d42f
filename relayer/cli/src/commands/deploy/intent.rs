//! What `aes deploy` is about to create, written beside the manifest before it is sent. A run that breaks off before the
//! manifest has the contract finds it again by this, where it would make another.

use std::path::{Path, PathBuf};

use aes_config::{write_whole, Manifest};
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    pub chain: ChainId,
    pub what: Creation,
    /// where it will be, as the chain writes it
    pub address: String,
    /// EVM: the transaction that makes it
    pub nonce: Option<u64>,
    /// newest block when this was written
    pub height: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Creation {
    Coordinator,
    Token,
    Escrow,
}

impl Intent {
    /// The last one; `None` where nothing was ever created.
    pub fn load(manifest: &Path) -> Result<Option<Self>> {
        let path = path(manifest);
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let intent = serde_json::from_str(&text);
        intent.map(Some).with_context(|| format!("{}: it is written by `aes deploy`, not by hand", path.display()))
    }

    pub fn save(&self, manifest: &Path) -> Result<()> {
        let path = path(manifest);
        write_whole(&path, self).with_context(|| format!("write {}", path.display()))
    }

    /// Whether the manifest lacks it, and would have it next.
    pub fn is_missing_in(&self, manifest: Option<&Manifest>) -> bool {
        match (self.what, manifest) {
            (Creation::Coordinator, manifest) => manifest.is_none(),
            (_, None) => false,
            (Creation::Token, Some(manifest)) => {
                !manifest.tokens.contains_key(&self.chain) && !manifest.chains.contains_key(&self.chain)
            }
            (Creation::Escrow, Some(manifest)) => !manifest.chains.contains_key(&self.chain),
        }
    }
}

fn path(manifest: &Path) -> PathBuf {
    manifest.with_extension("intent.json")
}
