//! Figures of proofs, from real nodes: bytes, milliseconds to build and to verify, a leg of each kind, and a whole file of
//! four legs. Prints `figure NAME VALUE UNIT`; ends with 1 where a target is missed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aes_cli::context::Context;
use aes_cli::devnet::{BitcoinOptions, RELAYER};
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::net::Net;
use aes_evidence::build::FileBuilder;
use aes_evidence::evm::EvmShown;
use aes_evidence::file::{Anchor, Anchors, LegProofs, NativeProof, Shown, Verdict};
use aes_evidence::Subject;
use aes_protocol::{AttestorSet, LegStatus};
use anyhow::{ensure, Context as _, Result};

const LEGS: [&str; 4] = ["polygon lock 2", "allianza unlock 1", "bitcoin unlock 0.5", "ethereum mint 0.5"];
const TIMES: u32 = 50;
const VERIFY4_MS: f64 = 10.0;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let bitcoin = BitcoinOptions { block_time: Duration::from_millis(300), ..BitcoinOptions::default() };
    let net = Net::start(|options| options.bitcoin = Some(bitcoin)).await?;
    let measured = measure(&net).await;
    net.end(Vec::new()).await?;
    Ok(if measured? < VERIFY4_MS { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(net: &Net) -> Result<f64> {
    let committed = net.open(&LEGS, 600).await?;
    net.prepare_all(&committed).await?;
    let committed = net.until_state(&committed.execution_id, State::Finalized).await?;
    let gas = net.devnet.account(RELAYER)?.evm.to_string();
    net.devnet.ethereum.set_balance(&gas, 0).await?;
    let rolled_back = net.open(&LEGS, 60).await?;
    net.prepare_all(&rolled_back).await?;
    let rolled_back = net.until_state(&rolled_back.execution_id, State::RolledBack).await?;

    let Context { config, manifest, home, chains } = &net.user;
    let builder = FileBuilder { config, manifest, home: home.as_ref(), chains };
    let bench = Bench { sets: builder.sets().await?, builder };
    let file = bench.builder.build(&committed.execution_id).await?;
    let mut by_kind: BTreeMap<String, Vec<[f64; 3]>> = BTreeMap::new();
    for (execution, file) in
        [(&committed, &file), (&rolled_back, &bench.builder.build(&rolled_back.execution_id).await?)]
    {
        for legs in &file.legs {
            for shown in [&legs.held, &legs.settled].into_iter().flatten() {
                by_kind.entry(kind_of(shown)).or_default().push(bench.of_leg(execution, legs, shown).await?);
            }
        }
    }
    for (kind, legs) in by_kind {
        let most = |which: usize| legs.iter().map(|leg| leg[which]).fold(0.0, f64::max);
        println!("figure evidence.bytes.{kind} {} bytes", most(0));
        println!("figure evidence.build_ms.{kind} {:.2} ms", most(1));
        println!("figure evidence.verify_ms.{kind} {:.3} ms", most(2));
    }
    let home = serde_json::to_string(&file.home)?.len();
    println!("figure evidence.bytes.home {home} bytes");
    println!("figure evidence.bytes.file4 {} bytes", serde_json::to_string(&file)?.len());

    let anchors = bench.pinned(&file.rests_on());
    let begun = Instant::now();
    for _ in 0..TIMES {
        ensure!(file.verify(&anchors)?.verdict == Verdict::Proved, "the file of four legs is not proved");
    }
    let verify4 = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(TIMES);
    println!("figure evidence.verify4_ms {verify4:.2} ms");
    Ok(verify4)
}

fn kind_of(shown: &Shown) -> String {
    let chain = match &shown.proof {
        NativeProof::Evm(_) => "evm",
        NativeProof::Cosmos(_) => "cosmwasm",
        NativeProof::Bitcoin(_) => "bitcoin",
    };
    let by_state = matches!(&shown.proof, NativeProof::Evm(proof) if matches!(proof.shown, EvmShown::Absence { .. }));
    match shown.leaf.status {
        LegStatus::Held => format!("{chain}_held"),
        LegStatus::Absent if by_state => format!("{chain}_absent"),
        _ => chain.to_owned(),
    }
}

struct Bench<'a> {
    builder: FileBuilder<'a>,
    sets: Vec<AttestorSet>,
}

impl Bench<'_> {
    fn pinned(&self, rests_on: &[Anchor]) -> Anchors {
        let deployment = Some(self.builder.manifest.domain.clone());
        let mut anchors = Anchors { deployment, attestor_sets: self.sets.clone(), ..Anchors::default() };
        rests_on.iter().for_each(|anchor| anchors.pin(anchor));
        anchors
    }

    /// Bytes of the JSON, milliseconds to build, milliseconds to verify.
    async fn of_leg(&self, execution: &ExecutionResponse, legs: &LegProofs, shown: &Shown) -> Result<[f64; 3]> {
        let leg = &legs.leg;
        let subject = Subject { execution_id: &execution.execution_id, leg, deadline: execution.deadline };
        let entry = execution.legs.get(usize::from(leg.index)).context("a leg that the coordinator has not")?;
        let builder = self.builder.leg(subject, &self.sets, entry.presigned.clone()).await?;
        let held = legs.held.as_ref().map(|held| &held.leaf);
        let begun = Instant::now();
        builder.proof(&shown.leaf, held).await?;
        let build = begun.elapsed().as_secs_f64() * 1000.0;

        let anchors = self.pinned(&shown.proof.rests_on(&leg.chain)?);
        let domain = &self.builder.manifest.domain;
        let begun = Instant::now();
        for _ in 0..TIMES {
            let proved = shown.proof.verify(&subject, domain, &anchors)?;
            ensure!(proved == shown.leaf, "another leaf than was built for");
        }
        let verify = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(TIMES);
        Ok([serde_json::to_string(&shown.proof)?.len() as f64, build, verify])
    }
}
