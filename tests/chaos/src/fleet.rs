//! The relayer and the attestors as processes of `aes`, each behind links of its own to all it talks to, and started
//! again whenever they end, as a service manager would.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aes_cli::devnet::{ATTESTORS, RELAYER};
use aes_config::Config;
use aes_e2e::link::{Link, Weather};
use aes_e2e::net::Net;
use aes_e2e::process::Aes;
use anyhow::{Context as _, Result};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;

/// Seconds: a run takes minutes.
const BUMP_AFTER: u64 = 5;

pub struct Fleet {
    pub relayer: Part,
    pub attestors: Vec<Part>,
}

/// One process.
pub struct Part {
    pub name: &'static str,
    command: &'static str,
    config: PathBuf,
    log: PathBuf,
    /// to nodes by their chain's name, to attestors by theirs
    pub links: BTreeMap<String, Link>,
    running: Mutex<Option<Running>>,
}

struct Running {
    process: Aes,
    /// microseconds since the Unix epoch
    since: u64,
}

impl Fleet {
    pub async fn start(net: &Net) -> Result<Self> {
        let mut attestors = Vec::new();
        for name in ATTESTORS {
            attestors.push(Part::start(net, name, "attest").await?);
        }
        Ok(Self { relayer: Part::start(net, RELAYER, "relay").await?, attestors })
    }

    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.attestors.iter().chain([&self.relayer])
    }

    /// Those that ended by themselves run again: how many.
    pub async fn keep_running(&self) -> Result<u64> {
        let mut ended = 0;
        for part in self.parts() {
            ended += u64::from(part.keep_running().await?);
        }
        Ok(ended)
    }

    pub fn fair_weather(&self) {
        self.parts().flat_map(|part| part.links.values()).for_each(|link| {
            link.weather(Weather::Fair);
            link.go_on();
        });
    }

    pub async fn terminate(self) -> Result<()> {
        for part in self.attestors.into_iter().chain([self.relayer]) {
            if let Some(running) = part.running.into_inner() {
                running.process.terminate().await.with_context(|| part.name)?;
            }
        }
        Ok(())
    }
}

impl Part {
    async fn start(net: &Net, name: &'static str, command: &'static str) -> Result<Self> {
        let mut config = Config::load(&net.devnet.config_file(name))?;
        let mut links = BTreeMap::new();
        for chain in config.chains.values_mut() {
            let link = Link::to(chain.rpc.first().context("an endpoint")?.expose().as_str()).await?;
            chain.rpc = vec![link.url.parse()?];
            links.insert(chain.name.clone(), link);
        }
        if let Some(relay) = &mut config.relay {
            relay.bump_after = BUMP_AFTER;
            for (at, attestor) in relay.attestors.iter_mut().zip(ATTESTORS) {
                let link = Link::to(at.url.expose().as_str()).await?;
                at.url = link.url.parse()?;
                links.insert(attestor.into(), link);
            }
        }
        let data = &net.devnet.options.data_dir;
        let file = data.join(format!("linked-{name}.toml"));
        std::fs::write(&file, toml::to_string(&config)?)?;
        let log = data.join(format!("{name}.log"));
        let part = Self { name, command, config: file, log, links, running: Mutex::default() };
        part.keep_running().await?;
        Ok(part)
    }

    /// Starts it where it does not run.
    pub async fn keep_running(&self) -> Result<bool> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.as_mut() {
            if running.process.runs()? {
                return Ok(false);
            }
        }
        let process = Aes::start(&self.config, &[self.command], &self.log)?;
        *running = Some(Running { process, since: now()? });
        Ok(true)
    }

    /// SIGKILL. Of a relayer: how many microseconds after its start it first wanted to send something.
    pub async fn kill(&self) -> Result<Option<u64>> {
        let Some(Running { process, since }) = self.running.lock().await.take() else { return Ok(None) };
        process.kill().await?;
        match self.database()? {
            Some(database) if database.is_file() => {
                Ok(first_intent(&database, since)?.map(|at| at.saturating_sub(since)))
            }
            _ => Ok(None),
        }
    }

    fn database(&self) -> Result<Option<PathBuf>> {
        Ok(Config::load(&self.config)?.relay.map(|relay| relay.database))
    }

    /// Of a relayer, which must not run.
    pub fn lose_database(&self) -> Result<()> {
        let database = self.database()?.context("no relayer")?;
        for suffix in ["", "-wal", "-shm"] {
            let mut file = database.clone().into_os_string();
            file.push(suffix);
            if Path::new(&file).exists() {
                std::fs::remove_file(&file)?;
            }
        }
        Ok(())
    }
}

fn first_intent(database: &Path, since: u64) -> Result<Option<u64>> {
    let database = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let sql = "SELECT min(created) FROM outbox WHERE created >= ?1";
    let first: Option<i64> = database.query_row(sql, [i64::try_from(since)?], |row| row.get(0))?;
    Ok(first.map(u64::try_from).transpose()?)
}

fn now() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}
