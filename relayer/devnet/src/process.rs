//! One node process: its log, its signals, and its end.
//!
//! Nodes get a process group of their own, so that Ctrl-C reaches only us and we stop them in order.
//! A guard process, a shell blocked on a pipe from us, kills the group when the pipe closes: the kernel
//! closes it however we end, so even `kill -9` leaves no node behind. (Linux's PDEATHSIG would need
//! unsafe code, and fires when the *thread* that started the node ends.)

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use tokio::time::{sleep, Instant};

use crate::Error;

const POLL: Duration = Duration::from_millis(20);
/// How long a node may take to write its data down before it is killed.
const STOP: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_secs(5);
const TAIL_LINES: usize = 20;

#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    /// How long the log was when this process started: a restart appends.
    log_start: usize,
    node: Child,
    guard: Child,
    reaped: bool,
}

impl Process {
    pub fn spawn(
        name: String,
        program: &Path,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: PathBuf,
    ) -> Result<Self, Error> {
        let out = OpenOptions::new().create(true).append(true).open(&log).map_err(Error::file("open", &log))?;
        let log_start = file_len(&out);
        let err = out.try_clone().map_err(Error::file("open", &log))?;
        let mut node = Command::new(program)
            .args(args)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|cause| Error::Spawn { program: program.into(), cause })?;
        let guard = Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$1\"", "guard"])
            .arg(node.id().to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { name, log, log_start, node, guard, reaped: false }),
            Err(cause) => {
                // Nobody would watch over it: better no node than one that may stay for ever.
                let _ = node.kill();
                let _ = node.wait();
                Err(Error::Spawn { program: "/bin/sh".into(), cause })
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.node.id()
    }

    /// The signal is delivered at once, but each thread stops only when it next enters the kernel.
    pub async fn pause(&self) -> Result<(), Error> {
        self.signal(Signal::SIGSTOP)?;
        let deadline = Instant::now() + PAUSE;
        while !self.stands_still() && Instant::now() < deadline {
            sleep(POLL).await;
        }
        Ok(())
    }

    pub fn resume(&self) -> Result<(), Error> {
        self.signal(Signal::SIGCONT)
    }

    fn stands_still(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid())) else {
            return true;
        };
        threads.flatten().all(|thread| {
            fs::read_to_string(thread.path().join("stat"))
                .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
        })
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        killpg(self.group(), signal).map_err(|cause| Error::Signal { node: self.name.clone(), pid: self.pid(), cause })
    }

    /// Asks the node to stop, and kills it when it does not.
    pub async fn stop(mut self) -> Result<(), Error> {
        // A paused node hears nothing but SIGCONT and SIGKILL.
        let asked = self.signal(Signal::SIGTERM);
        if asked.is_ok() && self.signal(Signal::SIGCONT).is_ok() {
            let deadline = Instant::now() + STOP;
            while self.exit()?.is_none() && Instant::now() < deadline {
                sleep(POLL).await;
            }
        }
        self.kill();
        Ok(())
    }

    /// Polls `probe` until it answers; fails early when the node has died.
    pub async fn wait_for<T>(
        &mut self,
        what: &'static str,
        limit: Duration,
        mut probe: impl AsyncFnMut(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + limit;
        loop {
            let log = self.log_text();
            if let Some(answer) = probe(&log).await {
                return Ok(answer);
            }
            let died = self.exit()?;
            let (node, log, tail) = (self.name.clone(), self.log.clone(), tail(&log));
            if let Some(what) = died {
                return Err(Error::Died { node, what, log, tail });
            }
            if Instant::now() >= deadline {
                return Err(Error::Timeout { node, what, waited: limit, log, tail });
            }
            sleep(POLL).await;
        }
    }

    fn group(&self) -> Pid {
        // Kernel pids fit an i32; a value that did not would name no process.
        Pid::from_raw(i32::try_from(self.node.id()).unwrap_or(i32::MAX))
    }

    fn exit(&mut self) -> Result<Option<String>, Error> {
        let status = self.node.try_wait().map_err(|cause| Error::Spawn { program: self.name.clone().into(), cause })?;
        self.reaped |= status.is_some();
        Ok(status.map(|status| format!("ended by itself ({status})")))
    }

    /// What this run of the node has written so far.
    fn log_text(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.log_start..).unwrap_or_default()).into_owned()
    }

    fn kill(&mut self) {
        // The guard first: once the node is reaped its pid may be another process's.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        if !self.reaped {
            let _ = killpg(self.group(), Signal::SIGKILL);
            self.reaped = self.node.wait().is_ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn file_len(file: &File) -> usize {
    file.metadata().ok().and_then(|meta| usize::try_from(meta.len()).ok()).unwrap_or(0)
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].join("\n")
}
