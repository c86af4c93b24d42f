//! The real binary `aes` as a process of its own: for what only shows when a process ends.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{ensure, Context as _, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::PATIENCE;

/// Killed when it is dropped.
pub struct Aes {
    child: Child,
    log: PathBuf,
}

impl Aes {
    /// What it logs is appended to `log`.
    pub fn start(config: &Path, words: &[&str], log: &Path) -> Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let child = Command::new(binary()?)
            .arg("--config")
            .arg(config)
            .args(words)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, log: log.into() })
    }

    /// By itself, and well.
    pub async fn ended(mut self) -> Result<()> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.context("it does not end")??;
        ensure!(ended.success(), "ended with {ended}; its log is {}", self.log.display());
        Ok(())
    }

    /// Whether it still runs: a process that cannot start says why in its log, and ends.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// SIGKILL: it can do nothing about it.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("SIGKILL")
    }

    /// SIGTERM, as a service manager ends it; it must end well, and soon.
    pub async fn terminate(mut self) -> Result<()> {
        let pid = self.child.id().context("the process has ended by itself")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.context("SIGTERM did not end it")??;
        ensure!(ended.success(), "ended with {ended}; its log is {}", self.log.display());
        Ok(())
    }
}

/// What a command that ended by itself said.
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Its answers, one JSON object a line.
    pub fn json(&self) -> Result<Vec<Value>> {
        ensure!(self.ok, "it failed: {}", self.err);
        self.objects()
    }

    pub fn objects(&self) -> Result<Vec<Value>> {
        let line = |line: &str| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"));
        self.out.lines().map(line).collect()
    }
}

/// The binary with these words, until it has ended. `AES_PASSWORD` is set as a user would.
pub async fn aes(config: &Path, words: &[&str]) -> Result<Said> {
    let mut command = Command::new(binary()?);
    command.arg("--config").arg(config).args(words).env("AES_PASSWORD", "a test's password").stdin(Stdio::null());
    let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
    let output = ended.with_context(|| format!("`aes {}` did not end", words.join(" ")))??;
    let text = |bytes| String::from_utf8(bytes).context("not UTF-8");
    Ok(Said { ok: output.status.success(), out: text(output.stdout)?, err: text(output.stderr)? })
}

/// Cargo builds it beside the tests: `cargo build --bin aes`, which `make test-e2e` does first.
pub fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    // a test is one folder deeper than a binary
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("aes")).find(|binary| binary.is_file());
    found.with_context(|| format!("no aes beside {}; `cargo build --bin aes` makes it", own.display()))
}
