//! ALZ is etched by a key that has nothing yet, in two runs.

use aes_chains::bitcoin::{script_of, BitcoinDeployer, BitcoinTerms};
use aes_cli::devnet::{BITCOIN, DEPLOYER};
use aes_config::{Config, KeyRef, SecretKey};
use aes_e2e::net::Net;
use aes_e2e::{refused, same};
use aes_protocol::ChainId;
use anyhow::{ensure, Context as _, Result};
use tokio::sync::mpsc;

/// Beside what it says it needs: fees may rise meanwhile.
const ROOM: u64 = 10_000;

pub async fn a_deployer_says_what_it_needs_and_waits_for_it(net: &Net) -> Result<()> {
    let id: ChainId = BITCOIN.parse()?;
    let config = Config::load(&net.devnet.config_file(DEPLOYER))?;
    let rich = BitcoinDeployer::new(id.clone(), config.chain(&id)?)?;
    let mut settings = config.chain(&id)?.clone();
    let file = net.devnet.key_file("etcher");
    // readable by its owner alone, as the key beside it
    std::fs::copy(net.devnet.key_file(DEPLOYER), &file)?;
    std::fs::write(&file, hex::encode(SecretKey::generate().expose()))?;
    settings.key = Some(KeyRef::File { file });
    settings.bitcoin.as_mut().context("Bitcoin")?.index = net.devnet.options.data_dir.join("etcher.json");
    let etcher = BitcoinDeployer::new(id.clone(), &settings)?;
    let (domain, set) = (&net.user.manifest.domain, &config.deploy()?.attestor_set);
    let terms = BitcoinTerms { rune: "ALZ•ETCHED•AGAIN".into(), premine: 1_000, escape_delay: 600, max_leg: 1_000 };

    let (told, mut heard) = mpsc::unbounded_channel();
    // the receiver lives as long as this test
    let say = |what: &str| drop(told.send(what.to_owned()));
    {
        let mut first = std::pin::pin!(etcher.etch(domain, set, &terms, &say));
        let needs = tokio::select! {
            etched = &mut first => anyhow::bail!("etched with nothing: {etched:?}"),
            needs = heard.recv() => needs.context("a word")?,
        };
        let address = etcher.address();
        ensure!(needs.starts_with("waiting for 0.") && needs.ends_with(&format!(" BTC at {address}")), "{needs}");
        let account = script_of(&address, &id).context("an account")?;
        rich.pay(&[(account, etcher.cost().await?.to_sat() + ROOM)]).await?;
        let commits = tokio::select! {
            etched = &mut first => anyhow::bail!("etched without a word: {etched:?}"),
            commits = heard.recv() => commits.context("a word")?,
        };
        ensure!(commits.starts_with("waiting for the commitment to the name, "), "{commits}");
    }
    // broken off there; what is under way is for this deployment, set and rune alone
    let other = BitcoinTerms { premine: 2_000, ..terms.clone() };
    refused(
        etcher.etch(domain, set, &other, &say).await.map_err(Into::into),
        "has the etching of another deployment, set or rune",
    )?;
    let (entry, etched) = etcher.etch(domain, set, &terms, &say).await?;
    same("premine", &etched.premine.as_str(), &"1000")?;
    // of the same set of the same deployment: the same vault, and another rune in it
    let first = net.user.manifest.chain(&id)?;
    ensure!(entry.escrow == first.escrow && entry.asset != first.asset, "{entry:?}");
    Ok(())
}
