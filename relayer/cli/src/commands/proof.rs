//! `aes proof`: everything that proves an execution, in one file that `aes verify` reads without a network.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aes_evidence::build::FileBuilder;
use aes_evidence::file::{Anchor, Anchors, ProofFile, Report, Shown};
use aes_protocol::Hash32;
use anyhow::{bail, Context as _, Result};
use serde::Serialize;

use crate::context::Context;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub struct Proof {
    execution: Hash32,
    /// where the proof goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Serialize)]
pub struct Written {
    file: PathBuf,
    bytes: usize,
    legs: Vec<LegBytes>,
    home_bytes: usize,
    /// what a reader has to trust to believe it
    anchors: Vec<Anchor>,
}

#[derive(Debug, Serialize)]
struct LegBytes {
    index: u8,
    chain: String,
    held: usize,
    settled: usize,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} bytes", self.file.display(), self.bytes)?;
        writeln!(f, "  home record: {} bytes", self.home_bytes)?;
        for leg in &self.legs {
            writeln!(f, "  leg {} on {}: {} bytes held, {} settled", leg.index, leg.chain, leg.held, leg.settled)?;
        }
        f.write_str("it rests on")?;
        self.anchors.iter().try_for_each(|anchor| write!(f, "\n  {} {anchor}", anchor.chain))
    }
}

impl Proof {
    pub async fn run(&self, context: &Context) -> Result<Written> {
        let (file, report) = self.up_to_date(context).await?;
        if let Some(cause) = first_fault(&report) {
            bail!("the nodes gave a proof that is none: {cause}");
        }
        let text = serde_json::to_string(&file)? + "\n";
        std::fs::write(&self.output, &text).with_context(|| format!("writing {}", self.output.display()))?;
        Ok(Written {
            file: self.output.clone(),
            bytes: text.len(),
            legs: leg_bytes(&file)?,
            home_bytes: serde_json::to_string(&file.home)?.len(),
            anchors: report.anchors,
        })
    }
}

impl Proof {
    /// A state is proved by the header after it: what the coordinator answers now may take a block to be provable.
    async fn up_to_date(&self, context: &Context) -> Result<(ProofFile, Report)> {
        let Context { config, manifest, home, chains } = context;
        let builder = FileBuilder { config, manifest, home: home.as_ref(), chains };
        let state = context.execution(&self.execution).await?.state;
        let mut ticks = context.home.ticks();
        let building = async {
            loop {
                match builder.build(&self.execution).await {
                    Ok(file) => {
                        let report = file.verify(&Anchors::default())?;
                        if report.home.state >= Some(state) {
                            return anyhow::Ok((file, report));
                        }
                    }
                    Err(error) if error.is_early() => {}
                    Err(error) => return Err(error.into()),
                }
                ticks.changed().await.context("the chain's block watcher stopped")?;
            }
        };
        let late = || format!("in {} s the home chain made no header that proves {state}", PATIENCE.as_secs());
        tokio::time::timeout(PATIENCE, building).await.with_context(late)?
    }
}

fn leg_bytes(file: &ProofFile) -> Result<Vec<LegBytes>> {
    let size = |shown: &Option<Shown>| match shown {
        Some(shown) => Ok::<_, serde_json::Error>(serde_json::to_string(&shown.proof)?.len()),
        None => Ok(0),
    };
    let mut legs = Vec::with_capacity(file.legs.len());
    for proofs in &file.legs {
        let (held, settled) = (size(&proofs.held)?, size(&proofs.settled)?);
        legs.push(LegBytes { index: proofs.leg.index, chain: proofs.leg.chain.to_string(), held, settled });
    }
    Ok(legs)
}

fn first_fault(report: &Report) -> Option<&str> {
    let legs = report.legs.iter().flat_map(|leg| [&leg.held.finding, &leg.settled.finding]);
    let certificates = report.certificates.iter().map(|certificate| &certificate.finding);
    let mut all = legs.chain(certificates).chain([&report.home.finding]);
    all.find_map(|finding| finding.fault())
}
