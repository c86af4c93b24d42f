//! The part of the model that is quick: two legs, and every guard taken out in turn. `make model` looks at three legs too.

use aes_model::{explore, look_without, Scenario, CASES};

fn keeps_every_promise(scenario: Scenario) {
    let name = scenario.name;
    let explored = explore(scenario);
    assert!(explored.broken.is_empty(), "{}", explored.broken.join("\n"));
    assert!(explored.unreached.is_empty(), "{name}: never {:?}", explored.unreached);
}

#[test]
fn lock_and_mint_keep_every_promise() {
    keeps_every_promise(Scenario::lock_and_mint());
}

#[test]
fn burn_and_unlock_keep_every_promise() {
    keeps_every_promise(Scenario::burn_and_unlock());
}

#[test]
fn two_planning_relayers_keep_every_promise() {
    keeps_every_promise(Scenario::two_relayers());
}

#[test]
fn a_leg_that_cannot_be_paid_holds_up_no_other() {
    keeps_every_promise(Scenario::one_chain());
}

#[test]
fn a_rotation_in_mid_flight_keeps_every_promise() {
    keeps_every_promise(Scenario::rotation());
}

#[test]
fn a_home_chain_that_forks_breaks_nothing_while_nobody_lies() {
    keeps_every_promise(Scenario::home_forks());
}

#[test]
fn every_guard_is_missed_when_it_is_taken_out() {
    for case in CASES {
        let (promise, trace) =
            look_without(case).counterexample.unwrap_or_else(|| panic!("nothing breaks without {:?}", case.guard));
        assert!(case.breaks.contains(&promise), "expected one of {:?} to break, not this:\n{trace}", case.breaks);
    }
}
