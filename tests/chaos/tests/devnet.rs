//! `aes devnet` leaves nothing running, whether it is asked to end or killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aes_e2e::process::binary;
use aes_e2e::PATIENCE;
use anyhow::{ensure, Context as _, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

const LOOK: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_nothing_running() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut devnet = start(data.path()).await?;
    signal(&devnet, Signal::SIGINT)?;
    let ended = timeout(PATIENCE, devnet.wait()).await.context("SIGINT did not end it")??;
    ensure!(ended.success(), "ended with {ended}");
    ensure!(nodes(data.path())?.is_empty(), "still running: {:?}", nodes(data.path())?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_it_leaves_nothing_running_either() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut devnet = start(data.path()).await?;
    signal(&devnet, Signal::SIGKILL)?;
    devnet.wait().await?;
    let gone = async {
        while !nodes(data.path())?.is_empty() {
            sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, gone).await.context("nodes outlive a killed aes devnet")?
}

/// Returns once everything runs.
async fn start(data: &Path) -> Result<Child> {
    let artifacts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts");
    let mut devnet = Command::new(binary()?)
        .arg("devnet")
        .arg("--data")
        .arg(data)
        .arg("--artifacts")
        .arg(artifacts)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(devnet.stdout.take().context("its output")?).lines();
    let started = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("Ctrl-C stops everything") {
                return Ok(());
            }
        }
        anyhow::bail!("it ended before it had started")
    };
    timeout(PATIENCE, started).await.context("it did not start")??;
    ensure!(nodes(data)?.len() >= 3, "expected wasmd and two anvils, running are {:?}", nodes(data)?);
    Ok(devnet)
}

fn signal(process: &Child, signal: Signal) -> Result<()> {
    let pid = process.id().context("it has ended by itself")?;
    Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
}

/// The command lines of processes, other than `aes devnet` itself, that work in its folder. One that has ended and is
/// not reaped has none.
fn nodes(data: &Path) -> Result<Vec<String>> {
    let data = data.display().to_string();
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc")?.flatten() {
        // gone meanwhile, or no process
        let Ok(line) = std::fs::read(process.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&data) && !line.contains(" devnet ") {
            found.push(line);
        }
    }
    Ok(found)
}
