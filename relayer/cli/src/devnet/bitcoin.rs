//! The devnet's Bitcoin chain: btcd on regtest, where the deployer mines, and sats for whoever needs some.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use aes_chains::bitcoin::{account_of, BitcoinDeployer};
use aes_config::{BitcoinConfig, Config, DeployChain, SecretKey};
use aes_devnet::{Btcd, BtcdOptions};
use aes_protocol::ChainId;
use anyhow::{Context as _, Result};
use tokio::time::sleep;

use super::{Options, DEPLOYER, RELAYER, USER};
use crate::amount;

/// How the hash of regtest's first block begins.
pub const BITCOIN: &str = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328";
/// Open at any height, as a name so long is.
const RUNE: &str = "ALZ•BRIDGE•TOKEN";
/// A coinbase can be spent 100 blocks later.
const FIRST_BLOCKS: u32 = 102;
/// Between blocks while an etching waits for seven. More often, and the chain's clock would run ahead: a block's time is
/// at least a second after the median of the eleven before it.
const HURRY: Duration = Duration::from_millis(250);
const USER_COINS: usize = 10;
const COIN_SATS: u64 = 200_000;

#[derive(Debug, Clone)]
pub struct BitcoinOptions {
    pub block_time: Duration,
    /// blocks, its own one included, from which on a transaction counts as final
    pub depth: u64,
    pub vault_outputs: u32,
    /// how many coins the relayer's account gets: each pays for one transaction a block
    pub relayer_coins: usize,
}

impl Default for BitcoinOptions {
    fn default() -> Self {
        Self { block_time: Duration::from_millis(500), depth: 2, vault_outputs: 8, relayer_coins: 40 }
    }
}

pub(super) async fn start(options: &Options, keys: &BTreeMap<&'static str, SecretKey>) -> Result<Option<Btcd>> {
    let Some(bitcoin) = &options.bitcoin else { return Ok(None) };
    let key = keys.get(DEPLOYER).context("the deployer's key")?;
    let (_, mining_address) = account_of(key, &BITCOIN.parse()?).context("the deployer's account")?;
    let options = BtcdOptions {
        data_dir: options.data_dir.join("btcd"),
        mining_address,
        blocks: FIRST_BLOCKS,
        block_time: Some(bitcoin.block_time),
    };
    Ok(Some(Btcd::start(options).await?))
}

/// Mines besides the interval's blocks until `work` is done.
pub(super) async fn hurried<T>(node: Option<&Btcd>, work: impl Future<Output = T>) -> T {
    let Some(node) = node else { return work.await };
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = sleep(HURRY) => {
                // btcd refuses where the interval's block is being made; the next one is asked for anyway
                let _ = node.generate(1).await;
            }
        }
    }
}

pub(super) fn config(options: &BitcoinOptions, who: &str) -> BitcoinConfig {
    let index = PathBuf::from(format!("{who}.bitcoin.json"));
    BitcoinConfig { index, wallet: None, depth: options.depth, vault_outputs: options.vault_outputs }
}

pub(super) fn deployment(max_leg: String) -> Result<DeployChain> {
    Ok(DeployChain {
        asset: Some(RUNE.into()),
        admin: None,
        initial_supply: Some(amount::parse("1000000000")?.to_string()),
        max_leg,
        reserve_per_hour: "0".into(),
        mint_cap: "0".into(),
        vault: None,
    })
}

/// Sats from the deployer, who mines, to the relayer and the user: each in several coins, since one pays for one
/// transaction at a time.
pub(super) async fn pay_sats(
    options: &BitcoinOptions,
    deployer: &Path,
    keys: &BTreeMap<&'static str, SecretKey>,
) -> Result<()> {
    let (config, id): (Config, ChainId) = (Config::load(deployer)?, BITCOIN.parse()?);
    let mut payments = Vec::new();
    for (who, coins) in [(RELAYER, options.relayer_coins), (USER, USER_COINS)] {
        let (account, _) = account_of(keys.get(who).context("a key")?, &id).context("an account")?;
        payments.extend(std::iter::repeat_n((account, COIN_SATS), coins));
    }
    BitcoinDeployer::new(id.clone(), config.chain(&id)?)?.pay(&payments).await?;
    Ok(())
}
