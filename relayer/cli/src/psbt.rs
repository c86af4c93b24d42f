//! PSBTs in files, binary as BIP-174 has it: to a wallet that is elsewhere, and back.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bitcoin::Psbt;
use serde::Serialize;

/// What a wallet is to sign, and where.
#[derive(Debug, Serialize)]
pub struct ToSign {
    pub files: Vec<PathBuf>,
    /// the command that takes them back
    pub then: String,
}

impl fmt::Display for ToSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|file| writeln!(f, "sign         {}", file.display()))?;
        write!(f, "then         {}", self.then)
    }
}

pub fn write(folder: &Path, name: &str, psbt: &Psbt) -> Result<PathBuf> {
    let path = path_of(folder, name);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, psbt.serialize()));
    written.with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

pub fn read(folder: &Path, name: &str) -> Result<Psbt> {
    let path = path_of(folder, name);
    let bytes = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Psbt::deserialize(&bytes).with_context(|| format!("{} is no PSBT in binary form", path.display()))
}

fn path_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.psbt"))
}
