//! Attestor sets that change while executions are on their way, by the operators' own commands: `aes attest approve`,
//! `aes rotate`, and what a set is worth once it was replaced, has expired, or has signed both decisions of one
//! execution.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aes_authority::SetResponse;
use aes_chains::HoldStatus;
use aes_cli::commands::admin::Admin;
use aes_cli::commands::attest::{serve, Attest};
use aes_cli::commands::config::ConfigCommand;
use aes_cli::commands::keys::Accounts;
use aes_cli::commands::relay::run_until;
use aes_cli::commands::report::ReportEquivocation;
use aes_cli::commands::rollback::Rollback;
use aes_cli::commands::rotate::{Report, Rotate};
use aes_cli::context::Context;
use aes_cli::devnet::{ALLIANZA, DEPLOYER, ETHEREUM, RELAYER, USER};
use aes_cli::output::Output;
use aes_config::{AttestConfig, Config, Endpoint, HttpConfig, KeyRef, SecretKey};
use aes_coordinator::msg::{EquivocationsResponse, QueryMsg, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{chain_of, changes, send_chain, send_home, typed, typed_subcommand, Net, PREFIX};
use aes_e2e::{play, refused, same, until};
use aes_protocol::{Attestor, AttestorSet, Decision, Hash32};
use anyhow::{ensure, Context as _, Result};
use ethers_signers::LocalWallet;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Short, so that the test sees a set expire: a set is good for both after it was replaced.
const MAX_HORIZON: u64 = 45;
const SET_GRACE: u64 = 3;
const EVERYWHERE: [&str; 3] = ["polygon transfer 3", "allianza transfer 4", "ethereum transfer 5"];
const PAPER: [&str; 3] = ["polygon lock 200", "allianza unlock 100", "ethereum mint 100"];

struct Rotation {
    net: Net,
    /// the devnet's three, and the one that comes
    keys: Vec<LocalWallet>,
    newcomer: SecretKey,
    /// of the relayer, which asks all four
    relayer: PathBuf,
    stop: watch::Sender<bool>,
    parts: Vec<JoinHandle<Result<()>>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation() -> Result<()> {
    let net = Net::start(|options| {
        options.relayer = false;
        options.max_horizon = MAX_HORIZON;
        options.set_grace = SET_GRACE;
    })
    .await?;
    net.give_allowances().await?;
    let rotation = Rotation::start(net).await?;
    let failed = play!(&rotation, one_attestor_is_exchanged_in_mid_flight, both_decisions_signed_stop_what_begins);
    rotation.stop.send_replace(true);
    for part in rotation.parts {
        part.await??;
    }
    rotation.net.end(failed).await
}

impl Rotation {
    /// A fourth attestor runs beside the devnet's three, and the relayer asks all of them.
    async fn start(net: Net) -> Result<Self> {
        let dir = net.devnet.options.data_dir.clone();
        let newcomer = SecretKey::generate();
        let key_file = dir.join("keys/attestor-4");
        std::fs::write(&key_file, hex::encode(newcomer.expose()))?;
        std::fs::set_permissions(&key_file, Permissions::from_mode(0o600))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let listen = listener.local_addr()?;
        let mut config = Config::load(&net.devnet.config_file("attestor-3"))?;
        config.attest = Some(AttestConfig {
            listen,
            http: HttpConfig::default(),
            key: KeyRef::File { file: key_file },
            journal: dir.join("attestor-4.journal.sqlite"),
            ..config.attest()?.clone()
        });
        let file = dir.join("attestor-4.toml");
        std::fs::write(&file, toml::to_string(&config)?)?;

        let mut config = Config::load(&net.devnet.config_file(RELAYER))?;
        config.relay.as_mut().context("relay")?.attestors.push(format!("http://{listen}").parse::<Endpoint>()?.into());
        let relayer = dir.join("relayer-of-four.toml");
        std::fs::write(&relayer, toml::to_string(&config)?)?;

        let (stop, stopped) = watch::channel(false);
        let until_stop = || {
            let mut stopped = stopped.clone();
            async move {
                // an error means that the test itself is gone
                let _ = stopped.wait_for(|stop| *stop).await;
            }
        };
        let (context, shutdown) = (Context::open(&file).await?, until_stop());
        let attestor = tokio::spawn(async move { serve(&context.config, &context.manifest, listener, shutdown).await });
        let (context, shutdown) = (Context::open(&relayer).await?, until_stop());
        let relay = tokio::spawn(async move { run_until(&context, shutdown).await });
        let wallet = |key: &SecretKey| LocalWallet::from_bytes(key.expose());
        let mut keys = net.devnet.attestor_keys().into_iter().map(wallet).collect::<Result<Vec<_>, _>>()?;
        keys.push(wallet(&newcomer)?);
        Ok(Self { net, keys, newcomer, relayer, stop, parts: vec![attestor, relay] })
    }

    fn data(&self) -> &Path {
        &self.net.devnet.options.data_dir
    }

    fn write(&self, name: &str, what: &impl serde::Serialize) -> Result<PathBuf> {
        let file = self.data().join(name);
        std::fs::write(&file, serde_json::to_string(what)?)?;
        Ok(file)
    }

    fn set(&self, id: u64, members: &[usize]) -> Result<AttestorSet> {
        let mut attestors = Vec::new();
        for member in members {
            let key = match self.net.devnet.attestor_keys().get(*member) {
                Some(key) => Accounts::of(key, PREFIX)?,
                None => Accounts::of(&self.newcomer, PREFIX)?,
            };
            attestors.push(Attestor { signer: key.evm, bitcoin_key: Hash32::default() });
        }
        attestors.sort_by(|a, b| a.signer.cmp(&b.signer));
        Ok(AttestorSet { id, threshold: 2, attestors })
    }

    async fn approve(&self, attestor: &str, set: &Path) -> Result<()> {
        let words = ["approve", "--set", &set.display().to_string()];
        typed::<Attest>(&words)?.run(&self.data().join(format!("{attestor}.toml")), Output::Text).await
    }

    async fn rotate(&self, set: &Path) -> Result<Report> {
        self.rotate_by(&self.relayer, set).await
    }

    async fn rotate_by(&self, config: &Path, set: &Path) -> Result<Report> {
        let rotate: Rotate = typed(&["--set", &set.display().to_string()])?;
        rotate.run(&Context::open(config).await?).await
    }

    /// The relayer's config with nobody behind Ethereum's endpoint.
    fn without_ethereum(&self) -> Result<PathBuf> {
        let mut config = Config::load(&self.relayer)?;
        config.chains.get_mut(&ETHEREUM.parse()?).context("ethereum")?.rpc = vec!["http://127.0.0.1:1".parse()?];
        let file = self.data().join("without-ethereum.toml");
        std::fs::write(&file, toml::to_string(&config)?)?;
        Ok(file)
    }

    /// The set that each contract takes for its current one.
    async fn current(&self) -> Result<Vec<AttestorSet>> {
        let net = &self.net;
        let mut sets = vec![net.user.home.attestor_set(None).await?.set];
        for (id, entry) in &net.user.manifest.chains {
            sets.push(if id.as_str() == ALLIANZA {
                let asked = json!({ "attestor_set": {} });
                net.cosmos.ask::<SetResponse>(&entry.escrow_address, &asked).await?.set
            } else {
                net.on_evm(id)?.escrow(&entry.escrow_address).await?.settings.attestor_set
            });
        }
        Ok(sets)
    }

    async fn settles(&self, execution: &aes_coordinator::msg::ExecutionResponse) -> Result<()> {
        self.net.until_state(&execution.execution_id, State::Finalized).await?;
        Ok(())
    }
}

async fn one_attestor_is_exchanged_in_mid_flight(rotation: &Rotation) -> Result<()> {
    let net = &rotation.net;
    let start = net.balances().await?;
    let next = rotation.set(2, &[0, 1, 3])?;
    let file = rotation.write("set-2.json", &next)?;
    refused(rotation.rotate(&file).await, "its operator has not approved it")?;
    let skipping = rotation.write("set-skipping.json", &AttestorSet { id: 3, ..next.clone() })?;
    refused(rotation.rotate(&skipping).await, "the coordinator has set 1, so the next has the id after it")?;
    let empty = rotation.write("set-empty.json", &AttestorSet { attestors: vec![], ..next.clone() })?;
    refused(rotation.approve("attestor-1", &empty).await, "a set has 1 to 32 attestors, got 0")?;

    // opened and held under set 1, on its way while the sets change
    let in_flight = net.open(&EVERYWHERE, MAX_HORIZON - 5).await?;
    let begun = net.open(&PAPER, MAX_HORIZON - 5).await?;
    let left = net.open(&EVERYWHERE, MAX_HORIZON - 5).await?;
    net.prepare(&left, 0).await?;
    net.prepare(&left, 1).await?;
    net.prepare_all(&begun).await?;
    rotation.approve("attestor-1", &file).await?;
    rotation.approve("attestor-2", &file).await?;
    net.prepare_all(&in_flight).await?;
    // a chain that is down stops no other, and is told when it is back, by the word of a set that signs no more
    let told = rotation.rotate_by(&rotation.without_ethereum()?, &file).await?;
    let said = told.to_string();
    ensure!(!told.passed() && said.matches("rotated in block").count() == 3, "{said}");
    ensure!(said.contains("BAD  eip155:11155111 escrow") && said.contains("no endpoint answered"), "{said}");
    same("sets that differ", &rotation.current().await?.iter().filter(|set| **set != next).count(), &1)?;
    let told = rotation.rotate(&file).await?;
    let said = told.to_string();
    ensure!(told.passed() && said.matches("rotated in block").count() == 1, "{said}");
    same("sets", &rotation.current().await?, &vec![next.clone(); 4])?;
    let replaced_at = net.user.home.time().await?;
    let again = rotation.rotate(&file).await?;
    ensure!(again.passed() && again.to_string().matches("has this set already").count() == 4, "{again}");
    same("sets after a second time", &rotation.current().await?, &vec![next.clone(); 4])?;
    rotation.settles(&in_flight).await?;
    rotation.settles(&begun).await?;
    let new = net.open(&PAPER, MAX_HORIZON - 5).await?;
    net.prepare_all(&new).await?;
    rotation.settles(&new).await?;

    // the one that left signs nothing any more, and nobody takes its signature
    let wallets = |members: &[usize]| -> Result<Vec<LocalWallet>> {
        members.iter().map(|member| rotation.keys.get(*member).cloned().context("a key")).collect()
    };
    let with_removed = Attestors::in_the_name_of(&next, wallets(&[0, 2])?);
    let by_removed = Hand { context: &net.relayer, attestors: &with_removed };
    typed::<Rollback>(&[&left.execution_id.to_string()])?.run(&net.user).await?;
    // the relayer gives it back under set 2 while others try under sets that are not good for it
    for (chain, message) in by_removed.settle(&[&left], Decision::Abort)? {
        let words = if chain.as_str() == ALLIANZA { "is not in attestor set 2" } else { "NotAnAttestor" };
        refused(send_chain(&net.relayer, &chain, &message).await, words)?;
    }
    net.until_state(&left.execution_id, State::RolledBack).await?;
    let url = Config::load(&net.devnet.config_file(RELAYER))?.relay()?.attestors.get(2).context("attestor 3")?.clone();
    let asked = json!({ "statement": { "settled": { "execution_id": left.execution_id } } });
    let answer =
        reqwest::Client::new().post(url.url.expose().join("v1/attest")?).json(&asked).send().await?.text().await?;
    ensure!(answer.contains("not_in_set"), "{answer}");

    let expected = changes(&[
        ("polygon user", "-403"),
        ("polygon recipient", "+3"),
        ("polygon vault", "+400"),
        ("allianza user", "-4"),
        ("allianza vault", "-200"),
        ("allianza recipient", "+204"),
        ("ethereum user", "-5"),
        ("ethereum recipient", "+205"),
        ("ethereum issued", "+200"),
    ]);
    same("changes", &net.balances().await?.since(&start), &expected)?;

    // past the last deadline that set 1 could have served, and the grace: refused on every kind of chain
    let old = Attestors::of(&net.devnet)?;
    let by_old = Hand { context: &net.relayer, attestors: &old };
    let expired_at = replaced_at + MAX_HORIZON + SET_GRACE + 2;
    until(net.user.home.ticks(), "set 1 expired", async || {
        let mut expired = net.user.home.time().await? > expired_at;
        for chain in net.user.chains.values() {
            expired &= chain.head(aes_chains::Depth::Soft).await?.time > expired_at;
        }
        Ok(expired.then_some(()))
    })
    .await?;
    let late = net.open(&EVERYWHERE, MAX_HORIZON - 5).await?;
    for (chain, message) in by_old.settle(&[&late], Decision::Abort)? {
        let words = if chain.as_str() == ALLIANZA { "attestor set 1 expired at" } else { "AttestorSetExpired" };
        refused(send_chain(&net.relayer, &chain, &message).await, words)?;
    }
    typed::<Rollback>(&[&late.execution_id.to_string()])?.run(&net.user).await?;
    net.until_state(&late.execution_id, State::RolledBack).await?;
    let record = by_old.record(&late, Decision::Abort).await?;
    // what is recorded already is a repeat, whoever signed it
    send_home(&net.relayer, &record).await?;
    let statement = by_old.decided(late.execution_id, Decision::Commit)?;
    let other = by_old.decided(late.execution_id, Decision::Abort)?;
    let (commit, abort) = (rotation.write("old-commit.json", &statement)?, rotation.write("old-abort.json", &other)?);
    refused(report(rotation, &late.execution_id, &commit, &abort).await, "attestor set 1 expired at")
}

async fn report(
    rotation: &Rotation,
    execution: &Hash32,
    commit: &Path,
    abort: &Path,
) -> Result<aes_cli::commands::sent::Sent> {
    let (commit, abort) = (commit.display().to_string(), abort.display().to_string());
    let words = [&execution.to_string(), "--commit", &commit, "--abort", &abort];
    typed::<ReportEquivocation>(&words.map(|word| word as &str))?.run(&rotation.net.user).await
}

async fn both_decisions_signed_stop_what_begins(rotation: &Rotation) -> Result<()> {
    let net = &rotation.net;
    let set = rotation.set(2, &[0, 1, 3])?;
    same("current set", &net.user.home.attestor_set(None).await?.set, &set)?;
    let members = [0, 1, 3].iter().filter_map(|member| rotation.keys.get(*member).cloned()).collect();
    let colluding = Attestors::new(2, members);
    same("their set", &colluding.set, &set)?;
    let hand = Hand { context: &net.relayer, attestors: &colluding };
    let open = net.open(&EVERYWHERE, MAX_HORIZON - 5).await?;
    net.prepare(&open, 0).await?;
    let commit = rotation.write("commit.json", &hand.decided(open.execution_id, Decision::Commit)?)?;
    let abort = rotation.write("abort.json", &hand.decided(open.execution_id, Decision::Abort)?)?;
    refused(report(rotation, &open.execution_id, &commit, &commit).await, "which is not in attestor set 2")?;
    refused(report(rotation, &open.execution_id, &commit, Path::new("/nowhere")).await, "read /nowhere")?;
    let words = rotation.write("no-proof.json", &json!({ "path": 1 }))?;
    refused(report(rotation, &open.execution_id, &commit, &words).await, "not a decision's path and certificate")?;
    let reported = report(rotation, &open.execution_id, &commit, &abort).await?;
    ensure!(reported.transaction.is_some(), "{reported}");
    let again = report(rotation, &open.execution_id, &commit, &abort).await?;
    ensure!(again.transaction.is_none() && again.to_string().contains("already reported"), "{again}");

    let coordinator = &net.user.manifest.coordinator;
    let query = QueryMsg::Equivocations { start_after: None, limit: None };
    let kept: EquivocationsResponse = net.cosmos.ask(coordinator, &query).await?;
    let kept = kept.equivocations.first().context("no evidence is kept")?;
    same("execution", &kept.execution_id, &open.execution_id)?;
    same("set", &kept.attestor_set, &2)?;
    same("evidence", &kept.commit, &hand.decided(open.execution_id, Decision::Commit)?)?;

    // nothing begins, and what has begun still ends
    refused(net.open(&EVERYWHERE, MAX_HORIZON - 5).await, "an attestor set has equivocated")?;
    let deployer = Config::load(&net.devnet.config_file(DEPLOYER))?;
    let admin = |words: &[&str]| typed_subcommand::<Admin>(words);
    let refuse = admin(&["unpause", "--on", "coordinator"])?.run(&deployer).await?;
    ensure!(!refuse.passed() && refuse.to_string().contains("set 2"), "{refuse}");
    let checks = ConfigCommand::Check.run(&net.devnet.config_file(USER)).await?;
    ensure!(!checks.passed() && checks.to_string().contains("`aes rotate` to another set"), "{checks}");
    typed::<Rollback>(&[&open.execution_id.to_string()])?.run(&net.user).await?;
    net.until_state(&open.execution_id, State::RolledBack).await?;
    let released = net.hold_status(&net.user, &open).await?;
    same("leg 0", &released.first().copied().flatten(), &Some(HoldStatus::Released))?;

    // another set, then the admin
    let file = rotation.write("set-3.json", &rotation.set(3, &[0, 2, 3])?)?;
    for attestor in ["attestor-1", "attestor-4"] {
        rotation.approve(attestor, &file).await?;
    }
    ensure!(rotation.rotate(&file).await?.passed(), "not everywhere");
    refused(net.open(&EVERYWHERE, MAX_HORIZON - 5).await, "an attestor set has equivocated")?;
    let unpaused = admin(&["unpause"])?.run(&deployer).await?;
    ensure!(unpaused.passed() && unpaused.to_string().matches("done in block").count() == 1, "{unpaused}");
    let again = admin(&["unpause"])?.run(&deployer).await?;
    ensure!(again.passed() && again.to_string().matches("not paused; nothing was sent").count() == 4, "{again}");
    let execution = net.open(&EVERYWHERE, MAX_HORIZON - 5).await?;
    net.prepare_all(&execution).await?;
    rotation.settles(&execution).await?;
    let polygon = chain_of(&net.user, "polygon")?;
    let stale = hand.settle(&[&execution], Decision::Commit)?;
    for (chain, message) in stale.iter().filter(|(chain, _)| *chain == polygon) {
        // set 2 is still good for what it may have served, and this is a repeat
        send_chain(&net.relayer, chain, message).await?;
    }

    // an escrow that is two sets behind takes one after the other
    let without_ethereum = rotation.without_ethereum()?;
    let mut files = Vec::new();
    for id in [4, 5] {
        let file = rotation.write(&format!("set-{id}.json"), &rotation.set(id, &[0, 2, 3])?)?;
        for attestor in ["attestor-1", "attestor-4"] {
            rotation.approve(attestor, &file).await?;
        }
        let told = rotation.rotate_by(&without_ethereum, &file).await?;
        ensure!(!told.passed() && told.to_string().matches("rotated in block").count() == 3, "{told}");
        files.push(file);
    }
    for file in &files {
        let told = rotation.rotate(file).await?;
        ensure!(told.passed() && told.to_string().matches("rotated in block").count() == 1, "{told}");
    }
    same("sets", &rotation.current().await?, &vec![rotation.set(5, &[0, 2, 3])?; 4])
}
