//! What users want, by the dice: which legs, how much, how long it may take, and who changes their mind.

use aes_cli::amount;
use aes_e2e::net::Net;
use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::Rng;

/// Base units, at most: every digit of an amount counts.
const MOST: u128 = 1_000_000_000_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Deposits,
    /// opens, and never puts the first leg's ALZ into its escrow
    Withholds,
    /// deposits, and asks for everything back
    Cancels,
}

#[derive(Debug)]
pub struct Wish {
    pub legs: Vec<String>,
    /// seconds
    pub deadline: u64,
    pub habit: Habit,
}

impl Wish {
    pub fn by(dice: &mut StdRng, net: &Net) -> Result<Self> {
        let (a, b) = (dice.gen_range(1..MOST), dice.gen_range(1..MOST));
        let (habit, deadline) = match dice.gen_range(0..10) {
            0 => (Habit::Withholds, dice.gen_range(15..40)),
            1 => (Habit::Cancels, 120),
            2 => (Habit::Deposits, dice.gen_range(15..60)),
            _ => (Habit::Deposits, 300),
        };
        let is_there =
            |kind: &Kind| net.devnet.bitcoin.is_some() || !kind.iter().any(|(what, _)| what.starts_with("bitcoin"));
        let kinds: Vec<Kind> = KINDS.iter().copied().filter(is_there).collect();
        let kind = kinds.choose(dice).context("a kind")?;
        let legs = kind.iter().map(|(what, share)| {
            let amount = match share {
                Share::A => a,
                Share::B => b,
                Share::Both => a + b,
            };
            net.leg(&format!("{what} {}", amount::show(amount)))
        });
        Ok(Self { legs: legs.collect::<Result<_>>()?, deadline, habit })
    }
}

#[derive(Clone, Copy)]
enum Share {
    A,
    B,
    Both,
}

use Share::{Both, A, B};

type Kind = &'static [(&'static str, Share)];

/// What goes in is what comes out.
const KINDS: &[Kind] = &[
    &[("polygon lock", Both), ("allianza unlock", A), ("ethereum mint", B)],
    &[("polygon lock", Both), ("allianza unlock", A), ("ethereum mint", B)],
    &[("ethereum lock", Both), ("polygon mint", A), ("allianza unlock", B)],
    &[("allianza lock", A), ("polygon unlock", A)],
    &[("allianza lock", Both), ("ethereum mint", A), ("polygon mint", B)],
    &[("ethereum burn", A), ("polygon unlock", A)],
    &[("polygon burn", Both), ("ethereum unlock", A), ("allianza unlock", B)],
    &[("polygon transfer", A), ("ethereum transfer", B), ("allianza transfer", Both)],
    // ALZ is a denom of its own on allianza, which nobody can mint: the leg fails when it is prepared
    &[("polygon lock", A), ("allianza mint", A)],
    &[("bitcoin lock", A), ("polygon unlock", A)],
    &[("polygon lock", A), ("bitcoin unlock", A)],
];
