//! `aes demo`: the paper's scenario on a devnet of its own, once confirmed and once rolled back, in the paper's words.
//! Everything it prints was read from the chains; nothing is played.

use std::collections::BTreeMap;
use std::io::stdout;
use std::path::PathBuf;
use std::time::Duration;

use aes_chains::{Depth, Hold, HoldStatus};
use aes_coordinator::msg::{ExecutionResponse, LegResult, RollbackReason, State};
use aes_protocol::{ChainId, ChainKind, Hash32, Leg, LegStatus};
use aes_store::Store;
use anyhow::{anyhow, bail, ensure, Context as _, Result};

use crate::amount;
use crate::commands::open::Open;
use crate::commands::prepare::Prepare;
use crate::commands::status::{reason_word, result_word};
use crate::context::Context;
use crate::devnet::{BitcoinOptions, Devnet, Options, BITCOIN, RECIPIENT, RELAYER, USER};
use crate::screen::Screen;
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
        let screen = Screen::on(stdout());
        let dir = tempfile::tempdir()?;
        let mut options = Options::new(dir.path().into(), self.artifacts.clone());
        options.bitcoin = Some(BitcoinOptions::default());
        let starting = Devnet::start(options, |step| screen.say(format_args!("⏳ {step}")));
        let net = tokio::select! {
            started = screen.during(starting) => started?,
            () = stop.asked() => bail!("stopped by a signal"),
        };
        let played = tokio::select! {
            played = screen.during(play(&net, &screen)) => played,
            broken = net.broken() => Err(broken),
            () = stop.asked() => Err(anyhow!("stopped by a signal")),
        };
        let stopped = net.stop().await;
        played.and(stopped)
    }
}

async fn play(net: &Devnet, screen: &Screen) -> Result<()> {
    let context = Context::open(&net.config_file(USER)).await?;
    screen.say("\n━━ 1. Every chain can do its part ━━");
    let before = balances(net, &context).await?;
    let id = open_and_prepare(net, &context, screen, 600).await?;
    let done = follow(&context, screen, id).await?;
    ensure!(done.state == State::Finalized, "rolled back: {:?}", done.reason);
    show_balances(screen, &before, &balances(net, &context).await?);

    screen.say("\n━━ 2. The same, and the relayer's gas account on ethereum runs empty ━━");
    let before = balances(net, &context).await?;
    // so that the mint is not in a block before there is something to revert
    net.ethereum.stop_mining().await?;
    let id = open_and_prepare(net, &context, screen, 40).await?;
    let (done, ()) = tokio::try_join!(follow(&context, screen, id), empty_gas_account(net, &context, screen, id))?;
    let reverted = done.legs.iter().filter(|leg| leg.result == LegResult::Reverted).count();
    ensure!(reverted == 2, "{reverted} of the legs were reverted, not polygon's and bitcoin's two");
    let after = balances(net, &context).await?;
    show_balances(screen, &before, &after);
    ensure!(before == after, "the balances are not what they were before the rollback");
    show_record(&context, screen, &done)?;
    show_added(net, screen, id)
}

async fn open_and_prepare(net: &Devnet, context: &Context, screen: &Screen, deadline: u64) -> Result<Hash32> {
    let (user, recipient) = (net.account(USER)?, net.account(RECIPIENT)?);
    screen.say("🔴 AES: Executing atomic multi-chain transaction\n   Chains involved: 3");
    screen.say("   1. polygon: lock 200 ALZ\n   2. bitcoin: unlock 100 ALZ\n   3. ethereum: mint 100 ALZ");
    let legs = vec![
        format!("polygon lock 200 from {}", user.evm),
        format!("bitcoin unlock 100 to {}", net.bitcoin_account(RECIPIENT)?.1),
        format!("ethereum mint 100 to {}", recipient.evm),
    ];
    let opened = Open::new(legs, deadline, Some(net.account(RELAYER)?.cosmos)).run(context).await?;
    screen.say(format_args!("   execution {}", opened.execution_id));
    screen.say("\n📋 Phase 1: Preparatory execution");
    Prepare::new(opened.execution_id, 0).run(context).await?;
    Ok(opened.execution_id)
}

/// Once the unlock is held. Ethereum's blocks come again then, and the mint that waits for one is paid by nobody.
async fn empty_gas_account(net: &Devnet, context: &Context, screen: &Screen, id: Hash32) -> Result<()> {
    let bitcoin = context.chain(&BITCOIN.parse::<ChainId>()?)?;
    let leg = context.execution(&id).await?.legs.into_iter().nth(1).context("the unlock")?.leg;
    let mut ticks = bitcoin.ticks();
    while bitcoin.hold(&id, &leg, Depth::Soft).await?.is_none() {
        ticks.changed().await.context("bitcoin's block watcher stopped")?;
    }
    net.ethereum.set_balance(&net.account(RELAYER)?.evm.to_string(), 0).await?;
    screen.say("   ⛽ ethereum: the mint waits for a block, and the relayer's gas account is emptied");
    net.ethereum.mine_at_interval().await?;
    Ok(())
}

/// Says what happens as the chains show it, until the coordinator has the record.
async fn follow(context: &Context, screen: &Screen, id: Hash32) -> Result<ExecutionResponse> {
    let mut told = Told::default();
    let mut ticks = context.home.ticks();
    let following = async {
        loop {
            let execution = context.execution(&id).await?;
            let mut holds = Vec::new();
            for leg in &execution.legs {
                let chain = context.chain(&leg.leg.chain)?;
                let soft = chain.hold(&id, &leg.leg, Depth::Soft).await?;
                let last = chain.hold(&id, &leg.leg, Depth::Final).await?;
                holds.push(Sight { soft, last });
            }
            told.tell(context, screen, &execution, &holds)?;
            if matches!(execution.state, State::Finalized | State::RolledBack) {
                return Ok(execution);
            }
            ticks.changed().await.context("the home chain's block watcher stopped")?;
        }
    };
    tokio::time::timeout(PATIENCE, following).await.context("the execution has not ended in two minutes")?
}

struct Sight {
    /// in a block
    soft: Option<Hold>,
    /// in one that stays
    last: Option<Hold>,
}

impl Sight {
    fn was_held(&self) -> bool {
        self.soft.as_ref().is_some_and(|hold| hold.held_at.is_some())
    }

    fn stays(&self, status: HoldStatus) -> bool {
        self.last.as_ref().is_some_and(|hold| hold.status == status)
    }
}

#[derive(Default)]
struct Told {
    held: [bool; 16],
    settled: [bool; 16],
    decided: bool,
    waiting: bool,
}

impl Told {
    fn tell(
        &mut self,
        context: &Context,
        screen: &Screen,
        execution: &ExecutionResponse,
        sights: &[Sight],
    ) -> Result<()> {
        let name = |leg: &Leg| -> Result<String> { Ok(context.chain(&leg.chain)?.name().to_owned()) };
        let legs = || execution.legs.iter().map(|leg| &leg.leg).zip(sights);
        let held = || legs().filter(|(_, sight)| sight.was_held());
        for ((leg, sight), told) in legs().zip(&mut self.held) {
            if sight.was_held() && !std::mem::replace(told, true) {
                screen.say(format_args!("   ✅ {}: {} executed successfully", name(leg)?, leg.function.name()));
            }
        }
        if execution.decided_at.is_some() && !std::mem::replace(&mut self.decided, true) {
            match &execution.reason {
                None => screen.say("\n📋 Phase 2: every leg is held; the coordinator decided: commit"),
                Some(reason) => {
                    if let RollbackReason::AtomicityFailure { leg, cause } = reason {
                        let leg = &execution.legs.get(usize::from(*leg)).context("the failed leg")?.leg;
                        let (name, function) = (name(leg)?, leg.function.name());
                        screen.say(format_args!("   ❌ {name}: {function} failed ({cause})"));
                    }
                    let reason = reason_word(reason);
                    screen.say(format_args!("\n🔄 ROLLBACK: Reverting executions to ensure atomicity ({reason})"));
                    for (leg, _) in held() {
                        screen.say(format_args!("   🔄 Reverting execution on {}...", name(leg)?));
                    }
                }
            }
        }
        for ((leg, sight), told) in legs().zip(&mut self.settled) {
            let words = if sight.stays(HoldStatus::Finalized) {
                "finalized"
            } else if sight.stays(HoldStatus::Released) && sight.was_held() {
                "Execution reverted successfully"
            } else {
                continue;
            };
            if !std::mem::replace(told, true) {
                screen.say(format_args!("   ✅ {}: {words}", name(leg)?));
            }
        }
        let released = execution.reason.is_some() && held().all(|(_, sight)| sight.stays(HoldStatus::Released));
        if released && execution.state == State::Aborted && !std::mem::replace(&mut self.waiting, true) {
            screen.say("   ⏳ waiting for proof that nothing can be held any more where nothing was (its deadline)");
        }
        match execution.state {
            State::Finalized => screen.say("\n✅ AES: Atomic execution confirmed - all chains were updated"),
            State::RolledBack => {
                let held = execution.legs.iter().filter(|leg| leg.result != LegResult::NotPrepared).count();
                let reverted = execution.legs.iter().filter(|leg| leg.result == LegResult::Reverted).count();
                screen.say(format_args!("\n✅ Rollback completed: {reverted}/{held} executions reverted"));
                screen.say("❌ AES: Atomic execution failed - no chain was confirmed");
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
                ChainKind::Cosmos => aes_chains::cosmos::account_of(&account.cosmos, "wasm")?,
                ChainKind::Evm => account.evm,
                ChainKind::Bitcoin => net.bitcoin_account(who)?.0,
            };
            balances.insert(format!("{:<9} {who}", chain.name()), chain.alz_balance(&bytes).await?);
        }
    }
    Ok(balances)
}

fn show_balances(screen: &Screen, before: &Balances, after: &Balances) {
    screen.say("\n💰 ALZ, read from the chains     before       after");
    for (who, before) in before {
        let after = after.get(who).copied().unwrap_or_default();
        screen.say(format_args!("   {who:<22} {:>12} {:>12}", amount::show(*before), amount::show(after)));
    }
}

/// Times are those of the home chain's blocks, in Unix seconds; a leg's are its own chain's.
fn show_record(context: &Context, screen: &Screen, execution: &ExecutionResponse) -> Result<()> {
    screen.say("\n🧾 The record on the home chain");
    screen.say(format_args!("   opened       {}", execution.opened_at));
    screen.say(format_args!("   decided      {}", execution.decided_at.context("the time of the decision")?));
    screen.say(format_args!("   rolled back  {}", execution.settled_at.context("the time of the rollback")?));
    screen.say(format_args!("   reason       {}", reason_word(execution.reason.as_ref().context("the reason")?)));
    for leg in &execution.legs {
        let evidence = leg.settled.as_ref().context("the leg's evidence")?;
        let (name, result) = (context.chain(&leg.leg.chain)?.name(), result_word(leg.result));
        let what = if evidence.status == LegStatus::Absent { "absent at" } else { "in" };
        let (height, hash, time) = (evidence.height, &evidence.block_hash, evidence.time);
        screen.say(format_args!("   {name:<9} {result:<13} {what} block {height} {hash} of {time}"));
    }
    Ok(())
}

fn show_added(net: &Devnet, screen: &Screen, id: Hash32) -> Result<()> {
    let timings = Store::open(&net.options.data_dir.join("relayer.sqlite"))?.timings(&id)?;
    ensure!(!timings.is_empty(), "the relayer wrote down no times for execution {id}");
    screen.say("\n⏱  What the relayer added, from reading the decision to handing the release to the chain's node");
    screen.say("   (with the wait for the home chain's next block, whose header proves the decision; one comes about every quarter second here)");
    for timing in timings {
        let added = timing.handed_over_at.saturating_sub(timing.decision_seen_at);
        screen.say(format_args!("   {:<40} {}.{:03} ms", timing.chain.as_str(), added / 1000, added % 1000));
    }
    Ok(())
}
