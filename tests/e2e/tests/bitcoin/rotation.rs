//! One attestor is exchanged: the vault goes to the next set's, what was held under the last set's keys ends all the same,
//! and no set gets the vault that could not sign for it.

use std::path::PathBuf;

use aes_bitcoin::AttestorKeys;
use aes_chains::bitcoin::key_of;
use aes_cli::commands::attest::Attest;
use aes_cli::commands::keys::Accounts;
use aes_cli::commands::rotate::{Report, Rotate};
use aes_cli::context::Context as Connected;
use aes_cli::devnet::{BITCOIN, RELAYER};
use aes_cli::output::Output;
use aes_config::{AttestConfig, Config, Endpoint, KeyRef, SecretKey};
use aes_coordinator::msg::State;
use aes_e2e::bitcoin::Part;
use aes_e2e::depositor::Depositor;
use aes_e2e::net::{changes, typed, Net, PREFIX};
use aes_e2e::{refused, same, until};
use aes_protocol::{Attestor, AttestorSet, ChainId, Hash32};
use anyhow::{ensure, Context as _, Result};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{Own, FAR};

const NEWCOMER: &str = "attestor-4";

/// The fourth attestor's files, and the relayer that asks it too.
async fn newcomer(net: &Net) -> Result<Attestor> {
    let (key, bitcoin_key) = (SecretKey::generate(), SecretKey::generate());
    let mut config = Config::load(&net.devnet.config_file("attestor-3"))?;
    let dir = &net.devnet.options.data_dir;
    let file = |name: &str, key: &SecretKey| -> Result<KeyRef> {
        let file = net.devnet.key_file(name);
        // readable by its owner alone, as the key beside it
        std::fs::copy(net.devnet.key_file("attestor-3"), &file)?;
        std::fs::write(&file, hex::encode(key.expose()))?;
        Ok(KeyRef::File { file })
    };
    // free again when it is dropped
    let listen = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
    config.attest = Some(AttestConfig {
        listen,
        key: file(NEWCOMER, &key)?,
        bitcoin_key: Some(file("attestor-4-bitcoin", &bitcoin_key)?),
        journal: dir.join("attestor-4.journal.sqlite"),
        ..config.attest()?.clone()
    });
    let bitcoin = config.chains.get_mut(&BITCOIN.parse()?).and_then(|chain| chain.bitcoin.as_mut());
    bitcoin.context("Bitcoin")?.index = dir.join("attestor-4.bitcoin.json");
    std::fs::write(net.devnet.config_file(NEWCOMER), toml::to_string(&config)?)?;

    let relayer = net.devnet.config_file(RELAYER);
    let mut config = Config::load(&relayer)?;
    let asked = &mut config.relay.as_mut().context("a relayer")?.attestors;
    asked.push(format!("http://{listen}").parse::<Endpoint>()?.into());
    std::fs::write(&relayer, toml::to_string(&config)?)?;
    let bitcoin_key = key_of(&bitcoin_key).context("a key")?;
    Ok(Attestor { signer: Accounts::of(&key, PREFIX)?.evm, bitcoin_key })
}

fn write(net: &Net, name: &str, set: &AttestorSet) -> Result<PathBuf> {
    let file = net.devnet.options.data_dir.join(name);
    std::fs::write(&file, serde_json::to_string(set)?)?;
    Ok(file)
}

async fn approve(net: &Net, attestor: &str, set: &str) -> Result<()> {
    typed::<Attest>(&["approve", "--set", set])?.run(&net.devnet.config_file(attestor), Output::Text).await
}

async fn rotate(net: &Net, set: &str) -> Result<Report> {
    let context = Connected::open(&net.devnet.config_file(RELAYER)).await?;
    typed::<Rotate>(&["--set", set])?.run(&context).await
}

/// Neither by the command nor by an attestor whose operator has let it.
async fn no_set_without_bitcoin_keys(net: &Net, next: &AttestorSet) -> Result<()> {
    let mut without = next.clone();
    without.attestors[0].bitcoin_key = Hash32::default();
    for (set, words) in [
        (without, "attestor 0 has no BIP-340 key"),
        (AttestorSet { threshold: 1, ..next.clone() }, "a threshold of 1 of 3 is not more than half"),
    ] {
        let file = write(net, "no-vault.json", &set)?;
        let file = file.to_str().context("a path")?;
        refused(rotate(net, file).await, words)?;
        approve(net, "attestor-1", file).await?;
        let attestor = Config::load(&net.devnet.config_file("attestor-1"))?.attest()?.listen;
        let asked = json!({ "statement": { "rotated": { "set": set } } });
        let answer = reqwest::Client::new().post(format!("http://{attestor}/v1/attest")).json(&asked).send().await?;
        let said = answer.text().await?;
        ensure!(said.contains(words), "{said}");
    }
    Ok(())
}

pub async fn the_vault_goes_to_the_next_set(own: &Own) -> Result<()> {
    let net = &own.net;
    let before = net.balances().await?;
    let chain = net.user.chain(&BITCOIN.parse::<ChainId>()?)?;
    let mut escrow = Depositor::of_user(net).await?.escrow;
    let set = net.user.home.attestor_set(None).await?.set;
    let last_vault = escrow.vault(set.id)?.script_pubkey().to_bytes().into();
    let reserve = chain.alz_balance(&last_vault).await?;
    let joins = newcomer(net).await?;
    own.attestors.lock().await.push(Part::attestor(net, NEWCOMER).await?);

    // held under the last set's keys: a depositor's and the reserve's
    let relayer = Part::relayer(net).await?;
    let deposited = net.open(&["bitcoin lock 4", "polygon lock 1", "ethereum unlock 5"], FAR).await?;
    net.prepare(&deposited, 0).await?;
    net.devnet.ethereum.stop_mining().await?;
    let reserved = net.open(&["polygon lock 6", "bitcoin unlock 4", "ethereum unlock 2"], FAR).await?;
    net.prepare(&reserved, 0).await?;
    net.until_held(&reserved, 1).await?;
    relayer.stop().await?;
    net.devnet.ethereum.mine_at_interval().await?;

    let mut attestors = vec![set.attestors[0].clone(), set.attestors[1].clone(), joins];
    attestors.sort_by(|a, b| a.signer.cmp(&b.signer));
    let next = AttestorSet { id: set.id + 1, attestors, ..set };
    no_set_without_bitcoin_keys(net, &next).await?;
    let file = write(net, "next-set.json", &next)?;
    let file = file.to_str().context("a path")?;
    for attestor in ["attestor-1", "attestor-2", "attestor-3"] {
        approve(net, attestor, file).await?;
    }
    let told = rotate(net, file).await?;
    ensure!(told.passed() && told.to_string().matches("rotated in block").count() == 4, "{told}");

    let relayer = Part::relayer(net).await?;
    net.prepare(&deposited, 1).await?;
    for execution in [&reserved, &deposited] {
        net.until_state(&execution.execution_id, State::Finalized).await?;
    }
    // what the lock brought follows when it is there
    until(chain.ticks(), "the last set's vault is empty", async || {
        Ok((chain.alz_balance(&last_vault).await? == 0).then_some(()))
    })
    .await?;
    let begun = net.open(&["polygon lock 2", "bitcoin unlock 2"], FAR).await?;
    net.prepare(&begun, 0).await?;
    net.until_state(&begun.execution_id, State::Finalized).await?;
    relayer.stop().await?;

    escrow.sets.add(AttestorKeys::new(&next)?);
    let next_vault = escrow.vault(next.id)?.script_pubkey().to_bytes().into();
    let two = begun.legs[1].leg.amount.u128();
    same("the next set's vault", &chain.alz_balance(&next_vault).await?, &(reserve - two))?;
    let mut changed = net.balances().await?.since(&before);
    changed.remove("bitcoin vault").context("it has left the vault that legs name")?;
    let expected = changes(&[
        ("polygon user", "-9"),
        ("polygon vault", "+9"),
        ("bitcoin user", "-4"),
        ("bitcoin recipient", "+6"),
        ("ethereum vault", "-7"),
        ("ethereum recipient", "+7"),
    ]);
    same("changes", &changed, &expected)
}
