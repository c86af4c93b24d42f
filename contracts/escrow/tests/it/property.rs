//! P8 and P5 over random lives of an escrow: whatever is sent in whatever order, the books are what the escrow
//! really owns, nothing is made or lost, and sending a message again changes nothing.

use aes_escrow::msg::HoldStatus;
use aes_protocol::{Decision, Function, Leg};
use proptest::prelude::*;

use crate::support::{id, Kind, World, DAY};

#[derive(Debug, Clone)]
enum Step {
    Prepare(u8, Function, u128),
    Decide(u8, bool),
    Escape(u8),
    Fund(u128),
    Wait(u64),
    Refuse(Option<bool>),
}

fn step() -> impl Strategy<Value = Step> {
    let function = prop_oneof![
        Just(Function::Transfer),
        Just(Function::Lock),
        Just(Function::Unlock),
        Just(Function::Mint),
        Just(Function::Burn),
    ];
    prop_oneof![
        6 => (0..6u8, function, 1..1200u128).prop_map(|(n, function, amount)| Step::Prepare(n, function, amount)),
        4 => (0..6u8, any::<bool>()).prop_map(|(n, commit)| Step::Decide(n, commit)),
        1 => (0..6u8).prop_map(Step::Escape),
        1 => (1..2000u128).prop_map(Step::Fund),
        2 => prop_oneof![Just(60), Just(DAY), Just(9 * DAY)].prop_map(Step::Wait),
        1 => proptest::option::of(any::<bool>()).prop_map(Step::Refuse),
    ]
}

/// What the test knows of each execution, from what it saw succeed.
struct Life {
    world: World,
    legs: Vec<(u8, u64, Leg)>,
}

impl Life {
    fn everything(&self) -> String {
        let world = &self.world;
        let owned = [&world.alice, &world.bob, &world.escrow].map(|who| world.owns(who));
        let holds: Vec<_> = self.legs.iter().map(|(n, _, leg)| world.hold(id(*n), leg)).collect();
        format!("{:?} {owned:?} {} {holds:?}", world.books(), world.supply())
    }

    fn take(&mut self, step: &Step) {
        let world = &mut self.world;
        // a refused message changes nothing: that it failed is no matter here
        match step {
            Step::Prepare(n, function, amount) => {
                let (leg, deadline) = (world.leg(*function, *amount), world.deadline());
                if world.hold(id(*n), &leg).is_none() && world.prepare(id(*n), deadline, &leg).is_ok() {
                    self.legs.push((*n, deadline, leg));
                }
            }
            Step::Decide(n, commit) => {
                let decision = if *commit { Decision::Commit } else { Decision::Abort };
                let legs: Vec<Leg> = self.legs.iter().filter(|(of, ..)| of == n).map(|(.., leg)| leg.clone()).collect();
                let _ = world.decide(decision, &[(id(*n), legs)]);
            }
            Step::Escape(n) => {
                let alice = world.alice.clone();
                for (_, _, leg) in self.legs.iter().filter(|(of, ..)| of == n) {
                    let _ = world.escape(&alice, id(*n), leg);
                }
            }
            Step::Fund(amount) => {
                let _ = world.fund_vault(*amount);
            }
            Step::Wait(seconds) => world.advance(*seconds),
            Step::Refuse(whom) => {
                let (bob, escrow) = (world.bob.clone(), world.escrow.clone());
                world.refuse(whom.map(|is_bob| if is_bob { &bob } else { &escrow }));
            }
        }
    }

    /// Sends again what the state says was sent: every hold's prepare, and every settled hold's decision.
    fn repeat_everything(&mut self) {
        let world = &mut self.world;
        for (n, deadline, leg) in &self.legs {
            match world.status(id(*n), leg) {
                Some(HoldStatus::Held) => drop(world.prepare(id(*n), *deadline, leg)),
                Some(HoldStatus::Finalized) => drop(world.finalize(id(*n), leg).unwrap()),
                Some(HoldStatus::Released | HoldStatus::Escaped) => drop(world.release(id(*n), leg).unwrap()),
                None => unreachable!("a hold is never deleted"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_books_are_what_is_owned_and_a_repeat_changes_nothing(steps in prop::collection::vec(step(), 1..40)) {
        let mut life = Life { world: World::new(Kind::Cw20), legs: vec![] };
        let supply_at_first = life.world.supply().u128();
        for step in &steps {
            life.take(step);
            let world = &life.world;
            let (vault, held, issued) = world.books();
            prop_assert_eq!(vault + held, world.owns(&world.escrow), "after {:?}", step);
            prop_assert_eq!(supply_at_first.checked_add_signed(issued), Some(world.supply().u128()), "after {:?}", step);
            let really_held = |(n, _, leg): &&(u8, u64, Leg)| world.status(id(*n), leg) == Some(HoldStatus::Held);
            let sum: u128 = life.legs.iter().filter(really_held).map(|(.., leg)| leg.amount.u128()).sum();
            prop_assert_eq!(held, sum, "after {:?}", step);
        }
        let before = life.everything();
        life.repeat_everything();
        prop_assert_eq!(before, life.everything());
    }
}
