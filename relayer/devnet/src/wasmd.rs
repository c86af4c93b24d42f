//! wasmd, the CosmWasm node: a chain of one validator.

mod home;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::process::Process;
use crate::{rpc, Binary, Error};

/// What gas is paid in; 6 decimals, as on most Cosmos chains.
pub const GAS_DENOM: &str = "uallz";
/// ALZ as a native denom, in base units of 18 decimals.
pub const ALZ_DENOM: &str = "aalz";
/// What the node asks for one unit of gas.
pub const MIN_GAS_PRICE: &str = "0.0025uallz";

/// Storing compiled modules and making the first blocks takes a busy machine a while.
const START: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Coin {
    pub denom: String,
    pub amount: u128,
}

#[derive(Clone, Debug)]
pub struct GenesisAccount {
    /// bech32 with the prefix `wasm`. The caller keeps the key; the node never sees it.
    pub address: String,
    pub coins: Vec<Coin>,
}

#[derive(Clone, Debug)]
pub struct WasmdOptions {
    /// Must be new or empty.
    pub data_dir: PathBuf,
    pub chain_id: String,
    /// CometBFT's timeout_commit; a block takes some 20 ms more.
    pub block_time: Duration,
    pub accounts: Vec<GenesisAccount>,
}

#[derive(Debug)]
pub struct Wasmd {
    pub rpc_url: String,
    pub ws_url: String,
    options: WasmdOptions,
    program: PathBuf,
    port: u16,
    /// Its last known height, at the last stop.
    height: u64,
    process: Option<Process>,
}

impl Wasmd {
    /// Writes a genesis with these accounts, starts the node, and returns when block 2 exists: from
    /// then on every query and proof works.
    pub async fn start(options: WasmdOptions) -> Result<Self, Error> {
        let program = Binary::Wasmd.locate()?;
        home::create(&program, &options).await?;
        let mut node =
            Self { rpc_url: String::new(), ws_url: String::new(), options, program, port: 0, height: 0, process: None };
        node.run(2).await?;
        Ok(node)
    }

    pub fn chain_id(&self) -> &str {
        &self.options.chain_id
    }

    /// `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub async fn stop(&mut self) -> Result<(), Error> {
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        // A node that does not answer now is stopped all the same.
        self.height = height(&self.rpc_url).await.unwrap_or(self.height);
        process.stop().await
    }

    /// Goes on with the chain it had, at the same address; returns when it has made a new block.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.run(self.height.saturating_add(1)).await
    }

    /// Freezes the process: connections stay open and nothing answers. Returns when it stands still.
    pub async fn pause(&self) -> Result<(), Error> {
        match &self.process {
            Some(process) => process.pause().await,
            None => Ok(()),
        }
    }

    pub fn resume(&self) -> Result<(), Error> {
        match &self.process {
            Some(process) => process.resume(),
            None => Ok(()),
        }
    }

    async fn run(&mut self, until_height: u64) -> Result<(), Error> {
        let args = [
            "start".to_owned(),
            format!("--home={}", self.options.data_dir.display()),
            // 0 the first time: the kernel picks, and the log says what.
            format!("--rpc.laddr=tcp://127.0.0.1:{}", self.port),
            "--log_no_color".to_owned(),
        ];
        let name = format!("wasmd ({})", self.options.chain_id);
        let log = self.options.data_dir.join("wasmd.log");
        let mut process = Process::spawn(name, &self.program, &args, log)?;
        self.port = process
            .wait_for("listen", START, async |log: &str| {
                let (_, after) = log.split_once("Starting RPC HTTP server on 127.0.0.1:")?;
                let digits = after.find(|c: char| !c.is_ascii_digit())?;
                after[..digits].parse().ok()
            })
            .await?;
        self.rpc_url = format!("http://127.0.0.1:{}", self.port);
        self.ws_url = format!("ws://127.0.0.1:{}/websocket", self.port);
        process
            .wait_for("make a block", START, async |_: &str| {
                let height = height(&self.rpc_url).await.ok()?;
                (height >= until_height).then_some(())
            })
            .await?;
        self.process = Some(process);
        Ok(())
    }
}

async fn height(rpc_url: &str) -> Result<u64, Error> {
    let status = rpc::call(rpc_url, "status", json!({})).await?;
    status["sync_info"]["latest_block_height"].as_str().and_then(|height| height.parse().ok()).ok_or_else(|| {
        Error::Rpc { url: rpc_url.into(), method: "status".into(), reason: format!("no height in the answer {status}") }
    })
}
