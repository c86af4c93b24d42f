//! Who strikes: one task at processes, one at nodes and links, side by side, each through all its kinds in an order that
//! the seed shuffles, round after round, until the users are done.

use std::time::Duration;

use aes_cli::context::Context;
use aes_cli::devnet::{RELAYER, USER};
use aes_e2e::link::{Link, Weather};
use aes_e2e::net::Net;
use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::Rng;
use tokio::sync::watch;
use tokio::time::{sleep, Instant};

use crate::alone::{begin, strike_alone};
use crate::fault::{Blow, Fired, Node, Trouble};
use crate::fleet::{Fleet, Part};
use crate::step::Struck;

/// For what is struck alone: a busy machine may be late once.
const TRIES: usize = 3;
const GAS_MONEY: u128 = 1000 * 10u128.pow(18);

/// What one striker knows and counts.
pub struct Storm {
    begun: Instant,
    dice: StdRng,
    done: watch::Receiver<bool>,
    pub fired: Fired,
    /// microseconds from a relayer's restart to its first intent
    pub first_actions: Vec<u64>,
    /// processes that ended without being killed
    pub ended_by_themselves: u64,
}

impl Storm {
    pub fn new(dice: StdRng, done: watch::Receiver<bool>) -> Self {
        Self {
            begun: Instant::now(),
            dice,
            done,
            fired: Fired::none(),
            first_actions: Vec::new(),
            ended_by_themselves: 0,
        }
    }

    fn is_over(&self) -> bool {
        *self.done.borrow()
    }

    async fn rest(&mut self, milliseconds: std::ops::Range<u64>) {
        let rest = sleep(Duration::from_millis(self.dice.gen_range(milliseconds)));
        // an error means that everything is over
        tokio::select! {
            () = rest => {}
            _ = self.done.wait_for(|done| *done) => {}
        }
    }

    /// For whoever reads the processes' logs beside it.
    fn tell(&self, struck: &dyn std::fmt::Display) {
        eprintln!("{:6.1} s  {struck}", self.begun.elapsed().as_secs_f32());
    }

    /// An order that the seed gives, again and again.
    fn shuffled<T>(&mut self, mut all: Vec<T>) -> Vec<T> {
        all.shuffle(&mut self.dice);
        all
    }

    pub async fn strike_processes(&mut self, fleet: &Fleet) -> Result<()> {
        while !self.is_over() {
            for blow in self.shuffled(Blow::all()) {
                // long enough for a busy machine to go on between two blows
                self.rest(1500..8000).await;
                if self.is_over() {
                    break;
                }
                if self.strike(fleet, blow).await.with_context(|| blow.to_string())? {
                    self.tell(&blow);
                    self.fired.count(blow);
                }
                self.ended_by_themselves += fleet.keep_running().await?;
            }
        }
        Ok(())
    }

    async fn strike(&mut self, fleet: &Fleet, blow: Blow) -> Result<bool> {
        match blow {
            Blow::KilledAt(step) => {
                step.arm(fleet);
                let struck = step.strike(fleet).await?;
                return Ok(self.learn_from(struck));
            }
            Blow::RelayerKilled | Blow::RelayerDiskLost => {
                self.first_actions.extend(fleet.relayer.kill().await?);
                if blow == Blow::RelayerDiskLost {
                    fleet.relayer.lose_database()?;
                }
            }
            Blow::AttestorKilled => {
                let count = self.dice.gen_range(1..=2);
                let some: Vec<&Part> = fleet.attestors.choose_multiple(&mut self.dice, count).collect();
                for attestor in some {
                    attestor.kill().await?;
                }
            }
        }
        // away for a while, or back at once
        self.rest(0..3000).await;
        fleet.keep_running().await?;
        Ok(true)
    }

    /// What the storm did not come to, each at an execution of its own.
    pub async fn strike_the_rest(&mut self, net: &Net, fleet: &Fleet) -> Result<()> {
        let _going_on = self.goes_on();
        let wallet = Context::open(&net.devnet.config_file(USER)).await?;
        for blow in Blow::all() {
            for _ in 0..TRIES {
                if self.fired.has(blow) {
                    break;
                }
                let struck = match blow {
                    Blow::KilledAt(step) => {
                        let (_, struck) = strike_alone(net, &wallet, fleet, step).await?;
                        self.learn_from(struck)
                    }
                    _ => {
                        begin(net, &wallet).await?;
                        self.strike(fleet, blow).await?
                    }
                };
                if struck {
                    self.tell(&blow);
                    self.fired.count(blow);
                }
            }
        }
        Ok(())
    }

    /// The same, of nodes and links.
    pub async fn trouble_the_rest(&mut self, net: &mut Net, fleet: &Fleet) -> Result<()> {
        let _going_on = self.goes_on();
        let wallet = Context::open(&net.devnet.config_file(USER)).await?;
        for trouble in Trouble::all() {
            for _ in 0..TRIES {
                if self.fired.has(trouble) {
                    break;
                }
                begin(net, &wallet).await.with_context(|| format!("before {trouble}"))?;
                if self.trouble(net, fleet, trouble).await.with_context(|| trouble.to_string())? {
                    self.tell(&trouble);
                    self.fired.count(trouble);
                }
            }
        }
        Ok(())
    }

    /// The users are done, but not the strikes: for as long as this is kept.
    fn goes_on(&mut self) -> watch::Sender<bool> {
        let (going_on, done) = watch::channel(false);
        self.done = done;
        going_on
    }

    fn learn_from(&mut self, struck: Option<Struck>) -> bool {
        self.first_actions.extend(struck.as_ref().and_then(|struck| struck.first_action));
        struck.is_some()
    }

    pub async fn trouble_the_world(&mut self, net: &mut Net, fleet: &Fleet) -> Result<()> {
        while !self.is_over() {
            let all = match net.devnet.bitcoin {
                Some(_) => Trouble::all(),
                None => Trouble::without(Node::Bitcoin),
            };
            for trouble in self.shuffled(all) {
                self.rest(1000..4000).await;
                if self.is_over() {
                    break;
                }
                if self.trouble(net, fleet, trouble).await.with_context(|| trouble.to_string())? {
                    self.tell(&trouble);
                    self.fired.count(trouble);
                }
            }
        }
        Ok(())
    }

    async fn trouble(&mut self, net: &mut Net, fleet: &Fleet, trouble: Trouble) -> Result<bool> {
        match trouble {
            Trouble::NodePaused(node) => {
                let devnet = &net.devnet;
                match node {
                    Node::Allianza => devnet.wasmd.pause().await?,
                    Node::Polygon => devnet.polygon.pause().await?,
                    Node::Ethereum => devnet.ethereum.pause().await?,
                    Node::Bitcoin => devnet.bitcoin.as_ref().context("btcd")?.pause().await?,
                }
                self.rest(500..8000).await;
                match node {
                    Node::Allianza => devnet.wasmd.resume()?,
                    Node::Polygon => devnet.polygon.resume()?,
                    Node::Ethereum => devnet.ethereum.resume()?,
                    Node::Bitcoin => devnet.bitcoin.as_ref().context("btcd")?.resume()?,
                }
                Ok(true)
            }
            Trouble::NodeStopped(node) => {
                match node {
                    Node::Allianza => net.devnet.wasmd.stop().await?,
                    Node::Polygon => net.devnet.polygon.stop().await?,
                    Node::Ethereum => net.devnet.ethereum.stop().await?,
                    // would forget its chain
                    Node::Bitcoin => {}
                }
                self.rest(0..5000).await;
                match node {
                    Node::Allianza => net.devnet.wasmd.restart().await?,
                    Node::Polygon => net.devnet.polygon.restart().await?,
                    Node::Ethereum => net.devnet.ethereum.restart().await?,
                    Node::Bitcoin => {
                        // the way to it is gone while it reads its chain anew: it would show a shorter one
                        let ways: Vec<&Link> = fleet.parts().filter_map(|part| part.links.get(node.name())).collect();
                        ways.iter().for_each(|link| link.weather(Weather::Reset));
                        net.devnet.bitcoin.as_mut().context("btcd")?.restart().await?;
                        ways.iter().for_each(|link| link.weather(Weather::Fair));
                    }
                }
                Ok(true)
            }
            Trouble::Reorg(node) => {
                match node {
                    Node::Polygon => net.devnet.polygon.reorg(1).await?,
                    Node::Ethereum => net.devnet.ethereum.reorg(1).await?,
                    Node::Bitcoin => {
                        net.devnet.bitcoin.as_ref().context("btcd")?.reorg().await?;
                    }
                    Node::Allianza => return Ok(false),
                }
                Ok(true)
            }
            Trouble::NoGas => {
                let gas = net.devnet.account(RELAYER)?.evm.to_string();
                let node = if self.dice.gen() { &net.devnet.polygon } else { &net.devnet.ethereum };
                node.set_balance(&gas, 0).await?;
                self.rest(1000..5000).await;
                node.set_balance(&gas, GAS_MONEY).await?;
                Ok(true)
            }
            Trouble::LinkLate => self.weather(fleet, Weather::Late(Duration::from_millis(700))).await,
            Trouble::LinkReset => self.weather(fleet, Weather::Reset).await,
            Trouble::LinkCutShort => self.weather(fleet, Weather::CutShort).await,
            Trouble::LinkFalse => self.weather(fleet, Weather::False).await,
        }
    }

    /// On everything that one process hears. Lied to are the relayer, which has no power, and one attestor of three: one
    /// less than could sign.
    async fn weather(&mut self, fleet: &Fleet, weather: Weather) -> Result<bool> {
        let attestors = if weather == Weather::False { 1 } else { fleet.attestors.len() };
        let parts: Vec<&Part> = fleet.attestors.iter().take(attestors).chain([&fleet.relayer]).collect();
        let part = parts.choose(&mut self.dice).context("a process")?;
        let links: Vec<&Link> = part.links.values().collect();
        let struck = || links.iter().map(|link| link.struck()).sum::<u64>();
        let before = struck();
        links.iter().for_each(|link| link.weather(weather));
        self.rest(1000..6000).await;
        links.iter().for_each(|link| link.weather(Weather::Fair));
        Ok(struck() > before)
    }
}
