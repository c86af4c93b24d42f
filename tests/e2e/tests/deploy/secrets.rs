//! Nothing secret comes out of the binary: not in answers, not in errors, not in logs at their loudest, and no core dump.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aes_cli::devnet::{DEPLOYER, RELAYER, USER};
use aes_config::Endpoint;
use aes_e2e::net::Net;
use aes_e2e::process::binary;
use aes_e2e::{same, PATIENCE};
use anyhow::{ensure, Context as _, Result};
use tokio::process::Command;

use crate::beside;

/// Nobody listens there, and what is said of it names it.
const DEAD: &str = "127.0.0.1:1";
const IN_A_URL: &str = "s3cr3t-of-a-url";
const PASSWORD: &str = "s3cr3t-of-a-keystore";

/// As hosted nodes want it.
fn with_secrets(at: &Endpoint) -> Result<Endpoint> {
    Ok(at.expose().as_str().replacen("http://", &format!("http://user:{IN_A_URL}@"), 1).parse()?)
}

pub async fn nothing_secret_is_said(net: &Net) -> Result<()> {
    let folder = &net.devnet.options.data_dir;
    let file = beside(net, RELAYER, "secrets", |config| {
        config.manifest = folder.join("manifest.json");
        for chain in config.chains.values_mut() {
            chain.rpc = chain.rpc.iter().map(with_secrets).collect::<Result<_>>()?;
            chain.rpc.insert(0, format!("http://user:{IN_A_URL}@{DEAD}/{IN_A_URL}?key={IN_A_URL}").parse()?);
        }
        let attestors = &mut config.relay.as_mut().context("relay")?.attestors;
        *attestors = attestors.iter().map(|at| Ok(with_secrets(&at.url)?.into())).collect::<Result<_>>()?;
        attestors.push(format!("http://user:{IN_A_URL}@{DEAD}/{IN_A_URL}").parse::<Endpoint>()?.into());
        Ok(())
    })?;
    let (key, nobody) = (folder.join("secret-key.json"), format!("0x{}", "11".repeat(32)));
    let key = key.to_str().context("a path that is no text")?;
    let commands: [&[&str]; 7] = [
        &["config", "check"],
        &["deploy", "--dry-run"],
        &["list"],
        &["status", &nobody],
        &["keys", "new", key],
        &["keys", "show", key],
        &["admin", "pause", "--dry-run"],
    ];
    let mut said = String::new();
    for command in commands {
        for json in [&[][..], &["--json"]] {
            said += &all_of(&file, &[command, json].concat()).await?;
        }
    }
    said += &of_a_relayer(&file).await?;
    ensure!(said.contains(DEAD), "the dead endpoints were not spoken of: what was looked at?");
    let mut secrets = vec![IN_A_URL.to_owned(), PASSWORD.to_owned()];
    for who in [DEPLOYER, RELAYER, USER, "attestor-1", "attestor-2", "attestor-3"] {
        secrets.push(std::fs::read_to_string(net.devnet.key_file(who))?.trim().trim_start_matches("0x").to_lowercase());
    }
    let said = said.to_lowercase();
    let tells = |line: &&str| secrets.iter().any(|secret| line.contains(secret));
    let told: Vec<String> = said.lines().filter(tells).map(|line| secrets.iter().fold(line.into(), hide)).collect();
    same("lines that tell a secret", &told, &vec![])
}

fn hide(line: String, secret: &String) -> String {
    line.replace(secret, "***")
}

fn loud(config: &Path, words: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.arg("--config").arg(config).args(words).stdin(Stdio::null()).kill_on_drop(true);
    command.env("AES_LOG", "trace").env("AES_PASSWORD", PASSWORD);
    Ok(command)
}

/// Everything a command says that ends by itself.
async fn all_of(config: &Path, words: &[&str]) -> Result<String> {
    let output = tokio::time::timeout(PATIENCE, loud(config, words)?.output()).await;
    let output = output.with_context(|| format!("`aes {}` did not end", words.join(" ")))??;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// Everything a relayer says until it has met a dead endpoint; and that the kernel would write no core of it.
async fn of_a_relayer(config: &Path) -> Result<String> {
    let log = config.with_extension("log");
    let out = std::fs::File::create(&log)?;
    let mut child = loud(config, &["relay"])?.stdout(out.try_clone()?).stderr(out).spawn()?;
    let met = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            ensure!(child.try_wait()?.is_none(), "the relayer has ended by itself; its log is {}", log.display());
            if std::fs::read_to_string(&log)?.contains(DEAD) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, met).await.context("it never met a dead endpoint")??;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id().context("it has ended")?))?;
    let cores = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).context("no line of cores")?;
    same("limits of core files", &cores.split_whitespace().collect(), &vec!["0", "0", "bytes"])?;
    child.kill().await?;
    Ok(std::fs::read_to_string(&log)?)
}
