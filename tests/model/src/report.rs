//! Runs the checker, and says what it found so that a person can follow it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::guard::Case;
use crate::message::Message;
use crate::model::Step;
use crate::property::{Promise, REACHED};
use crate::scenario::Scenario;
use crate::world::{AtHome, Decision, Hold, Status, World};

pub struct Explored {
    pub states: usize,
    pub took: Duration,
    /// promises that are broken, each with the shortest way there
    pub broken: Vec<String>,
    /// what should have happened in some run and did not in any
    pub unreached: Vec<&'static str>,
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Every state of the scenario, or as many as it takes to find a broken promise.
pub fn explore(scenario: Scenario) -> Explored {
    let began = Instant::now();
    let checker =
        scenario.clone().checker().threads(threads()).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let discoveries = checker.discoveries();
    let broken = Promise::ALL.iter().filter_map(|promise| Some((promise, discoveries.get(promise.name())?)));
    let broken: Vec<String> = broken.map(|(promise, path)| tell(&scenario, *promise, path.clone())).collect();
    let expected = REACHED.iter().map(|(name, _)| *name);
    let unreached = expected.filter(|name| !discoveries.contains_key(name)).collect();
    Explored { states: checker.unique_state_count(), took: began.elapsed(), broken, unreached }
}

pub struct Noticed {
    pub states: usize,
    /// the promise that broke, and how it came to that
    pub counterexample: Option<(Promise, String)>,
}

/// The scenario of the case with its guard taken out, up to the first broken promise.
pub fn look_without(case: &Case) -> Noticed {
    let scenario = Scenario { without: Some(case.guard), ..(case.scenario)() };
    let checker = scenario.clone().checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let discoveries = checker.discoveries();
    let found = Promise::ALL.iter().filter_map(|promise| {
        let path = discoveries.get(promise.name())?.clone();
        Some((*promise, tell(&scenario, *promise, path.clone()), path.into_actions().len()))
    });
    let shortest = found.min_by_key(|(_, _, steps)| *steps);
    let counterexample = shortest.map(|(promise, trace, _)| (promise, trace));
    Noticed { states: checker.unique_state_count(), counterexample }
}

fn tell(scenario: &Scenario, promise: Promise, path: Path<World, Step>) -> String {
    let mut text = format!("{} is broken in {}", promise.name(), scenario.name);
    if let Some(guard) = scenario.without {
        let _ = write!(text, " without {guard:?}");
    }
    text.push('\n');
    for (number, (world, step)) in path.into_vec().into_iter().enumerate() {
        let _ = writeln!(text, "      {}", situation(scenario, &world));
        if let Some(step) = step {
            let _ = writeln!(text, "  {:>2}. {}", number + 1, words(scenario, step));
        }
    }
    text
}

/// The record, and each leg as its newest block has it; as its final block has it, where that is something else.
fn situation(scenario: &Scenario, world: &World) -> String {
    let mut text = format!("home {:?}{}", world.home.record, if world.home.late { ", late" } else { "" });
    for leg in 0..scenario.legs.len() {
        let (soft, last) = (world.soft(scenario, leg), world.last(scenario, leg));
        let of = |hold: &Hold| match hold.status {
            Status::None => "nothing".to_string(),
            Status::Held if hold.other_deadline => "Held with another deadline".to_string(),
            _ if hold.is_tombstone() => "tombstone".to_string(),
            status => format!("{status:?}"),
        };
        let _ = write!(text, " | {} {leg}: {}", scenario.function(leg).name(), of(soft));
        if soft != last {
            let _ = write!(text, " (final: {})", of(last));
        }
        if world.chains[scenario.chain_of[leg]].soft.late {
            text.push_str(", late");
        }
    }
    text
}

fn message_words(scenario: &Scenario, message: Message) -> String {
    let settles = |decision| match decision {
        Decision::Commit => "finalize",
        Decision::Abort => "release",
    };
    match message {
        Message::AtHome(AtHome::Commit) => "commit".into(),
        Message::AtHome(AtHome::Rollback { by_right: true }) => "rollback".into(),
        Message::AtHome(AtHome::Rollback { by_right: false }) => "rollback, as anybody may after the deadline".into(),
        Message::AtHome(AtHome::Record) => "record".into(),
        Message::PrepareReserve { leg } => format!("prepare leg {leg} from the reserve"),
        Message::Settle { chain, decision, legs } => {
            let legs: Vec<usize> = scenario.legs_on(chain).filter(|leg| legs & (1 << leg) != 0).collect();
            format!("{} legs {legs:?} on chain {chain}", settles(decision))
        }
        Message::SettleToThief { leg, decision } => format!("{} leg {leg}, to a thief", settles(decision)),
        Message::PrepareBogus { chain, of_other_chain: true } => {
            format!("prepare another chain's leg on chain {chain}")
        }
        Message::PrepareBogus { chain, .. } => {
            format!("prepare a leg on chain {chain} that the execution does not have")
        }
        Message::FinalizeBogus { chain } => format!("finalize that leg on chain {chain}"),
    }
}

fn words(scenario: &Scenario, step: Step) -> String {
    let name = |leg: usize| format!("leg {leg} ({})", scenario.function(leg).name());
    match step {
        Step::Open => "the opener opens".into(),
        Step::Deposit { leg, other_deadline: false } => format!("the depositor prepares {}", name(leg)),
        Step::Deposit { leg, other_deadline: true } => {
            format!("the depositor prepares {} with an earlier deadline", name(leg))
        }
        Step::Cancel => "the opener, or the relayer named, rolls back".into(),
        Step::Escape { leg, by_stranger } => {
            format!("{} escapes with {}", if by_stranger { "a stranger" } else { "the depositor" }, name(leg))
        }
        Step::StealAllowance { leg } => format!("a thief uses the allowance of the depositor of {}", name(leg)),
        Step::Sign { statement, .. } => format!("an honest attestor signs {statement:?}"),
        Step::Deliver(message) => format!("anybody sends, and it lands: {}", message_words(scenario, message)),
        Step::Send { relayer, message } => {
            format!("relayer {relayer} sends as planned: {}", message_words(scenario, message))
        }
        Step::Land { relayer, message } => format!("relayer {relayer}'s lands: {}", message_words(scenario, message)),
        Step::Lose { relayer, message } => format!("relayer {relayer}'s is lost: {}", message_words(scenario, message)),
        Step::TroubleBegins { kind, chain } => format!("trouble for relayers on chain {chain}: {kind:?}"),
        Step::TroubleEnds => "the trouble is over".into(),
        Step::HomeClock => "the home chain's clock passes the deadline".into(),
        Step::Clock { chain } => format!("the clock of chain {chain} passes the deadline"),
        Step::EscapeOpens => "the escape delay passes".into(),
        Step::Final { chain } => format!("chain {chain}: all so far is final"),
        Step::Reorg { chain } => format!("chain {chain} drops what is not final"),
        Step::OtherExecution { leg } => format!("another execution takes the reserve that {} needs", name(leg)),
        Step::HomeForks => "the home chain forks: the decision is gone".into(),
        Step::Pause => "the admins pause every contract".into(),
        Step::RotateHome => "the next attestor set is known at home".into(),
        Step::Rotate { chain } => format!("the next attestor set is known on chain {chain}"),
        Step::OldSetExpires => "the old set expires, and its keys are stolen".into(),
        Step::RotateToLiars => "a set of liars is asked for, signed and believed".into(),
    }
}
