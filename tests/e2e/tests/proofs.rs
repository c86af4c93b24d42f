//! `aes proof` and `aes verify` on real nodes: an execution that was confirmed and one that was rolled back, each proved
//! by its file alone, and no file that was changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aes_cli::commands::proof::Proof;
use aes_cli::commands::verify::Verify;
use aes_cli::devnet::{BitcoinOptions, RELAYER, USER};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, RollbackReason, State};
use aes_e2e::net::{send_home, typed, Net};
use aes_e2e::{play, same};
use anyhow::{ensure, Context as _, Result};
use serde_json::Value;

/// Four legs on chains of all three kinds.
const LEGS: [&str; 4] = ["polygon lock 200", "allianza unlock 100", "ethereum mint 50", "bitcoin unlock 50"];

#[tokio::test(flavor = "multi_thread")]
async fn proofs() -> Result<()> {
    let bitcoin = BitcoinOptions { block_time: Duration::from_millis(300), ..BitcoinOptions::default() };
    let net = Net::start(|options| options.bitcoin = Some(bitcoin)).await?;
    let failed = play!(
        &net,
        a_confirmed_execution_is_proved_by_its_file,
        a_rolled_back_execution_is_proved_with_the_leg_that_was_never_held,
        an_execution_under_way_is_proved_as_far_as_it_goes,
        a_deposit_on_bitcoin_is_proved_whichever_way_it_ends,
    );
    net.end(failed).await
}

struct File {
    dir: tempfile::TempDir,
    proof: PathBuf,
}

impl File {
    async fn of(net: &Net, execution: &ExecutionResponse) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let proof = dir.path().join("proof.json");
        let command = typed::<Proof>(&[&execution.execution_id.to_string(), "-o", text(&proof)?])?;
        println!("{}", command.run(&net.user).await?);
        Ok(Self { dir, proof })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn verify(&self, net: &Net, flags: &[&str]) -> Result<Value> {
        verify(net, &self.proof, flags).await
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

async fn verify(net: &Net, file: &Path, flags: &[&str]) -> Result<Value> {
    let command = typed::<Verify>(&[&[text(file)?], flags].concat())?;
    let verified = command.run(&net.devnet.config_file(USER)).await?;
    println!("{verified}");
    Ok(serde_json::to_value(&verified)?)
}

fn statuses(report: &Value, phase: &str) -> Vec<String> {
    let legs = report["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
    legs.iter().map(|leg| leg[phase]["leaf"]["status"].as_str().unwrap_or("none").into()).collect()
}

async fn a_confirmed_execution_is_proved_by_its_file(net: &Net) -> Result<()> {
    let execution = net.open(&LEGS, 600).await?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    let file = File::of(net, &execution).await?;

    same("nothing pinned", &file.verify(net, &[]).await?["verdict"], &"not_anchored".into())?;
    let anchors = file.path("anchors.json");
    let online = file.verify(net, &["--online", "--pin", text(&anchors)?]).await?;
    same("own nodes", &online["verdict"], &"proved".into())?;
    let pinned = file.verify(net, &["--anchors", text(&anchors)?]).await?;
    same("pinned", &pinned["verdict"], &"proved".into())?;
    same("held", &statuses(&pinned, "held"), &vec!["held".to_owned(); 4])?;
    same("settled", &statuses(&pinned, "settled"), &vec!["finalized".to_owned(); 4])?;
    same("state", &pinned["home"]["state"], &"finalized".into())?;
    let certificates = pinned["certificates"].as_array().context("certificates")?;
    same("certificates", &certificates.len(), &2)?;
    ensure!(certificates.iter().all(|certificate| certificate["finding"] == "proved"), "{certificates:?}");

    // What the anchors do not name is not believed, whatever it is.
    let whole: Value = serde_json::from_str(&std::fs::read_to_string(&anchors)?)?;
    for part in ["deployment", "attestor_sets", "evm", "cosmos", "bitcoin"] {
        let mut without = whole.clone();
        without[part].take();
        without.as_object_mut().context("an object")?.remove(part);
        let path = file.path("without.json");
        std::fs::write(&path, without.to_string())?;
        let report = file.verify(net, &["--anchors", text(&path)?]).await?;
        same(part, &report["verdict"], &"not_anchored".into())?;
    }

    let honest: Value = serde_json::from_str(&std::fs::read_to_string(&file.proof)?)?;
    let changes: [(&str, Value); 4] = [
        ("/legs/0/settled/leaf/height", 1.into()),
        ("/legs/1/settled/leaf/status", "released".into()),
        ("/settled/evidence_root", honest["prepared"]["evidence_root"].clone()),
        ("/decision", "abort".into()),
    ];
    for (place, value) in changes {
        let mut forged = honest.clone();
        *forged.pointer_mut(place).with_context(|| format!("no {place}"))? = value;
        let path = file.path("forged.json");
        std::fs::write(&path, forged.to_string())?;
        let report = verify(net, &path, &["--anchors", text(&anchors)?]).await?;
        same(place, &report["verdict"], &"wrong".into())?;
    }
    // Legs of one's own are no longer the execution's.
    let mut forged = honest;
    forged["legs"][0]["leg"]["amount"] = "1".into();
    let path = file.path("forged.json");
    std::fs::write(&path, forged.to_string())?;
    ensure!(verify(net, &path, &[]).await.is_err(), "legs that do not hash to the manifest root");
    Ok(())
}

async fn a_rolled_back_execution_is_proved_with_the_leg_that_was_never_held(net: &Net) -> Result<()> {
    let gas = net.devnet.account(RELAYER)?.evm.to_string();
    net.devnet.ethereum.set_balance(&gas, 0).await?;
    let execution = net.open(&LEGS, 60).await?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::RolledBack).await?;
    let file = File::of(net, &execution).await?;
    net.devnet.ethereum.set_balance(&gas, 1000 * 10u128.pow(18)).await?;

    let report = file.verify(net, &["--online"]).await?;
    same("own nodes", &report["verdict"], &"proved".into())?;
    let settled = statuses(&report, "settled");
    same("the leg without gas", &settled[2], &"absent".into())?;
    ensure!(settled.iter().all(|status| ["released", "absent"].contains(&status.as_str())), "{settled:?}");
    let zero = aes_protocol::Hash32::default().to_string();
    same("no event proves it", &report["legs"][2]["settled"]["leaf"]["event_hash"], &zero.into())?;
    ensure!(report["home"]["reason"]["atomicity_failure"]["leg"] == 2, "{}", report["home"]);
    // What was given back was held before, though nothing was ever committed.
    let held = statuses(&report, "held");
    for (held, settled) in held.iter().zip(&settled) {
        same("held before it was given back", &(held == "held"), &(settled == "released"))?;
    }
    same("the first leg was deposited", &held[0], &"held".into())
}

async fn a_deposit_on_bitcoin_is_proved_whichever_way_it_ends(net: &Net) -> Result<()> {
    let legs = [net.leg("polygon lock 100")?, format!("bitcoin unlock 100 to {}", net.devnet.bitcoin_account(USER)?.1)];
    let execution = net.open_in(&net.user, &legs, 600).await?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;

    let committed =
        net.open(&["bitcoin burn 5", "bitcoin transfer 4", "bitcoin lock 3", "ethereum mint 8"], 600).await?;
    net.prepare_all(&committed).await?;
    net.until_state(&committed.execution_id, State::Finalized).await?;
    let cancelled = net.open(&["bitcoin lock 20", "polygon burn 1", "ethereum mint 21"], 600).await?;
    net.prepare(&cancelled, 0).await?;
    let reason = RollbackReason::Cancelled {};
    send_home(&net.user, &ExecuteMsg::Rollback { execution_id: cancelled.execution_id, reason }).await?;
    net.until_state(&cancelled.execution_id, State::RolledBack).await?;

    for (execution, legs, end) in [(&committed, 3, "finalized"), (&cancelled, 1, "released")] {
        let report = File::of(net, execution).await?.verify(net, &["--online"]).await?;
        same("own nodes", &report["verdict"], &"proved".into())?;
        same("held", &statuses(&report, "held")[..legs].to_vec(), &vec!["held".to_owned(); legs])?;
        same("ended", &statuses(&report, "settled")[..legs].to_vec(), &vec![end.to_owned(); legs])?;
    }
    Ok(())
}

async fn an_execution_under_way_is_proved_as_far_as_it_goes(net: &Net) -> Result<()> {
    let execution = net.open(&["polygon lock 1", "polygon unlock 1"], 600).await?;
    let file = File::of(net, &execution).await?;
    same("own nodes", &file.verify(net, &["--online"]).await?["verdict"], &"incomplete".into())?;
    net.prepare_all(&execution).await?;
    net.until_state(&execution.execution_id, State::Finalized).await?;
    same("the old file", &file.verify(net, &["--online"]).await?["verdict"], &"incomplete".into())
}
