//! The devnet of one test: its user, its balances on every chain, and executions opened and followed as a user would.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aes_chains::cosmos::{account_of, CosmosClient};
use aes_chains::evm::EvmDeployer;
use aes_chains::{ChainError, Depth, EscrowMessage, Hold, HoldStatus};
use aes_cli::amount;
use aes_cli::commands::open::Open;
use aes_cli::commands::prepare::Prepare;
use aes_cli::context::{wait_chain, wait_home, Context};
use aes_cli::devnet::{Devnet, Options, ALLIANZA, DEPLOYER, ETHEREUM, POLYGON, RECIPIENT, RELAYER, USER};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, State};
use aes_escrow::msg::{BalancesResponse, QueryMsg};
use aes_protocol::{Bytes, ChainId, ChainKind, Hash32};
use anyhow::{anyhow, bail, Context as _, Result};
use clap::Parser;
use futures::future::try_join_all;

use crate::evm::EvmAccount;
use crate::until;

pub const PREFIX: &str = "wasm";

pub struct Net {
    pub devnet: Devnet,
    /// connected as the user, as the relayer (that runs or not), as the deployer, who is the admin
    pub user: Context,
    pub relayer: Context,
    pub deployer: Context,
    pub cosmos: Arc<CosmosClient>,
    evm: BTreeMap<ChainId, EvmDeployer>,
    _dir: tempfile::TempDir,
}

/// ALZ in base units of accounts and escrows, by `chain who`.
#[derive(Debug, Clone, PartialEq)]
pub struct Balances(BTreeMap<String, i128>);

impl Balances {
    pub fn all(&self) -> impl Iterator<Item = (&str, i128)> {
        self.0.iter().map(|(who, amount)| (who.as_str(), *amount))
    }

    /// What changed since `before`, in ALZ as people write it; what did not change is left out.
    pub fn since(&self, before: &Self) -> BTreeMap<String, String> {
        let mut changes = BTreeMap::new();
        for (who, now) in &self.0 {
            let change = now - before.0.get(who).copied().unwrap_or_default();
            if change != 0 {
                let sign = if change < 0 { "-" } else { "+" };
                changes.insert(who.clone(), format!("{sign}{}", amount::show(change.unsigned_abs())));
            }
        }
        changes
    }
}

/// A subcommand's flags as a user types them.
#[derive(Parser)]
struct Typed<C: clap::Args> {
    #[command(flatten)]
    command: C,
}

pub fn typed<C: clap::Args>(words: &[&str]) -> Result<C> {
    let words = std::iter::once("aes").chain(words.iter().copied());
    Ok(Typed::<C>::try_parse_from(words)?.command)
}

/// A subcommand of a subcommand (`aes admin pause`).
#[derive(Parser)]
struct TypedSub<C: clap::Subcommand> {
    #[command(subcommand)]
    command: C,
}

pub fn typed_subcommand<C: clap::Subcommand>(words: &[&str]) -> Result<C> {
    let words = std::iter::once("aes").chain(words.iter().copied());
    Ok(TypedSub::<C>::try_parse_from(words)?.command)
}

impl Net {
    pub async fn start(change: impl FnOnce(&mut Options)) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let artifacts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts");
        let mut options = Options::new(dir.path().join("net"), artifacts);
        change(&mut options);
        let devnet = Devnet::start(options, |step| eprintln!("{step} …")).await?;
        let user = Context::open(&devnet.config_file(USER)).await?;
        let relayer = Context::open(&devnet.config_file(RELAYER)).await?;
        let deployer = Context::open(&devnet.config_file(DEPLOYER)).await?;
        let home: ChainId = ALLIANZA.parse()?;
        let cosmos = CosmosClient::new(&home, deployer.config.chain(&home)?)?;
        let mut evm = BTreeMap::new();
        for id in [POLYGON, ETHEREUM] {
            let id: ChainId = id.parse()?;
            evm.insert(id.clone(), EvmDeployer::connect(id.clone(), deployer.config.chain(&id)?).await?);
        }
        Ok(Self { devnet, user, relayer, deployer, cosmos, evm, _dir: dir })
    }

    /// Stops the nodes; fails with what failed before.
    pub async fn end(self, failed: Vec<String>) -> Result<()> {
        self.devnet.stop().await?;
        if failed.is_empty() {
            return Ok(());
        }
        bail!("{} failed:\n{}", failed.len(), failed.join("\n"))
    }

    /// `polygon lock 200`, with the user as the leg's `from` and the recipient as its `to` where it has them.
    pub fn leg(&self, text: &str) -> Result<String> {
        let words: Vec<&str> = text.split(' ').collect();
        let [chain, function, _] = words.as_slice() else { bail!("'{text}' is no leg") };
        let of = |who: &str| -> Result<String> {
            let account = self.devnet.account(who)?;
            Ok(match *chain {
                "allianza" => account.cosmos,
                "bitcoin" => self.devnet.bitcoin_account(who)?.1,
                _ => account.evm.to_string(),
            })
        };
        let from = format!(" from {}", of(USER)?);
        let to = format!(" to {}", of(RECIPIENT)?);
        Ok(match *function {
            "lock" | "burn" => format!("{text}{from}"),
            "unlock" | "mint" => format!("{text}{to}"),
            _ => format!("{text}{from}{to}"),
        })
    }

    pub fn legs(&self, texts: &[&str]) -> Result<Vec<String>> {
        texts.iter().map(|text| self.leg(text)).collect()
    }

    /// Opened by the user, with the devnet's relayer as the one who may roll back.
    pub async fn open(&self, legs: &[&str], deadline: u64) -> Result<ExecutionResponse> {
        self.open_in(&self.user, &self.legs(legs)?, deadline).await
    }

    pub async fn open_in(&self, context: &Context, legs: &[String], deadline: u64) -> Result<ExecutionResponse> {
        let relayer = self.devnet.account(RELAYER)?.cosmos;
        let opened = Open::new(legs.to_vec(), deadline, Some(relayer)).run(context).await?;
        context.execution(&opened.execution_id).await
    }

    pub async fn prepare(&self, execution: &ExecutionResponse, leg: u8) -> Result<()> {
        Prepare::new(execution.execution_id, leg).run(&self.user).await?;
        Ok(())
    }

    /// The command line would not send what comes too late; the escrow trusts no command line.
    pub async fn prepare_past_the_command_line(&self, execution: &ExecutionResponse, leg: u8) -> Result<()> {
        let ExecutionResponse { execution_id, deadline, legs, .. } = execution;
        let leg = legs.get(usize::from(leg)).context("a leg")?.leg.clone();
        let (execution_id, deadline, chain) = (*execution_id, *deadline, leg.chain.clone());
        send_chain(&self.user, &chain, &EscrowMessage::Prepare { execution_id, deadline, leg }).await?;
        Ok(())
    }

    /// Every account-sourced leg, all chains at once.
    pub async fn prepare_all(&self, execution: &ExecutionResponse) -> Result<()> {
        self.prepare_all_in(&self.user, execution).await
    }

    pub async fn prepare_all_in(&self, context: &Context, execution: &ExecutionResponse) -> Result<()> {
        let mut by_chain: BTreeMap<&ChainId, Vec<u8>> = BTreeMap::new();
        for leg in execution.legs.iter().map(|entry| &entry.leg) {
            if leg.function.is_account_sourced() {
                by_chain.entry(&leg.chain).or_default().push(leg.index);
            }
        }
        let chains = by_chain.into_values().map(|legs| async move {
            for leg in legs {
                Prepare::new(execution.execution_id, leg).run(context).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(chains).await?;
        Ok(())
    }

    /// Until the relayer has brought it there.
    pub async fn until_state(&self, id: &Hash32, state: State) -> Result<ExecutionResponse> {
        let home = &self.user.home;
        let what = format!("execution {id} {state:?}");
        let ended = |state| matches!(state, State::Finalized | State::RolledBack);
        until(home.ticks(), &what, async || {
            let execution = match self.user.execution(id).await {
                Ok(execution) => execution,
                // a busy node may let one question go by; the wait ends in time all the same
                Err(error) if matches!(error.downcast_ref(), Some(ChainError::Unreachable { .. })) => return Ok(None),
                Err(error) => return Err(error),
            };
            if ended(execution.state) && execution.state != state {
                bail!("execution {id} ended {:?}, reason {:?}", execution.state, execution.reason);
            }
            Ok((execution.state == state).then_some(execution))
        })
        .await
    }

    /// Until the leg's hold is in a block.
    pub async fn until_held(&self, execution: &ExecutionResponse, leg: usize) -> Result<Hold> {
        self.until_held_at(execution, leg, Depth::Soft).await
    }

    pub async fn until_held_at(&self, execution: &ExecutionResponse, leg: usize, depth: Depth) -> Result<Hold> {
        let leg = &execution.legs.get(leg).context("no such leg")?.leg;
        let chain = self.user.chain(&leg.chain)?;
        until(chain.ticks(), &format!("leg {} is held", leg.index), async || {
            Ok(chain.hold(&execution.execution_id, leg, depth).await?)
        })
        .await
    }

    pub async fn hold_status(
        &self,
        context: &Context,
        execution: &ExecutionResponse,
    ) -> Result<Vec<Option<HoldStatus>>> {
        try_join_all(execution.legs.iter().map(|entry| async {
            let chain = context.chain(&entry.leg.chain)?;
            let hold = chain.hold(&execution.execution_id, &entry.leg, Depth::Soft).await?;
            anyhow::Ok(hold.map(|hold| hold.status))
        }))
        .await
    }

    pub async fn balances(&self) -> Result<Balances> {
        self.balances_in(&self.user).await
    }

    pub async fn balances_in(&self, context: &Context) -> Result<Balances> {
        let mut balances = BTreeMap::new();
        for (id, chain) in &context.chains {
            let name = chain.name();
            for who in [USER, RECIPIENT, RELAYER] {
                let balance = chain.alz_balance(&self.account_on(id, who)?).await?;
                balances.insert(format!("{name} {who}"), i128::try_from(balance)?);
            }
            for (book, amount) in self.books(context, id).await? {
                balances.insert(format!("{name} {book}"), amount);
            }
        }
        Ok(Balances(balances))
    }

    pub fn account_on(&self, chain: &ChainId, who: &str) -> Result<Bytes> {
        let account = self.devnet.account(who)?;
        Ok(match chain.kind() {
            ChainKind::Cosmos => account_of(&account.cosmos, PREFIX)?,
            ChainKind::Bitcoin => self.devnet.bitcoin_account(who)?.0,
            _ => account.evm,
        })
    }

    async fn books(&self, context: &Context, id: &ChainId) -> Result<[(&'static str, i128); 3]> {
        let entry = context.manifest.chain(id)?;
        if id.kind() == ChainKind::Bitcoin {
            let vault = context.chain(id)?.alz_balance(&entry.escrow).await?;
            return Ok([("vault", i128::try_from(vault)?), ("held", 0), ("issued", 0)]);
        }
        let escrow = &entry.escrow_address;
        Ok(match self.evm.get(id) {
            None => {
                let books: BalancesResponse = self.cosmos.ask(escrow, &QueryMsg::Balances {}).await?;
                let issued = books.issued.to_string().parse()?;
                [
                    ("vault", i128::try_from(books.vault.u128())?),
                    ("held", i128::try_from(books.held.u128())?),
                    ("issued", issued),
                ]
            }
            Some(deployer) => {
                let state = deployer.escrow(escrow).await?;
                [
                    ("vault", i128::try_from(state.vault)?),
                    ("held", i128::try_from(state.held)?),
                    ("issued", state.issued),
                ]
            }
        })
    }

    /// An EVM chain as the deployer sees it.
    pub fn on_evm(&self, id: &ChainId) -> Result<&EvmDeployer> {
        self.evm.get(id).with_context(|| format!("{id} is no EVM chain of the devnet"))
    }

    /// What the deploying key could pay fees with, by chain.
    pub async fn fee_money(&self) -> Result<BTreeMap<ChainId, u128>> {
        let chains = self.deployer.chains.iter();
        let balances =
            chains.map(|(id, chain)| async move { anyhow::Ok((id.clone(), chain.gas_account().await?.balance)) });
        Ok(try_join_all(balances).await?.into_iter().collect())
    }

    /// An account of the devnet on one of its EVM chains, for what the adapters do not send.
    pub fn evm_account(&self, chain: &str, who: &str) -> Result<EvmAccount> {
        let (node, id) = match chain {
            "polygon" => (&self.devnet.polygon, POLYGON),
            "ethereum" => (&self.devnet.ethereum, ETHEREUM),
            other => bail!("{other} is no EVM chain of the devnet"),
        };
        let deployed = self.user.manifest.chain(&id.parse()?)?;
        EvmAccount::new(&node.rpc_url, node.chain_id(), self.devnet.key(who)?, deployed)
    }

    /// So that each of the user's deposits is one transaction.
    pub async fn give_allowances(&self) -> Result<()> {
        let (polygon, ethereum) = (self.evm_account("polygon", USER)?, self.evm_account("ethereum", USER)?);
        tokio::try_join!(polygon.approve_all(), ethereum.approve_all())?;
        Ok(())
    }
}

/// Until it is in a block.
pub async fn send_home(context: &Context, message: &ExecuteMsg) -> Result<u64> {
    let tx = context.home.send(message).await?;
    wait_home(&*context.home, &tx).await
}

/// Until it is in a block.
pub async fn send_chain(context: &Context, chain: &ChainId, message: &EscrowMessage) -> Result<u64> {
    let chain = context.chain(chain)?;
    let tx = chain.submit(message).await?;
    wait_chain(&**chain, &tx).await
}

pub fn chain_of(context: &Context, name: &str) -> Result<ChainId> {
    let found = context.chains.values().find(|chain| chain.name() == name);
    Ok(found.ok_or_else(|| anyhow!("no chain is called {name}"))?.id().clone())
}

/// The changes a test expects, as `("polygon user", "-200")`.
pub fn changes(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|(who, change)| ((*who).to_owned(), (*change).to_owned())).collect()
}

pub fn cause_of(execution: &ExecutionResponse) -> Result<(u8, String)> {
    use aes_coordinator::msg::RollbackReason;
    match execution.reason.clone().context("no reason")? {
        RollbackReason::AtomicityFailure { leg, cause } => Ok((leg, cause)),
        other => bail!("the reason is {other:?}"),
    }
}
