//! `aes verify`: a proof file against what its reader trusts, without a network; with `--online`, against their own nodes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes_chains::evm::Node;
use aes_config::{Config, Manifest};
use aes_evidence::build::{BitcoinProofBuilder, BuildError, CosmosProofBuilder, EvmProofBuilder};
use aes_evidence::file::{Anchor, Anchors, Finding, NativeProof, PhaseReport, ProofFile, Report, Verdict};
use aes_protocol::ChainKind;
use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::amount;
use crate::commands::status::reason_word;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 proved, 3 proved as far as it goes (not ended, or a leg without proof), \
    4 rests on something nobody pinned, 5 something is not what it says, 6 your nodes have not seen all of it as final \
    yet, 1 it could not be looked at.")]
pub struct Verify {
    file: PathBuf,
    /// blocks, validator sets and attestor sets that you trust; docs/proofs.md describes the file
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// look the anchors up at the nodes of your own config
    #[arg(long)]
    online: bool,
    /// write what your nodes confirmed as an anchors file
    #[arg(long, value_name = "FILE", requires = "online")]
    pin: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
pub struct Verified {
    #[serde(flatten)]
    report: Report,
    #[serde(flatten)]
    online: Online,
}

/// What your own nodes say of the anchors.
#[derive(Debug, Default, Serialize)]
struct Online {
    /// they have otherwise
    denied: Vec<String>,
    /// they have not seen as final yet
    waiting: Vec<String>,
}

impl Verified {
    /// For scripts: `aes verify --help` says what each means.
    pub fn exit_code(&self) -> u8 {
        match self.report.verdict {
            Verdict::Wrong => 5,
            _ if !self.online.denied.is_empty() => 5,
            _ if !self.online.waiting.is_empty() => 6,
            Verdict::Proved => 0,
            Verdict::Incomplete => 3,
            Verdict::NotAnchored => 4,
        }
    }
}

impl Verify {
    pub async fn run(&self, config: &Path) -> Result<Verified> {
        let file: ProofFile = read(&self.file)?;
        let mut anchors: Anchors = match &self.anchors {
            Some(path) => read(path)?,
            None => Anchors::default(),
        };
        let mut online = Online::default();
        if self.online {
            let config = Config::load(config)?;
            let manifest = Manifest::load(&config.manifest)?;
            online = own_nodes(&file, &config, &manifest, &mut anchors).await?;
        }
        if let Some(path) = &self.pin {
            let text = serde_json::to_string_pretty(&anchors)? + "\n";
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(Verified { report: file.verify(&anchors)?, online })
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let json = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    aes_evidence::file::read(&json)
        .with_context(|| format!("{} is no file of `aes proof`, nor of its anchors", path.display()))
}

/// Pins what the nodes of `config` have just so, and says what they have otherwise.
async fn own_nodes(file: &ProofFile, config: &Config, manifest: &Manifest, anchors: &mut Anchors) -> Result<Online> {
    let mut online = Online::default();
    for anchor in file.rests_on() {
        let Anchor { chain, height, hash, .. } = &anchor;
        let settings = config.chain(chain)?;
        let asked = match chain.kind() {
            ChainKind::Evm => {
                EvmProofBuilder::new(Arc::new(Node::new(chain.clone(), settings)?)).final_hash(*height).await
            }
            ChainKind::Cosmos => CosmosProofBuilder::connect(chain, &settings.rpc).await?.header_hash(*height).await,
            ChainKind::Bitcoin => BitcoinProofBuilder::new(chain, settings)?.final_hash(&anchor).await,
        };
        match asked {
            Ok(Some(found)) if found == *hash => anchors.pin(&anchor),
            Ok(Some(found)) => online.denied.push(format!("{chain}: block {height} is {found}, the file says {hash}")),
            Ok(None) => online.waiting.push(format!("{chain}: block {height} is not final yet; verify again later")),
            Err(BuildError::Proof(other)) => online.denied.push(format!("{chain}: {other}")),
            Err(error) => return Err(error.into()),
        }
    }
    let (home, chains) = aes_chains::connect(config, manifest)?;
    for id in attestor_sets(file) {
        if anchors.attestor_sets.iter().all(|set| set.id != id) {
            anchors.attestor_sets.push(home.attestor_set(Some(id)).await?.set);
        }
    }
    anchors.deployment.get_or_insert_with(|| manifest.domain.clone());
    for id in chains.keys().filter(|id| id.kind() == ChainKind::Evm) {
        let entry = manifest.chain(id)?;
        let pinned = anchors.evm.entry(id.clone()).or_default();
        pinned.code_hashes.entry(entry.escrow.clone()).or_insert(entry.code_hash);
    }
    Ok(online)
}

/// Ids of those that signed certificates, or whose keys are in holds on Bitcoin.
fn attestor_sets(file: &ProofFile) -> Vec<u64> {
    let certified = [&file.prepared, &file.settled].into_iter().flatten();
    let signed = certified.filter_map(|certified| Some(certified.certificate.as_ref()?.attestor_set));
    let shown = file.legs.iter().flat_map(|proofs| [&proofs.held, &proofs.settled]).flatten();
    let keys = shown.flat_map(|shown| match &shown.proof {
        NativeProof::Bitcoin(proof) => proof.sets(),
        NativeProof::Evm(_) | NativeProof::Cosmos(_) => &[],
    });
    signed.chain(keys.map(|set| set.id)).collect()
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { home, legs, certificates, .. } = &self.report;
        writeln!(f, "execution {}", self.report.execution_id)?;
        let state = home.state.map_or("unknown", |state| state.as_str());
        writeln!(f, "  home chain: {state}: {}", Told(&home.finding))?;
        if let Some(reason) = &home.reason {
            writeln!(f, "    rolled back: {}", reason_word(reason))?;
        }
        let times = [("opened", home.opened_at), ("decided", home.decided_at), ("settled", home.settled_at)];
        for (what, time) in times.iter().filter_map(|(what, time)| time.map(|time| (what, time))) {
            writeln!(f, "    {what} at {time}")?;
        }
        for leg in legs {
            let (index, function) = (leg.leg.index, leg.leg.function.name());
            writeln!(f, "  leg {index}: {function} {} ALZ on {}", amount::show(leg.leg.amount.u128()), leg.leg.chain)?;
            phase(f, "held", &leg.held)?;
            phase(f, "ended", &leg.settled)?;
        }
        for certificate in certificates {
            let set = certificate.attestor_set.map(|set| format!(" by attestor set {set}")).unwrap_or_default();
            writeln!(f, "  {} certificate{set}: {}", certificate.statement, Told(&certificate.finding))?;
        }
        for denied in &self.online.denied {
            writeln!(f, "  YOUR NODE SAYS OTHERWISE: {denied}")?;
        }
        for waiting in &self.online.waiting {
            writeln!(f, "  YOUR NODE HAS NOT SEEN IT YET: {waiting}")?;
        }
        writeln!(f, "what remains trust:")?;
        for line in &self.report.trust {
            writeln!(f, "  {line}")?;
        }
        f.write_str(match self.report.verdict {
            _ if !self.online.denied.is_empty() => "WRONG: your own nodes have another chain",
            Verdict::Wrong => "WRONG",
            _ if !self.online.waiting.is_empty() => "TOO EARLY: your own nodes have not seen all of it as final",
            Verdict::Proved => "PROVED",
            Verdict::Incomplete => "PROVED AS FAR AS IT GOES: it has not ended, or a part has no proof",
            Verdict::NotAnchored => {
                "NOT ANCHORED: all fits together; pin what it rests on (--anchors), or use --online"
            }
        })
    }
}

fn phase(f: &mut fmt::Formatter<'_>, what: &str, phase: &PhaseReport) -> fmt::Result {
    let Some(leaf) = &phase.leaf else { return writeln!(f, "    {what}: no proof") };
    let status = format!("{:?}", leaf.status).to_lowercase();
    writeln!(f, "    {what}: {status} in block {} at {}: {}", leaf.height, leaf.time, Told(&phase.finding))?;
    phase.anchors.iter().try_for_each(|anchor| writeln!(f, "      on {anchor}"))
}

struct Told<'a>(&'a Finding);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Finding::Proved => f.write_str("proved"),
            Finding::Missing => f.write_str("no proof"),
            Finding::NotAnchored { needs } => write!(f, "not anchored: {needs} is not pinned"),
            Finding::Wrong { cause } => write!(f, "WRONG: {cause}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_nodes_say_has_exit_codes_of_its_own() {
        let sample = include_str!("../../../evidence/testdata/sample/proof.json");
        let file: ProofFile = serde_json::from_str(sample).unwrap();
        let code = |denied: &[&str], waiting: &[&str]| {
            let of = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
            let report = file.verify(&Anchors::default()).unwrap();
            Verified { report, online: Online { denied: of(denied), waiting: of(waiting) } }.exit_code()
        };
        assert_eq!(code(&[], &[]), 4);
        assert_eq!(code(&[], &["not final yet"]), 6);
        assert_eq!(code(&["another hash"], &["not final yet"]), 5);
    }
}
