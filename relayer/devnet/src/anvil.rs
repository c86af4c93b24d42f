//! anvil, the EVM node.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::process::Process;
use crate::{rpc, Binary, Error};

const START: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct AnvilOptions {
    /// Made if missing; one folder a node.
    pub data_dir: PathBuf,
    pub chain_id: u64,
    /// A block each so often, empty or not; without it one for each transaction, and then
    /// `finalized` moves only when somebody sends.
    pub block_time: Option<Duration>,
    /// anvil's `finalized` block is two epochs behind its latest.
    pub slots_in_an_epoch: u64,
    /// 0x-addresses and their wei. anvil's own well-known accounts are switched off.
    pub funded: Vec<(String, u128)>,
}

#[derive(Debug)]
pub struct Anvil {
    pub rpc_url: String,
    options: AnvilOptions,
    program: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Anvil {
    /// Returns when the node answers and the accounts are funded.
    pub async fn start(options: AnvilOptions) -> Result<Self, Error> {
        std::fs::create_dir_all(&options.data_dir).map_err(Error::file("make the folder", &options.data_dir))?;
        let mut node =
            Self { rpc_url: String::new(), program: Binary::Anvil.locate()?, options, port: 0, process: None };
        node.run().await?;
        for (address, wei) in &node.options.funded {
            node.set_balance(address, *wei).await?;
        }
        Ok(node)
    }

    pub fn chain_id(&self) -> u64 {
        self.options.chain_id
    }

    /// `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub async fn set_balance(&self, address: &str, wei: u128) -> Result<(), Error> {
        let params = json!([address, format!("0x{wei:x}")]);
        rpc::call(&self.rpc_url, "anvil_setBalance", params).await?;
        Ok(())
    }

    /// What is sent waits in the mempool from now on.
    pub async fn stop_mining(&self) -> Result<(), Error> {
        self.mine_every(0).await
    }

    /// As the options say, in whole seconds, which is all that anvil takes while it runs; also after `stop_mining`.
    pub async fn mine_at_interval(&self) -> Result<(), Error> {
        match self.options.block_time {
            Some(every) => self.mine_every(every.as_secs().max(1)).await,
            None => Ok(()),
        }
    }

    /// Never, where it is 0.
    async fn mine_every(&self, seconds: u64) -> Result<(), Error> {
        rpc::call(&self.rpc_url, "evm_setIntervalMining", json!([seconds])).await?;
        Ok(())
    }

    /// Puts empty blocks in the place of the newest ones; what was in them is gone from the mempool too.
    pub async fn reorg(&self, blocks: u64) -> Result<(), Error> {
        rpc::call(&self.rpc_url, "anvil_reorg", json!([blocks, []])).await?;
        Ok(())
    }

    /// Writes the chain to the data folder and ends the process.
    pub async fn stop(&mut self) -> Result<(), Error> {
        match self.process.take() {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Goes on with the chain it had, at the same address.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.run().await
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

    async fn run(&mut self) -> Result<(), Error> {
        let options = &self.options;
        let mut args: Vec<String> = vec![
            "--host=127.0.0.1".into(),
            // 0 the first time: the kernel picks, and the log says what.
            format!("--port={}", self.port),
            format!("--chain-id={}", options.chain_id),
            format!("--slots-in-an-epoch={}", options.slots_in_an_epoch),
            "--accounts=0".into(),
            "--preserve-historical-states".into(),
            format!("--state={}", options.data_dir.join("state.json").display()),
        ];
        if let Some(every) = options.block_time {
            args.push(format!("--block-time={}", every.as_secs_f64()));
        }
        let name = format!("anvil ({})", options.chain_id);
        let log = options.data_dir.join("anvil.log");
        let mut process = Process::spawn(name, &self.program, &args, log)?;
        self.port = process
            .wait_for("listen", START, async |log: &str| {
                let (_, after) = log.split_once("Listening on 127.0.0.1:")?;
                after.lines().next()?.trim().parse().ok()
            })
            .await?;
        self.rpc_url = format!("http://127.0.0.1:{}", self.port);
        process
            .wait_for("answer", START, async |_: &str| rpc::call(&self.rpc_url, "eth_chainId", json!([])).await.ok())
            .await?;
        self.process = Some(process);
        Ok(())
    }
}
