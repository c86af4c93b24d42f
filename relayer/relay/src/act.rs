//! Does what was planned: each transaction in a task of its own, certificates asked once for all that share them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aes_attestor::Request;
use aes_chains::{ChainError, EscrowMessage};
use aes_coordinator::msg::{ExecuteMsg, RollbackReason};
use aes_plan::{Action, Kind, Reason, State};
use aes_protocol::{manifest_tree, Hash32, Leg};
use aes_store::Cover;
use aes_telemetry::{fault, Fault};
use futures::future::join_all;
use tokio::task::JoinSet;

use crate::board::{Flight, Place, Ready, TrackedLeg};
use crate::event::What;
use crate::{settle, Parts};

/// What the coordinator takes as the cause of a rollback.
const CAUSE_BYTES: usize = 256;

pub fn start(parts: &Arc<Parts>, ready: Vec<Ready>, tasks: &mut JoinSet<()>) {
    let mut reserves: BTreeMap<Hash32, Vec<u8>> = BTreeMap::new();
    let mut settlements = Vec::new();
    for Ready { execution_id, action, again } in ready {
        let (kind, act) = match action {
            Action::PrepareReserve { leg } => {
                reserves.entry(execution_id).or_default().push(leg);
                continue;
            }
            Action::Settle { chain, decision, legs } => {
                settlements.push(settle::Settlement { execution_id, chain, decision, legs, again });
                continue;
            }
            Action::Commit => (Kind::Commit, AtHome::Commit),
            Action::Rollback { reason } => (Kind::Rollback, AtHome::Rollback(reason)),
            Action::Record => (Kind::Record, AtHome::Record),
        };
        let covers = vec![Cover { execution_id, leg: None }];
        let flight = parts.board().take_off(Flight::new(Place::Coordinator, kind, covers));
        tasks.spawn(at_home(parts.clone(), flight, execution_id, act));
    }
    for (execution_id, legs) in reserves {
        tasks.spawn(prepare_reserves(parts.clone(), execution_id, take_off_reserves(parts, execution_id, legs)));
    }
    settle::start(parts, settlements, tasks);
}

enum AtHome {
    Commit,
    Rollback(Reason),
    Record,
}

async fn at_home(parts: Arc<Parts>, flight: u64, execution_id: Hash32, act: AtHome) {
    let Some(message) = home_message(&parts, execution_id, act).await else { return parts.land(flight) };
    match parts.hand_over(flight, parts.home.send(&message)).await {
        Ok(_) => {}
        // somebody else was first, or the next look shows why
        Err(ChainError::Refused { cause, .. }) => {
            tracing::info!(execution = %execution_id, "the coordinator refused: {cause}");
        }
        Err(error) => not_sent(&error),
    }
}

async fn home_message(parts: &Parts, execution_id: Hash32, act: AtHome) -> Option<ExecuteMsg> {
    Some(match act {
        AtHome::Commit => {
            let certified = parts.certify_or_say(&execution_id, &Request::Prepared { execution_id }).await?;
            tracing::info!(execution = %execution_id, "Phase 2: Proof generation: every leg is attested as held");
            ExecuteMsg::Commit { execution_id, evidence: certified.evidence, certificate: certified.certificate }
        }
        AtHome::Record => {
            let certified = parts.certify_or_say(&execution_id, &Request::Settled { execution_id }).await?;
            ExecuteMsg::Record { execution_id, evidence: certified.evidence, certificate: certified.certificate }
        }
        AtHome::Rollback(reason) => {
            let reason = match reason {
                Reason::DeadlinePassed => RollbackReason::DeadlinePassed {},
                Reason::AtomicityFailure { leg, cause } => {
                    RollbackReason::AtomicityFailure { leg, cause: shortened(cause) }
                }
            };
            ExecuteMsg::Rollback { execution_id, reason }
        }
    })
}

fn shortened(mut cause: String) -> String {
    let end = (0..=CAUSE_BYTES).rev().find(|end| cause.is_char_boundary(*end)).unwrap_or(0);
    cause.truncate(end);
    if cause.is_empty() {
        cause.push_str("refused without a cause");
    }
    cause
}

struct Reserves {
    legs: Vec<Leg>,
    deadline: u64,
    manifest_root: Hash32,
    /// each leg to be prepared, and its flight
    flights: Vec<(Leg, u64)>,
}

fn take_off_reserves(parts: &Parts, execution_id: Hash32, indices: Vec<u8>) -> Option<Reserves> {
    let mut board = parts.board();
    let tracked = board.executions.get(&execution_id)?;
    let legs: Vec<Leg> = tracked.legs.iter().map(|leg| leg.leg.clone()).collect();
    let (deadline, manifest_root) = (tracked.deadline, tracked.manifest_root);
    let wanted = legs.iter().filter(|leg| indices.contains(&leg.index)).cloned();
    let flights = wanted.map(|leg| {
        let covers = vec![Cover { execution_id, leg: Some(leg.index) }];
        let flight = board.take_off(Flight::new(Place::Escrow(leg.chain.clone()), Kind::PrepareReserve, covers));
        (leg, flight)
    });
    Some(Reserves { flights: flights.collect(), legs, deadline, manifest_root })
}

/// One `Opened` certificate, then all chains at once.
async fn prepare_reserves(parts: Arc<Parts>, execution_id: Hash32, reserves: Option<Reserves>) {
    let Some(Reserves { legs, deadline, manifest_root, flights }) = reserves else { return };
    let certified = parts.certify_or_say(&execution_id, &Request::Opened { execution_id }).await;
    let (Some(certified), Some(tree)) = (certified, manifest_tree(&legs)) else {
        return flights.into_iter().for_each(|(_, flight)| parts.land(flight));
    };
    join_all(flights.into_iter().map(|(leg, flight)| {
        let message = EscrowMessage::PrepareReserve {
            execution_id,
            deadline,
            manifest_root,
            path: tree.path(&leg.hash()).unwrap_or_default(),
            certificate: certified.certificate.clone(),
            leg: leg.clone(),
        };
        let parts = &parts;
        async move {
            let wanted = parts.is_to_prepare(&Cover { execution_id, leg: Some(leg.index) });
            let Some(chain) = parts.chains.get(&leg.chain).filter(|_| wanted) else { return parts.land(flight) };
            match parts.hand_over(flight, chain.submit(&message)).await {
                Ok(_) => {}
                Err(error @ ChainError::InsufficientGas { .. }) => {
                    not_sent(&error);
                    parts.cannot_prepare(&Cover { execution_id, leg: Some(leg.index) }, "insufficient gas");
                }
                Err(ChainError::Refused { cause, .. }) => {
                    parts.cannot_prepare(&Cover { execution_id, leg: Some(leg.index) }, &cause);
                }
                Err(error) => not_sent(&error),
            }
        }
    }))
    .await;
}

/// What the plan still wants is sent again, whatever it is.
pub fn not_sent(error: &ChainError) {
    match error {
        ChainError::InsufficientGas { .. } => fault!(Fault::InsufficientGas, "{error}; what is to be sent there waits"),
        _ => fault!(Fault::NotSent, "{error}; trying again"),
    }
}

impl Parts {
    /// Asking the attestors takes its time: another relayer may have prepared the leg meanwhile, and the execution may
    /// be decided.
    fn is_to_prepare(&self, cover: &Cover) -> bool {
        let mut board = self.board();
        let is_open = board.executions.get(&cover.execution_id).is_some_and(|tracked| tracked.state == State::Open);
        let is_held = |leg: &mut TrackedLeg| leg.sight.as_ref().is_some_and(|sight| sight.soft.is_some());
        is_open && !board.leg_mut(cover).is_some_and(is_held)
    }

    /// Remembered until the execution ends: the plan rolls back where this relayer may.
    pub fn cannot_prepare(&self, cover: &Cover, cause: &str) {
        let leg = self.board().leg_mut(cover).and_then(|leg| {
            let known = leg.cannot_prepare.replace(cause.into());
            (known.as_deref() != Some(cause)).then(|| leg.leg.clone())
        });
        if let Some(Leg { index, chain, function, .. }) = leg {
            let what = What::CannotPrepare { leg: index, function, cause: cause.into() };
            self.report(cover.execution_id, Some(chain), what);
        }
        self.plan.notify_one();
    }
}
