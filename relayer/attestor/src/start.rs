//! Why an attestor does not start.

use std::path::{Path, PathBuf};

use aes_http::ServeError;
use aes_protocol::SetError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the attestor's key is no secp256k1 key; make one with `aes keys`")]
    Key,
    #[error("the attestor's Bitcoin key is the one that signs its statements: one key never signs in two schemes; make another")]
    SameKey,
    #[error("journal {}: another attestor has it open; one journal serves one process", .0.display())]
    Locked(PathBuf),
    #[error("journal {}: {cause}; look at the disk and the file's owner", path.display())]
    File { path: PathBuf, cause: String },
    #[error(
        "journal {}: belongs to signer {journal}, this key is {key}; give each key a journal of its own",
        path.display()
    )]
    OtherSigner { path: PathBuf, journal: String, key: String },
    #[error(
        "journal {}: belongs to the deployment with domain salt {journal}, the manifest's is {manifest}; \
         give each deployment a journal of its own",
        path.display()
    )]
    OtherDeployment { path: PathBuf, journal: String, manifest: String },
    #[error("journal {}: has format {found}, this program knows up to {known}; use the newer program", path.display())]
    NewerJournal { path: PathBuf, found: i64, known: i64 },
    #[error("attestor set: {0}")]
    Set(#[from] SetError),
    #[error("attest.listen: {0}")]
    Serve(#[from] ServeError),
    #[error("attest.listen: {0}")]
    Listen(#[from] std::io::Error),
}

impl StartError {
    pub(crate) fn file(path: &Path, cause: impl ToString) -> Self {
        Self::File { path: path.into(), cause: cause.to_string() }
    }
}
