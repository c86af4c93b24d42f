//! `aes escape`: a depositor takes back a hold that no decision reached, long after its deadline. On Bitcoin also when the
//! home chain is gone: the deposit is on the depositor's disk.

use std::path::{Path, PathBuf};

use aes_chains::bitcoin::BitcoinChain;
use aes_chains::{Chain, Depth, EscrowMessage, HoldStatus};
use aes_protocol::{Hash32, Leg};
use anyhow::{Context as _, Result};

use crate::commands::sent::{handed_over, to_escrow, Sent};
use crate::context::Context;
use crate::output::Output;
use crate::psbt::{self, ToSign};

#[derive(Debug, clap::Args)]
pub struct Escape {
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
    /// Bitcoin: take from this folder what the wallet signed, and broadcast it
    #[arg(long, value_name = "FOLDER", conflicts_with = "dry_run")]
    signed: Option<PathBuf>,
}

impl Escape {
    pub async fn say(&self, context: &Context, output: Output) -> Result<()> {
        if let Some(folder) = &self.psbt {
            return output.say(&self.to_sign(context, folder).await?);
        }
        output.say(&self.run(context).await?)
    }

    pub async fn run(&self, context: &Context) -> Result<Sent> {
        let leg = self.leg_of(context).await?;
        let chain = context.chain(&leg.chain)?;
        if let Some(folder) = &self.signed {
            let signed = psbt::read(folder, "escape")?;
            let tx = self.bitcoin(&**chain)?.send_escape(&self.execution, &leg, &signed).await?;
            return handed_over(context, &**chain, self.execution, "escape", tx).await;
        }
        match chain.hold(&self.execution, &leg, Depth::Soft).await {
            Ok(Some(hold)) if hold.status == HoldStatus::Escaped => {
                return Sent::found_at_escrow(context, &**chain, self.execution, "escape", "escaped");
            }
            Ok(_) => {}
            Err(error) => tracing::info!("{error}; going on with what is known here"),
        }
        let message = EscrowMessage::Escape { execution_id: self.execution, leg };
        to_escrow(context, &**chain, self.execution, "escape", &message, self.dry_run).await
    }

    async fn to_sign(&self, context: &Context, folder: &Path) -> Result<ToSign> {
        let leg = self.leg_of(context).await?;
        let chain = context.chain(&leg.chain)?;
        let unsigned = self.bitcoin(&**chain)?.escape_psbt(&self.execution, &leg).await?;
        let files = vec![psbt::write(folder, "escape", &unsigned)?];
        let then = format!("aes escape {} --leg {} --signed {}", self.execution, self.leg, folder.display());
        Ok(ToSign { files, then })
    }

    /// From this disk, where the deposit was made here; else from the home chain.
    async fn leg_of(&self, context: &Context) -> Result<Leg> {
        for bitcoin in context.chains.values().filter_map(|chain| chain.bitcoin()) {
            if let Some(leg) = bitcoin.deposited_leg(&self.execution, self.leg)? {
                return Ok(leg);
            }
        }
        let execution = context.execution(&self.execution).await?;
        let leg = execution.legs.into_iter().nth(self.leg.into());
        Ok(leg.with_context(|| format!("the execution has no leg {}", self.leg))?.leg)
    }

    fn bitcoin<'a>(&self, chain: &'a dyn Chain) -> Result<&'a BitcoinChain> {
        let bitcoin = chain.bitcoin();
        bitcoin.with_context(|| format!("leg {} is on {}; PSBTs are for a leg on Bitcoin", self.leg, chain.id()))
    }
}
