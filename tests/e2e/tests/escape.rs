//! Without a relayer nothing is decided, and a depositor takes back by himself what was held: after the deadline and
//! the delay, he alone, once. The deployment is one with `conservation: off`, where the paper's own 100/100/100 is
//! opened, and confirmed once a relayer has started.

use aes_chains::EscrowMessage;
use aes_cli::commands::escape::Escape;
use aes_cli::commands::rollback::Rollback;
use aes_cli::devnet::BitcoinOptions;
use aes_coordinator::msg::{LegResult, RollbackReason, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{changes, send_chain, send_home, typed, Net};
use aes_e2e::{play, refused, same, until};
use aes_protocol::{Conservation, Decision, LegStatus};
use anyhow::{ensure, Context as _, Result};

const ESCAPE_DELAY: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn escape() -> Result<()> {
    let mut net = Net::start(|options| {
        options.relayer = false;
        options.escape_delay = ESCAPE_DELAY;
        options.conservation = Conservation::Off;
        options.bitcoin = Some(BitcoinOptions::default());
    })
    .await?;
    let mut failed = play!(&net, a_depositor_escapes_after_the_delay);
    net.devnet.start_relayer().await?;
    failed.extend(play!(&net, the_papers_own_figures));
    net.end(failed).await
}

async fn a_depositor_escapes_after_the_delay(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let legs = ["polygon lock 40", "allianza transfer 7", "ethereum unlock 5", "ethereum burn 2"];
    let execution = net.open(&legs, 12).await?;
    let id = execution.execution_id.to_string();
    net.prepare(&execution, 0).await?;
    net.prepare(&execution, 1).await?;
    let held = net.balances().await?;

    let escape = |leg: &str| typed::<Escape>(&[&id, "--leg", leg]);
    refused(escape("0")?.run(&net.user).await, "EscapeTooEarly")?;
    refused(escape("1")?.run(&net.user).await, "escape opens at")?;
    // the reserve is no depositor
    refused(escape("2")?.run(&net.user).await, "NotTheDepositor")?;
    refused(escape("3")?.run(&net.user).await, "NothingHeld")?;
    for leg in execution.legs.iter().take(2).map(|entry| &entry.leg) {
        let chain = net.user.chain(&leg.chain)?;
        until(chain.ticks(), "the delay after the deadline", async || {
            let head = chain.head(aes_chains::Depth::Soft).await?;
            Ok((head.time > execution.deadline + ESCAPE_DELAY).then_some(()))
        })
        .await?;
    }
    refused(escape("0")?.run(&net.relayer).await, "NotTheDepositor")?;
    refused(escape("1")?.run(&net.relayer).await, "the depositor sends this")?;
    same("changes", &net.balances().await?.since(&held), &changes(&[]))?;
    for leg in ["0", "1"] {
        escape(leg)?.run(&net.user).await?;
    }
    same("changes", &net.balances().await?.since(&before), &changes(&[]))?;
    for (index, leg) in execution.legs.iter().take(2).enumerate() {
        let said = escape(&index.to_string())?.run(&net.user).await?.to_string();
        ensure!(said.contains("already escaped on ") && said.contains("nothing was sent, nothing moved"), "{said}");
        // and past the command line
        let message = EscrowMessage::Escape { execution_id: execution.execution_id, leg: leg.leg.clone() };
        send_chain(&net.user, &leg.leg.chain, &message).await?;
    }
    same("changes after a second try", &net.balances().await?.since(&before), &changes(&[]))?;

    // anyone may roll it back by now; what was escaped with is recorded as that, and nothing is paid twice
    typed::<Rollback>(&[&id])?.run(&net.deployer).await?;
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    hand.settle_all(&[&execution], Decision::Abort).await?;
    send_home(&net.relayer, &hand.record(&execution, Decision::Abort).await?).await?;
    let done = net.user.execution(&execution.execution_id).await?;
    same("state", &done.state, &State::RolledBack)?;
    same("reason", &done.reason, &Some(RollbackReason::DeadlinePassed {}))?;
    let results: Vec<LegResult> = done.legs.iter().map(|leg| leg.result).collect();
    use LegResult::{Escaped, NotPrepared};
    same("results", &results, &vec![Escaped, Escaped, NotPrepared, NotPrepared])?;
    let evidence = done.legs.first().and_then(|leg| leg.settled.as_ref()).context("evidence of leg 0")?;
    same("evidence", &evidence.status, &LegStatus::Escaped)?;
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}

async fn the_papers_own_figures(net: &Net) -> Result<()> {
    let before = net.balances().await?;
    let execution = net.open(&["polygon lock 100", "bitcoin unlock 100", "ethereum mint 100"], 600).await?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    let expected = changes(&[
        ("polygon user", "-100"),
        ("polygon vault", "+100"),
        ("bitcoin vault", "-100"),
        ("bitcoin recipient", "+100"),
        ("ethereum recipient", "+100"),
        ("ethereum issued", "+100"),
    ]);
    same("changes", &net.balances().await?.since(&before), &expected)
}
