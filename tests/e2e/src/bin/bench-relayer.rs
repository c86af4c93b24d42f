//! Figures from real nodes: how many milliseconds the relayer, attestors included, puts between a rollback that can be
//! proved and its settlements, and the gas of each CosmWasm message. Prints `figure NAME VALUE UNIT`; ends with 1 where a target is missed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aes_cli::commands::open::Open;
use aes_cli::commands::prepare::Prepare;
use aes_cli::commands::rollback::Rollback;
use aes_cli::commands::sent::Sent;
use aes_cli::devnet::{ALLIANZA, RELAYER};
use aes_coordinator::msg::State;
use aes_e2e::net::{typed, Net};
use aes_protocol::{Conservation, Hash32};
use aes_store::{Store, Timing};
use anyhow::{ensure, Context as _, Result};
use futures::future::try_join3;
use serde_json::Value;
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
    gas_of_each_message(net).await?;
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
    let added = |measured: &Measured| measured.timing.handed_over_at.saturating_sub(measured.provable_at);
    let figures = [percentile(&timings, 50, added)?, percentile(&timings, 99, added)?];
    let [p50, p99] = figures;
    println!("figure relayer.rollback_added_ms_p50 {p50:.2} ms");
    println!("figure relayer.rollback_added_ms_p99 {p99:.2} ms");
    type Part = fn(&Measured) -> u64;
    let parts: [(&str, Part); 4] = [
        // with the time until the proving header, which is the home chain's
        ("from_its_block", |Measured { timing, .. }| timing.handed_over_at.saturating_sub(timing.tick_at)),
        ("read", |Measured { timing, .. }| timing.decision_seen_at.saturating_sub(timing.tick_at)),
        ("attest", |measured| measured.timing.attested_at.saturating_sub(measured.provable_at)),
        ("hand_over", |Measured { timing, .. }| timing.handed_over_at.saturating_sub(timing.attested_at)),
    ];
    for (name, part) in parts {
        println!("figure relayer.rollback_{name}_ms_p50 {:.2} ms", percentile(&timings, 50, part)?);
        println!("figure relayer.rollback_{name}_ms_p99 {:.2} ms", percentile(&timings, 99, part)?);
    }
    Ok(figures)
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

    fn of(&self, height: u64) -> Result<u64> {
        let arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.get(&height).copied().with_context(|| format!("block {height} was not seen to arrive"))
    }
}

async fn open(net: &Net, legs: &[&str]) -> Result<Sent> {
    Open::new(net.legs(legs)?, 3600, Some(net.devnet.account(RELAYER)?.cosmos)).run(&net.user).await
}

fn store(net: &Net) -> Result<Store> {
    Ok(Store::open(&net.devnet.options.data_dir.join("relayer.sqlite"))?)
}

/// In milliseconds, by the nearest rank.
fn percentile(timings: &[Measured], percent: usize, of: impl Fn(&Measured) -> u64) -> Result<f64> {
    let mut micros: Vec<u64> = timings.iter().map(of).collect();
    micros.sort_unstable();
    let rank = (micros.len() * percent).div_ceil(100).saturating_sub(1);
    let micros = u32::try_from(*micros.get(rank).context("no timings")?)?;
    Ok(f64::from(micros) / 1000.0)
}

/// The paper's three legs, one of them on the CosmWasm chain, once committed and once rolled back.
async fn gas_of_each_message(net: &Net) -> Result<()> {
    let committed = open(net, &["polygon lock 0.2", "allianza unlock 0.1", "ethereum mint 0.1"]).await?;
    Prepare::new(committed.execution_id, 0).run(&net.user).await?;
    net.until_state(&committed.execution_id, State::Finalized).await?;

    let aborted = open(net, &["allianza lock 0.1", "polygon transfer 0.1", "ethereum transfer 0.1"]).await?;
    let prepared = Prepare::new(aborted.execution_id, 0).run(&net.user).await?;
    let rolled_back = typed::<Rollback>(&[&aborted.execution_id.to_string()])?.run(&net.user).await?;
    net.until_state(&aborted.execution_id, State::RolledBack).await?;

    let (commit, abort) = (committed.execution_id, aborted.execution_id);
    for (name, tx) in [
        ("open", sent(committed)?),
        ("prepare", sent(prepared)?),
        ("prepare_reserve", relayed(net, commit, "prepare_reserve")?),
        ("commit", relayed(net, commit, "commit")?),
        ("rollback", sent(rolled_back)?),
        ("finalize", relayed(net, commit, "settle")?),
        ("release", relayed(net, abort, "settle")?),
        ("record", relayed(net, commit, "record")?),
    ] {
        println!("figure cosmwasm.gas.{name} {} gas", gas_used(net, &tx).await?);
    }
    Ok(())
}

fn sent(sent: Sent) -> Result<String> {
    sent.transaction.context("sent without a transaction")
}

/// What the relayer sent for the execution on the CosmWasm chain.
fn relayed(net: &Net, id: Hash32, kind: &str) -> Result<String> {
    let rows = store(net)?.outbox(&id)?;
    let row = rows.into_iter().find(|row| row.kind == kind && row.chain.as_str() == ALLIANZA);
    row.and_then(|row| row.tx).with_context(|| format!("the relayer sent no {kind} of {id}"))
}

async fn gas_used(net: &Net, tx: &str) -> Result<u64> {
    let url = format!("{}/tx?hash=0x{tx}", net.devnet.wasmd.rpc_url);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer: Value = http.get(url).send().await?.json().await?;
    let gas = answer["result"]["tx_result"]["gas_used"].as_str();
    gas.with_context(|| format!("no gas_used in {answer}"))?.parse().context("gas_used")
}
