//! `aes rotate`: the current attestor set signs the next one, and every contract of the deployment learns of it.
//! Each attestor's operator approves the set first (`aes attest approve`). A chain that is down stops no other: run it
//! again when that chain is back.

use std::fmt;
use std::path::PathBuf;

use aes_attestor::{AttestorClient, Quorum, Request};
use aes_authority::SetResponse;
use aes_chains::cosmos::CosmosClient;
use aes_chains::evm::EvmReader;
use aes_chains::{Chain, EscrowMessage};
use aes_coordinator::msg::ExecuteMsg;
use aes_escrow::msg::QueryMsg;
use aes_protocol::{AttestorSet, Certificate, ChainId, ChainKind};
use anyhow::{ensure, Context as _, Result};
use futures::future::join_all;
use serde::Serialize;

use crate::commands::attest::read_set;
use crate::context::{wait_chain, wait_home, Context};

#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// the next set, as JSON
    #[arg(long)]
    set: PathBuf,
    /// say which contracts would be told; ask no attestor and send nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
pub struct Report {
    attestor_set: u64,
    contracts: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    contract: String,
    ok: bool,
    answer: String,
    /// none where nothing was sent
    transaction: Option<String>,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.contracts.iter().all(|contract| contract.ok)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.contracts.iter().filter(|contract| !contract.ok).count();
        for Answer { contract, ok, answer, .. } in &self.contracts {
            writeln!(f, "{:<4} {contract:<32} {answer}", if *ok { "ok" } else { "BAD" })?;
        }
        write!(f, "attestor set {}: {} contracts, {failed} failed", self.attestor_set, self.contracts.len())?;
        if failed > 0 {
            f.write_str("; run it again when they can be reached")?;
        }
        Ok(())
    }
}

impl Answer {
    fn new(contract: String, done: Result<Done>) -> Self {
        let (ok, (answer, transaction)) = match done {
            Ok(Done::Already) => (true, ("has this set already; nothing was sent".into(), None)),
            Ok(Done::Planned) => (true, ("would be told; nothing was sent".into(), None)),
            Ok(Done::Sent { transaction, height }) => {
                (true, (format!("rotated in block {height} ({transaction})"), Some(transaction)))
            }
            Err(error) => (false, (format!("{error:#}"), None)),
        };
        Self { contract, ok, answer, transaction }
    }
}

enum Done {
    Already,
    /// with --dry-run
    Planned,
    Sent {
        transaction: String,
        height: u64,
    },
}

impl Rotate {
    /// The escrows first, all at once: what the coordinator's next set signs they know already. Then the coordinator, also
    /// when an escrow could not be told: the old set expires where it was replaced, so there is no way back.
    pub async fn run(&self, context: &Context) -> Result<Report> {
        let set = read_set(&self.set)?;
        for chain in context.chains.values().filter_map(|chain| chain.cosignable()) {
            chain.check_set(&set)?;
        }
        let current = context.home.attestor_set(None).await?.set;
        // also to an earlier one: an escrow that is two sets behind takes one after the other
        let rotated = set.id <= current.id && context.home.attestor_set(Some(set.id)).await?.set == set;
        ensure!(
            rotated || current.id.checked_add(1) == Some(set.id),
            "set {} cannot follow: the coordinator has set {}, so the next has the id after it",
            set.id,
            current.id
        );
        let certificate = match (self.dry_run, rotated) {
            (true, _) => None,
            (false, true) => kept(context, &set).await?,
            (false, false) => Some(signed(context, &set, &current).await?),
        };
        // on Bitcoin no contract keeps a set: relayers move the vault once the coordinator has rotated
        let escrows = context.chains.values().filter(|chain| chain.cosignable().is_none());
        let escrows = escrows.map(|chain| async {
            let told = self.tell(context, &**chain, &set, certificate.as_ref()).await;
            Answer::new(format!("{} escrow", chain.id()), told)
        });
        let mut contracts = join_all(escrows).await;
        let done = match certificate {
            _ if rotated => Ok(Done::Already),
            None => Ok(Done::Planned),
            Some(certificate) => tell_coordinator(context, set.clone(), certificate).await,
        };
        contracts.push(Answer::new(format!("{} coordinator", context.manifest.domain.home_chain), done));
        Ok(Report { attestor_set: set.id, contracts })
    }

    async fn tell(
        &self,
        context: &Context,
        chain: &dyn Chain,
        set: &AttestorSet,
        certificate: Option<&Certificate>,
    ) -> Result<Done> {
        let there = current_set(context, chain.id()).await?;
        if there == *set || there.id > set.id {
            return Ok(Done::Already);
        }
        if self.dry_run {
            return Ok(Done::Planned);
        }
        let certificate = certificate.cloned().with_context(|| {
            format!(
                "the coordinator has set {} and the home chain's node no longer has the transaction that brought it: \
                 give an endpoint with an older index of transactions",
                set.id
            )
        })?;
        let tx = chain.submit(&EscrowMessage::Rotate { set: set.clone(), certificate }).await?;
        let height = wait_chain(chain, &tx).await?;
        Ok(Done::Sent { transaction: tx.0, height })
    }
}

async fn tell_coordinator(context: &Context, set: AttestorSet, certificate: Certificate) -> Result<Done> {
    let tx = context.home.send(&ExecuteMsg::Rotate { set, certificate }).await?;
    let height = wait_home(&*context.home, &tx).await?;
    Ok(Done::Sent { transaction: tx.0, height })
}

async fn signed(context: &Context, set: &AttestorSet, current: &AttestorSet) -> Result<Certificate> {
    let clients: Vec<AttestorClient> =
        context.config.relay()?.attestors.iter().map(AttestorClient::of).collect::<Result<_, _>>()?;
    let request = Request::Rotated { set: set.clone() };
    Ok(Quorum::collect(&clients, &request, current, context.home.domain()).await?.certificate)
}

/// The set before signs nothing any more, but its word is in the home chain's transaction.
async fn kept(context: &Context, set: &AttestorSet) -> Result<Option<Certificate>> {
    let home = &context.manifest.domain.home_chain;
    let client = CosmosClient::new(home, context.config.chain(home)?)?;
    Ok(client.certificate_of_rotation(&context.manifest.coordinator, set.id).await?)
}

async fn current_set(context: &Context, id: &ChainId) -> Result<AttestorSet> {
    let (config, escrow) = (context.config.chain(id)?, &context.manifest.chain(id)?.escrow_address);
    Ok(match id.kind() {
        ChainKind::Evm => EvmReader::connect(id.clone(), config).await?.escrow(escrow).await?.settings.attestor_set,
        _ => {
            let query = QueryMsg::AttestorSet { id: None };
            CosmosClient::new(id, config)?.ask::<SetResponse>(escrow, &query).await?.set
        }
    })
}
