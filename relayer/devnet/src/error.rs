//! What can go wrong with a node; each says what, where, and what to do about it.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{name} is not installed: run `make nodes`, or name the binary in {variable}")]
    NotInstalled { name: &'static str, variable: &'static str },
    #[error("{variable} names {path}, which is no file: correct or unset it")]
    NoSuchBinary { variable: &'static str, path: PathBuf },
    #[error("cannot {doing} {path}: {cause}")]
    File { doing: &'static str, path: PathBuf, cause: std::io::Error },
    #[error("cannot run {program}: {cause}")]
    Spawn { program: PathBuf, cause: std::io::Error },
    #[error("`{command}` failed: {output}")]
    Command { command: String, output: String },
    #[error("{path} is not what the node should have written ({reason}): is the node binary another version?")]
    Unexpected { path: PathBuf, reason: String },
    #[error("{node} {what} (its log is {log}); the log ends:\n{tail}")]
    Died { node: String, what: String, log: PathBuf, tail: String },
    #[error("{node} did not {what} within {} s (its log is {log}); the log ends:\n{tail}", .waited.as_secs())]
    Timeout { node: String, what: &'static str, waited: Duration, log: PathBuf, tail: String },
    #[error("{method} at {url} failed: {reason}")]
    Rpc { url: String, method: String, reason: String },
    #[error("cannot signal {node} (pid {pid}): {cause}")]
    Signal { node: String, pid: u32, cause: nix::Error },
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { doing, path, cause }
    }
}
