//! Between a process and a node: time passes, and things go wrong. Every question of every process goes through here, so
//! every one is a place where the process can die, before the node has acted or after.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

use aes_chains::ChainError;
use tokio::sync::Notify;

use crate::fault::Fault;
use crate::lie::Lie;
use crate::world::{with, World};

/// A process from its start to its death.
#[derive(Debug)]
pub struct Life {
    steps: AtomicU64,
    dies_at: u64,
    dead: AtomicBool,
    pub died: Notify,
}

impl Life {
    pub fn until(step: u64) -> Arc<Self> {
        Arc::new(Self { steps: AtomicU64::new(0), dies_at: step, dead: AtomicBool::new(false), died: Notify::new() })
    }

    pub fn long() -> Arc<Self> {
        Self::until(u64::MAX)
    }

    pub fn end(&self) {
        self.dead.store(true, Relaxed);
        self.died.notify_one();
    }

    /// What a dead process was about to do never happens.
    pub async fn step(&self) {
        if self.steps.fetch_add(1, Relaxed) == self.dies_at {
            self.end();
        }
        if self.dead.load(Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Seat {
    Relayer(usize),
    Attestor(usize),
    User,
}

/// One process's way to one chain's node.
#[derive(Clone, Debug)]
pub struct Link {
    pub seat: Seat,
    /// 0 is the home chain
    pub chain: usize,
    pub life: Arc<Life>,
}

impl Link {
    pub fn who(&self) -> String {
        match self.seat {
            Seat::Relayer(n) => format!("relayer {n}"),
            Seat::Attestor(n) => format!("attestor {n}"),
            Seat::User => "user".into(),
        }
    }

    /// Of the process that asks, or of the user's commands.
    pub fn disk(&self, name: Option<&str>) -> String {
        match self.seat {
            Seat::Relayer(n) => format!("relayer-{n}"),
            Seat::Attestor(n) => format!("journal-{n}"),
            Seat::User => name.unwrap_or("nobody").into(),
        }
    }

    async fn pass(&self) -> Result<u64, ChainError> {
        self.life.step().await;
        let (wait, down, back) = with(|world| {
            let down = self.seat != Seat::User && world.is_out(self.seat, self.chain);
            let stale = self.seat != Seat::User && world.strikes(Fault::Stale, 0.05);
            let back = if stale { world.dice.number(1..4) } else { 0 };
            (world.dice.number(1..60), down, back)
        });
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if down {
            tokio::time::sleep(Duration::from_secs(with(|world| world.dice.number(1..11)))).await;
            let chain = with(|world| world.chain_id(self.chain));
            return Err(ChainError::Unreachable { chain, cause: "timed out".into() });
        }
        self.life.step().await;
        Ok(back)
    }

    /// A question: asked of a node that may be some blocks behind, answered at once or later, truly or not.
    pub async fn ask<T: Lie>(&self, read: impl FnOnce(&World, u64) -> Result<T, ChainError>) -> Result<T, ChainError> {
        let back = self.pass().await?;
        let (answer, late) = with(|world| {
            let answer = read(world, back).map(|truth| world.told(self, truth));
            let late = self.seat != Seat::User && world.strikes(Fault::Late, 0.01);
            (answer, late.then(|| world.dice.number(1..30)))
        });
        if let Some(late) = late {
            tokio::time::sleep(Duration::from_secs(late)).await;
        }
        self.life.step().await;
        answer
    }

    /// A transaction handed over; the answer may come late, or never.
    pub async fn tell<T>(&self, act: impl FnOnce(&mut World) -> Result<T, ChainError>) -> Result<T, ChainError> {
        self.pass().await?;
        let answer = with(act);
        self.life.step().await;
        let lost = with(|world| self.seat != Seat::User && world.strikes(Fault::Outage, 0.005));
        if lost {
            // the node has it, and nobody hears so
            tokio::time::sleep(Duration::from_secs(10)).await;
            let chain = with(|world| world.chain_id(self.chain));
            return Err(ChainError::Unreachable { chain, cause: "no answer".into() });
        }
        answer
    }
}
