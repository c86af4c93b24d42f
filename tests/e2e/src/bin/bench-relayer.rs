//! Figures from real nodes: how many milliseconds the relayer, attestors included, puts between a rollback that can be
//! proved and its settlements. Prints `figure NAME VALUE UNIT`; ends with 1 where a target is missed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aes_cli::commands::open::Open;
use aes_cli::commands::prepare::Prepare;
use aes_cli::commands::rollback::Rollback;
use aes_cli::commands::sent::Sent;
use aes_cli::devnet::RELAYER;
use aes_coordinator::msg::State;
use aes_e2e::net::{typed, Net};
use aes_protocol::Conservation;
use aes_store::{Store, Timing};
use anyhow::{ensure, Context as _, Result};
use futures::future::try_join3;
use tokio::sync::watch;

const ROLLBACKS: u32 = 100;
const P50_MS: f64 = 10.0;
const P99_MS: f64 = 50.0;
/// The last one is never prepared, so that nothing is committed before the rollback.
const LEGS: [&str; 4] = ["polygon lock 0.1", "allianza lock 0.1", "ethereum transfer 0.1", "polygon transfer 0.2"];

#[tokio::main]
async fn main() -> Result<ExitCode> {
    // locks without unlocks are only opened with conservation off
    let net = Net::start(|options| options.conservation = Conservation::Off).await?;
    let measured = measure(&net).await;
    net.end(Vec::new()).await?;
    let [p50, p99] = measured?;
    Ok(if p50 < P50_MS && p99 < P99_MS { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(net: &Net) -> Result<[f64; 2]> {
    net.give_allowances().await?;
    let arrivals = Arrivals::default();
    let noting = tokio::spawn(arrivals.clone().note(net.user.home.ticks()));
    let mut decided = Vec::new();
    for _ in 0..ROLLBACKS {
        let opened = open(net, &LEGS).await?;
        let id = opened.execution_id;
        let prepare = |leg| Prepare::new(id, leg);
        let (polygon, allianza, ethereum) = (prepare(0), prepare(1), prepare(2));
        try_join3(polygon.run(&net.user), allianza.run(&net.user), ethereum.run(&net.user)).await?;
        let rolled_back = typed::<Rollback>(&[&id.to_string()])?.run(&net.user).await?;
        decided.push((id, rolled_back.height.context("a rollback without its block")?));
    }
    for (id, _) in &decided {
        net.until_state(id, State::RolledBack).await?;
    }
    noting.abort();
    let store = store(net)?;
    let mut timings = Vec::new();
    for (id, height) in &decided {
        let of_one = store.timings(id)?;
        ensure!(of_one.len() == 3, "execution {id}: settled on {} chains, expected 3", of_one.len());
        let provable_at = arrivals.of(height.saturating_add(1))?;
        timings.extend(of_one.into_iter().map(|timing| Measured { timing, provable_at }));
    }
    // From the arrival of the header that proves the decision (docs/decisions/0006): the attestors' proofs and
    // signatures, and the hand-over to the chain's node are all in it.
    let added = |measured: &Measured| since(measured.provable_at, measured.timing.handed_over_at);
    let figures = [percentile(&timings, 50, added)?, percentile(&timings, 99, added)?];
    let [p50, p99] = figures;
    println!("figure relayer.rollback_added_ms_p50 {p50:.2} ms");
    println!("figure relayer.rollback_added_ms_p99 {p99:.2} ms");
    type Part = fn(&Measured) -> i64;
    let parts: [(&str, Part); 4] = [
        // with the time until the proving header, which is the home chain's
        ("from_its_block", |Measured { timing, .. }| since(timing.tick_at, timing.handed_over_at)),
        ("read", |Measured { timing, .. }| since(timing.tick_at, timing.decision_seen_at)),
        ("attest", |measured| since(measured.provable_at, measured.timing.attested_at)),
        ("hand_over", |Measured { timing, .. }| since(timing.attested_at, timing.handed_over_at)),
    ];
    for (name, part) in parts {
        println!("figure relayer.rollback_{name}_ms_p50 {:.2} ms", percentile(&timings, 50, part)?);
        println!("figure relayer.rollback_{name}_ms_p99 {:.2} ms", percentile(&timings, 99, part)?);
    }
    Ok(figures)
}

/// Less than nothing where the attestors were quicker than this process's own watch of the home chain.
fn since(before: u64, after: u64) -> i64 {
    i64::try_from(i128::from(after) - i128::from(before)).unwrap_or(i64::MAX)
}

struct Measured {
    timing: Timing,
    /// microseconds since the Unix epoch
    provable_at: u64,
}

/// When each block of the home chain came to this machine, in microseconds since the Unix epoch.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<BTreeMap<u64, u64>>>);

impl Arrivals {
    async fn note(self, mut ticks: watch::Receiver<u64>) {
        while ticks.changed().await.is_ok() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
            let height = *ticks.borrow_and_update();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(height, now);
        }
    }

    /// Where its own arrival was not noted, because the next one was close behind, the last before it: that only adds.
    fn of(&self, height: u64) -> Result<u64> {
        let arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = arrivals.range(..=height).next_back();
        noted.map(|(_, at)| *at).with_context(|| format!("no block up to {height} was seen to arrive"))
    }
}

async fn open(net: &Net, legs: &[&str]) -> Result<Sent> {
    Open::new(net.legs(legs)?, 3600, Some(net.devnet.account(RELAYER)?.cosmos)).run(&net.user).await
}

fn store(net: &Net) -> Result<Store> {
    Ok(Store::open(&net.devnet.options.data_dir.join("relayer.sqlite"))?)
}

/// In milliseconds, by the nearest rank.
fn percentile(timings: &[Measured], percent: usize, of: impl Fn(&Measured) -> i64) -> Result<f64> {
    let mut micros: Vec<i64> = timings.iter().map(of).collect();
    micros.sort_unstable();
    let rank = (micros.len() * percent).div_ceil(100).saturating_sub(1);
    let micros = i32::try_from(*micros.get(rank).context("no timings")?)?;
    Ok(f64::from(micros) / 1000.0)
}
