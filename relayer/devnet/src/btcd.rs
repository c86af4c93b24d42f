//! btcd, the Bitcoin node, on regtest: blocks when told, or at an interval.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{json, Value};
use tokio::task::JoinHandle;
use tokio::time::{interval, MissedTickBehavior};

use crate::process::Process;
use crate::{rpc, Binary, Error};

const START: Duration = Duration::from_secs(30);
/// Blocks in one `generate`, so that the call stays far below its time-out.
const GENERATE: u32 = 50;
/// btcd answers nobody without a password; this one only keeps other programs of the machine from talking to it by mistake.
const USER: &str = "devnet";

#[derive(Clone, Debug)]
pub struct BtcdOptions {
    /// Made if missing; one folder a node.
    pub data_dir: PathBuf,
    /// Where the subsidies go, which can be spent 100 blocks later.
    pub mining_address: String,
    /// Mined before `start` returns: 101 make the first subsidy spendable.
    pub blocks: u32,
    /// A block each so often; without it only `generate` makes them.
    pub block_time: Option<Duration>,
}

#[derive(Debug)]
pub struct Btcd {
    /// With user and password inside, as configs take it.
    pub rpc_url: String,
    options: BtcdOptions,
    program: PathBuf,
    port: u16,
    process: Option<Process>,
    miner: Mutex<Option<JoinHandle<()>>>,
}

impl Btcd {
    /// Returns when the node answers and the first blocks are there.
    pub async fn start(options: BtcdOptions) -> Result<Self, Error> {
        std::fs::create_dir_all(&options.data_dir).map_err(Error::file("make the folder", &options.data_dir))?;
        let program = Binary::Btcd.locate()?;
        let mut node =
            Self { rpc_url: String::new(), program, port: 0, process: None, miner: Mutex::default(), options };
        node.run().await?;
        node.generate(node.options.blocks).await?;
        node.mine_at_interval();
        Ok(node)
    }

    /// `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Mines so many blocks with what is in the mempool; their hashes as the node writes them.
    pub async fn generate(&self, blocks: u32) -> Result<Vec<String>, Error> {
        let mut hashes = Vec::new();
        let mut left = blocks;
        while left > 0 {
            let some = left.min(GENERATE);
            let mined = self.call("generate", json!([some])).await?;
            hashes.extend(mined.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
            left -= some;
        }
        Ok(hashes)
    }

    /// Another branch, one block longer, in the place of the newest block, whose hash it returns.
    pub async fn reorg(&self) -> Result<Value, Error> {
        // a block between the calls would be a second one to take back
        self.stop_mining();
        let branched = async {
            let tip = self.call("getbestblockhash", json!([])).await?;
            self.call("invalidateblock", json!([tip])).await?;
            self.generate(2).await?;
            Ok(tip)
        };
        let branched = branched.await;
        self.mine_at_interval();
        branched
    }

    /// Any call of the node's JSON-RPC, for tests: `submitblock`, `gettxout` and their like.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        rpc::call(&self.rpc_url, method, params).await
    }

    /// Ends the process. Its chain goes with it: `restart` is what keeps it.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.stop_mining();
        match self.process.take() {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Goes on with the chain it had, at the same address. btcd deletes a regtest chain whenever it starts, so the blocks
    /// are read out before and given back after; the mempool is lost, as it is on any node. While they are given back the
    /// node shows a shorter chain than it had: who should see a node that is down meanwhile must be cut off.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop_mining();
        let mut blocks = Vec::new();
        // a block that was asked for before may still come
        while blocks.len() < self.call("getblockcount", json!([])).await?.as_u64().unwrap_or_default() as usize {
            let hash = self.call("getblockhash", json!([blocks.len() + 1])).await?;
            blocks.push(self.call("getblock", json!([hash, 0])).await?);
        }
        self.stop().await?;
        self.run().await?;
        for block in blocks {
            self.call("submitblock", json!([block])).await?;
        }
        self.mine_at_interval();
        Ok(())
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

    /// Blocks come only when asked for from now on.
    pub fn stop_mining(&self) {
        if let Some(miner) = self.miner().take() {
            miner.abort();
        }
    }

    /// As the options say; also after `stop_mining`.
    pub fn mine_at_interval(&self) {
        let Some(every) = self.options.block_time else { return };
        self.stop_mining();
        let url = self.rpc_url.clone();
        *self.miner() = Some(tokio::spawn(async move {
            let mut every = interval(every);
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                every.tick().await;
                // A node that stands still mines nothing: the next tick asks again.
                let _ = rpc::call(&url, "generate", json!([1])).await;
            }
        }));
    }

    fn miner(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.miner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&mut self) -> Result<(), Error> {
        let dir = &self.options.data_dir;
        // Without one of its own it would make and read one in the user's home.
        let config = dir.join("btcd.conf");
        std::fs::write(&config, "").map_err(Error::file("write", &config))?;
        let args = [
            format!("--configfile={}", config.display()),
            format!("--datadir={}", dir.join("data").display()),
            format!("--logdir={}", dir.join("logs").display()),
            "--regtest".into(),
            "--notls".into(),
            "--txindex".into(),
            "--nolisten".into(),
            "--nocfilters".into(),
            "--utxocachemaxsize=32".into(),
            // Attestors, relayers and users each keep connections of their own.
            "--rpcmaxclients=200".into(),
            "--rpcmaxconcurrentreqs=200".into(),
            format!("--rpcuser={USER}"),
            format!("--rpcpass={USER}"),
            // 0 the first time: the kernel picks, and the log says what.
            format!("--rpclisten=127.0.0.1:{}", self.port),
            format!("--miningaddr={}", self.options.mining_address),
        ];
        let log = dir.join("btcd.log");
        let mut process = Process::spawn("btcd".into(), &self.program, &args, log)?;
        self.port = process
            .wait_for("listen", START, async |log: &str| {
                let (_, after) = log.split_once("RPC server listening on 127.0.0.1:")?;
                after.lines().next()?.trim().parse().ok()
            })
            .await?;
        self.rpc_url = format!("http://{USER}:{USER}@127.0.0.1:{}", self.port);
        process
            .wait_for("answer", START, async |_: &str| rpc::call(&self.rpc_url, "getblockcount", json!([])).await.ok())
            .await?;
        self.process = Some(process);
        Ok(())
    }
}

impl Drop for Btcd {
    fn drop(&mut self) {
        self.stop_mining();
    }
}
