//! A small fixed share of the simulation, and what it rests on: a seed is a run, and what is broken is noticed.

use aes_sim::{run, Broken, Fired};

/// Seeds in `cargo test`; `make sim` goes on from there.
const SEEDS: u64 = 100;

#[test]
fn no_seed_breaks_a_promise_and_every_fault_strikes() {
    let mut fired = Fired::default();
    for seed in 0..SEEDS {
        let report = run(seed, None);
        assert!(report.violations.is_empty(), "{}\nmake sim SEED={seed}", report.violations.join("\n"));
        fired.add(&report.fired);
    }
    let silent: Vec<_> = fired.each().filter(|(_, count)| *count == 0).map(|(fault, _)| fault.name()).collect();
    assert!(silent.is_empty(), "never struck: {silent:?}");
}

#[test]
fn a_seed_is_the_same_run_to_the_last_line() {
    for seed in [1, 2, 3, 5, 8, 13, 21, 34] {
        let (first, second) = (run(seed, None), run(seed, None));
        let differs = first.timeline.iter().zip(&second.timeline).position(|(a, b)| a != b);
        let lines = differs.map(|line| (&first.timeline[line], &second.timeline[line]));
        assert_eq!(lines, None, "seed {seed}, line {differs:?}");
        assert_eq!(first.timeline.len(), second.timeline.len(), "seed {seed}");
        assert_eq!(first.fired, second.fired, "seed {seed}");
    }
}

#[test]
fn what_is_broken_is_noticed() {
    for broken in Broken::ALL {
        let noticed = (0..60).find(|seed| !run(*seed, Some(broken)).violations.is_empty());
        assert!(noticed.is_some(), "{broken:?} went unnoticed in 60 runs");
    }
}
