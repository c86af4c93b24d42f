//! Every view of two legs, and random views of up to sixteen: no plan breaks a promise.

mod support;

use aes_plan::{plan, Action, HoldView, Kind, LegView, Reason, Sight, Standing, State, Status, View};
use aes_protocol::{Decision, Function};
use proptest::prelude::*;
use support::{leg, DEADLINE};

const STATES: [State; 5] = [State::Open, State::Committed, State::Aborted, State::Finalized, State::RolledBack];
const LEG_FLIGHTS: [Option<Kind>; 3] = [None, Some(Kind::PrepareReserve), Some(Kind::Settle)];
const STANDINGS: [Standing; 3] = [Standing::Sound, Standing::Stalled, Standing::Disputed];
const FUNCTIONS: [Function; 5] = [Function::Lock, Function::Mint, Function::Transfer, Function::Unlock, Function::Burn];

fn hold(status: Status) -> Option<HoldView> {
    Some(HoldView { status, deadline: DEADLINE })
}

/// Each way a chain can show a leg: not at all, soft ahead of final, final.
fn sights() -> Vec<Option<Sight>> {
    let other = Some(HoldView { status: Status::Held, deadline: DEADLINE + 1 });
    let held = hold(Status::Held);
    let mut pairs =
        vec![(None, None), (held, None), (held, held), (other, None), (other, other), (hold(Status::Released), None)];
    for status in [Status::Finalized, Status::Released, Status::Escaped] {
        pairs.extend([(hold(status), held), (hold(status), hold(status))]);
    }
    let mut sights = vec![None];
    for (soft, last) in pairs {
        for (soft_time, final_time) in [(DEADLINE - 1, DEADLINE - 1), (DEADLINE, DEADLINE - 1), (DEADLINE, DEADLINE)] {
            sights.push(Some(Sight { soft, soft_time, last, final_time }));
        }
    }
    sights
}

fn is_held_at_final(leg: &LegView) -> bool {
    leg.sight.as_ref().is_some_and(|sight| sight.last == hold(Status::Held))
}

/// A chain stands still before everything is held for good, or is disputed.
fn is_given_up(view: &View) -> bool {
    let any = |standing| view.legs.iter().any(|leg| leg.standing == standing);
    any(Standing::Disputed) || (any(Standing::Stalled) && !view.legs.iter().all(is_held_at_final))
}

/// The promises of a single plan.
fn check(view: &View) {
    let actions = plan(view);
    if view.state == State::Open && view.may_rollback && is_given_up(view) {
        let rolls_back = matches!(actions.as_slice(), [Action::Rollback { .. }]);
        assert_eq!(rolls_back, view.in_flight.is_none(), "what is inside a stalled chain rolls back: {view:?}");
    }
    for action in &actions {
        match action {
            Action::Commit => {
                assert_eq!(view.state, State::Open);
                assert!(view.home_time < view.deadline, "commit past the deadline: {view:?}");
                assert!(view.legs.iter().all(is_held_at_final), "commit with a leg not held: {view:?}");
                assert_eq!(view.in_flight, None);
            }
            Action::Rollback { reason } => {
                assert_eq!(view.state, State::Open);
                assert_eq!(view.in_flight, None);
                match reason {
                    Reason::AtomicityFailure { leg, .. } => {
                        assert!(view.may_rollback);
                        let leg = &view.legs[usize::from(*leg)];
                        let held = is_held_at_final(leg) && leg.standing == Standing::Sound;
                        assert!(!held, "a held leg is no failure: {view:?}");
                    }
                    Reason::DeadlinePassed => assert!(view.home_time >= view.deadline),
                }
            }
            Action::PrepareReserve { leg } => {
                assert_eq!(view.state, State::Open);
                assert!(view.home_time < view.deadline);
                assert!(view.legs.iter().all(|leg| leg.standing == Standing::Sound), "nothing new there: {view:?}");
                let leg = &view.legs[usize::from(*leg)];
                assert!(!leg.leg.function.is_account_sourced());
                assert_eq!(leg.in_flight, None);
                assert!(leg.sight.as_ref().unwrap().soft.is_none());
                for other in view.legs.iter().filter(|leg| leg.leg.function.is_account_sourced()) {
                    assert_eq!(
                        other.sight.as_ref().unwrap().soft,
                        hold(Status::Held),
                        "the reserve goes last: {view:?}"
                    );
                }
            }
            Action::Settle { chain, decision, legs } => {
                let decided = match view.state {
                    State::Committed => Decision::Commit,
                    State::Aborted => Decision::Abort,
                    other => panic!("settles while {other:?}"),
                };
                assert_eq!(*decision, decided, "settles against the decision");
                assert!(!legs.is_empty());
                for index in legs {
                    let leg = &view.legs[usize::from(*index)];
                    assert_eq!(leg.leg.chain, *chain);
                    assert_ne!(leg.in_flight, Some(Kind::Settle));
                    let sight = leg.sight.as_ref().unwrap();
                    let tombstone = decided == Decision::Abort && sight.soft_time < DEADLINE;
                    assert!(sight.soft.map_or(tombstone, |hold| hold.status == Status::Held), "{view:?}");
                }
            }
            Action::Record => {
                assert!(matches!(view.state, State::Committed | State::Aborted));
                assert_eq!(view.in_flight, None);
                assert_eq!(actions.len(), 1);
                for leg in &view.legs {
                    let sight = leg.sight.as_ref().unwrap();
                    let ended = sight.last.is_some_and(|hold| hold.status != Status::Held);
                    assert!(ended || (sight.last.is_none() && sight.final_time >= DEADLINE), "{view:?}");
                    let wrong = if view.state == State::Committed { Status::Released } else { Status::Finalized };
                    assert!(
                        sight.last.is_none_or(|hold| hold.status != wrong),
                        "records against the decision: {view:?}"
                    );
                }
            }
        }
    }
}

fn leg_views(index: u8) -> Vec<LegView> {
    let mut views = Vec::new();
    for function in [Function::Lock, Function::Mint] {
        for sight in sights() {
            let view = |standing, in_flight, cannot_prepare| {
                let (leg, sight) = (leg(index, function), sight.clone());
                LegView { leg, sight, standing, in_flight, cannot_prepare }
            };
            for cannot_prepare in [None, Some("insufficient gas".to_string())] {
                views.extend(LEG_FLIGHTS.map(|in_flight| view(Standing::Sound, in_flight, cannot_prepare.clone())));
                views.extend(STANDINGS[1..].iter().map(|standing| view(*standing, None, cannot_prepare.clone())));
            }
        }
    }
    views
}

#[test]
fn every_view_of_two_legs() {
    let (first, second) = (leg_views(0), leg_views(1));
    let mut view = View {
        state: State::Open,
        deadline: DEADLINE,
        home_time: 0,
        legs: vec![first[0].clone(), second[0].clone()],
        in_flight: None,
        may_rollback: false,
    };
    let mut views = 0;
    for a in &first {
        view.legs[0].clone_from(a);
        for b in &second {
            view.legs[1].clone_from(b);
            for state in STATES {
                view.state = state;
                for home_time in [DEADLINE - 1, DEADLINE] {
                    view.home_time = home_time;
                    for in_flight in [None, Some(Kind::Commit)] {
                        view.in_flight = in_flight;
                        for may_rollback in [false, true] {
                            view.may_rollback = may_rollback;
                            check(&view);
                            views += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(views, first.len() * second.len() * 40);
}

fn any_leg() -> impl Strategy<Value = LegView> {
    let cause = prop::option::weighted(0.2, Just("refused".to_string()));
    let standing = prop_oneof![8 => Just(Standing::Sound), 1 => prop::sample::select(&STANDINGS)];
    let flight = prop::sample::select(&LEG_FLIGHTS);
    (prop::sample::select(&FUNCTIONS), prop::sample::select(sights()), standing, flight, cause).prop_map(
        |(function, sight, standing, in_flight, cannot_prepare)| LegView {
            leg: leg(0, function),
            sight,
            standing,
            in_flight,
            cannot_prepare,
        },
    )
}

proptest! {
    #[test]
    fn random_views_of_up_to_sixteen_legs(
        legs in prop::collection::vec(any_leg(), 1..=16),
        state in prop::sample::select(&STATES),
        home_time in DEADLINE - 2..DEADLINE + 2,
        in_flight in prop::option::weighted(0.3, Just(Kind::Record)),
        may_rollback: bool,
    ) {
        let legs = legs.into_iter().zip(0u8..).map(|(view, index)| LegView { leg: leg(index, view.leg.function), ..view }).collect();
        check(&View { state, deadline: DEADLINE, home_time, legs, in_flight, may_rollback });
    }
}
