//! Certificates, evidence and legs with something wrong about them: each is refused and changes nothing.

use aes_chains::{EscrowMessage, HoldStatus, SettlementItem};
use aes_cli::devnet::ALLIANZA;
use aes_coordinator::msg::{ExecuteMsg, State};
use aes_e2e::hand::{Attestors, Hand};
use aes_e2e::net::{chain_of, send_chain, send_home, Net};
use aes_e2e::{refused, same};
use aes_protocol::{decisions_tree, Certificate, Decision, DecisionLeaf, Statement};
use anyhow::{Context as _, Result};

use crate::{held, state, the_leg, EVERYWHERE, FAR};

type Tamper = fn(&mut Certificate);

/// What is done to a true certificate, and how an EVM escrow and a CosmWasm contract refuse it.
const TAMPERINGS: [(Tamper, &str, &str); 4] = [
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

/// Even colluding attestors cannot undo a settlement: the second decision finds the hold ended.
pub async fn the_opposite_decision_is_refused(net: &Net) -> Result<()> {
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
            let words =
                if chain.as_str() == ALLIANZA { "the opposite of what is asked" } else { "HoldSettledOtherwise" };
            refused(send_chain(&net.relayer, &chain, &message).await, words)?;
        }
        same("after the opposite", &state(net, &execution).await?, &before)?;
    }
    Ok(())
}

pub async fn certificates_with_something_wrong(net: &Net) -> Result<()> {
    let attestors = Attestors::of(&net.devnet)?;
    let hand = Hand { context: &net.relayer, attestors: &attestors };
    let execution = held(net, &EVERYWHERE).await?;
    let before = state(net, &execution).await?;
    let true_commit = hand.commit(&execution).await?;

    // who is not in the set, and a set that nobody knows
    for (id, evm, cosmos) in
        [(1, "NotAnAttestor", "is not in attestor set"), (7, "UnknownAttestorSet", "is not known here")]
    {
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

pub async fn legs_of_another_chain_or_another_execution(net: &Net) -> Result<()> {
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
        let mut leg =
            execution.legs.iter().map(|entry| &entry.leg).find(|leg| leg.chain == chain).context("its leg")?.clone();
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
    for (chain, index, words) in [
        (&home, 0, "the leg is for chain eip155:80002, this escrow is on cosmos:allianza-1"),
        (&polygon, 1, "leg 1 is of cosmos:allianza-1 and its escrow"),
        (&polygon, 2, "leg 2 is of eip155:11155111 and its escrow"),
    ] {
        let leg = the_leg(&execution, index)?;
        let items = vec![SettlementItem { execution_id: execution.execution_id, path: vec![], legs: vec![leg] }];
        let message = EscrowMessage::Settle { decision: Decision::Commit, certificate: certificate.clone(), items };
        refused(send_chain(&net.relayer, chain, &message).await, words)?;
    }
    // by who is not the depositor
    for index in 0..3 {
        let fresh = net.open(&EVERYWHERE, FAR).await?;
        let leg = the_leg(&fresh, index)?;
        let message =
            EscrowMessage::Prepare { execution_id: fresh.execution_id, deadline: fresh.deadline, leg: leg.clone() };
        let words = if leg.chain == home { "the depositor sends this" } else { "NotTheDepositor" };
        refused(send_chain(&net.deployer, &leg.chain, &message).await, words)?;
    }
    same("after all of them", &(state(net, &execution).await?, state(net, &other).await?), &before)
}

pub async fn evidence_with_something_wrong(net: &Net) -> Result<()> {
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
    // signatures on something else recover to strangers
    let strangers = "the certificate: signature 0: signed by 0x";
    refused(send_home(home, &commit(evidence.clone(), of_other)).await, strangers)?;
    let mut swapped = evidence.clone();
    swapped.reverse();
    refused(send_home(home, &commit(swapped, certificate.clone())).await, "give one a leg, in their order")?;
    let fewer = evidence.iter().take(2).cloned().collect();
    refused(send_home(home, &commit(fewer, certificate.clone())).await, "2 pieces of evidence for 3 legs")?;
    let mut later = evidence.clone();
    later.iter_mut().for_each(|piece| piece.height += 1);
    refused(send_home(home, &commit(later, certificate.clone())).await, strangers)?;
    let record = ExecuteMsg::Record { execution_id, evidence, certificate };
    refused(send_home(home, &record).await, "needs it committed or aborted")?;
    same("after all of them", &state(net, &execution).await?, &before)
}
