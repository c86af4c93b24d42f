//! The promises P1 to P8 of the protocol (section 1), and what section 3 says of the reserve, as properties of every state.

use stateright::Property;

use crate::message::{anybodys, deliver};
use crate::model::Step;
use crate::scenario::{Scenario, RESERVE};
use crate::world::{Decision, Hold, Ledger, Record, Status, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    Atomicity,
    Termination,
    NoRedirection,
    ExplicitRollback,
    Idempotence,
    Escape,
    Traceability,
    Conservation,
    NoFreeReserve,
}

impl Promise {
    pub const ALL: [Self; 9] = [
        Self::Atomicity,
        Self::Termination,
        Self::NoRedirection,
        Self::ExplicitRollback,
        Self::Idempotence,
        Self::Escape,
        Self::Traceability,
        Self::Conservation,
        Self::NoFreeReserve,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Atomicity => "P1 atomicity",
            Self::Termination => "P2 termination",
            Self::NoRedirection => "P3 no redirection",
            Self::ExplicitRollback => "P4 explicit rollback",
            Self::Idempotence => "P5 idempotence",
            Self::Escape => "P6 escape",
            Self::Traceability => "P7 traceability",
            Self::Conservation => "P8 conservation",
            Self::NoFreeReserve => "no reserve for free (section 3)",
        }
    }

    fn holds(self) -> Condition {
        match self {
            Self::Atomicity => atomicity,
            Self::Termination => termination,
            Self::NoRedirection => no_redirection,
            Self::ExplicitRollback => explicit_rollback,
            Self::Idempotence => idempotence,
            Self::Escape => escape,
            Self::Traceability => traceability,
            Self::Conservation => conservation,
            Self::NoFreeReserve => no_free_reserve,
        }
    }
}

type Condition = fn(&Scenario, &World) -> bool;

/// What must be reachable, or the promises are kept by a world in which nothing happens.
pub const REACHED: [(&str, Condition); 5] = [
    ("reached: confirmed on all", |_, world| world.home.record == Record::Finalized),
    ("reached: rolled back", |_, world| world.home.record == Record::RolledBack),
    ("reached: an escape", |scenario, world| any(scenario, world, Status::Escaped)),
    ("reached: a tombstone", |scenario, world| {
        (0..scenario.legs.len()).any(|leg| world.soft(scenario, leg).is_tombstone())
    }),
    ("reached: P6's exception", |scenario, world| {
        any(scenario, world, Status::Escaped) && any(scenario, world, Status::Finalized)
    }),
];

pub fn properties() -> Vec<Property<Scenario>> {
    let promises = Promise::ALL.map(|promise| Property::always(promise.name(), promise.holds()));
    let reached = REACHED.map(|(name, is_there)| Property::sometimes(name, is_there));
    promises.into_iter().chain(reached).collect()
}

/// In the newest or in a final block.
fn any(scenario: &Scenario, world: &World, status: Status) -> bool {
    let has = |leg| world.soft(scenario, leg).status == status || world.last(scenario, leg).status == status;
    (0..scenario.legs.len()).any(has)
}

fn every_leg(scenario: &Scenario, world: &World, holds: impl Fn(&Hold, &Hold) -> bool) -> bool {
    (0..scenario.legs.len()).all(|leg| holds(world.soft(scenario, leg), world.last(scenario, leg)))
}

/// Never one leg finalized and another released, or not held at all. Where the home chain forks its record is worth
/// nothing, and only what the escrows did counts.
fn atomicity(scenario: &Scenario, world: &World) -> bool {
    let committed = !scenario.home_forks && world.home.record.decision() == Some(Decision::Commit);
    if !any(scenario, world, Status::Finalized) && !committed {
        return true;
    }
    every_leg(scenario, world, |soft, last| {
        let kept = |hold: &Hold| matches!(hold.status, Status::Held | Status::Finalized | Status::Escaped);
        kept(soft) && kept(last)
    })
}

/// Where the honest have nothing left to do, every hold has ended and the home chain has it on record.
fn termination(scenario: &Scenario, world: &World) -> bool {
    if scenario.home_forks || scenario.is_something_left_to_do(world) {
        return true;
    }
    let opened = world.home.record != Record::Unopened;
    let ended = |leg: usize| {
        let stays = scenario.unpayable == Some(leg) || (!opened && scenario.is_account_sourced(leg));
        stays || world.soft(scenario, leg).status != Status::Held
    };
    let unpaid = scenario.unpayable.is_some() && world.home.record == Record::Committed;
    (0..scenario.legs.len()).all(ended) && (!opened || unpaid || world.home.record.is_ended())
}

/// Nobody is paid but who is named, and nobody's ALZ is taken without their word.
fn no_redirection(scenario: &Scenario, world: &World) -> bool {
    world.chains[..scenario.chains].iter().all(|chain| chain.soft.thief == 0)
}

/// A leg is released only after a rollback at the coordinator, by one who may; finalized only after a commit.
fn explicit_rollback(scenario: &Scenario, world: &World) -> bool {
    let decision = world.home.record.decision();
    let as_decided = |status, needed| !any(scenario, world, status) || decision == Some(needed);
    scenario.home_forks
        || (!world.home.aborted_without_right
            && as_decided(Status::Released, Decision::Abort)
            && as_decided(Status::Finalized, Decision::Commit))
}

/// Whatever message can be delivered, a second time it changes nothing.
fn idempotence(scenario: &Scenario, world: &World) -> bool {
    let twice = |step: Step| {
        scenario.after(world, step).is_none_or(|once| scenario.after(&once, step).is_none_or(|again| again == once))
    };
    let delivered = |message| {
        let once = deliver(scenario, world, message, true);
        once.is_none_or(|once| deliver(scenario, &once, message, true).is_none())
    };
    let users = (0..scenario.legs.len()).filter(|leg| scenario.is_account_sourced(*leg)).all(|leg| {
        twice(Step::Deposit { leg, other_deadline: false }) && twice(Step::Escape { leg, by_stranger: false })
    });
    users && twice(Step::Open) && twice(Step::Cancel) && anybodys(scenario).into_iter().all(delivered)
}

/// Not before deadline + escape_delay, by the depositor alone, never in the way of a commit made in time; and from then on
/// always open to whoever is still held.
fn escape(scenario: &Scenario, world: &World) -> bool {
    let committed = world.home.record.decision() == Some(Decision::Commit);
    let escaped_early = |hold: &Hold| hold.status == Status::Escaped && (!hold.other_deadline || committed);
    let by_stranger = world.chains.iter().any(|chain| chain.soft.escaped_by_stranger);
    let is_early =
        !world.escape_open && !every_leg(scenario, world, |soft, last| !escaped_early(soft) && !escaped_early(last));
    let is_shut = |leg: usize| {
        world.escape_open
            && scenario.is_account_sourced(leg)
            && world.soft(scenario, leg).status == Status::Held
            && scenario.after(world, Step::Escape { leg, by_stranger: false }).is_none()
    };
    let against_a_commit = committed && world.home.escaped_undecided;
    !(by_stranger || is_early || against_a_commit || (0..scenario.legs.len()).any(is_shut))
}

/// What the home chain has on record is how every leg ended, and nothing comes after it.
fn traceability(scenario: &Scenario, world: &World) -> bool {
    if !world.home.record.is_ended() {
        return true;
    }
    let committed = world.home.record == Record::Finalized;
    every_leg(scenario, world, |soft, last| {
        let fits = match last.status {
            Status::Finalized => committed,
            Status::Released | Status::None => !committed,
            Status::Escaped => true,
            Status::Held => false,
        };
        let is_absent = |hold: &Hold| hold.status == Status::None || hold.is_tombstone();
        fits && (soft.status == last.status || (is_absent(soft) && is_absent(last)))
    })
}

/// On each chain `vault + held + issued` and the accounts add up, each account has what its hold's state says, and over a
/// committed execution ALZ out is ALZ in.
fn conservation(scenario: &Scenario, world: &World) -> bool {
    let chains = &world.chains[..scenario.chains];
    let adds_up = |ledger: &Ledger| {
        let accounts: i8 = ledger.holds.iter().map(|hold| hold.from + hold.to).sum();
        ledger.vault + ledger.held - ledger.issued + accounts + ledger.others + ledger.thief == RESERVE
            && ledger.vault >= 0
            && ledger.held >= 0
            && ledger.issued <= RESERVE
    };
    let out_is_in = || {
        let net: i8 = chains.iter().map(|chain| chain.soft.vault - chain.soft.issued + chain.soft.others).sum();
        let at_first: i8 = chains.iter().map(|_| RESERVE).sum();
        net == at_first && chains.iter().all(|chain| chain.soft.held == 0)
    };
    let all_went_through = world.home.record == Record::Finalized && !any(scenario, world, Status::Escaped);
    chains.iter().all(|chain| adds_up(&chain.soft))
        && (0..scenario.legs.len()).all(|leg| has_its_due(scenario, world.soft(scenario, leg), leg))
        && (!all_went_through || out_is_in())
}

fn has_its_due(scenario: &Scenario, hold: &Hold, leg: usize) -> bool {
    let amount = scenario.amount(leg);
    let taken = if scenario.is_account_sourced(leg) { -amount } else { 0 };
    let given = if scenario.function(leg).has_recipient() { amount } else { 0 };
    match hold.status {
        Status::None | Status::Released | Status::Escaped => hold.from == 0 && hold.to == 0,
        Status::Held => hold.from == taken && hold.to == 0,
        Status::Finalized => hold.from == taken && hold.to == given,
    }
}

/// A reserve is tied up only for an execution that is open, and whose every deposit has been seen.
fn no_free_reserve(scenario: &Scenario, world: &World) -> bool {
    let mut legs = 0..scenario.legs.len();
    let reserve = |leg: usize| !scenario.is_account_sourced(leg) && world.soft(scenario, leg).was_held;
    // a reorg may have undone a deposit since
    if world.reorganized || !legs.clone().any(reserve) {
        return true;
    }
    let deposited = |leg: usize| !scenario.is_account_sourced(leg) || world.soft(scenario, leg).was_held;
    world.home.record != Record::Unopened && legs.all(deposited)
}
