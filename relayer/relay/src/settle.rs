//! The hot path: from a decision seen to every chain's node having the settlement. Executions decided in one round
//! share one certificate, and one transaction a chain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aes_attestor::{Certified, Request, MAX_DECISIONS};
use aes_chains::{EscrowMessage, SettlementItem};
use aes_plan::Kind;
use aes_protocol::{decisions_tree, ChainId, Decision, DecisionLeaf, Hash32, Leg, MAX_LEGS};
use aes_store::{Cover, Timing};
use aes_telemetry::metrics;
use futures::future::join_all;
use tokio::task::JoinSet;

use crate::act::not_sent;
use crate::board::{DecisionSeen, Flight, Place};
use crate::event::What;
use crate::Parts;

pub struct Settlement {
    pub execution_id: Hash32,
    pub chain: ChainId,
    pub decision: Decision,
    pub legs: Vec<u8>,
    /// tried before: alone this time, lest it holds others up
    pub again: bool,
}

/// One transaction: at most 16 legs of one chain and one decision.
struct Batch {
    chain: ChainId,
    decision: Decision,
    items: Vec<(Hash32, Vec<Leg>)>,
}

struct Departure {
    batch: Batch,
    flight: u64,
}

pub fn start(parts: &Arc<Parts>, settlements: Vec<Settlement>, tasks: &mut JoinSet<()>) {
    let (again, first): (Vec<_>, Vec<_>) = settlements.into_iter().partition(|settlement| settlement.again);
    // a certificate covers at most MAX_DECISIONS executions; the plan names them in order
    let mut groups: Vec<(BTreeSet<Hash32>, Vec<Settlement>)> = Vec::new();
    for settlement in first {
        match groups.last_mut().filter(|(ids, _)| ids.len() < MAX_DECISIONS || ids.contains(&settlement.execution_id)) {
            Some((ids, group)) => {
                ids.insert(settlement.execution_id);
                group.push(settlement);
            }
            None => groups.push((BTreeSet::from([settlement.execution_id]), vec![settlement])),
        }
    }
    groups.extend(again.into_iter().map(|settlement| (BTreeSet::from([settlement.execution_id]), vec![settlement])));
    for (ids, group) in groups {
        let departures = take_off(parts, group);
        tasks.spawn(settle(parts.clone(), ids.into_iter().collect(), departures));
    }
}

fn take_off(parts: &Parts, settlements: Vec<Settlement>) -> Vec<Departure> {
    let mut board = parts.board();
    let mut batches: Vec<Batch> = Vec::new();
    for Settlement { execution_id, chain, decision, legs, .. } in settlements {
        let Some(tracked) = board.executions.get(&execution_id) else { continue };
        let legs = tracked.legs.iter().filter(|leg| legs.contains(&leg.leg.index));
        let item = (execution_id, legs.map(|leg| leg.leg.clone()).collect::<Vec<_>>());
        let room = |batch: &&mut Batch| {
            let taken: usize = batch.items.iter().map(|(_, legs)| legs.len()).sum();
            batch.chain == chain && batch.decision == decision && taken + item.1.len() <= MAX_LEGS
        };
        match batches.iter_mut().find(room) {
            Some(batch) => batch.items.push(item),
            None => batches.push(Batch { chain, decision, items: vec![item] }),
        }
    }
    let departure = |batch: Batch| {
        let cover = |(execution_id, leg): (&Hash32, &Leg)| Cover { execution_id: *execution_id, leg: Some(leg.index) };
        let covers = batch.items.iter().flat_map(|(id, legs)| legs.iter().map(move |leg| (id, leg))).map(cover);
        let flight = Flight::new(Place::Escrow(batch.chain.clone()), Kind::Settle, covers.collect());
        Departure { flight: board.take_off(flight), batch }
    };
    batches.into_iter().map(departure).collect()
}

async fn settle(parts: Arc<Parts>, execution_ids: Vec<Hash32>, departures: Vec<Departure>) {
    let first = execution_ids.first().copied().unwrap_or_default();
    let Some(certified) = parts.certify_or_say(&first, &Request::Decided { execution_ids }).await else {
        return departures.iter().for_each(|departure| parts.land(departure.flight));
    };
    let attested_at = parts.clock.now();
    let certified = Arc::new(certified);
    // each chain in a task of its own: they sign side by side, and none waits for another
    let departing = departures
        .into_iter()
        .map(|departure| tokio::spawn(depart(parts.clone(), certified.clone(), attested_at, departure)));
    for ended in join_all(departing).await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

async fn depart(
    parts: Arc<Parts>,
    certified: Arc<Certified>,
    attested_at: u64,
    Departure { batch, flight }: Departure,
) {
    let (Some(chain), Some(message)) = (parts.chains.get(&batch.chain), message(&certified, &batch)) else {
        batch.items.iter().for_each(|(execution_id, _)| parts.board().doubt(execution_id));
        return parts.land(flight);
    };
    match parts.hand_over(flight, chain.submit(&message)).await {
        Ok(None) => {}
        Ok(Some(handed_over_at)) => {
            for (execution_id, _) in &batch.items {
                time(&parts, *execution_id, &batch.chain, attested_at, handed_over_at);
            }
        }
        Err(error) => not_sent(&error),
    }
}

fn message(certified: &Certified, batch: &Batch) -> Option<EscrowMessage> {
    let tree = decisions_tree(&certified.decisions)?;
    let item = |(execution_id, legs): &(Hash32, Vec<Leg>)| {
        // no path where the attestors saw another decision than we did: nothing is sent
        let path = tree.path(&DecisionLeaf { execution_id: *execution_id, decision: batch.decision }.hash())?;
        Some(SettlementItem { execution_id: *execution_id, path, legs: legs.clone() })
    };
    let items = batch.items.iter().map(item).collect::<Option<Vec<_>>>()?;
    Some(EscrowMessage::Settle { decision: batch.decision, certificate: certified.certificate.clone(), items })
}

/// The figure that the relayer answers for; unknown where it was decided before we looked.
fn time(parts: &Parts, execution_id: Hash32, chain: &ChainId, attested_at: u64, handed_over_at: u64) {
    let seen = parts.board().executions.get(&execution_id).and_then(|tracked| tracked.decision_seen);
    let added_us = seen.map(|DecisionSeen { tick_at, seen_at }| {
        parts.note(parts.store.time(&Timing {
            execution_id,
            chain: chain.clone(),
            tick_at,
            decision_seen_at: seen_at,
            attested_at,
            handed_over_at,
        }));
        let added_us = handed_over_at.saturating_sub(seen_at);
        metrics().added.observe([chain.as_str()], Duration::from_micros(added_us).as_secs_f64());
        added_us
    });
    parts.report(execution_id, Some(chain.clone()), What::HandedOver { added_us });
}
