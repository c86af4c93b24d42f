//! Figures of proofs, from real nodes: bytes, milliseconds to build and to verify, a leg of each kind, and a whole file of
//! four legs. Prints `figure NAME VALUE UNIT`; ends with 1 where a target is missed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aes_chains::evm::Node;
use aes_cli::devnet::RELAYER;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::net::Net;
use aes_evidence::build::{CosmosProofBuilder, EvmProofBuilder, FileBuilder};
use aes_evidence::evm::EvmShown;
use aes_evidence::file::{Anchors, NativeProof, ProofFile, Shown, Verdict};
use aes_evidence::Subject;
use aes_protocol::{ChainKind, Leg};
use anyhow::{ensure, Result};

const LEGS: [&str; 4] = ["polygon lock 2", "allianza unlock 1", "ethereum mint 0.5", "polygon mint 0.5"];
const TIMES: u32 = 50;
const VERIFY4_MS: f64 = 10.0;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let net = Net::start(|_| ()).await?;
    let measured = measure(&net).await;
    net.end(Vec::new()).await?;
    Ok(if measured? < VERIFY4_MS { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(net: &Net) -> Result<f64> {
    let committed = net.open(&LEGS, 600).await?;
    net.prepare_all(&committed).await?;
    net.until_state(&committed.execution_id, State::Finalized).await?;
    let gas = net.devnet.account(RELAYER)?.evm.to_string();
    net.devnet.ethereum.set_balance(&gas, 0).await?;
    let rolled_back = net.open(&LEGS, 25).await?;
    net.prepare_all(&rolled_back).await?;
    net.until_state(&rolled_back.execution_id, State::RolledBack).await?;

    let file = file(net, &committed).await?;
    let mut by_kind: BTreeMap<&str, Vec<[f64; 3]>> = BTreeMap::new();
    for (execution, file) in [(&committed, &file), (&rolled_back, &self::file(net, &rolled_back).await?)] {
        for legs in &file.legs {
            let Some(shown) = &legs.settled else { continue };
            let kind = kind_of(shown);
            by_kind.entry(kind).or_default().push(of_leg(net, execution, &legs.leg, shown).await?);
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

    let mut anchors = pinned(&file)?;
    let set = net.user.home.attestor_set(None).await?.set;
    anchors.attestor_sets.push(set);
    let begun = Instant::now();
    for _ in 0..TIMES {
        ensure!(file.verify(&anchors)?.verdict == Verdict::Proved, "the file of four legs is not proved");
    }
    let verify4 = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(TIMES);
    println!("figure evidence.verify4_ms {verify4:.2} ms");
    Ok(verify4)
}

async fn file(net: &Net, execution: &ExecutionResponse) -> Result<ProofFile> {
    let context = &net.user;
    let builder = FileBuilder { config: &context.config, manifest: &context.manifest, chains: &context.chains };
    Ok(builder.build(&execution.execution_id).await?)
}

fn pinned(file: &ProofFile) -> Result<Anchors> {
    let mut anchors = Anchors::default();
    for anchor in file.rests_on()? {
        anchors.pin(&anchor);
    }
    Ok(anchors)
}

fn kind_of(shown: &Shown) -> &'static str {
    match &shown.proof {
        NativeProof::Evm(proof) => match proof.shown {
            EvmShown::Event { .. } => "evm",
            EvmShown::Absence { .. } => "evm_absent",
        },
        NativeProof::Cosmos(_) => "cosmwasm",
    }
}

/// Bytes of the JSON, milliseconds to build, milliseconds to verify.
async fn of_leg(net: &Net, execution: &ExecutionResponse, leg: &Leg, shown: &Shown) -> Result<[f64; 3]> {
    let subject = Subject { execution_id: &execution.execution_id, leg, deadline: execution.deadline };
    let config = net.user.config.chain(&leg.chain)?;
    let begun = Instant::now();
    if leg.chain.kind() == ChainKind::Evm {
        let node = Arc::new(Node::new(leg.chain.clone(), config)?);
        EvmProofBuilder::new(node).build(&subject, &shown.leaf, None).await?;
    } else {
        let rpc = config.rpc.first().map_or("", |at| at.expose().as_str());
        CosmosProofBuilder::new(&leg.chain, rpc)?.build(&subject, &shown.leaf).await?;
    }
    let build = begun.elapsed().as_secs_f64() * 1000.0;

    let mut anchors = Anchors::default();
    for anchor in shown.proof.rests_on(&leg.chain)? {
        anchors.pin(&anchor);
    }
    let begun = Instant::now();
    for _ in 0..TIMES {
        ensure!(shown.proof.verify(&subject, &anchors)? == shown.leaf, "another leaf than was built for");
    }
    let verify = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(TIMES);
    Ok([serde_json::to_string(&shown.proof)?.len() as f64, build, verify])
}
