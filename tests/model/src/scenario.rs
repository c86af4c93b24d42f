//! What is looked at: the legs, who is honest, and how often the world may misbehave. Every fault has a budget, so that
//! every run ends and "nothing honest is left to do" says that an execution is stuck.

use aes_protocol::{Bytes, Function, Leg};

use crate::guard::Guard;

pub const MAX_LEGS: usize = 3;
pub const MAX_CHAINS: usize = 3;
pub const MAX_HONEST: usize = 3;
pub const MAX_RELAYERS: usize = 2;

#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub legs: Vec<Leg>,
    /// the chain of each leg
    pub chain_of: Vec<usize>,
    pub chains: usize,
    pub honest: usize,
    /// attestors that sign anything, at any time
    pub liars: usize,
    pub threshold: usize,
    /// relayers that follow the real plan, besides those that send whatever they like; only the last one surely stays up
    pub relayers: usize,
    /// how many faults a run may have, of whatever kind: a reorg, a transaction lost, a chain that relayers cannot read or
    /// cannot pay on, a reserve taken by another execution, a pause
    pub faults: u8,
    /// each honest attestor signs as soon as one does. They see the same chains, and with the liars' help one signature is
    /// a certificate: it makes no difference but to journals that the home chain itself contradicts.
    pub attestors_as_one: bool,
    pub rotation: bool,
    /// the home chain forks past its finality, once: outside what P1 rests on, and still without harm while nobody lies
    pub home_forks: bool,
    /// a leg whose recipient the token refuses
    pub unpayable: Option<usize>,
    /// the guard that is taken out
    pub without: Option<Guard>,
}

/// Vault at the start, and the room under the mint cap, on every chain.
pub const RESERVE: i8 = 1;

impl Scenario {
    pub fn with(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    pub fn amount(&self, leg: usize) -> i8 {
        i8::try_from(self.legs[leg].amount.u128()).unwrap_or(i8::MAX)
    }

    pub fn function(&self, leg: usize) -> Function {
        self.legs[leg].function
    }

    pub fn is_account_sourced(&self, leg: usize) -> bool {
        self.function(leg).is_account_sourced()
    }

    pub fn legs_on(&self, chain: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.legs.len()).filter(move |leg| self.chain_of[*leg] == chain)
    }

    fn of(name: &'static str, legs: &[(Function, usize, u8)]) -> Self {
        let to_leg = |(index, (function, chain, amount)): (u8, &(Function, usize, u8))| Leg {
            index,
            chain: format!("eip155:{}", chain + 1).parse().expect("a CAIP-2 name"),
            escrow: vec![9; 20].into(),
            function: *function,
            from: if function.is_account_sourced() { vec![1; 20].into() } else { Bytes::default() },
            to: if function.has_recipient() { vec![2; 20].into() } else { Bytes::default() },
            amount: u128::from(*amount).into(),
        };
        Self {
            name,
            legs: (0..).zip(legs).map(to_leg).collect(),
            chain_of: legs.iter().map(|(_, chain, _)| *chain).collect(),
            chains: legs.iter().map(|(_, chain, _)| chain + 1).max().unwrap_or_default(),
            honest: 2,
            liars: 1,
            threshold: 2,
            relayers: 1,
            faults: 1,
            attestors_as_one: false,
            rotation: false,
            home_forks: false,
            unpayable: None,
            without: None,
        }
    }

    pub fn lock_and_mint() -> Self {
        Self::of("lock+mint", &[(Function::Lock, 0, 1), (Function::Mint, 1, 1)])
    }

    /// One fault after another, in every order.
    pub fn two_faults() -> Self {
        Self { name: "lock+mint, two faults", faults: 2, attestors_as_one: true, ..Self::lock_and_mint() }
    }

    pub fn burn_and_unlock() -> Self {
        Self::of("burn+unlock", &[(Function::Burn, 0, 1), (Function::Unlock, 1, 1)])
    }

    pub fn two_relayers() -> Self {
        let legs = [(Function::Transfer, 0, 1), (Function::Transfer, 1, 1)];
        Self { relayers: 2, ..Self::of("transfer+transfer, two relayers", &legs) }
    }

    /// Both legs in one transaction, and one of them cannot be paid.
    pub fn one_chain() -> Self {
        let legs = [(Function::Transfer, 0, 1), (Function::Transfer, 0, 1)];
        Self { unpayable: Some(0), ..Self::of("transfer+transfer on one chain, one unpayable", &legs) }
    }

    pub fn rotation() -> Self {
        let legs = [(Function::Transfer, 0, 1), (Function::Transfer, 1, 1)];
        Self { rotation: true, faults: 0, attestors_as_one: true, ..Self::of("transfer+transfer, rotation", &legs) }
    }

    pub fn home_forks() -> Self {
        let legs = [(Function::Lock, 0, 1), (Function::Mint, 1, 1)];
        Self { honest: 3, liars: 0, home_forks: true, faults: 0, ..Self::of("lock+mint, home chain forks", &legs) }
    }

    pub fn three_legs() -> Self {
        let legs = [(Function::Lock, 0, 2), (Function::Unlock, 1, 1), (Function::Mint, 2, 1)];
        Self { attestors_as_one: true, ..Self::of("lock+unlock+mint", &legs) }
    }

    pub fn three_legs_two_chains() -> Self {
        let legs = [(Function::Transfer, 0, 1), (Function::Lock, 0, 1), (Function::Mint, 1, 1)];
        Self::of("transfer+lock+mint on two chains", &legs)
    }

    pub fn two_leg_ones() -> Vec<Self> {
        vec![
            Self::lock_and_mint(),
            Self::burn_and_unlock(),
            Self::two_faults(),
            Self::two_relayers(),
            Self::one_chain(),
            Self::rotation(),
            Self::home_forks(),
        ]
    }

    pub fn three_leg_ones() -> Vec<Self> {
        vec![Self::three_legs(), Self::three_legs_two_chains()]
    }
}
