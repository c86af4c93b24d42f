//! The messages that relayers carry, and what each does where it lands. Whoever sends one makes no difference, but for
//! the right to roll back.

use crate::attestor::{is_certified, Place};
use crate::coordinator;
use crate::escrow::{self, Settlement};
use crate::guard::Guard;
use crate::scenario::Scenario;
use crate::world::{AtHome, Decision, Ledger, Statement, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    AtHome(AtHome),
    PrepareReserve {
        leg: usize,
    },
    /// the legs are bits: one transaction for one chain
    Settle {
        chain: usize,
        decision: Decision,
        legs: u8,
    },
    /// with a payee that the leg does not name
    SettleToThief {
        leg: usize,
        decision: Decision,
    },
    /// of a leg that the execution does not have, or that is another chain's
    PrepareBogus {
        chain: usize,
        of_other_chain: bool,
    },
    FinalizeBogus {
        chain: usize,
    },
}

/// What the message makes of the world. `None` where it is refused or changes nothing.
pub fn deliver(scenario: &Scenario, world: &World, message: Message, with_liars: bool) -> Option<World> {
    let certified = |statement, chain| is_certified(scenario, world, statement, Place::Chain(chain), with_liars);
    let ledger = |chain: usize| &world.chains[chain].soft;
    let write = |chain: usize, ledger: Ledger| {
        let mut next = *world;
        next.chains[chain].soft = ledger;
        Some(next)
    };
    match message {
        Message::AtHome(message) => {
            let home = coordinator::deliver(scenario, world, message, with_liars)?;
            Some(World { home, ..*world })
        }
        Message::PrepareReserve { leg } => {
            let chain = scenario.chain_of[leg];
            let needed = scenario.with(Guard::OpenedCertificateNeeded);
            let may = !world.paused && (!needed || certified(Statement::Opened, chain));
            may.then_some(())?;
            write(chain, escrow::prepare_reserve(scenario, ledger(chain), leg)?)
        }
        Message::Settle { chain, decision, legs } => {
            certified(Statement::Decided(decision), chain).then_some(())?;
            let legs: Vec<usize> = scenario.legs_on(chain).filter(|leg| legs & (1 << leg) != 0).collect();
            let settlement = Settlement { decision, legs: &legs, to_thief: false };
            write(chain, escrow::settle(scenario, ledger(chain), &settlement, world.paused)?)
        }
        Message::SettleToThief { leg, decision } => {
            let chain = scenario.chain_of[leg];
            certified(Statement::Decided(decision), chain).then_some(())?;
            let settlement = Settlement { decision, legs: &[leg], to_thief: true };
            write(chain, escrow::settle(scenario, ledger(chain), &settlement, world.paused)?)
        }
        Message::PrepareBogus { chain, of_other_chain } => {
            (!world.paused && certified(Statement::Opened, chain)).then_some(())?;
            write(chain, escrow::prepare_bogus(scenario, ledger(chain), of_other_chain)?)
        }
        Message::FinalizeBogus { chain } => {
            certified(Statement::Decided(Decision::Commit), chain).then_some(())?;
            write(chain, escrow::finalize_bogus(ledger(chain))?)
        }
    }
}

/// Every message that somebody without any right can send.
pub fn anybodys(scenario: &Scenario) -> Vec<Message> {
    let mut messages: Vec<Message> =
        [AtHome::Commit, AtHome::Rollback { by_right: false }, AtHome::Record].map(Message::AtHome).to_vec();
    for leg in 0..scenario.legs.len() {
        if !scenario.is_account_sourced(leg) {
            messages.push(Message::PrepareReserve { leg });
        }
        for decision in [Decision::Commit, Decision::Abort] {
            messages.push(Message::Settle { chain: scenario.chain_of[leg], decision, legs: 1 << leg });
            messages.push(Message::SettleToThief { leg, decision });
        }
    }
    for chain in 0..scenario.chains {
        messages.push(Message::PrepareBogus { chain, of_other_chain: false });
        let is_elsewheres = |leg: usize| !scenario.is_account_sourced(leg) && scenario.chain_of[leg] != chain;
        if (0..scenario.legs.len()).any(is_elsewheres) {
            messages.push(Message::PrepareBogus { chain, of_other_chain: true });
        }
        messages.push(Message::FinalizeBogus { chain });
    }
    messages
}
