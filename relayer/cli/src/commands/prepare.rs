//! `aes prepare`: the depositor puts a leg's ALZ into its escrow. On Bitcoin the depositor's wallet may be elsewhere, and
//! signs PSBTs in between.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes_chains::bitcoin::{BitcoinChain, DepositPsbts};
use aes_chains::{Chain, Depth, EscrowMessage, HoldStatus};
use aes_coordinator::msg::{ExecutionResponse, LegResponse, State};
use aes_protocol::{Bytes, Hash32};
use anyhow::{bail, Context as _, Result};
use serde::Serialize;

use crate::commands::sent::{to_escrow, Sent};
use crate::commands::status::state_word;
use crate::context::Context;
use crate::legs::show_account;
use crate::output::Output;
use crate::psbt::{self, ToSign};

#[derive(Debug, clap::Args)]
pub struct Prepare {
    execution: Hash32,
    /// which leg, by its number from 0
    #[arg(long)]
    leg: u8,
    /// say what would be sent, to whom and what it costs; send nothing
    #[arg(long)]
    dry_run: bool,
    /// Bitcoin, with `bitcoin.wallet` in the config: write what the wallet is to sign into this folder (BIP-174), send nothing
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["signed", "dry_run"])]
    psbt: Option<PathBuf>,
    /// Bitcoin: take from this folder what the wallet signed, check and attach it, and only then broadcast the deposit
    #[arg(long, value_name = "FOLDER", conflicts_with = "dry_run")]
    signed: Option<PathBuf>,
}

/// For the opener, where the depositor is another.
#[derive(Debug, Serialize)]
struct ToAttach {
    execution_id: Hash32,
    leg: u8,
    presigned: Bytes,
}

impl fmt::Display for ToAttach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { execution_id, leg, presigned } = self;
        writeln!(f, "nothing is deposited yet: the opener or the named relayer first runs")?;
        writeln!(f, "  aes attach {execution_id} --leg {leg} {presigned}")?;
        write!(f, "then run this command again")
    }
}

impl Prepare {
    pub fn new(execution: Hash32, leg: u8) -> Self {
        Self { execution, leg, dry_run: false, psbt: None, signed: None }
    }

    pub async fn say(&self, context: &Context, output: Output) -> Result<()> {
        if let Some(folder) = &self.psbt {
            return output.say(&self.to_sign(context, folder).await?);
        }
        if let Some(folder) = &self.signed {
            if let Some(to_attach) = self.take_signed(context, folder).await? {
                return output.say(&to_attach);
            }
        }
        output.say(&self.run(context).await?)
    }

    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let execution = context.execution(&self.execution).await?;
        let leg = self.leg_of(&execution)?.leg.clone();
        if !leg.function.is_account_sourced() {
            bail!(
                "leg {} has the function {}: the relayer prepares it from the reserve",
                self.leg,
                leg.function.name()
            );
        }
        let chain = context.chain(&leg.chain)?;
        let own = chain.gas_account().await?;
        if own.account != leg.from {
            let depositor = show_account(&context.config, &leg.chain, &leg.from);
            bail!("leg {} is prepared by {depositor}, the config's key for {} is {}", self.leg, leg.chain, own.address);
        }
        if let Some(hold) = chain.hold(&self.execution, &leg, Depth::Soft).await? {
            if hold.status == HoldStatus::Held && hold.deadline == execution.deadline {
                return Sent::found_at_escrow(context, &**chain, self.execution, "prepare", "held");
            }
        }
        takes_deposits(context, &execution).await?;
        let message = EscrowMessage::Prepare { execution_id: self.execution, deadline: execution.deadline, leg };
        to_escrow(context, &**chain, self.execution, "prepare", &message, self.dry_run).await
    }

    async fn to_sign(&self, context: &Context, folder: &Path) -> Result<ToSign> {
        let execution = context.execution(&self.execution).await?;
        let leg = &self.leg_of(&execution)?.leg;
        takes_deposits(context, &execution).await?;
        let chain = context.chain(&leg.chain)?;
        let psbts = self.bitcoin(chain)?.deposit_psbts(&self.execution, execution.deadline, leg).await?;
        let files = vec![
            psbt::write(folder, "deposit", &psbts.deposit)?,
            psbt::write(folder, "finalize", &psbts.finalize)?,
            psbt::write(folder, "release", &psbts.release)?,
        ];
        let then = format!("aes prepare {} --leg {} --signed {}", self.execution, self.leg, folder.display());
        Ok(ToSign { files, then })
    }

    /// Checked and kept. What is to be attached, where this process's own account may not.
    async fn take_signed(&self, context: &Context, folder: &Path) -> Result<Option<ToAttach>> {
        let execution = context.execution(&self.execution).await?;
        let entry = self.leg_of(&execution)?;
        let chain = context.chain(&entry.leg.chain)?;
        let psbts = DepositPsbts {
            deposit: psbt::read(folder, "deposit")?,
            finalize: psbt::read(folder, "finalize")?,
            release: psbt::read(folder, "release")?,
        };
        let presigned = self.bitcoin(chain)?.take_signed(&self.execution, &entry.leg, &psbts)?;
        if entry.presigned.is_some() || may_attach(context, &execution).await {
            return Ok(None);
        }
        Ok(Some(ToAttach { execution_id: self.execution, leg: self.leg, presigned }))
    }

    fn leg_of<'a>(&self, execution: &'a ExecutionResponse) -> Result<&'a LegResponse> {
        let last = execution.legs.len().saturating_sub(1);
        let entry = execution.legs.get(usize::from(self.leg));
        entry.with_context(|| format!("no leg {}; the execution has legs 0 to {last}", self.leg))
    }

    fn bitcoin<'a>(&self, chain: &'a Arc<dyn Chain>) -> Result<&'a BitcoinChain> {
        let bitcoin = chain.bitcoin();
        bitcoin.with_context(|| format!("leg {} is on {}; PSBTs are for a leg on Bitcoin", self.leg, chain.id()))
    }
}

/// What comes too late could only come back.
async fn takes_deposits(context: &Context, execution: &ExecutionResponse) -> Result<()> {
    let ExecutionResponse { execution_id, state, deadline, .. } = execution;
    if *state != State::Open {
        bail!("execution {execution_id} is {}: nothing is put into it any more; open another one", state_word(*state));
    }
    let now = context.home.time().await?;
    if now >= *deadline {
        bail!("the deadline of execution {execution_id}, {deadline}, has passed, now is {now}; open another one");
    }
    Ok(())
}

/// A process without a key at the home chain may not.
async fn may_attach(context: &Context, execution: &ExecutionResponse) -> bool {
    let Ok(home) = context.chain(&context.manifest.domain.home_chain) else { return false };
    let own = home.gas_account().await.map(|own| own.address);
    own.is_ok_and(|own| own == execution.opener || Some(&own) == execution.relayer.as_ref())
}
