//! What an honest attestor signs (relayer/attestor/src/attestor.rs), and when there are enough signatures.

use crate::guard::Guard;
use crate::scenario::Scenario;
use crate::world::{Decision, Record, Signed, Statement, Status, World};

/// Who checks a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Home,
    Chain(usize),
}

/// `Some` where it would sign and has not yet.
pub fn sign(scenario: &Scenario, world: &World, attestor: usize, statement: Statement) -> Option<World> {
    let set = usize::from(world.home_rotated);
    let journal = &world.signed[attestor];
    if journal[set] & statement.bit() != 0 || !allows(scenario, journal, statement) || !sees(scenario, world, statement)
    {
        return None;
    }
    let mut next = *world;
    next.signed[attestor][set] |= statement.bit();
    if scenario.attestors_as_one {
        for journal in &mut next.signed[..scenario.honest] {
            if allows(scenario, journal, statement) {
                journal[set] |= statement.bit();
            }
        }
    }
    next.signed[..scenario.honest].sort_unstable();
    Some(next)
}

fn allows(scenario: &Scenario, journal: &Signed, statement: Statement) -> bool {
    let claims = |decision| {
        let bits = Statement::Decided(decision).bit() | Statement::Settled(decision).bit();
        journal.iter().any(|signed| signed & bits != 0)
    };
    if !scenario.with(Guard::OneDecisionJournaled) {
        return true;
    }
    match statement {
        Statement::Opened | Statement::Prepared => !claims(Decision::Commit) && !claims(Decision::Abort),
        Statement::Decided(Decision::Commit) | Statement::Settled(Decision::Commit) => !claims(Decision::Abort),
        Statement::Decided(Decision::Abort) | Statement::Settled(Decision::Abort) => !claims(Decision::Commit),
    }
}

fn sees(scenario: &Scenario, world: &World, statement: Statement) -> bool {
    let mut legs = 0..scenario.legs.len();
    let is_open = world.home.record == Record::Open && !world.home.late;
    let any_deadline = !scenario.with(Guard::DeadlineOfTheHold);
    let counts = |hold: &crate::world::Hold| hold.is_held() || (any_deadline && hold.status == Status::Held);
    match statement {
        Statement::Opened => {
            let waits = scenario.with(Guard::OpenedAfterDeposits);
            is_open && legs.all(|leg| !waits || !scenario.is_account_sourced(leg) || counts(world.soft(scenario, leg)))
        }
        Statement::Prepared => {
            let looked_at = if scenario.with(Guard::PreparedLooksAtEveryLeg) { scenario.legs.len() } else { 1 };
            let seen = |leg| {
                let at_finality = scenario.with(Guard::PreparedAtFinality);
                if at_finality {
                    world.last(scenario, leg)
                } else {
                    world.soft(scenario, leg)
                }
            };
            is_open && legs.take(looked_at).all(|leg| counts(seen(leg)))
        }
        Statement::Decided(decision) => {
            world.home.record.decision() == Some(decision)
                || (!scenario.with(Guard::DecidedAfterDecision) && world.home.record == Record::Open)
        }
        Statement::Settled(decision) => {
            world.home.record.decision() == Some(decision) && legs.all(|leg| has_ended(scenario, world, leg, decision))
        }
    }
}

fn has_ended(scenario: &Scenario, world: &World, leg: usize, decision: Decision) -> bool {
    let chain = &world.chains[scenario.chain_of[leg]];
    let seen = if scenario.with(Guard::SettledAtFinality) { &chain.last } else { &chain.soft };
    match seen.holds[leg].status {
        Status::Held => false,
        Status::Finalized => decision == Decision::Commit,
        Status::Released => decision == Decision::Abort,
        Status::Escaped => true,
        // absent: never held, and the final block is past the deadline
        Status::None => decision == Decision::Abort && (seen.late || !scenario.with(Guard::AbsentAfterDeadline)),
    }
}

/// Whether a certificate of the statement can be had that is believed at this place. Liars sign whatever is missing, or
/// nothing at all where `with_liars` is false.
pub fn is_certified(scenario: &Scenario, world: &World, statement: Statement, place: Place, with_liars: bool) -> bool {
    let guard = match place {
        Place::Home => Guard::CoordinatorThreshold,
        Place::Chain(_) => Guard::EscrowThreshold,
    };
    let knows_next = match place {
        Place::Home => world.home_rotated,
        Place::Chain(chain) => world.chains[chain].rotated,
    };
    let threshold = if scenario.with(guard) { scenario.threshold } else { 1 };
    let is_enough = |set: usize| {
        let honest = world.signed.iter().filter(|signed| signed[set] & statement.bit() != 0).count();
        honest + if with_liars { scenario.liars } else { 0 } >= threshold
    };
    let by_stolen_keys = world.expired && with_liars && !scenario.with(Guard::SetExpires);
    (world.hostile_set && with_liars)
        || by_stolen_keys
        || (!world.expired && is_enough(0))
        || (knows_next && is_enough(1))
}
