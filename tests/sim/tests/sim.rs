//! A small fixed share of the simulation, and what it rests on: a seed is a run, and what is broken is noticed.

use std::collections::BTreeSet;

use aes_sim::{run, Broken, Fired, Report};

/// Seeds in `cargo test`; `make sim` goes on from there.
const SEEDS: u64 = 100;
/// What legs on Bitcoin come to in some of them.
const ENDS: [(&str, &str); 7] = [
    ("transfer", "Finalized"),
    ("transfer", "Released"),
    ("lock", "Finalized"),
    ("lock", "Released"),
    ("burn", "Finalized"),
    ("burn", "Released"),
    ("unlock", "Finalized"),
];

#[test]
fn no_seed_breaks_a_promise_and_every_fault_strikes() {
    let mut fired = Fired::default();
    let mut on_bitcoin = BTreeSet::new();
    for seed in 0..SEEDS {
        let report = run(seed, None);
        on_bitcoin.extend(ENDS.into_iter().filter(|end| has_end(&report, end)));
        assert!(report.violations.is_empty(), "{}\nmake sim SEED={seed}", report.violations.join("\n"));
        fired.add(&report.fired);
    }
    let silent: Vec<_> = fired.each().filter(|(_, count)| *count == 0).map(|(fault, _)| fault.name()).collect();
    assert!(silent.is_empty(), "never struck: {silent:?}");
    assert_eq!(on_bitcoin, BTreeSet::from(ENDS), "how legs ended on Bitcoin");
}

/// A leg on Bitcoin whose hold ended so.
fn has_end(report: &Report, (function, status): &(&str, &str)) -> bool {
    let (leg, end) = (format!("{function} on bip122:"), format!("Some({status})"));
    report.timeline.iter().any(|line| line.starts_with(&leg) && line.contains(&end))
}

#[test]
fn a_seed_is_the_same_run_to_the_last_line() {
    for (seed, has_bitcoin) in [(1, false), (2, false), (3, false), (5, false), (16, true), (20, true), (21, true)] {
        let (first, second) = (run(seed, None), run(seed, None));
        assert_eq!(first.timeline.iter().any(|line| line.contains("and Bitcoin")), has_bitcoin, "seed {seed}");
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
