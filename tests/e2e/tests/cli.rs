//! The real binary, every subcommand, in text and as JSON: the fields that programs read, the words that people read,
//! and that `--dry-run` sends nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aes_cli::devnet::{DEPLOYER, RELAYER, USER};
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::Net;
use aes_e2e::process::{aes, Aes, Said};
use aes_e2e::{play, same, until, PATIENCE};
use aes_protocol::{Attestor, AttestorSet, Decision};
use anyhow::{ensure, Context as _, Result};
use serde_json::{json, Value};

const ESCAPE_DELAY: u64 = 2;
const SENT: [&str; 8] = ["action", "chain", "execution_id", "fee", "height", "repeated", "to", "transaction"];

#[tokio::test(flavor = "multi_thread")]
async fn cli() -> Result<()> {
    let mut net = Net::start(|options| {
        options.relayer = false;
        options.escape_delay = ESCAPE_DELAY;
    })
    .await?;
    let mut failed = play!(
        &net,
        keys_and_completions,
        what_is_wrong_is_said_and_ends_with_1,
        dry_runs_send_nothing,
        an_escape,
        operators_commands,
    );
    net.devnet.start_relayer().await?;
    failed.extend(play!(&net, one_execution_from_open_to_its_proof));
    net.end(failed).await?;
    a_devnet_starts_and_ends().await
}

async fn as_user(net: &Net, words: &[&str]) -> Result<Said> {
    aes(&net.devnet.config_file(USER), words).await
}

/// The one answer of a command that went well, with exactly these fields.
fn answer(said: &Said, fields: &[&str]) -> Result<Value> {
    let answers = said.json()?;
    let [answer] = answers.as_slice() else { anyhow::bail!("one answer, not {}: {}", answers.len(), said.out) };
    has(answer, fields)?;
    Ok(answer.clone())
}

fn has(object: &Value, fields: &[&str]) -> Result<()> {
    let mut found: Vec<&str> = object.as_object().context("an object")?.keys().map(String::as_str).collect();
    let mut fields = fields.to_vec();
    found.sort_unstable();
    fields.sort_unstable();
    same("fields", &found, &fields)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

async fn keys_and_completions(net: &Net) -> Result<()> {
    let key = net.devnet.options.data_dir.join("new-key.json");
    let made = answer(&as_user(net, &["keys", "new", text(&key)?, "--json"]).await?, &["cosmos", "evm"])?;
    let shown = answer(&as_user(net, &["keys", "show", text(&key)?, "--json"]).await?, &["cosmos", "evm"])?;
    same("accounts", &shown, &made)?;
    let read = as_user(net, &["keys", "show", text(&key)?]).await?;
    let expected = format!("EVM     {}\ncosmos  {}\n", str_of(&made, "evm")?, str_of(&made, "cosmos")?);
    same("words", &read.out, &expected)?;
    let again = as_user(net, &["keys", "new", text(&key)?]).await?;
    ensure!(!again.ok && again.err.contains("new-key.json"), "{}", again.err);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = as_user(net, &["completions", shell]).await?;
        ensure!(completions.ok && completions.out.contains("report-equivocation"), "{shell}: {}", completions.err);
    }
    Ok(())
}

fn str_of<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("no {field} in {value}"))
}

async fn what_is_wrong_is_said_and_ends_with_1(net: &Net) -> Result<()> {
    let nobody = format!("0x{}", "11".repeat(32));
    for words in [["status", &nobody], ["rollback", &nobody], ["list", "--opener=0x12"]] {
        let plain = as_user(net, &words).await?;
        ensure!(!plain.ok && plain.out.is_empty() && plain.err.contains("error: "), "{words:?}: {}", plain.err);
        let json = as_user(net, &[&words[..], &["--json"]].concat()).await?;
        let last = json.err.lines().last().context("no word of what is wrong")?;
        ensure!(!json.ok && json.out.is_empty(), "{words:?}: {}", json.out);
        has(&serde_json::from_str(last)?, &["error"])?;
    }
    Ok(())
}

/// Legs with accounts of the user's, on every chain.
async fn open(net: &Net, legs: &[&str], flags: &[&str]) -> Result<Said> {
    let legs = net.legs(legs)?;
    let legs: Vec<&str> = legs.iter().flat_map(|leg| ["--leg", leg]).collect();
    as_user(net, &[&["open"], legs.as_slice(), flags].concat()).await
}

async fn execution(net: &Net, opened: &Value) -> Result<ExecutionResponse> {
    net.user.execution(&str_of(opened, "execution_id")?.parse()?).await
}

/// Everything an account has, and where its next transaction stands.
async fn of_the_user(net: &Net) -> Result<Vec<String>> {
    let mut all = vec![format!("{:?}", net.balances().await?)];
    for chain in net.user.chains.values() {
        all.push(format!("{:?}", chain.gas_account().await?));
    }
    for chain in ["polygon", "ethereum"] {
        let address = net.devnet.account(USER)?.evm.to_string();
        let account = net.evm_account(chain, USER)?;
        all.push(account.rpc("eth_getTransactionCount", json!([address, "pending"])).await?.to_string());
    }
    Ok(all)
}

async fn dry_runs_send_nothing(net: &Net) -> Result<()> {
    let manifest = &net.user.manifest;
    let legs = ["polygon lock 3", "allianza transfer 2", "ethereum mint 3"];
    let before = of_the_user(net).await?;
    let dry = answer(&open(net, &legs, &["--dry-run", "--json"]).await?, &SENT)?;
    would_be_sent(&dry, &manifest.coordinator)?;
    let read = open(net, &legs, &["--dry-run"]).await?;
    ensure!(read.out.contains("would be sent to ") && read.out.contains("\nfee          about "), "{}", read.out);
    same("after `open --dry-run`", &of_the_user(net).await?, &before)?;

    let opened = answer(&open(net, &legs, &["--json"]).await?, &SENT)?;
    ensure!(opened["transaction"].is_string() && opened["height"].is_u64(), "{opened}");
    let id = str_of(&opened, "execution_id")?;
    let before = of_the_user(net).await?;
    // an allowance is a transaction of its own, and what comes after it cannot be tried before
    net.give_allowances().await?;
    let allowed = of_the_user(net).await?;
    ensure!(allowed != before, "an allowance is sent");
    for (leg, chain) in [("0", "eip155:80002"), ("1", "cosmos:allianza-1")] {
        let words = ["prepare", id, "--leg", leg, "--dry-run"];
        let dry = answer(&as_user(net, &[&words[..], &["--json"]].concat()).await?, &SENT)?;
        would_be_sent(&dry, &manifest.chain(&chain.parse()?)?.escrow_address)?;
        same("chain", &str_of(&dry, "chain")?, &chain)?;
        let read = as_user(net, &words).await?;
        ensure!(read.ok && read.out.contains(&format!("on {chain}\nfee          about ")), "{}{}", read.out, read.err);
    }
    let dry = answer(&as_user(net, &["rollback", id, "--dry-run", "--json"]).await?, &SENT)?;
    would_be_sent(&dry, &manifest.coordinator)?;
    same("after all of them", &of_the_user(net).await?, &allowed)?;
    let there = execution(net, &opened).await?;
    same("state", &there.state, &State::Open)?;
    same("holds", &net.hold_status(&net.user, &there).await?, &vec![None, None, None])
}

fn would_be_sent(dry: &Value, to: &str) -> Result<()> {
    same("to", &str_of(dry, "to")?, &to)?;
    let fee: u128 = str_of(dry, "fee")?.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse()?;
    ensure!(fee > 0 && dry["transaction"].is_null() && dry["height"].is_null(), "{dry}");
    Ok(())
}

async fn an_escape(net: &Net) -> Result<()> {
    let opened = answer(&open(net, &["allianza transfer 2"], &["--deadline", "6", "--json"]).await?, &SENT)?;
    let there = execution(net, &opened).await?;
    let id = there.execution_id.to_string();
    let prepared = answer(&as_user(net, &["prepare", &id, "--leg", "0", "--json"]).await?, &SENT)?;
    ensure!(prepared["transaction"].is_string(), "{prepared}");
    let again = as_user(net, &["prepare", &id, "--leg", "0"]).await?;
    ensure!(again.ok && again.out.contains("already held on "), "{}", again.out);
    until(net.user.home.ticks(), "the delay after the deadline", async || {
        Ok((net.user.home.time().await? >= there.deadline + ESCAPE_DELAY).then_some(()))
    })
    .await?;
    let before = of_the_user(net).await?;
    let dry = answer(&as_user(net, &["escape", &id, "--leg", "0", "--dry-run", "--json"]).await?, &SENT)?;
    would_be_sent(&dry, &net.user.manifest.chain(&"cosmos:allianza-1".parse()?)?.escrow_address)?;
    same("after `escape --dry-run`", &of_the_user(net).await?, &before)?;
    let escaped = as_user(net, &["escape", &id, "--leg", "0"]).await?;
    ensure!(escaped.ok && escaped.out.contains("escape       done on cosmos:allianza-1 in block "), "{}", escaped.err);
    let again = answer(&as_user(net, &["escape", &id, "--leg", "0", "--json"]).await?, &SENT)?;
    same("again", &str_of(&again, "repeated")?, &"already escaped")
}

async fn operators_commands(net: &Net) -> Result<()> {
    let dir = &net.devnet.options.data_dir;
    let (deployer, relayer) = (net.devnet.config_file(DEPLOYER), net.devnet.config_file(RELAYER));
    for config in [&deployer, &relayer] {
        let checks = answer(&aes(config, &["config", "check", "--json"]).await?, &["checks"])?;
        let checks = checks["checks"].as_array().context("checks")?;
        checks.iter().try_for_each(|check| has(check, &["chain", "finding", "ok", "what"]))?;
    }
    let read = aes(&relayer, &["config", "check"]).await?;
    ensure!(read.ok && read.out.trim_end().ends_with(" 0 problems"), "{}", read.out);

    let planned = answer(
        &aes(&deployer, &["deploy", "--dry-run", "--json"]).await?,
        &["changes", "differs", "waiting", "warnings"],
    )?;
    same("changes", &planned["changes"].as_u64(), &Some(0))?;
    let fields = ["changes", "differs", "manifest", "waiting", "warnings"];
    answer(&aes(&deployer, &["deploy", "--yes", "--json"]).await?, &fields)?;
    let read = aes(&deployer, &["deploy", "--yes"]).await?;
    ensure!(read.ok && read.out.trim_end().ends_with("0 changes made"), "{}", read.err);

    for (words, planned) in
        [(["admin", "pause"], 4), (["admin", "unpause"], 0), (["admin", "accept"], 0), (["admin", "migrate"], 0)]
    {
        let dry = [&words[..], &["--dry-run"]].concat();
        let report = answer(&aes(&deployer, &[&dry[..], &["--json"]].concat()).await?, &["action", "contracts"])?;
        let contracts = report["contracts"].as_array().context("contracts")?;
        contracts.iter().try_for_each(|contract| has(contract, &["address", "answer", "contract", "ok"]))?;
        let read = aes(&deployer, &dry).await?;
        same("would be sent", &read.out.matches("would be sent, for about ").count(), &planned)?;
    }
    let config = aes(&deployer, &["config", "check"]).await?;
    ensure!(config.ok, "something was sent: {}", config.out);

    let attestors = Attestors::of(&net.devnet)?;
    let next = dir.join("next-set.json");
    let members: Vec<Attestor> = attestors.set.attestors.iter().take(2).cloned().collect();
    let set = AttestorSet { id: 2, threshold: 2, attestors: members };
    std::fs::write(&next, serde_json::to_string(&set)?)?;
    let words = ["attest", "approve", "--set", text(&next)?];
    let one = net.devnet.config_file("attestor-1");
    answer(&aes(&one, &[&words[..], &["--json"]].concat()).await?, &["attestor_set", "hash"])?;
    let read = aes(&one, &words).await?;
    ensure!(read.out.starts_with("approved attestor set 2 (0x"), "{}{}", read.out, read.err);
    let words = ["rotate", "--set", text(&next)?, "--dry-run"];
    let report = answer(&aes(&relayer, &[&words[..], &["--json"]].concat()).await?, &["attestor_set", "contracts"])?;
    let contracts = report["contracts"].as_array().context("contracts")?;
    contracts.iter().try_for_each(|contract| has(contract, &["answer", "contract", "ok", "transaction"]))?;
    let read = aes(&relayer, &words).await?;
    same("would be told", &read.out.matches("would be told; nothing was sent").count(), &4)?;

    let opened = answer(&open(net, &["allianza transfer 1"], &["--json"]).await?, &SENT)?;
    let there = execution(net, &opened).await?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let proof = |name: &str, decision| -> Result<PathBuf> {
        let file = dir.join(name);
        std::fs::write(&file, serde_json::to_string(&hand.decided(there.execution_id, decision)?)?)?;
        Ok(file)
    };
    let (commit, abort) = (proof("c.json", Decision::Commit)?, proof("a.json", Decision::Abort)?);
    let id = there.execution_id.to_string();
    let words =
        ["report-equivocation", &id, "--commit", text(&commit)?, "--abort", text(&abort)?, "--dry-run", "--json"];
    would_be_sent(&answer(&as_user(net, &words).await?, &SENT)?, &net.user.manifest.coordinator)?;
    answer(&open(net, &["allianza transfer 1"], &["--json"]).await?, &SENT).map(|_| ())
}

async fn one_execution_from_open_to_its_proof(net: &Net) -> Result<()> {
    let legs = ["polygon lock 4", "allianza unlock 4"];
    let relayer = net.devnet.account(RELAYER)?.cosmos;
    let salt = format!("0x{}", "5a".repeat(32));
    let at = (net.user.home.time().await? + 600).to_string();
    let flags = ["--relayer", &relayer, "--salt", &salt, "--deadline-at", &at];
    let read = open(net, &legs, &flags).await?;
    ensure!(read.ok && read.out.contains("open         done on cosmos:allianza-1 in block "), "{}", read.err);
    let again = answer(&open(net, &legs, &[&flags[..], &["--json"]].concat()).await?, &SENT)?;
    same("again", &str_of(&again, "repeated")?, &"already there and open")?;
    let there = execution(net, &again).await?;
    let id = there.execution_id.to_string();

    let status = as_user(net, &["status", &id]).await?;
    let shown = ["state      open", "polygon      lock", "4 ALZ  nothing held", "pending"];
    ensure!(shown.iter().all(|words| status.out.contains(words)), "{}", status.out);
    let log = net.devnet.options.data_dir.join("watch.jsonl");
    let watching = Aes::start(&net.devnet.config_file(USER), &["status", &id, "--watch", "--json"], &log)?;
    ensure!(as_user(net, &["prepare", &id, "--leg", "0"]).await?.ok, "the deposit");
    watching.ended().await?;
    let watched = std::fs::read_to_string(&log)?;
    let reports: Vec<Value> = watched.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let states: Vec<&str> = reports.iter().filter_map(|report| report["state"].as_str()).collect();
    ensure!(states.first() == Some(&"open") && states.last() == Some(&"finalized"), "{states:?}");
    let fields = [
        "decided_at",
        "deadline",
        "decision",
        "execution_id",
        "holds",
        "home_time",
        "legs",
        "manifest_root",
        "number",
        "opened_at",
        "opener",
        "prepared_root",
        "reason",
        "relayer",
        "salt",
        "settled_at",
        "settled_root",
        "state",
    ];
    let last = answer(&as_user(net, &["status", &id, "--json"]).await?, &fields)?;
    let holds = last["holds"].as_array().context("holds")?;
    holds.iter().try_for_each(|hold| has(hold, &["chain", "from", "hold", "to"]))?;
    ensure!(holds.iter().all(|hold| hold["hold"] == "finalized"), "{last}");

    let opener = net.devnet.account(USER)?.cosmos;
    let listed = async |flags: &[&str]| -> Result<Vec<String>> {
        let listing = as_user(net, &[&["list", "--json"], flags].concat()).await?;
        let listing = answer(&listing, &["executions"])?;
        let executions = listing["executions"].as_array().context("executions")?;
        let summary = ["deadline", "execution_id", "leg_count", "number", "opened_at", "opener", "state"];
        executions.iter().try_for_each(|execution| has(execution, &summary))?;
        executions.iter().map(|execution| Ok(str_of(execution, "execution_id")?.to_owned())).collect()
    };
    let all = listed(&[]).await?;
    ensure!(all.len() > 1 && all.contains(&id), "{all:?}");
    same("by opener", &listed(&["--opener", &opener]).await?, &all)?;
    same("by another", &listed(&["--opener", &relayer]).await?, &vec![])?;
    same("by state and opener", &listed(&["--opener", &opener, "--state", "finalized"]).await?, &vec![id.clone()])?;
    let read = as_user(net, &["list", "--state", "finalized"]).await?;
    ensure!(read.out.contains(&id) && read.out.contains("finalized") && read.out.starts_with("number"), "{}", read.out);

    let file = net.devnet.options.data_dir.join("proof.json");
    let fields = ["anchors", "bytes", "file", "home_bytes", "legs"];
    answer(&as_user(net, &["proof", &id, "-o", text(&file)?, "--json"]).await?, &fields)?;
    let verified = as_user(net, &["verify", text(&file)?, "--json"]).await?;
    // it rests on anchors that nobody pinned
    ensure!(!verified.ok && verified.objects()?.len() == 1, "{}", verified.err);

    let opened = answer(&open(net, &["allianza transfer 1", "polygon transfer 1"], &["--json"]).await?, &SENT)?;
    let back = execution(net, &opened).await?;
    let id = back.execution_id.to_string();
    let rolled_back = as_user(net, &["rollback", &id]).await?;
    ensure!(rolled_back.ok && rolled_back.out.contains("rollback     done on "), "{}", rolled_back.err);
    let again = answer(&as_user(net, &["rollback", &id, "--json"]).await?, &SENT)?;
    ensure!(str_of(&again, "repeated")?.contains("reason cancelled"), "{again}");
    net.until_state(&back.execution_id, State::RolledBack).await?;
    let status = as_user(net, &["status", &id]).await?;
    ensure!(status.out.contains("reason     cancelled") && status.out.contains("not_prepared"), "{}", status.out);
    Ok(())
}

/// Its answer is what a newcomer's second terminal begins with; SIGTERM leaves nothing running.
async fn a_devnet_starts_and_ends() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (artifacts, data) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts"), dir.path().join("net"));
    let log = dir.path().join("devnet.log");
    let words = ["devnet", "--json", "--artifacts", text(&artifacts)?, "--data", text(&data)?];
    let devnet = Aes::start(Path::new("none.toml"), &words, &log)?;
    let said = async {
        let mut look = tokio::time::interval(Duration::from_millis(200));
        loop {
            look.tick().await;
            let said = std::fs::read_to_string(&log)?;
            if let Some(line) = said.lines().find(|line| line.starts_with("{\"") && line.contains("\"coordinator\"")) {
                return Ok::<Value, anyhow::Error>(serde_json::from_str(line)?);
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, said).await.context("the devnet said nothing")??;
    let config = PathBuf::from(str_of(&answer, "config")?);
    let listed = aes(&config, &["list"]).await?;
    same("executions", &listed.out.as_str(), &"no executions\n")?;
    devnet.terminate().await?;
    ensure!(!aes(&config, &["list"]).await?.ok, "its home chain still answers");
    Ok(())
}
