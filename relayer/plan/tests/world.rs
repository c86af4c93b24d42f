//! A small world in which anything may happen in any order: every state it can reach keeps atomicity,
//! and from every one of them the plan, given time and finality, comes to an end.

mod support;

use std::collections::BTreeSet;

use aes_plan::{plan, Action, HoldView, LegView, Sight, Standing, State, Status, View};
use aes_protocol::{Decision, Function};
use support::{leg, DEADLINE};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    None,
    Held,
    Finalized,
    Released,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    Up,
    Down,
    /// it answers, and was called stalled
    Stalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ChainLeg {
    soft: Hold,
    last: Hold,
    refused: bool,
    link: Link,
    /// its escrow takes reserve prepares, and we have gas there for a tombstone
    funded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    /// 0 open, 1 committed, 2 aborted, 3 finalized, 4 rolled back
    state: u8,
    late: bool,
    may_rollback: bool,
    legs: [ChainLeg; 3],
}

const FUNCTIONS: [Function; 3] = [Function::Lock, Function::Unlock, Function::Mint];
const STATES: [State; 5] = [State::Open, State::Committed, State::Aborted, State::Finalized, State::RolledBack];

impl World {
    fn view(&self) -> View {
        let time = if self.late { DEADLINE } else { DEADLINE - 1 };
        let hold = |hold| {
            let status = match hold {
                Hold::None => return None,
                Hold::Held => Status::Held,
                Hold::Finalized => Status::Finalized,
                Hold::Released => Status::Released,
            };
            Some(HoldView { status, deadline: DEADLINE })
        };
        let legs = self.legs.iter().zip(FUNCTIONS).zip(0u8..).map(|((chain, function), index)| LegView {
            leg: leg(index * 2, function),
            sight: (chain.link != Link::Down).then(|| Sight {
                soft: hold(chain.soft),
                soft_time: time,
                last: hold(chain.last),
                final_time: time,
            }),
            standing: if chain.link == Link::Stalled { Standing::Stalled } else { Standing::Sound },
            in_flight: None,
            cannot_prepare: chain.refused.then(|| "insufficient gas".into()),
        });
        let mut legs: Vec<LegView> = legs.collect();
        for (leg, index) in legs.iter_mut().zip(0u8..) {
            leg.leg.index = index;
        }
        let state = STATES[usize::from(self.state)];
        View { state, deadline: DEADLINE, home_time: time, legs, in_flight: None, may_rollback: self.may_rollback }
    }

    /// As the contracts do it.
    fn after(mut self, action: &Action) -> Self {
        match action {
            Action::PrepareReserve { leg } => {
                let leg = &mut self.legs[usize::from(*leg)];
                if leg.funded && leg.soft == Hold::None {
                    leg.soft = Hold::Held;
                } else {
                    leg.refused = true;
                }
            }
            Action::Commit => self.state = 1,
            Action::Rollback { .. } => self.state = 2,
            Action::Settle { decision, legs, .. } => {
                for index in legs {
                    let leg = &mut self.legs[usize::from(*index)];
                    match (leg.soft, decision) {
                        (Hold::Held, Decision::Commit) => leg.soft = Hold::Finalized,
                        (Hold::Held, Decision::Abort) => leg.soft = Hold::Released,
                        (Hold::None, Decision::Abort) if leg.funded => leg.soft = Hold::Released,
                        (Hold::None, Decision::Abort) => {}
                        other => panic!("the escrow would refuse {other:?}"),
                    }
                }
            }
            Action::Record => self.state = if self.state == 1 { 3 } else { 4 },
        }
        self
    }

    /// What the world does by itself: depositors, finality, time, chains that come and go.
    fn events(self) -> Vec<Self> {
        let mut next = vec![Self { late: true, ..self }];
        for (index, function) in FUNCTIONS.into_iter().enumerate() {
            let with = |change: &dyn Fn(&mut ChainLeg)| {
                let mut world = self;
                change(&mut world.legs[index]);
                world
            };
            let leg = self.legs[index];
            if function.is_account_sourced() && leg.soft == Hold::None && !self.late {
                next.push(with(&|leg| leg.soft = Hold::Held));
            }
            next.push(with(&|leg| leg.last = leg.soft));
            for link in [Link::Up, Link::Down, Link::Stalled] {
                next.push(with(&|leg| leg.link = link));
            }
        }
        next
    }

    fn assert_atomic(&self) {
        let any = |hold| self.legs.iter().any(|leg| leg.soft == hold || leg.last == hold);
        assert!(!(any(Hold::Finalized) && any(Hold::Released)), "one leg finalized, another released: {self:?}");
        if self.state == 1 {
            assert!(!any(Hold::None) && !any(Hold::Released), "committed with a leg not held: {self:?}");
        }
    }

    fn ends(mut self) -> bool {
        self.late = true;
        for leg in &mut self.legs {
            leg.link = Link::Up;
        }
        for _ in 0..12 {
            for action in plan(&self.view()) {
                self = self.after(&action);
            }
            for leg in &mut self.legs {
                leg.last = leg.soft;
            }
        }
        self.state >= 3
    }
}

#[test]
fn every_reachable_state_is_atomic_and_ends() {
    let mut todo = Vec::new();
    for funded in 0..8u8 {
        for may_rollback in [false, true] {
            let leg = |index: u8| ChainLeg {
                soft: Hold::None,
                last: Hold::None,
                refused: false,
                link: Link::Up,
                funded: funded & (1 << index) != 0,
            };
            todo.push(World { state: 0, late: false, may_rollback, legs: [leg(0), leg(1), leg(2)] });
        }
    }
    let mut seen: BTreeSet<World> = todo.iter().copied().collect();
    while let Some(world) = todo.pop() {
        world.assert_atomic();
        assert!(world.ends(), "stuck: {world:?}");
        // any subset of the planned actions may have landed: one at a time reaches them all
        let acted = plan(&world.view()).into_iter().map(|action| world.after(&action));
        for next in acted.chain(world.events()) {
            if seen.insert(next) {
                todo.push(next);
            }
        }
    }
    for end in [3, 4] {
        assert!(seen.iter().any(|world| world.state == end), "no run came to state {end}");
    }
}

#[test]
fn a_leg_that_cannot_be_prepared_rolls_back_at_once() {
    let leg = ChainLeg { soft: Hold::Held, last: Hold::Held, refused: false, link: Link::Up, funded: true };
    let mint = ChainLeg { soft: Hold::None, last: Hold::None, refused: true, link: Link::Up, funded: false };
    let world = World { state: 0, late: false, may_rollback: true, legs: [leg, leg, mint] };
    let reason = aes_plan::Reason::AtomicityFailure { leg: 2, cause: "insufficient gas".into() };
    assert_eq!(plan(&world.view()), vec![Action::Rollback { reason }]);
    // somebody without the right to roll back tries on: the gas may come
    let stranger = World { may_rollback: false, ..world };
    assert_eq!(plan(&stranger.view()), vec![Action::PrepareReserve { leg: 2 }]);
}

#[test]
fn a_stalled_chain_gets_nothing_new_and_what_is_not_wholly_held_rolls_back() {
    let held = ChainLeg { soft: Hold::Held, last: Hold::Held, refused: false, link: Link::Up, funded: true };
    let stalled = |last| ChainLeg { link: Link::Stalled, last, ..held };
    let nothing = ChainLeg { soft: Hold::None, last: Hold::None, ..held };
    let world = |legs, may_rollback| World { state: 0, late: false, may_rollback, legs };
    let reason = aes_plan::Reason::AtomicityFailure { leg: 0, cause: "eip155:1 stopped finalizing".into() };
    for last in [Hold::None, Hold::Held] {
        let rollback = Action::Rollback { reason: reason.clone() };
        assert_eq!(plan(&world([stalled(last), held, nothing], true).view()), [rollback]);
        assert_eq!(plan(&world([stalled(last), held, nothing], false).view()), []);
    }
    assert_eq!(plan(&world([stalled(Hold::Held), held, held], true).view()), [Action::Commit]);
}
