//! `aes demo`: the paper's scenario on a devnet of its own, once confirmed and once rolled back, in the paper's words.
//! Everything it prints was read from the chains; nothing is played.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aes_chains::{Depth, Hold, HoldStatus};
use aes_coordinator::msg::{ExecutionResponse, LegResult, RollbackReason, State};
use aes_protocol::{Hash32, Leg, LegStatus};
use aes_store::Store;
use anyhow::{anyhow, bail, ensure, Context as _, Result};

use crate::amount;
use crate::commands::open::Open;
use crate::commands::prepare::Prepare;
use crate::commands::status::{reason_word, result_word};
use crate::context::Context;
use crate::devnet::{Devnet, Options, RECIPIENT, RELAYER, USER};
use crate::signals::Stop;

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// folder with the built contracts (`make contracts`)
    #[arg(long, default_value = "artifacts")]
    artifacts: PathBuf,
}

/// How long any one thing may take to be seen.
const PATIENCE: Duration = Duration::from_secs(120);

impl Demo {
    pub async fn run(&self) -> Result<()> {
        let mut stop = Stop::listen()?;
        let dir = tempfile::tempdir()?;
        let options = Options::new(dir.path().into(), self.artifacts.clone());
        let net = tokio::select! {
            started = Devnet::start(options, |step| println!("⏳ {step} …")) => started?,
            () = stop.asked() => bail!("stopped by a signal"),
        };
        let played = tokio::select! {
            played = play(&net) => played,
            () = stop.asked() => Err(anyhow!("stopped by a signal")),
        };
        let stopped = net.stop().await;
        played.and(stopped)
    }
}

async fn play(net: &Devnet) -> Result<()> {
    let context = Context::open(&net.config_file(USER)).await?;
    println!("\n━━ 1. Every chain can do its part ━━");
    let before = balances(net, &context).await?;
    let id = open_and_prepare(net, &context, 600).await?;
    follow(&context, id).await?;
    show_balances(&before, &balances(net, &context).await?);

    println!("\n━━ 2. The same, while the relayer's gas account on ethereum is empty ━━");
    net.ethereum.set_balance(&net.account(RELAYER)?.evm.to_string(), 0).await?;
    let before = balances(net, &context).await?;
    let id = open_and_prepare(net, &context, 30).await?;
    follow(&context, id).await?;
    let after = balances(net, &context).await?;
    show_balances(&before, &after);
    ensure!(before == after, "the balances are not what they were before the rollback");
    show_record(&context, id).await?;
    show_added(net, id)
}

async fn open_and_prepare(net: &Devnet, context: &Context, deadline: u64) -> Result<Hash32> {
    let (user, recipient) = (net.account(USER)?, net.account(RECIPIENT)?);
    println!("🔴 AES: Executing atomic multi-chain transaction\n   Chains involved: 3");
    println!("   1. polygon: lock 200 ALZ\n   2. allianza: unlock 100 ALZ\n   3. ethereum: mint 100 ALZ");
    let legs = vec![
        format!("polygon lock 200 from {}", user.evm),
        format!("allianza unlock 100 to {}", recipient.cosmos),
        format!("ethereum mint 100 to {}", recipient.evm),
    ];
    let opened = Open::new(legs, deadline, Some(net.account(RELAYER)?.cosmos)).run(context).await?;
    println!("   execution {}", opened.execution_id);
    println!("\n📋 Phase 1: Preparatory execution");
    Prepare::new(opened.execution_id, 0).run(context).await?;
    Ok(opened.execution_id)
}

/// Says what happens as the chains show it, until the coordinator has the record.
async fn follow(context: &Context, id: Hash32) -> Result<()> {
    let mut told = Told::default();
    let mut ticks = context.home.ticks();
    let following = async {
        loop {
            let execution = context.execution(&id).await?;
            let mut holds = Vec::new();
            for leg in &execution.legs {
                let chain = context.chain(&leg.leg.chain)?;
                holds.push(chain.hold(&id, &leg.leg, Depth::Soft).await?);
            }
            told.tell(context, &execution, &holds)?;
            if matches!(execution.state, State::Finalized | State::RolledBack) {
                return Ok(());
            }
            ticks.changed().await.context("the home chain's block watcher stopped")?;
        }
    };
    tokio::time::timeout(PATIENCE, following).await.context("the execution has not ended in two minutes")?
}

#[derive(Default)]
struct Told {
    held: [bool; 16],
    settled: [bool; 16],
    decided: bool,
    waiting: bool,
}

impl Told {
    fn tell(&mut self, context: &Context, execution: &ExecutionResponse, holds: &[Option<Hold>]) -> Result<()> {
        let name = |leg: &Leg| -> Result<String> { Ok(context.chain(&leg.chain)?.name().to_owned()) };
        let legs = || execution.legs.iter().map(|leg| &leg.leg).zip(holds);
        let was_held = |(_, hold): &(&Leg, &Option<Hold>)| hold.as_ref().is_some_and(|hold| hold.held_at.is_some());
        for ((leg, hold), told) in legs().zip(&mut self.held) {
            if was_held(&(leg, hold)) && !std::mem::replace(told, true) {
                println!("   ✅ {}: {} executed successfully", name(leg)?, leg.function.name());
            }
        }
        if execution.decided_at.is_some() && !std::mem::replace(&mut self.decided, true) {
            match &execution.reason {
                None => println!("\n📋 Phase 2: every leg is held; the coordinator decided: commit"),
                Some(reason) => {
                    if let RollbackReason::AtomicityFailure { leg, cause } = reason {
                        let leg = &execution.legs.get(usize::from(*leg)).context("the failed leg")?.leg;
                        println!("   ❌ {}: {} failed ({cause})", name(leg)?, leg.function.name());
                    }
                    println!("\n🔄 ROLLBACK: Reverting executions to ensure atomicity ({})", reason_word(reason));
                    for (leg, _) in legs().filter(was_held) {
                        println!("   🔄 Reverting execution on {}...", name(leg)?);
                    }
                }
            }
        }
        for ((leg, hold), told) in legs().zip(&mut self.settled) {
            let Some(hold) = hold else { continue };
            let words = match hold.status {
                HoldStatus::Finalized => "finalized",
                HoldStatus::Released if hold.held_at.is_some() => "Execution reverted successfully",
                _ => continue,
            };
            if !std::mem::replace(told, true) {
                println!("   ✅ {}: {words}", name(leg)?);
            }
        }
        let released =
            |(_, hold): (&Leg, &Option<Hold>)| hold.as_ref().is_some_and(|h| h.status == HoldStatus::Released);
        if execution.reason.is_some()
            && legs().filter(was_held).all(released)
            && !std::mem::replace(&mut self.waiting, true)
        {
            println!("   ⏳ waiting for proof that nothing can be held any more where nothing was (its deadline)");
        }
        match execution.state {
            State::Finalized => println!("\n✅ AES: Atomic execution confirmed - all chains were updated"),
            State::RolledBack => {
                let held = execution.legs.iter().filter(|leg| leg.result != LegResult::NotPrepared).count();
                let reverted = execution.legs.iter().filter(|leg| leg.result == LegResult::Reverted).count();
                println!("\n✅ Rollback completed: {reverted}/{held} executions reverted");
                println!("❌ AES: Atomic execution failed - no chain was confirmed");
            }
            _ => {}
        }
        Ok(())
    }
}

type Balances = BTreeMap<String, u128>;

async fn balances(net: &Devnet, context: &Context) -> Result<Balances> {
    let mut balances = Balances::new();
    for chain in context.chains.values() {
        for who in [USER, RECIPIENT] {
            let account = net.account(who)?;
            let bytes = match chain.id().kind() {
                aes_protocol::ChainKind::Cosmos => aes_chains::cosmos::account_of(&account.cosmos, "wasm")?,
                _ => account.evm,
            };
            balances.insert(format!("{:<9} {who}", chain.name()), chain.alz_balance(&bytes).await?);
        }
    }
    Ok(balances)
}

fn show_balances(before: &Balances, after: &Balances) {
    println!("\n💰 ALZ, read from the chains     before       after");
    for (who, before) in before {
        let after = after.get(who).copied().unwrap_or_default();
        println!("   {who:<22} {:>12} {:>12}", amount::show(*before), amount::show(after));
    }
}

async fn show_record(context: &Context, id: Hash32) -> Result<()> {
    let execution = context.execution(&id).await?;
    println!("\n🧾 The record on the home chain");
    println!("   executed  {}", execution.opened_at);
    println!("   decided   {}", execution.decided_at.context("the time of the decision")?);
    println!("   rollback  {}", execution.settled_at.context("the time of the rollback")?);
    println!("   reason    {}", reason_word(execution.reason.as_ref().context("the reason")?));
    for leg in &execution.legs {
        let evidence = leg.settled.as_ref().context("the leg's evidence")?;
        let what = if evidence.status == LegStatus::Absent { "absent at" } else { "in" };
        print!(
            "   {:<9} {:<13} {what} block {}",
            context.chain(&leg.leg.chain)?.name(),
            result_word(leg.result),
            evidence.height
        );
        println!(" {} of {}", evidence.block_hash, evidence.time);
    }
    Ok(())
}

fn show_added(net: &Devnet, id: Hash32) -> Result<()> {
    let timings = Store::open(&net.options.data_dir.join("relayer.sqlite"))?.timings(&id)?;
    if timings.is_empty() {
        bail!("the relayer wrote down no times for execution {id}");
    }
    println!("\n⏱  What the relayer added, from reading the decision to handing the release to the chain's node");
    for timing in timings {
        let added = timing.handed_over_at.saturating_sub(timing.decision_seen_at);
        println!("   {:<18} {}.{:03} ms", timing.chain.as_str(), added / 1000, added % 1000);
    }
    Ok(())
}
