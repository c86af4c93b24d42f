//! Who else is about: the admin who pauses, the operators who rotate the attestor set, somebody who sends again what was
//! sent before, and somebody with the keys of the attestors that lie.

use std::sync::Arc;
use std::time::Duration;

use aes_attestor::{AttestorClient, Quorum, Request};
use aes_chains::{EscrowMessage, SettlementItem};
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, State};
use aes_escrow::msg::ExecuteMsg as EscrowExecute;
use aes_protocol::{
    decisions_tree, evidence_root, AttestorSet, Decision, DecisionLeaf, Hash32, Leg, LegStatus, Statement,
};
use bitcoin::Transaction;
use ethers_core::abi::AbiEncode;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::attestors::{made_up, Asking, Attesting};
use crate::bitcoin::ends::Audit;
use crate::chains::short;
use crate::cosmos::alz::call;
use crate::dice::Dice;
use crate::evm::abi::escrow;
use crate::evm::deploy::account;
use crate::evm::ledger::Tx;
use crate::fault::Fault;
use crate::keys::{certificate, Key};
use crate::links;
use crate::users::{brief, Person};
use crate::wire::Life;
use crate::world::{say, with, Parcel, World};

/// Stops new executions and new holds for a while, here or there; nothing else may stop.
pub async fn admin(mut dice: Dice) {
    loop {
        sleep(Duration::from_secs(dice.number(5..60))).await;
        if !with(|world| world.strikes(Fault::Pause, 0.3)) {
            continue;
        }
        // on Bitcoin nobody can
        let place = dice.index(with(|world| world.evms.len()) + 2);
        say(
            "admin",
            format!("pauses {}", if place == 0 { "the coordinator".into() } else { format!("escrow {}", place - 1) }),
        );
        with(|world| pause(world, place, true));
        let seconds = dice.number(5..60);
        sleep(Duration::from_secs(seconds)).await;
        with(|world| pause(world, place, false));
    }
}

fn pause(world: &mut World, place: usize, paused: bool) {
    let admin = world.home.admin.clone();
    match place {
        0 => {
            let message = if paused { ExecuteMsg::Pause {} } else { ExecuteMsg::Unpause {} };
            let call = call(&world.home.coordinator, &message, Vec::new());
            let tx = world.home.signed(admin, call);
            world.home.take(tx);
        }
        1 => {
            let message = if paused { EscrowExecute::Pause {} } else { EscrowExecute::Unpause {} };
            let call = call(&world.home.escrow, &message, Vec::new());
            let tx = world.home.signed(admin, call);
            world.home.take(tx);
        }
        _ => {
            let data = if paused { escrow::PauseCall {}.encode() } else { escrow::UnpauseCall {}.encode() };
            let chain = place - 1;
            let admin = account("admin");
            let nonce = world.evm(chain).pending_nonce(admin);
            let to = world.evm(chain).escrow;
            let id = Hash32(world.dice.bytes());
            let tx = Tx { id, from: admin, to, nonce, data: data.into(), gas: 500_000, max_fee: 100_000 };
            world.evm_mut(chain).take(tx).expect("the next nonce");
        }
    }
}

/// The operators agree on the next set, the current one signs it, and every contract is told, however long it takes.
pub async fn rotation(mut dice: Dice, next: AttestorSet, attestors: Vec<Arc<Attesting>>, by: Arc<Person>) {
    sleep(Duration::from_secs(dice.number(10..200))).await;
    if !with(|world| world.tempts(Fault::Rotation, 0.7)) {
        return;
    }
    say("operators", format!("rotate to attestor set {}", next.id));
    let life = Life::long();
    let clients: Vec<AttestorClient> = attestors.iter().map(|attestor| Asking::client(attestor, &life)).collect();
    let (current, domain) = with(|world| (links::current_set(world), world.domain.clone()));
    let request = Request::Rotated { set: next.clone() };
    let certified = loop {
        for attestor in attestors.iter().filter(|attestor| !attestor.lies) {
            let file = attestor.disk.lock().expect("no panic").file();
            if aes_attestor::approve(&file, &attestor.key.address, &domain, &next).is_err() {
                say("operators", format!("attestor {}: its journal cannot be written", attestor.number));
            }
        }
        match Quorum::collect(&clients, &request, &current, &domain).await {
            Ok(certified) => break certified,
            Err(error) => say("operators", brief(&error)),
        }
        sleep(Duration::from_secs(20)).await;
    };
    let certificate = certified.certificate;
    let message = ExecuteMsg::Rotate { set: next.clone(), certificate: certificate.clone() };
    let told = EscrowMessage::Rotate { set: next.clone(), certificate };
    // told again until it is so: blocks may be undone
    let mut was_counted = false;
    for _ in 0..40 {
        if with(|world| links::current_set(world)).id != next.id {
            let _ = by.home.send(&message).await;
        } else if !std::mem::replace(&mut was_counted, true) {
            with(|world| world.fired.count(Fault::Rotation));
        }
        for chain in by.chains().values() {
            let _ = chain.submit(&told).await;
        }
        sleep(Duration::from_secs(30)).await;
    }
}

/// Whatever a relayer has sent, sent again by somebody else, later.
pub async fn copycat(mut parcels: mpsc::UnboundedReceiver<Parcel>, mut dice: Dice, by: &'static str) {
    while let Some(parcel) = parcels.recv().await {
        sleep(Duration::from_secs(dice.number(1..40))).await;
        with(|world| {
            world.fired.count(Fault::Twice);
            world.deliver_again(parcel, Some(by));
        });
    }
}

/// Makes certificates of the keys that lie, for what suits a thief, and hands them to every contract.
pub async fn thief(mut dice: Dice, keys: Vec<Key>, bitcoin_keys: Vec<Key>, by: Arc<Person>) {
    loop {
        sleep(Duration::from_secs(dice.number(5..40))).await;
        if !with(|world| world.strikes(Fault::Forgery, 1.0)) {
            continue;
        }
        let states = [State::Open, State::Committed, State::Aborted];
        let open: Vec<Hash32> = states.iter().flat_map(|state| with(|world| world.home.executions(*state))).collect();
        let Some(id) = open.get(dice.index(open.len())).copied() else { continue };
        let Some(record) = with(|world| links::record(world, &id)) else { continue };
        let (set, domain) = with(|world| (links::current_set(world), world.domain.clone()));
        let decision = if dice.chance(0.5) { Decision::Commit } else { Decision::Abort };
        let sign = |statement: &Statement| certificate(statement, &domain, &set, &keys);
        if dice.chance(0.3) {
            let Some(evidence) = with(|world| made_up(world, &id, LegStatus::Held)) else { continue };
            let Some(evidence_root) = evidence_root(&evidence) else { continue };
            let certificate = sign(&Statement::Prepared { execution_id: id, evidence_root });
            let sent = by.home.send(&ExecuteMsg::Commit { execution_id: id, evidence, certificate }).await;
            say(
                "thief",
                format!("commits {}: {}", short(&id), sent.map_or_else(|error| brief(&error), |_| "taken".into())),
            );
        }
        let leaf = DecisionLeaf { execution_id: id, decision };
        let Some(tree) = decisions_tree(&[leaf]) else { continue };
        let certificate = sign(&Statement::Decided { decisions_root: tree.root() });
        for chain in by.chains().values() {
            let legs: Vec<Leg> =
                record.legs.iter().map(|entry| entry.leg.clone()).filter(|leg| leg.chain == *chain.id()).collect();
            if legs.is_empty() {
                continue;
            }
            let items = vec![SettlementItem { execution_id: id, path: Vec::new(), legs }];
            let message = EscrowMessage::Settle { decision, certificate: certificate.clone(), items };
            let sent = chain.submit(&message).await;
            let said = sent.map_or_else(|error| brief(&error), |_| "handed over".into());
            say("thief", format!("{decision:?} for {} on {}: {said}", short(&id), chain.id()));
        }
        with(|world| settle_on_bitcoin(world, &record, decision, &bitcoin_keys));
    }
}

fn settle_on_bitcoin(world: &mut World, record: &ExecutionResponse, decision: Decision, keys: &[Key]) {
    let Some(audit) = Audit::of(world) else { return };
    let here = record.legs.iter().filter(|entry| entry.leg.chain == world.bitcoin().id);
    let forged = |entry| audit.forged(&record.execution_id, entry, decision, keys);
    let forged: Vec<Transaction> = here.filter_map(forged).collect();
    for tx in forged {
        let said = world.bitcoin_mut().take(&tx).map_or_else(|error| error.to_string(), |_| "taken".into());
        world.say("thief", format!("{decision:?} for {} on Bitcoin: {said}", short(&record.execution_id)));
    }
}

pub fn rob(world: &mut World) {
    let thief = world.home.address("thief");
    world.home.rob(&thief);
    world.say("thief", "takes one base unit out of the escrow on the home chain");
}

/// Every message that ever did its work, once more from whoever sent it.
pub async fn redeliver() {
    with(|world| {
        let sent = std::mem::take(&mut world.sent);
        let delivered: Vec<Parcel> = sent.into_iter().filter(|parcel| world.was_delivered(parcel)).collect();
        world.say("world", format!("delivers {} messages once more", delivered.len()));
        delivered.into_iter().for_each(|parcel| world.deliver_again(parcel, None));
    });
    sleep(Duration::from_secs(120)).await;
}
