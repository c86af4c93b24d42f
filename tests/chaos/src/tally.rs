//! The reckoning, from the chains alone: every execution the coordinator knows has ended all or none, and every base
//! unit is where the outcomes say.

use std::collections::BTreeMap;

use aes_chains::{Depth, HoldStatus};
use aes_cli::amount;
use aes_cli::context::Context;
use aes_cli::devnet::{RECIPIENT, USER};
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_e2e::net::{Balances, Net};
use aes_protocol::{Function, Hash32};
use anyhow::Result;
use futures::stream::{self, StreamExt, TryStreamExt};

const AT_ONCE: usize = 16;

#[derive(Debug, Default)]
pub struct Tally {
    pub finalized: usize,
    pub rolled_back: usize,
    /// have not ended
    pub stuck: Vec<Hash32>,
    /// ended one way, with a leg that ended the other way or is still held
    pub partial: Vec<Hash32>,
    /// base units by `chain who` that are there too few or too many
    pub lost: BTreeMap<String, i128>,
}

impl Tally {
    pub async fn of(net: &Net, context: &Context, before: &Balances) -> Result<Self> {
        let mut tally = Self::default();
        let mut expected: BTreeMap<String, i128> = before.all().map(|(who, amount)| (who.to_owned(), amount)).collect();
        for state in [State::Open, State::Committed, State::Aborted, State::Finalized, State::RolledBack] {
            let ids = ids(context, state).await?;
            if !matches!(state, State::Finalized | State::RolledBack) {
                tally.stuck.extend(ids);
                continue;
            }
            let commit = state == State::Finalized;
            *(if commit { &mut tally.finalized } else { &mut tally.rolled_back }) += ids.len();
            let ended = stream::iter(ids).map(|id| async move {
                let execution = context.execution(&id).await?;
                let whole = is_whole(context, &execution).await?;
                anyhow::Ok((execution, whole))
            });
            let ended: Vec<_> = ended.buffer_unordered(AT_ONCE).try_collect().await?;
            for (execution, whole) in ended {
                if !whole {
                    tally.partial.push(execution.execution_id);
                }
                if commit {
                    pay(&mut expected, net, context, &execution)?;
                }
            }
        }
        for (who, there) in net.balances_in(context).await?.all() {
            let difference = there - expected.remove(who).unwrap_or_default();
            if difference != 0 {
                tally.lost.insert(who.to_owned(), difference);
            }
        }
        Ok(tally)
    }

    pub fn executions(&self) -> usize {
        self.finalized + self.rolled_back + self.stuck.len()
    }

    pub fn lost_units(&self) -> u128 {
        self.lost.values().map(|units| units.unsigned_abs()).sum()
    }

    pub fn is_clean(&self) -> bool {
        self.stuck.is_empty() && self.partial.is_empty() && self.lost.is_empty()
    }

    /// What is wrong, for people.
    pub fn complaints(&self) -> Vec<String> {
        let stuck = self.stuck.iter().map(|id| format!("stuck: execution {id}"));
        let partial = self.partial.iter().map(|id| format!("partial: execution {id}"));
        let lost = self.lost.iter().map(|(who, units)| {
            let word = if *units < 0 { "missing" } else { "too much" };
            format!("{word} at {who}: {}", amount::show(units.unsigned_abs()))
        });
        stuck.chain(partial).chain(lost).collect()
    }
}

async fn ids(context: &Context, state: State) -> Result<Vec<Hash32>> {
    let (mut ids, mut last) = (Vec::new(), None);
    loop {
        let page = context.home.executions(state, last).await?;
        let Some(end) = page.last() else { return Ok(ids) };
        last = Some(end.number);
        ids.extend(page.iter().map(|summary| summary.execution_id));
    }
}

async fn is_whole(context: &Context, execution: &ExecutionResponse) -> Result<bool> {
    for leg in execution.legs.iter().map(|entry| &entry.leg) {
        let hold = context.chain(&leg.chain)?.hold(&execution.execution_id, leg, Depth::Soft).await?;
        let status = hold.map(|hold| hold.status);
        let right = match execution.state {
            State::Finalized => status == Some(HoldStatus::Finalized),
            _ => matches!(status, None | Some(HoldStatus::Released)),
        };
        if !right {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a committed execution moves.
fn pay(
    balances: &mut BTreeMap<String, i128>,
    net: &Net,
    context: &Context,
    execution: &ExecutionResponse,
) -> Result<()> {
    for leg in execution.legs.iter().map(|entry| &entry.leg) {
        let chain = context.chain(&leg.chain)?.name();
        let amount = i128::try_from(leg.amount.u128())?;
        let to = if leg.to == net.account_on(&leg.chain, USER)? { USER } else { RECIPIENT };
        let moves = match leg.function {
            Function::Transfer => [(USER, -amount), (to, amount)],
            Function::Lock => [(USER, -amount), ("vault", amount)],
            Function::Unlock => [("vault", -amount), (to, amount)],
            Function::Mint => [("issued", amount), (to, amount)],
            Function::Burn => [(USER, -amount), ("issued", -amount)],
        };
        for (who, change) in moves {
            *balances.entry(format!("{chain} {who}")).or_default() += change;
        }
    }
    Ok(())
}
