//! Figures from a real node: the gas of each message of the CosmWasm contracts, sent by hand, `cw20_` where ALZ is a cw20.
//! Prints `figure cosmwasm.gas.NAME VALUE gas`.

use aes_chains::cosmos::Coin;
use aes_chains::{EscrowMessage, TxId};
use aes_cli::commands::open::Open;
use aes_cli::commands::rollback::Rollback;
use aes_cli::context::{wait_chain, wait_home, Context};
use aes_cli::devnet::{ALLIANZA, BITCOIN, RELAYER, USER};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, Settings};
use aes_e2e::cw20::Cw20;
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{send_chain, typed, Net};
use aes_e2e::{until, PATIENCE};
use aes_escrow::msg::{self as escrow, Limits};
use aes_protocol::{Bytes, ChainId, Conservation, Decision, Function, Hash32, Leg};
use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

const ESCAPE_DELAY: u64 = 1;

#[tokio::main]
async fn main() -> Result<()> {
    // no relayer: everything is sent from here. Locks without unlocks are only opened with conservation off
    let net = Net::start(|options| {
        options.relayer = false;
        options.conservation = Conservation::Off;
        options.escape_delay = ESCAPE_DELAY;
    })
    .await?;
    let cw20 = Cw20::deploy(net).await?;
    let measured = measure(&cw20).await;
    cw20.net.end(Vec::new()).await?;
    measured
}

async fn measure(cw20: &Cw20) -> Result<()> {
    let net = &cw20.net;
    net.give_allowances().await?;
    let attestors = Attestors::of(&net.devnet)?;
    let gas = Gas { net, home: ALLIANZA.parse()? };
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    confirmed_and_rolled_back(&gas, &hand).await?;
    with_cw20(&gas, cw20).await?;
    depositors(&gas).await?;
    admins(&gas).await?;
    attestors_own(&gas, &hand).await
}

struct Gas<'a> {
    net: &'a Net,
    home: ChainId,
}

impl Gas<'_> {
    async fn tell(&self, name: &str, tx: &TxId) -> Result<()> {
        let url = format!("{}/tx?hash=0x{}", self.net.devnet.wasmd.rpc_url, tx.0);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let answer: Value = http.get(url).send().await?.json().await?;
        let used = answer["result"]["tx_result"]["gas_used"].as_str();
        println!("figure cosmwasm.gas.{name} {} gas", used.with_context(|| format!("no gas_used in {answer}"))?);
        Ok(())
    }

    async fn of_home(&self, name: &str, context: &Context, message: &ExecuteMsg) -> Result<()> {
        let tx = context.home.send(message).await?;
        wait_home(&*context.home, &tx).await?;
        self.tell(name, &tx).await
    }

    async fn of_escrow(&self, name: &str, context: &Context, message: &EscrowMessage) -> Result<()> {
        let chain = context.chain(&self.home)?;
        let tx = chain.submit(message).await?;
        wait_chain(&**chain, &tx).await?;
        self.tell(name, &tx).await
    }

    /// By the deploying key, who is the admin.
    async fn of_call(&self, name: &str, contract: &str, message: &impl Serialize, funds: &[Coin]) -> Result<()> {
        let tx = self.net.cosmos.execute(contract, message, funds).await?;
        self.net.cosmos.wait_for(&tx, PATIENCE).await?;
        self.tell(name, &tx).await
    }

    /// The legs on the CosmWasm chain, each in a message of its own.
    async fn of_settlement(
        &self,
        name: &str,
        hand: &Hand<'_>,
        execution: &ExecutionResponse,
        decision: Decision,
    ) -> Result<()> {
        for (chain, message) in hand.settle(&[execution], decision)? {
            match chain == self.home {
                true => self.of_escrow(name, hand.context, &message).await?,
                false => send_chain(hand.context, &chain, &message).await.map(|_| ())?,
            }
        }
        Ok(())
    }

    async fn open(&self, name: Option<&str>, context: &Context, legs: &[&str]) -> Result<ExecutionResponse> {
        let relayer = self.net.devnet.account(RELAYER)?.cosmos;
        let opened = Open::new(self.net.legs(legs)?, 3600, Some(relayer)).run(context).await?;
        if let (Some(name), Some(tx)) = (name, opened.transaction) {
            self.tell(name, &TxId(tx)).await?;
        }
        context.execution(&opened.execution_id).await
    }

    async fn prepare(&self, name: &str, context: &Context, execution: &ExecutionResponse, leg: usize) -> Result<()> {
        let ExecutionResponse { execution_id, deadline, legs, .. } = execution;
        let leg = legs.get(leg).context("the leg")?.leg.clone();
        let message = EscrowMessage::Prepare { execution_id: *execution_id, deadline: *deadline, leg };
        self.of_escrow(name, context, &message).await
    }
}

/// The paper's three legs, one of them on the CosmWasm chain, once committed and once rolled back.
async fn confirmed_and_rolled_back(gas: &Gas<'_>, hand: &Hand<'_>) -> Result<()> {
    let (net, relayer) = (gas.net, hand.context);
    let paper = ["polygon lock 0.2", "allianza unlock 0.1", "ethereum mint 0.1"];
    let committed = gas.open(Some("open"), &net.user, &paper).await?;
    net.prepare(&committed, 0).await?;
    for (leg, entry) in committed.legs.iter().enumerate().skip(1) {
        let message = hand.prepare_reserve(&committed, &entry.leg)?;
        match leg {
            1 => gas.of_escrow("prepare_reserve", relayer, &message).await?,
            _ => send_chain(relayer, &entry.leg.chain, &message).await.map(|_| ())?,
        }
    }
    gas.of_home("commit", relayer, &hand.commit(&committed).await?).await?;
    gas.of_settlement("finalize", hand, &committed, Decision::Commit).await?;
    gas.of_home("record", relayer, &hand.record(&committed, Decision::Commit).await?).await?;

    let legs = ["allianza lock 0.1", "polygon transfer 0.1", "ethereum transfer 0.1"];
    let aborted = gas.open(None, &net.user, &legs).await?;
    gas.prepare("prepare", &net.user, &aborted, 0).await?;
    let rolled_back = typed::<Rollback>(&[&aborted.execution_id.to_string()])?.run(&net.user).await?;
    gas.tell("rollback", &TxId(rolled_back.transaction.context("a transaction")?)).await?;
    gas.of_settlement("release", hand, &aborted, Decision::Abort).await
}

async fn with_cw20(gas: &Gas<'_>, cw20: &Cw20) -> Result<()> {
    let hand = cw20.hand();
    for (function, taken) in [("transfer", true), ("burn", true), ("mint", false)] {
        let execution = gas.open(None, &cw20.user, &[&format!("allianza {function} 1")]).await?;
        let leg = &execution.legs.first().context("a leg")?.leg;
        let name = format!("cw20_prepare_{function}");
        match taken {
            true => gas.prepare(&name, &cw20.user, &execution, 0).await?,
            false => gas.of_escrow(&name, &cw20.relayer, &hand.prepare_reserve(&execution, leg)?).await?,
        }
        gas.of_settlement(&format!("cw20_finalize_{function}"), &hand, &execution, Decision::Commit).await?;
    }
    Ok(())
}

/// A hold that no execution knows of, and so no decision reaches.
async fn depositors(gas: &Gas<'_>) -> Result<()> {
    let (net, chain) = (gas.net, gas.net.user.chain(&gas.home)?);
    let leg = aes_cli::legs::parse_legs(&net.user.config, &net.user.manifest, &net.legs(&["allianza lock 0.1"])?)?;
    let leg = leg.into_iter().next().context("a leg")?;
    let (execution_id, deadline) = (Hash32([7; 32]), net.user.home.time().await? + 5);
    send_chain(&net.user, &gas.home, &EscrowMessage::Prepare { execution_id, deadline, leg: leg.clone() }).await?;
    until(chain.ticks(), "the delay after the deadline", async || {
        Ok((net.user.home.time().await? >= deadline + ESCAPE_DELAY).then_some(()))
    })
    .await?;
    gas.of_escrow("escape", &net.user, &EscrowMessage::Escape { execution_id, leg }).await
}

async fn admins(gas: &Gas<'_>) -> Result<()> {
    let net = gas.net;
    let admin = &net.deployer;
    let (coordinator, at) = (&admin.manifest.coordinator, admin.manifest.chain(&gas.home)?);
    let there = admin.home.config().await?.settings;
    let settings = Settings { max_horizon: there.max_horizon - 1, ..there };
    gas.of_home("update_settings", admin, &ExecuteMsg::UpdateSettings { settings }).await?;
    let next = net.devnet.account(USER)?.cosmos;
    gas.of_home("propose_admin", admin, &ExecuteMsg::ProposeAdmin { admin: next }).await?;
    gas.of_home("pause", admin, &ExecuteMsg::Pause {}).await?;
    gas.of_home("unpause", admin, &ExecuteMsg::Unpause {}).await?;
    // a chain that nobody watches: what is attached is bytes to the coordinator
    let script = Bytes([&[0x51, 32][..], &[7; 32]].concat());
    let chain: ChainId = BITCOIN.parse()?;
    let register = ExecuteMsg::RegisterChain { chain: chain.clone(), escrow: script.clone() };
    gas.of_home("register_chain", admin, &register).await?;
    let lock = Function::Lock;
    let leg = Leg {
        index: 0,
        chain,
        escrow: script.clone(),
        function: lock,
        from: script,
        to: Bytes::default(),
        amount: 1u128.into(),
    };
    let deadline = admin.home.time().await? + 600;
    let open = ExecuteMsg::Open { legs: vec![leg], salt: Hash32::default(), deadline, relayer: None };
    gas.of_home("open_one_leg", admin, &open).await?;
    let opened = admin.home.executions(aes_coordinator::msg::State::Open, None).await?;
    let execution_id = opened.last().context("the execution")?.execution_id;
    let attach = ExecuteMsg::Attach { execution_id, leg: 0, presigned: Bytes(vec![7; 700]) };
    gas.of_home("attach_700_bytes", admin, &attach).await?;

    let coins = [Coin { amount: 1, denom: at.asset.clone() }];
    gas.of_call("fund_vault", &at.escrow_address, &escrow::ExecuteMsg::FundVault {}, &coins).await?;
    let limits = Limits { max_leg: 5u128.into(), reserve_per_hour: 5u128.into(), mint_cap: 5u128.into() };
    gas.of_call("schedule_limits", &at.escrow_address, &escrow::ExecuteMsg::ScheduleLimits { limits }, &[]).await?;
    gas.of_call("escrow_pause", &at.escrow_address, &escrow::ExecuteMsg::Pause {}, &[]).await?;
    gas.of_call("escrow_unpause", &at.escrow_address, &escrow::ExecuteMsg::Unpause {}, &[]).await?;
    let propose = escrow::ExecuteMsg::ProposeAdmin { admin: coordinator.clone() };
    gas.of_call("escrow_propose_admin", &at.escrow_address, &propose, &[]).await
}

/// Last: nothing is opened after both decisions of one execution.
async fn attestors_own(gas: &Gas<'_>, hand: &Hand<'_>) -> Result<()> {
    let execution_id = Hash32([9; 32]);
    let (commit, abort) = (Decision::Commit, Decision::Abort);
    let (commit, abort) = (hand.decided(execution_id, commit)?, hand.decided(execution_id, abort)?);
    let report = ExecuteMsg::ReportEquivocation { execution_id, commit, abort };
    gas.of_home("report_equivocation", hand.context, &report).await?;
    let next = Attestors::strangers(2);
    let certificate = hand.rotate(&next)?;
    let rotate = ExecuteMsg::Rotate { set: next.set.clone(), certificate: certificate.clone() };
    gas.of_home("rotate", hand.context, &rotate).await?;
    gas.of_escrow("escrow_rotate", hand.context, &EscrowMessage::Rotate { set: next.set, certificate }).await
}
