//! What to do next with an execution, as a pure function of what was observed: no clock, no I/O, no randomness.
//! Small enough to check exhaustively; the relayer, its restart and a second relayer beside it all run this one.

mod view;

use aes_protocol::{ChainId, Decision};
pub use view::{HoldView, Kind, LegView, Sight, Standing, State, Status, View};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// every account-sourced leg is held at Soft: the reserve may follow
    PrepareReserve {
        leg: u8,
    },
    /// every leg is held at Final
    Commit,
    Rollback {
        reason: Reason,
    },
    /// tell one chain's escrow what was decided
    Settle {
        chain: ChainId,
        decision: Decision,
        legs: Vec<u8>,
    },
    /// every leg ended at Final
    Record,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    AtomicityFailure { leg: u8, cause: String },
    DeadlinePassed,
}

/// Everything that can be done now, nothing that is in flight already.
pub fn plan(view: &View) -> Vec<Action> {
    match view.state {
        State::Open => open(view),
        State::Committed => decided(view, Decision::Commit),
        State::Aborted => decided(view, Decision::Abort),
        State::Finalized | State::RolledBack => Vec::new(),
    }
}

fn open(view: &View) -> Vec<Action> {
    let at_home = |action| if view.in_flight.is_none() { vec![action] } else { Vec::new() };
    let rollback = |leg, cause| at_home(Action::Rollback { reason: Reason::AtomicityFailure { leg, cause } });
    let failure = view.legs.iter().find_map(|leg| Some((leg.leg.index, failure_of(leg, view.deadline)?)));
    if let (Some((leg, cause)), true) = (failure, view.may_rollback) {
        return rollback(leg, cause);
    }
    if view.home_time >= view.deadline {
        return at_home(Action::Rollback { reason: Reason::DeadlinePassed });
    }
    let held_at_final = |leg: &LegView| {
        leg.sight.as_ref().is_some_and(|sight| sight.last.is_some_and(|hold| hold.is_held(view.deadline)))
    };
    if view.legs.iter().all(held_at_final) {
        return at_home(Action::Commit);
    }
    // nothing new goes there, so this will not be held in any time to count on
    if let Some(LegView { leg, .. }) = view.legs.iter().find(|leg| leg.standing != Standing::Sound) {
        let cause = format!("{} stopped finalizing", leg.chain);
        return if view.may_rollback { rollback(leg.index, cause) } else { Vec::new() };
    }
    let held_at_soft = |leg: &LegView| {
        leg.sight.as_ref().is_some_and(|sight| sight.soft.is_some_and(|hold| hold.is_held(view.deadline)))
    };
    if !view.legs.iter().filter(|leg| leg.leg.function.is_account_sourced()).all(held_at_soft) {
        return Vec::new();
    }
    let reserve_to_prepare = |leg: &&LegView| {
        !leg.leg.function.is_account_sourced()
            && leg.in_flight.is_none()
            && leg.sight.as_ref().is_some_and(|sight| sight.soft.is_none() && sight.last.is_none())
    };
    view.legs.iter().filter(reserve_to_prepare).map(|leg| Action::PrepareReserve { leg: leg.leg.index }).collect()
}

/// Why a leg can never become held as the execution says.
fn failure_of(leg: &LegView, deadline: u64) -> Option<String> {
    if leg.standing == Standing::Disputed {
        // whatever it shows us
        return Some(format!("attestors disagree about {}", leg.leg.chain));
    }
    let Some(sight) = &leg.sight else { return leg.cannot_prepare.clone() };
    match sight.last {
        Some(hold) if hold.is_held(deadline) => None,
        Some(HoldView { status: Status::Held, deadline: other }) => {
            Some(format!("held with deadline {other}, the execution's is {deadline}"))
        }
        Some(_) => Some("settled before anything was decided".into()),
        // somebody else managed what we could not
        None if sight.soft.is_some_and(|hold| hold.is_held(deadline)) => None,
        None => leg.cannot_prepare.clone(),
    }
}

fn decided(view: &View, decision: Decision) -> Vec<Action> {
    if view.legs.iter().all(|leg| has_ended(leg, view.deadline, decision)) {
        return if view.in_flight.is_none() { vec![Action::Record] } else { Vec::new() };
    }
    let mut actions: Vec<Action> = Vec::new();
    for leg in view.legs.iter().filter(|leg| is_to_settle(leg, view.deadline, decision)) {
        let same_chain = actions.iter_mut().find_map(|action| match action {
            Action::Settle { chain, legs, .. } if *chain == leg.leg.chain => Some(legs),
            _ => None,
        });
        match same_chain {
            Some(legs) => legs.push(leg.leg.index),
            None => actions.push(Action::Settle { chain: leg.leg.chain.clone(), decision, legs: vec![leg.leg.index] }),
        }
    }
    actions
}

/// A prepare of ours in flight does not hold a settlement up: in whatever order they land, the leg ends as decided.
fn is_to_settle(leg: &LegView, deadline: u64, decision: Decision) -> bool {
    let Some(sight) = &leg.sight else { return false };
    if leg.in_flight == Some(Kind::Settle) {
        return false;
    }
    match sight.soft {
        Some(hold) => hold.status == Status::Held,
        // Nothing held: a tombstone keeps a late prepare out, until the deadline does.
        None => decision == Decision::Abort && leg.leg.chain.kind().keeps_tombstones() && sight.soft_time < deadline,
    }
}

/// As attestors will say it of the leg under `Settled`.
fn has_ended(leg: &LegView, deadline: u64, decision: Decision) -> bool {
    leg.sight.as_ref().is_some_and(|sight| match sight.last {
        Some(hold) => match hold.status {
            Status::Held => false,
            Status::Finalized => decision == Decision::Commit,
            Status::Released => decision == Decision::Abort,
            Status::Escaped => true,
        },
        // never held, and no longer possible to hold
        None => decision == Decision::Abort && sight.soft.is_none() && sight.final_time >= deadline,
    })
}
