//! No relayer here: the test itself sends every message, in the order it likes, twice, and with something wrong about
//! it. What was done is done once, and what is refused changes nothing.

use aes_chains::{EscrowMessage, HoldStatus, SettlementItem};
use aes_cli::commands::rollback::Rollback;
use aes_cli::devnet::{ALLIANZA, DEPLOYER};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{chain_of, changes, send_chain, send_home, typed, Balances, Net};
use aes_e2e::{play, refused, same};
use aes_protocol::{decisions_tree, Certificate, ChainId, Decision, DecisionLeaf, Leg, Statement};
use anyhow::{ensure, Context as _, Result};

const FAR: u64 = 3600;
const PAPER: [&str; 3] = ["polygon lock 200", "allianza unlock 100", "ethereum mint 100"];
/// Account-sourced on every chain, so that each contract is asked.
const EVERYWHERE: [&str; 3] = ["polygon transfer 3", "allianza transfer 4", "ethereum transfer 5"];

#[tokio::test(flavor = "multi_thread")]
async fn hostile() -> Result<()> {
    let net = Net::start(|options| options.relayer = false).await?;
    net.give_allowances().await?;
    let failed = play!(
        &net,
        every_message_of_a_commit_repeated,
        every_message_of_a_rollback_repeated,
        the_opposite_decision_is_refused,
        certificates_with_something_wrong,
        legs_of_another_chain_or_another_execution,
        evidence_with_something_wrong,
        one_certificate_settles_several_executions,
        a_pause_stops_what_begins_and_nothing_that_ends,
        a_rotation_in_mid_flight,
    );
    net.end(failed).await
}

/// All that a message could have changed.
async fn state(net: &Net, execution: &ExecutionResponse) -> Result<(ExecutionResponse, Vec<Option<HoldStatus>>, Balances)> {
    let record = net.user.execution(&execution.execution_id).await?;
    Ok((record, net.hold_status(&net.user, execution).await?, net.balances().await?))
}

fn the_leg(execution: &ExecutionResponse, index: usize) -> Result<Leg> {
    Ok(execution.legs.get(index).context("no such leg")?.leg.clone())
}

async fn held(net: &Net, legs: &[&str]) -> Result<ExecutionResponse> {
    let execution = net.open(legs, FAR).await?;
    net.prepare_all(&execution).await?;
    let attestors = Attestors::of(&net.devnet)?;
    Hand { context: &net.relayer, attestors: &attestors }.prepare_reserves(&execution).await?;
    Ok(execution)
}

/// The same `open` again, as its sender would repeat it.
fn open_again(execution: &ExecutionResponse) -> ExecuteMsg {
    ExecuteMsg::Open {
        legs: execution.legs.iter().map(|entry| entry.leg.clone()).collect(),
        salt: execution.salt,
        deadline: execution.deadline,
        relayer: execution.relayer.clone(),
    }
}

async fn prepare_again(net: &Net, hand: &Hand<'_>, execution: &ExecutionResponse) -> Result<()> {
    for leg in execution.legs.iter().map(|entry| &entry.leg) {
        if leg.function.is_account_sourced() {
            net.prepare(execution, leg.index).await?;
        } else {
            send_chain(&net.relayer, &leg.chain, &hand.prepare_reserve(execution, leg)?).await?;
        }
    }
    Ok(())
}

async fn every_message_of_a_commit_repeated(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let start = net.balances().await?;
    let execution = held(net, &PAPER).await?;

    let before = state(net, &execution).await?;
    send_home(&net.user, &open_again(&execution)).await?;
    prepare_again(net, &hand, &execution).await?;
    same("after open and prepare again", &state(net, &execution).await?, &before)?;

    let commit = hand.commit(&execution).await?;
    send_home(&net.relayer, &commit).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::Committed)?;
    send_home(&net.relayer, &commit).await?;
    send_home(&net.deployer, &commit).await?;
    same("after commit again", &state(net, &execution).await?, &before)?;

    hand.settle_all(&[&execution], Decision::Commit).await?;
    let before = state(net, &execution).await?;
    same("holds", &before.1, &vec![Some(HoldStatus::Finalized); 3])?;
    hand.settle_all(&[&execution], Decision::Commit).await?;
    same("after finalize again", &state(net, &execution).await?, &before)?;

    let record = hand.record(&execution, Decision::Commit).await?;
    send_home(&net.relayer, &record).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::Finalized)?;
    for message in [&record, &commit, &open_again(&execution)] {
        send_home(&net.user, message).await?;
    }
    hand.settle_all(&[&execution], Decision::Commit).await?;
    same("after everything again", &state(net, &execution).await?, &before)?;
    refused(net.prepare(&execution, 0).await, "HoldSettled")?;
    let expected = changes(&[
        ("polygon user", "-200"),
        ("polygon vault", "+200"),
        ("allianza vault", "-100"),
        ("allianza recipient", "+100"),
        ("ethereum recipient", "+100"),
        ("ethereum issued", "+100"),
    ]);
    same("changes", &net.balances().await?.since(&start), &expected)
}

async fn every_message_of_a_rollback_repeated(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let start = net.balances().await?;
    let execution = held(net, &PAPER).await?;

    let rollback: Rollback = typed(&[&execution.execution_id.to_string()])?;
    rollback.run(&net.user).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::Aborted)?;
    rollback.run(&net.user).await?;
    rollback.run(&net.deployer).await?;
    same("after rollback again", &state(net, &execution).await?, &before)?;

    hand.settle_all(&[&execution], Decision::Abort).await?;
    let before = state(net, &execution).await?;
    same("holds", &before.1, &vec![Some(HoldStatus::Released); 3])?;
    hand.settle_all(&[&execution], Decision::Abort).await?;
    same("after release again", &state(net, &execution).await?, &before)?;

    let record = hand.record(&execution, Decision::Abort).await?;
    send_home(&net.relayer, &record).await?;
    let before = state(net, &execution).await?;
    same("state", &before.0.state, &State::RolledBack)?;
    send_home(&net.deployer, &record).await?;
    rollback.run(&net.user).await?;
    send_home(&net.user, &open_again(&execution)).await?;
    hand.settle_all(&[&execution], Decision::Abort).await?;
    same("after everything again", &state(net, &execution).await?, &before)?;
    same("changes", &net.balances().await?.since(&start), &changes(&[]))
}

/// Even colluding attestors cannot undo a settlement: the second decision finds the hold ended.
async fn the_opposite_decision_is_refused(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    for (first, second, state_then) in [
        (Decision::Commit, Decision::Abort, HoldStatus::Finalized),
        (Decision::Abort, Decision::Commit, HoldStatus::Released),
    ] {
        let execution = held(net, &EVERYWHERE).await?;
        hand.settle_all(&[&execution], first).await?;
        let before = state(net, &execution).await?;
        same("holds", &before.1, &vec![Some(state_then); 3])?;
        for (chain, message) in hand.settle(&[&execution], second)? {
            let words = if chain.as_str() == ALLIANZA { "the opposite of what is asked" } else { "HoldSettledOtherwise" };
            refused(send_chain(&net.relayer, &chain, &message).await, words)?;
        }
        same("after the opposite", &state(net, &execution).await?, &before)?;
    }
    Ok(())
}

/// What is done to a true certificate, and how an EVM escrow and a CosmWasm contract refuse it.
const TAMPERINGS: [(fn(&mut Certificate), &str, &str); 4] = [
    // a bit of the first signature's s: it recovers to somebody else
    (|certificate| turn_a_bit(certificate, 40), "NotAnAttestor", "which is not in attestor set"),
    (|certificate| certificate.signatures.truncate(1), "WrongSignatureCount", "give exactly that many"),
    (|certificate| certificate.signatures.reverse(), "SignersNotAscending", "in ascending order"),
    (repeat_the_first, "SignersNotAscending", "in ascending order"),
];

fn turn_a_bit(certificate: &mut Certificate, at: usize) {
    if let Some(byte) = certificate.signatures.first_mut().and_then(|signature| signature.0.get_mut(at)) {
        *byte ^= 1;
    }
}

fn repeat_the_first(certificate: &mut Certificate) {
    let first = certificate.signatures.first().cloned();
    certificate.signatures = first.iter().chain(&first).cloned().collect();
}

async fn certificates_with_something_wrong(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let execution = held(net, &EVERYWHERE).await?;
    let before = state(net, &execution).await?;
    let true_commit = hand.commit(&execution).await?;

    // who is not in the set, and a set that nobody knows
    for (id, evm, cosmos) in [(1, "NotAnAttestor", "is not in attestor set"), (7, "UnknownAttestorSet", "is not known here")] {
        let strangers = Attestors::strangers(id);
        let theirs = Hand { context: &net.relayer, attestors: &strangers };
        for decision in [Decision::Commit, Decision::Abort] {
            for (chain, message) in theirs.settle(&[&execution], decision)? {
                let words = if chain.as_str() == ALLIANZA { cosmos } else { evm };
                refused(send_chain(&net.relayer, &chain, &message).await, words)?;
            }
        }
        refused(send_home(&net.relayer, &theirs.commit(&execution).await?).await, cosmos)?;
    }

    for (tamper, evm, cosmos) in TAMPERINGS {
        for (chain, mut message) in hand.settle(&[&execution], Decision::Abort)? {
            if let EscrowMessage::Settle { certificate, .. } = &mut message {
                tamper(certificate);
            }
            let words = if chain.as_str() == ALLIANZA { cosmos } else { evm };
            refused(send_chain(&net.relayer, &chain, &message).await, words)?;
        }
        let mut commit = true_commit.clone();
        if let ExecuteMsg::Commit { certificate, .. } = &mut commit {
            tamper(certificate);
        }
        refused(send_home(&net.relayer, &commit).await, cosmos)?;
    }
    same("after all of them", &state(net, &execution).await?, &before)?;
    send_home(&net.relayer, &true_commit).await?;
    same("the true one", &net.user.execution(&execution.execution_id).await?.state, &State::Committed)
}

async fn legs_of_another_chain_or_another_execution(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let execution = held(net, &EVERYWHERE).await?;
    let other = held(net, &EVERYWHERE).await?;
    let before = (state(net, &execution).await?, state(net, &other).await?);

    // certified for `other`, sent with the legs of `execution`: its decision is under another root
    for (chain, mut message) in hand.settle(&[&other], Decision::Commit)? {
        if let EscrowMessage::Settle { items, .. } = &mut message {
            for item in items {
                item.execution_id = execution.execution_id;
            }
        }
        let words = if chain.as_str() == ALLIANZA { "is not in attestor set" } else { "NotAnAttestor" };
        refused(send_chain(&net.relayer, &chain, &message).await, words)?;
    }
    // `other` decided, with a leg that only `execution` has: nothing is held under that key
    for (chain, mut message) in hand.settle(&[&other], Decision::Commit)? {
        let mut leg = execution.legs.iter().map(|entry| &entry.leg).find(|leg| leg.chain == chain).context("its leg")?.clone();
        leg.amount = 1u128.into();
        if let EscrowMessage::Settle { items, .. } = &mut message {
            items.iter_mut().for_each(|item| item.legs = vec![leg.clone()]);
        }
        let words = if chain.as_str() == ALLIANZA { "nothing is held here" } else { "NothingHeld" };
        refused(send_chain(&net.relayer, &chain, &message).await, words)?;
    }
    // a leg brought to another chain's escrow
    let (polygon, home) = (chain_of(&net.user, "polygon")?, chain_of(&net.user, "allianza")?);
    let leaf = DecisionLeaf { execution_id: execution.execution_id, decision: Decision::Commit };
    let decisions_root = decisions_tree(&[leaf]).context("a tree")?.root();
    let certificate = attestors.certify(&net.user.manifest.domain, &Statement::Decided { decisions_root })?;
    for (chain, leg) in [(&home, the_leg(&execution, 0)?), (&polygon, the_leg(&execution, 1)?), (&polygon, the_leg(&execution, 2)?)] {
        let items = vec![SettlementItem { execution_id: execution.execution_id, path: vec![], legs: vec![leg] }];
        let message = EscrowMessage::Settle { decision: Decision::Commit, certificate: certificate.clone(), items };
        refused(send_chain(&net.relayer, chain, &message).await, "leg")?;
    }
    // by who is not the depositor
    for index in 0..3 {
        let fresh = net.open(&EVERYWHERE, FAR).await?;
        let leg = the_leg(&fresh, index)?;
        let message = EscrowMessage::Prepare { execution_id: fresh.execution_id, deadline: fresh.deadline, leg: leg.clone() };
        let words = if leg.chain == home { "the depositor sends this" } else { "NotTheDepositor" };
        refused(send_chain(&net.deployer, &leg.chain, &message).await, words)?;
    }
    same("after all of them", &(state(net, &execution).await?, state(net, &other).await?), &before)
}

async fn evidence_with_something_wrong(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let execution = held(net, &EVERYWHERE).await?;
    let other = held(net, &EVERYWHERE).await?;
    let before = state(net, &execution).await?;
    let ExecuteMsg::Commit { evidence, certificate, .. } = hand.commit(&execution).await? else {
        anyhow::bail!("a commit is a commit")
    };
    let ExecuteMsg::Commit { certificate: of_other, .. } = hand.commit(&other).await? else {
        anyhow::bail!("a commit is a commit")
    };
    let execution_id = execution.execution_id;
    let commit = |evidence, certificate| ExecuteMsg::Commit { execution_id, evidence, certificate };
    let home = &net.relayer;
    refused(send_home(home, &commit(evidence.clone(), of_other)).await, "the certificate")?;
    let mut swapped = evidence.clone();
    swapped.reverse();
    refused(send_home(home, &commit(swapped, certificate.clone())).await, "give one a leg, in their order")?;
    let fewer = evidence.iter().take(2).cloned().collect();
    refused(send_home(home, &commit(fewer, certificate.clone())).await, "2 pieces of evidence for 3 legs")?;
    let mut later = evidence.clone();
    later.iter_mut().for_each(|piece| piece.height += 1);
    refused(send_home(home, &commit(later, certificate.clone())).await, "the certificate")?;
    let record = ExecuteMsg::Record { execution_id, evidence, certificate };
    refused(send_home(home, &record).await, "needs it committed or aborted")?;
    same("after all of them", &state(net, &execution).await?, &before)
}

async fn one_certificate_settles_several_executions(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let start = net.balances().await?;
    let executions = [held(net, &EVERYWHERE).await?, held(net, &EVERYWHERE).await?, held(net, &PAPER).await?];
    let all: Vec<&ExecutionResponse> = executions.iter().collect();
    for (chain, message) in hand.settle(&all, Decision::Abort)? {
        let EscrowMessage::Settle { items, .. } = &message else { anyhow::bail!("a settlement is one") };
        same("executions in one message", &items.len(), &3)?;
        send_chain(&net.relayer, &chain, &message).await?;
    }
    for execution in &executions {
        same("holds", &net.hold_status(&net.user, execution).await?, &vec![Some(HoldStatus::Released); 3])?;
    }
    same("changes", &net.balances().await?.since(&start), &changes(&[]))
}

async fn a_pause_stops_what_begins_and_nothing_that_ends(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let execution = held(net, &EVERYWHERE).await?;
    let committed = held(net, &EVERYWHERE).await?;
    let unprepared = net.open(&PAPER, FAR).await?;
    let commit = hand.commit(&committed).await?;
    let home: ChainId = ALLIANZA.parse()?;
    let escrow = &net.user.manifest.chain(&home)?.escrow_address;
    let of_escrow = async |message: &aes_escrow::msg::ExecuteMsg| -> Result<()> {
        let tx = net.cosmos.execute(escrow, message, &[]).await?;
        net.cosmos.wait_for(&tx, aes_e2e::PATIENCE).await?;
        Ok(())
    };
    refused(send_home(&net.user, &ExecuteMsg::Pause {}).await, "is not the admin")?;
    send_home(&net.deployer, &ExecuteMsg::Pause {}).await?;
    of_escrow(&aes_escrow::msg::ExecuteMsg::Pause {}).await?;
    for chain in ["polygon", "ethereum"] {
        net.evm_account(chain, DEPLOYER)?.pause().await?;
    }

    refused(net.open(&EVERYWHERE, FAR).await, "paused")?;
    refused(net.prepare(&unprepared, 0).await, "EscrowPaused")?;
    for (index, words) in [(1, "paused"), (2, "EscrowPaused")] {
        let leg = the_leg(&unprepared, index)?;
        let message = hand.prepare_reserve(&unprepared, &leg)?;
        refused(send_chain(&net.relayer, &leg.chain, &message).await, words)?;
    }
    typed::<Rollback>(&[&execution.execution_id.to_string()])?.run(&net.user).await?;
    hand.settle_all(&[&execution], Decision::Abort).await?;
    send_home(&net.relayer, &hand.record(&execution, Decision::Abort).await?).await?;
    send_home(&net.relayer, &commit).await?;
    hand.settle_all(&[&committed], Decision::Commit).await?;
    send_home(&net.relayer, &hand.record(&committed, Decision::Commit).await?).await?;
    for (execution, ended) in [(&execution, State::RolledBack), (&committed, State::Finalized)] {
        same("state", &net.user.execution(&execution.execution_id).await?.state, &ended)?;
    }

    send_home(&net.deployer, &ExecuteMsg::Unpause {}).await?;
    of_escrow(&aes_escrow::msg::ExecuteMsg::Unpause {}).await?;
    for chain in ["polygon", "ethereum"] {
        net.evm_account(chain, DEPLOYER)?.unpause().await?;
    }
    held(net, &EVERYWHERE).await?;
    Ok(())
}

/// Opened and held under set 1; set 2 decides and settles. Set 1 is still good for what it may have served.
async fn a_rotation_in_mid_flight(net: &Net) -> Result<()> {
    let (old, new) = (Attestors::of(&net.devnet)?, Attestors::strangers(2));
    let by_old = Hand { context: &net.relayer, attestors: &old };
    let by_new = Hand { context: &net.relayer, attestors: &new };
    let start = net.balances().await?;
    let execution = held(net, &PAPER).await?;
    let late = held(net, &EVERYWHERE).await?;

    let certificate = by_old.rotate(&new)?;
    let set = new.set.clone();
    let rotate_home = ExecuteMsg::Rotate { set: set.clone(), certificate: certificate.clone() };
    let rotate = EscrowMessage::Rotate { set: set.clone(), certificate };
    let forged = Attestors::strangers(1);
    let forged = Hand { context: &net.relayer, attestors: &forged }.rotate(&new)?;
    for (chain, words) in [("polygon", "NotAnAttestor"), ("allianza", "is not in attestor set")] {
        let message = EscrowMessage::Rotate { set: set.clone(), certificate: forged.clone() };
        refused(send_chain(&net.relayer, &chain_of(&net.user, chain)?, &message).await, words)?;
    }
    refused(send_home(&net.relayer, &ExecuteMsg::Rotate { set: set.clone(), certificate: forged }).await, "is not in attestor set")?;
    // twice: the second changes nothing
    for _ in 0..2 {
        for chain in net.relayer.chains.keys() {
            send_chain(&net.relayer, chain, &rotate).await?;
        }
        send_home(&net.deployer, &rotate_home).await?;
        let current = net.user.home.attestor_set(None).await?;
        same("current set", &current.set, &set)?;
    }
    let old_set = net.user.home.attestor_set(Some(1)).await?;
    ensure!(!old_set.current && old_set.expires_at.is_some_and(|at| at >= execution.deadline), "{old_set:?}");

    let done = by_new.commit_all(&execution).await?;
    same("state", &done.state, &State::Finalized)?;
    let done = by_old.commit_all(&late).await?;
    same("state of what set 1 still settles", &done.state, &State::Finalized)?;
    let expected = changes(&[
        ("polygon user", "-203"),
        ("polygon recipient", "+3"),
        ("polygon vault", "+200"),
        ("allianza user", "-4"),
        ("allianza vault", "-100"),
        ("allianza recipient", "+104"),
        ("ethereum user", "-5"),
        ("ethereum recipient", "+105"),
        ("ethereum issued", "+100"),
    ]);
    same("changes", &net.balances().await?.since(&start), &expected)
}
