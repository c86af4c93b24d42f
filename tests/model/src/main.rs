//! `make model`: looks at every state of every scenario, then takes out one guard after the other.

use std::process::ExitCode;

use aes_model::{explore, look_without, Scenario, CASES};

fn main() -> ExitCode {
    let mut failed = false;
    let mut states = 0;
    for scenario in Scenario::two_leg_ones().into_iter().chain(Scenario::three_leg_ones()) {
        let name = scenario.name;
        let legs = scenario.legs.len();
        let explored = explore(scenario);
        println!("{legs} legs, {name}: {} states in {:.1} s", explored.states, explored.took.as_secs_f64());
        println!("figure model.states.{} {}", name.replace([' ', ','], "-").replace("--", "-"), explored.states);
        for trace in &explored.broken {
            println!("{trace}");
        }
        for what in &explored.unreached {
            println!("never {what}");
        }
        states += explored.states;
        failed |= !explored.broken.is_empty() || !explored.unreached.is_empty();
    }

    let mut unnoticed = 0;
    for case in CASES {
        let noticed = look_without(case);
        match noticed.counterexample {
            Some((promise, trace)) => {
                println!("{trace}");
                if !case.breaks.contains(&promise) {
                    println!("without {:?}: expected one of {:?} to break, not {promise:?}", case.guard, case.breaks);
                    unnoticed += 1;
                }
            }
            None => {
                println!("without {:?}: {} states, and nothing breaks", case.guard, noticed.states);
                unnoticed += 1;
            }
        }
    }
    println!("figure model.states {states}");
    println!("figure model.guards {}", CASES.len());
    println!("figure model.guards_unnoticed {unnoticed}");
    if failed || unnoticed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
