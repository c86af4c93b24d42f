//! Whatever a user types wrong, or sends wrong past the command line, gets an error that names it, and changes nothing.

use std::collections::BTreeMap;

use aes_cli::commands::escape::Escape;
use aes_cli::commands::list::List;
use aes_cli::commands::open::Open;
use aes_cli::commands::prepare::Prepare;
use aes_cli::commands::rollback::Rollback;
use aes_cli::context::Context;
use aes_cli::devnet::{RECIPIENT, USER};
use aes_coordinator::msg::{ExecuteMsg, RollbackReason};
use aes_e2e::net::{changes, send_home, typed, Net};
use aes_e2e::{play, refused, same};
use aes_protocol::{Hash32, Leg};
use anyhow::{Context as _, Result};

/// 2^128 - 1 base units, as ALZ.
const MOST: &str = "340282366920938463463.374607431768211455";

#[tokio::test(flavor = "multi_thread")]
async fn bad_input() -> Result<()> {
    let net = Net::start(|options| options.relayer = false).await?;
    let before = (listing(&net).await?, net.balances().await?);
    let mut failed =
        play!(&net, legs_typed_wrong, deadlines, legs_sent_past_the_command_line, a_dry_run_sends_nothing, files,);
    same("executions", &listing(&net).await?, &before.0)?;
    same("changes", &net.balances().await?.since(&before.1), &changes(&[]))?;
    failed.extend(play!(&net, executions_and_legs_that_are_not_there));
    net.end(failed).await
}

async fn listing(net: &Net) -> Result<String> {
    Ok(typed::<List>(&[])?.run(&net.user).await?.to_string())
}

async fn open(net: &Net, legs: &[String], deadline: u64) -> Result<String> {
    Ok(Open::new(legs.to_vec(), deadline, None).run(&net.user).await?.to_string())
}

async fn legs_typed_wrong(net: &Net) -> Result<()> {
    let (user, recipient) = (net.devnet.account(USER)?, net.devnet.account(RECIPIENT)?);
    let (evm, cosmos) = (user.evm.to_string(), user.cosmos);
    let one = |text: String| vec![text];
    let lock = |amount: &str| format!("polygon lock {amount} from {evm}");
    let theirs = recipient.evm.to_string();
    let zero = format!("0x{}", "00".repeat(20));
    let transfer = |chain: &str, from: &str, to: &str| vec![format!("{chain} transfer 1 from {from} to {to}")];
    let seventeen: Vec<String> = (1..=17).map(|n| format!("polygon transfer {n} from {evm} to {theirs}")).collect();
    let cases = [
        (one(format!("polygon transfer 0 from {evm} to {theirs}")), "leg 0: amount is zero"),
        (one(format!("solana lock 1 from {evm}")), "no chain is called 'solana'; the config has"),
        (one(format!("eip155:1 lock 1 from {evm}")), "no chain eip155:1"),
        (one(format!("polygon give 1 from {evm}")), "'give' is no function"),
        (one("polygon lock".into()), "write: CHAIN FUNCTION AMOUNT"),
        (one(format!("polygon lock one from {evm}")), "'one' is not an amount of ALZ"),
        (one(format!("polygon lock -1 from {evm}")), "'-1' is not an amount of ALZ"),
        (one(format!("polygon lock 0.1234567890123456789 from {evm}")), "has more than 18 decimals"),
        (one(format!("polygon lock 340282366920938463464 from {evm}")), "does not fit 128 bits"),
        (vec![lock("1"), lock("1")], "leg 0 and leg 1 are the same leg"),
        (seventeen, "an execution has 1 to 16 legs, got 17"),
        (vec![], "1 to 16 legs"),
        (vec![lock("2"), format!("ethereum mint 1 to {evm}")], "make the sums equal"),
        (vec![lock(MOST), format!("ethereum lock {MOST} from {evm}")], "does not fit 128 bits"),
        (transfer("polygon", "0x1234", &theirs), "an account on eip155:80002 is 20 bytes, not all zero, got 2 bytes"),
        (transfer("polygon", &zero, &theirs), "an account on eip155:80002 is 20 bytes, not all zero"),
        (transfer("polygon", &cosmos, &theirs), "is not hex bytes"),
        (transfer("allianza", &evm, &recipient.cosmos), "is no bech32 address"),
        (
            transfer("polygon", &format!("eip155:11155111:{evm}"), &theirs),
            "is on eip155:11155111, the leg is on eip155:80002",
        ),
        (one(format!("polygon transfer 1 to {evm}")), "leg 0: from: an account on"),
        (one(format!("polygon transfer 1 from {evm}")), "leg 0: to: an account on"),
        (one(format!("polygon mint 1 from {evm} to {theirs}")), "leg 0: mint has no 'from' account"),
    ];
    for (legs, words) in cases {
        refused(open(net, &legs, 600).await, words).with_context(|| legs.join(" | "))?;
    }
    Ok(())
}

async fn deadlines(net: &Net) -> Result<()> {
    let legs = net.legs(&["polygon transfer 1"])?;
    refused(open(net, &legs, 0).await, "has passed, now is")?;
    refused(open(net, &legs, 8 * 86_400).await, "is too far ahead; give")?;
    refused(open(net, &legs, u64::MAX).await, "--deadline is too large")
}

/// The command line checks what it can; the coordinator trusts nobody's command line.
async fn legs_sent_past_the_command_line(net: &Net) -> Result<()> {
    let deadline = net.user.home.time().await? + 600;
    let parse = |texts: &[&str]| -> Result<Vec<Leg>> {
        aes_cli::legs::parse_legs(&net.user.config, &net.user.manifest, &net.legs(texts)?)
    };
    let leg = parse(&["polygon transfer 1"])?.into_iter().next().context("a leg")?;
    let with = |change: fn(&mut Leg)| {
        let mut leg = leg.clone();
        change(&mut leg);
        vec![leg]
    };
    let seventeen = (0..17).map(|index| Leg { index, amount: (1 + u128::from(index)).into(), ..leg.clone() }).collect();
    let most: u128 = u128::MAX;
    let mut too_much = parse(&["polygon lock 1", "ethereum lock 1"])?;
    too_much.iter_mut().for_each(|leg| leg.amount = most.into());
    let cases: [(Vec<Leg>, &str); 10] = [
        (vec![], "1 to 16 legs, got 0"),
        (seventeen, "1 to 16 legs, got 17"),
        (with(|leg| leg.amount = 0u128.into()), "amount is zero"),
        (with(|leg| leg.index = 1), "leg at position 0 says index 1"),
        (with(|leg| leg.escrow = vec![9; 20].into()), "is not the one of eip155:80002"),
        (with(|leg| leg.chain = "eip155:1".parse().unwrap_or_else(|_| leg.chain.clone())), "is not of this deployment"),
        (with(|leg| leg.from = vec![1; 19].into()), "leg 0: from: an account on"),
        (with(|leg| leg.to = vec![].into()), "leg 0: to: an account on"),
        (parse(&["polygon lock 2", "ethereum mint 1"])?, "make the sums equal"),
        (too_much, "does not fit 128 bits"),
    ];
    for (legs, words) in cases {
        let said = format!("{legs:?}");
        let message = ExecuteMsg::Open { legs, salt: Hash32::default(), deadline, relayer: None };
        refused(send_home(&net.user, &message).await, words).context(said)?;
    }
    let message = ExecuteMsg::Open { legs: vec![leg.clone()], salt: Hash32::default(), deadline: 1, relayer: None };
    refused(send_home(&net.user, &message).await, "deadline 1 has passed")?;
    let message =
        ExecuteMsg::Open { legs: vec![leg], salt: Hash32::default(), deadline, relayer: Some("nobody".into()) };
    refused(send_home(&net.user, &message).await, "relayer 'nobody' is not an address of this chain")
}

async fn a_dry_run_sends_nothing(net: &Net) -> Result<()> {
    let leg = net.leg("polygon transfer 1")?;
    let sent = typed::<Open>(&["--leg", &leg, "--dry-run"])?.run(&net.user).await?;
    same("transaction", &sent.transaction, &None)?;
    anyhow::ensure!(
        sent.to == net.user.manifest.coordinator && sent.fee.as_deref().is_some_and(|fee| fee != "0"),
        "{sent}"
    );
    refused(
        net.user.execution(&sent.execution_id).await.map(|found| found.number),
        "the coordinator knows no execution",
    )
}

async fn files(net: &Net) -> Result<()> {
    let open = async |path: &std::path::Path| Context::open(path).await.map(|_| ());
    let dir = tempfile::tempdir()?;
    refused(open(&dir.path().join("none.toml")).await, "aes.example.toml explains every key")?;
    let good = std::fs::read_to_string(net.devnet.config_file(USER))?;
    let cases: BTreeMap<&str, (String, &str)> = [
        ("unknown.toml", (format!("retries = 3\n{good}"), "unknown field `retries`")),
        ("manifest.toml", (good.replace("manifest.json", "nowhere.json"), "run `aes deploy` first")),
        ("syntax.toml", (format!("{good}["), "config file")),
        ("key.toml", (good.replace("keys/user", "keys/nobody"), "key file")),
    ]
    .into();
    for (name, (text, words)) in cases {
        let file = net.devnet.options.data_dir.join(name);
        std::fs::write(&file, text)?;
        refused(open(&file).await, words).context(name)?;
    }
    Ok(())
}

async fn executions_and_legs_that_are_not_there(net: &Net) -> Result<()> {
    let nobody = "0x".to_owned() + &"11".repeat(32);
    refused(typed::<Rollback>(&[&nobody])?.run(&net.user).await, "the coordinator knows no execution")?;
    refused(typed::<Prepare>(&[&nobody, "--leg", "0"])?.run(&net.user).await, "the coordinator knows no execution")?;
    refused(typed::<Prepare>(&["0x12", "--leg", "0"]), "invalid value '0x12'")?;
    refused(typed::<Prepare>(&[&nobody, "--leg", "256"]), "invalid value '256'")?;

    let execution = net.open(&["polygon lock 10001", "allianza unlock 10001"], 600).await?;
    let id = execution.execution_id.to_string();
    let before = net.balances().await?;
    refused(typed::<Prepare>(&[&id, "--leg", "2"])?.run(&net.user).await, "no leg 2; the execution has legs 0 to 1")?;
    refused(typed::<Prepare>(&[&id, "--leg", "1"])?.run(&net.user).await, "the relayer prepares it from the reserve")?;
    refused(typed::<Prepare>(&[&id, "--leg", "0"])?.run(&net.deployer).await, "is prepared by")?;
    refused(typed::<Prepare>(&[&id, "--leg", "0"])?.run(&net.user).await, "LegTooLarge")?;
    refused(typed::<Escape>(&[&id, "--leg", "0"])?.run(&net.user).await, "NothingHeld")?;
    refused(typed::<Escape>(&[&id, "--leg", "7"])?.run(&net.user).await, "no leg 7")?;

    let rollback = |reason| ExecuteMsg::Rollback { execution_id: execution.execution_id, reason };
    let failure = |leg, cause: String| rollback(RollbackReason::AtomicityFailure { leg, cause });
    for (message, words) in [
        (failure(2, "no such leg".into()), "no leg 2"),
        (failure(0, String::new()), "give 1 to 256"),
        (failure(0, "x".repeat(257)), "give 1 to 256"),
        (rollback(RollbackReason::DeadlinePassed {}), "deadline_passed: the deadline is"),
    ] {
        refused(send_home(&net.user, &message).await, words)?;
    }
    same("changes", &net.balances().await?.since(&before), &changes(&[]))
}
