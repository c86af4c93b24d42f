//! `aes-sim`: as many seeds as fit into the time, on every core; or one seed, with its timeline.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aes_sim::{run, Broken, Fired, Report, Timeline};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// The real relayer, attestors and contracts under faults, on virtual time
#[derive(Parser)]
struct Args {
    /// This seed alone, with everything that happened
    #[arg(long)]
    seed: Option<u64>,
    /// The first of many seeds
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// At most so many seeds
    #[arg(long, default_value_t = u64::MAX)]
    schedules: u64,
    /// Begin no run after so many seconds
    #[arg(long, default_value_t = u64::MAX)]
    seconds: u64,
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, std::num::NonZero::get))]
    threads: usize,
    /// Break something on purpose, to see that it is noticed
    #[arg(long)]
    broken: Option<Broken>,
}

#[derive(Default)]
struct Sums {
    schedules: u64,
    executions: usize,
    fired: Fired,
    failed: Vec<Report>,
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let failed = match args.seed {
        Some(seed) => one(seed, args.broken),
        None => many(&args),
    };
    if failed {
        std::process::ExitCode::FAILURE
    } else {
        std::process::ExitCode::SUCCESS
    }
}

/// With the processes' own log where RUST_LOG asks for it, e.g. `RUST_LOG=aes_relay=info`.
fn one(seed: u64, broken: Option<Broken>) -> bool {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(Timeline)
        .with_ansi(false)
        .without_time()
        .init();
    let report = run(seed, broken);
    report.timeline.iter().for_each(|line| println!("{line}"));
    report
        .fired
        .each()
        .filter(|(_, count)| *count > 0)
        .for_each(|(fault, count)| println!("fired {}: {count}", fault.name()));
    tell(&report);
    !report.violations.is_empty()
}

fn tell(report: &Report) {
    for violation in &report.violations {
        println!("seed {}: {violation}", report.seed);
    }
    if !report.violations.is_empty() {
        println!("replay: make sim SEED={}", report.seed);
    }
}

fn many(args: &Args) -> bool {
    let (next, stop) = (AtomicU64::new(args.first), AtomicBool::new(false));
    let sums = Mutex::new(Sums::default());
    let start = Instant::now();
    let last = args.first.saturating_add(args.schedules);
    let work = || loop {
        let seed = next.fetch_add(1, Relaxed);
        if seed >= last || stop.load(Relaxed) || start.elapsed() >= Duration::from_secs(args.seconds) {
            return;
        }
        let report = run(seed, args.broken);
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.schedules += 1;
        sums.executions += report.executions;
        sums.fired.add(&report.fired);
        if !report.violations.is_empty() {
            tell(&report);
            sums.failed.push(report);
            // enough to look at
            stop.store(sums.failed.len() >= 20, Relaxed);
        }
    };
    std::thread::scope(|scope| (0..args.threads).for_each(|_| drop(scope.spawn(work))));

    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    for (fault, count) in sums.fired.each() {
        println!("figure sim.fired.{} {count} times", fault.name());
    }
    println!("figure sim.executions {} executions", sums.executions);
    println!("figure sim.schedules {} schedules", sums.schedules);
    println!("figure sim.violations {} schedules", sums.failed.len());
    println!("figure sim.schedules_per_minute {:.0} schedules/min", sums.schedules as f64 / minutes);
    let silent: Vec<&str> = sums.fired.each().filter(|(_, count)| *count == 0).map(|(fault, _)| fault.name()).collect();
    if !silent.is_empty() {
        println!("these faults never struck, so the run shows nothing about them: {}", silent.join(", "));
    }
    !sums.failed.is_empty() || !silent.is_empty()
}
