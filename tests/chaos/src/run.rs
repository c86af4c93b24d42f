//! One run: users and strikers side by side, then quiet, then the reckoning.

use std::path::PathBuf;
use std::time::Duration;

use aes_cli::context::Context;
use aes_cli::devnet::{BitcoinOptions, RELAYER, USER};
use aes_coordinator::msg::State;
use aes_e2e::net::{Balances, Net};
use anyhow::Result;
use futures::stream::{self, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::{sleep, Instant};

use crate::fault::Fired;
use crate::fleet::Fleet;
use crate::storm::Storm;
use crate::tally::Tally;
use crate::users::Users;
use crate::wish::Wish;

/// After the storm, for what is still on its way: past every deadline.
const QUIET: Duration = Duration::from_secs(400);
const LOOK: Duration = Duration::from_secs(2);
const FAR: u64 = 600;
/// Between blocks of an EVM chain in a short storm.
const HASTE: Duration = Duration::from_millis(300);

pub struct Options {
    pub executions: usize,
    pub users: usize,
    /// of what users want and of what strikes when; the processes keep their own time
    pub seed: u64,
    /// none: a temporary folder
    pub data: Option<PathBuf>,
    /// with Bitcoin, and what the storm did not come to is struck after it, each kind at an execution of its own; else a storm
    /// that is over soon
    pub whole: bool,
}

pub struct Report {
    pub tally: Tally,
    pub fired: Fired,
    pub first_actions: Vec<u64>,
    pub ended_by_themselves: u64,
}

pub async fn run(options: Options) -> Result<Report> {
    let mut net = Net::start(|devnet| {
        (devnet.attestors, devnet.relayer) = (false, false);
        match options.whole {
            true => devnet.bitcoin = Some(BitcoinOptions::default()),
            false => devnet.evm_block_time = HASTE,
        }
        if let Some(data) = &options.data {
            devnet.data_dir = data.clone();
        }
    })
    .await?;
    net.give_allowances().await?;
    let before = net.balances().await?;
    let mut dice = StdRng::seed_from_u64(options.seed);
    let wishes: Vec<Wish> = (0..options.executions).map(|_| Wish::by(&mut dice, &net)).collect::<Result<_>>()?;
    let users = Users::new(&net.devnet.config_file(USER), net.devnet.account(RELAYER)?.cosmos).await?;
    let fleet = Fleet::start(&net).await?;
    if options.whole {
        come_by_alz_on_bitcoin(&net).await?;
    }

    let (done, is_done) = watch::channel(false);
    let mut storm = || Storm::new(StdRng::seed_from_u64(dice.gen()), is_done.clone());
    let (mut processes, mut world) = (storm(), storm());
    let living = async {
        stream::iter(wishes).for_each_concurrent(options.users, |wish| users.live(wish)).await;
        done.send_replace(true);
        Ok(())
    };
    tokio::try_join!(living, processes.strike_processes(&fleet), world.trouble_the_world(&mut net, &fleet))?;

    fleet.fair_weather();
    if options.whole {
        world.trouble_the_rest(&mut net, &fleet).await?;
        fleet.fair_weather();
        processes.strike_the_rest(&net, &fleet).await?;
    }
    let tally = quiet(&net, &fleet, &before).await?;
    fleet.terminate().await?;
    net.end(Vec::new()).await?;
    let mut fired = world.fired;
    processes.fired.0.into_iter().for_each(|(kind, count)| *fired.0.entry(kind).or_default() += count);
    let Storm { first_actions, ended_by_themselves, .. } = processes;
    Ok(Report { tally, fired, first_actions, ended_by_themselves })
}

/// Out of the vault, as everybody does; in several outputs, since each is spent once a block.
async fn come_by_alz_on_bitcoin(net: &Net) -> Result<()> {
    let (_, account) = net.devnet.bitcoin_account(USER)?;
    let mut legs = vec![net.leg("polygon lock 436")?];
    legs.extend((51..=58).map(|amount| format!("bitcoin unlock {amount} to {account}")));
    let execution = net.open_in(&net.user, &legs, FAR).await?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    Ok(())
}

/// Until nothing is wrong any more, or for as long as it may be.
async fn quiet(net: &Net, fleet: &Fleet, before: &Balances) -> Result<Tally> {
    let context = Context::open(&net.devnet.config_file(USER)).await?;
    let end = Instant::now() + QUIET;
    loop {
        fleet.keep_running().await?;
        let tally = Tally::of(net, &context, before).await?;
        if tally.is_clean() || Instant::now() >= end {
            return Ok(tally);
        }
        sleep(LOOK).await;
    }
}
