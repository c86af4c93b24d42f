//! A relayer that does what the real planner says: the world as a `View`, the plan's actions as messages, each of which
//! takes its time or is lost.

use aes_plan::{plan, Action, HoldView, Kind, LegView, Sight, Standing, State, View};
use aes_protocol::Decision as Decided;

use crate::attestor::{is_certified, Place};
use crate::message::{deliver, Message};
use crate::scenario::Scenario;
use crate::world::{AtHome, Decision, Hold, Ledger, Record, Relayer, Statement, Status, Trouble, TroubleKind, World};

const DEADLINE: u64 = 1_000;
const OTHER_DEADLINE: u64 = 500;

fn time(late: bool) -> u64 {
    if late {
        DEADLINE
    } else {
        DEADLINE - 1
    }
}

fn view_of(hold: &Hold) -> Option<HoldView> {
    let status = match hold.status {
        Status::None => return None,
        Status::Held => aes_plan::Status::Held,
        Status::Finalized => aes_plan::Status::Finalized,
        Status::Released => aes_plan::Status::Released,
        Status::Escaped => aes_plan::Status::Escaped,
    };
    let deadline = match (hold.was_held, hold.other_deadline) {
        (false, _) => 0,
        (true, true) => OTHER_DEADLINE,
        (true, false) => DEADLINE,
    };
    Some(HoldView { status, deadline })
}

fn view(scenario: &Scenario, world: &World, relayer: &Relayer) -> Option<View> {
    let state = match world.home.record {
        Record::Unopened => return None,
        Record::Open => State::Open,
        Record::Committed => State::Committed,
        Record::Aborted => State::Aborted,
        Record::Finalized => State::Finalized,
        Record::RolledBack => State::RolledBack,
    };
    let of_leg = |leg: usize| {
        let chain = scenario.chain_of[leg];
        let (soft, last): (&Ledger, &Ledger) = (&world.chains[chain].soft, &world.chains[chain].last);
        let sight = Sight {
            soft: view_of(&soft.holds[leg]),
            soft_time: time(soft.late),
            last: view_of(&last.holds[leg]),
            final_time: time(last.late),
        };
        LegView {
            leg: scenario.legs[leg].clone(),
            sight: (world.trouble != Trouble::On(TroubleKind::NoAnswer, chain)).then_some(sight),
            standing: Standing::Sound,
            // as the board has it: a settlement counts before a prepare
            in_flight: relayer.settling[leg]
                .map(|_| Kind::Settle)
                .or(relayer.preparing[leg].then_some(Kind::PrepareReserve)),
            cannot_prepare: relayer.cannot_prepare[leg].then(|| "refused".into()),
        }
    };
    Some(View {
        state,
        deadline: DEADLINE,
        home_time: time(world.home.late),
        legs: (0..scenario.legs.len()).map(of_leg).collect(),
        in_flight: relayer.at_home.map(|message| match message {
            AtHome::Commit => Kind::Commit,
            AtHome::Rollback { .. } => Kind::Rollback,
            AtHome::Record => Kind::Record,
        }),
        may_rollback: relayer.may_rollback,
    })
}

/// What the plan wants sent now.
pub fn planned(scenario: &Scenario, world: &World, relayer: usize) -> Vec<Message> {
    let relayer = &world.relayers[relayer];
    let Some(view) = view(scenario, world, relayer) else { return Vec::new() };
    let to_message = |action: Action| match action {
        Action::PrepareReserve { leg } => Message::PrepareReserve { leg: usize::from(leg) },
        Action::Commit => Message::AtHome(AtHome::Commit),
        Action::Rollback { .. } => Message::AtHome(AtHome::Rollback { by_right: relayer.may_rollback }),
        Action::Settle { decision, legs, .. } => {
            let chain = legs.first().map_or(0, |leg| scenario.chain_of[usize::from(*leg)]);
            let decision = match decision {
                Decided::Commit => Decision::Commit,
                Decided::Abort => Decision::Abort,
            };
            Message::Settle { chain, decision, legs: legs.iter().fold(0, |bits, leg| bits | 1 << leg) }
        }
        Action::Record => Message::AtHome(AtHome::Record),
    };
    plan(&view).into_iter().map(to_message).collect()
}

fn chain_of(scenario: &Scenario, message: Message) -> Option<usize> {
    match message {
        Message::PrepareReserve { leg } => Some(scenario.chain_of[leg]),
        Message::Settle { chain, .. } => Some(chain),
        Message::AtHome(_)
        | Message::SettleToThief { .. }
        | Message::PrepareBogus { .. }
        | Message::FinalizeBogus { .. } => None,
    }
}

/// Sends one. What would do nothing as things are is not followed on its way: it is refused where it stands, and only
/// its effect on the relayer is kept. Should it have landed later with an effect after all, somebody else's message of
/// the same kind does that in another run.
pub fn send(scenario: &Scenario, world: &World, relayer: usize, message: Message, with_liars: bool) -> Option<World> {
    let mut next = *world;
    let no_gas =
        chain_of(scenario, message).is_some_and(|chain| world.trouble == Trouble::On(TroubleKind::NoGas, chain));
    if no_gas || deliver(scenario, world, message, with_liars).is_none() {
        refused(scenario, &mut next, relayer, message, with_liars, no_gas);
    } else {
        set(&mut next.relayers[relayer], message, true);
    }
    (next != *world).then_some(next)
}

fn refused(scenario: &Scenario, world: &mut World, relayer: usize, message: Message, with_liars: bool, no_gas: bool) {
    let Message::PrepareReserve { leg } = message else { return };
    let is_there = world.soft(scenario, leg).is_held();
    // without a certificate nothing is sent
    let chain = scenario.chain_of[leg];
    let opened = is_certified(scenario, world, Statement::Opened, Place::Chain(chain), with_liars);
    if opened && (no_gas || !is_there) {
        world.relayers[relayer].cannot_prepare[leg] = true;
    }
}

fn set(relayer: &mut Relayer, message: Message, on: bool) {
    match message {
        Message::AtHome(message) => relayer.at_home = on.then_some(message),
        Message::PrepareReserve { leg } => relayer.preparing[leg] = on,
        Message::Settle { decision, legs, .. } => {
            for (leg, slot) in relayer.settling.iter_mut().enumerate() {
                if legs & (1 << leg) != 0 {
                    *slot = on.then_some(decision);
                }
            }
        }
        Message::SettleToThief { .. } | Message::PrepareBogus { .. } | Message::FinalizeBogus { .. } => {}
    }
}

/// What the relayer has on its way; legs of one chain that settle share a transaction.
pub fn flying(scenario: &Scenario, relayer: &Relayer) -> Vec<Message> {
    let mut messages: Vec<Message> = relayer.at_home.map(Message::AtHome).into_iter().collect();
    let legs = 0..scenario.legs.len();
    messages.extend(legs.filter(|leg| relayer.preparing[*leg]).map(|leg| Message::PrepareReserve { leg }));
    for chain in 0..scenario.chains {
        for decision in [Decision::Commit, Decision::Abort] {
            let settling = scenario.legs_on(chain).filter(|leg| relayer.settling[*leg] == Some(decision));
            let legs = settling.fold(0u8, |bits, leg| bits | 1 << leg);
            if legs != 0 {
                messages.push(Message::Settle { chain, decision, legs });
            }
        }
    }
    messages
}

pub fn land(scenario: &Scenario, world: &World, relayer: usize, message: Message) -> Option<World> {
    let mut next = deliver(scenario, world, message, true)?;
    set(&mut next.relayers[relayer], message, false);
    Some(next)
}

pub fn lose(world: &World, relayer: usize, message: Message) -> World {
    let mut next = *world;
    set(&mut next.relayers[relayer], message, false);
    next.faults += 1;
    next
}

/// What can have no effect any more has ended: the relayer sees it fail, or sees that another was first.
pub fn end_what_is_moot(scenario: &Scenario, world: &mut World) {
    for relayer in 0..scenario.relayers {
        for message in flying(scenario, &world.relayers[relayer]) {
            if deliver(scenario, world, message, true).is_none() {
                set(&mut world.relayers[relayer], message, false);
                refused(scenario, world, relayer, message, true, false);
            }
        }
    }
}
