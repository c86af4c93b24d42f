//! Looks at the home chain and at every chain, each in a task of its own, and writes what is there on the board.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aes_attestor::check_execution;
use aes_chains::{Chain, ChainError, Depth, Hold, HoldStatus};
use aes_coordinator::msg::{ExecutionResponse, ExecutionSummary, LegResult, State as HomeState};
use aes_plan::{HoldView, Sight, State, Status};
use aes_protocol::{Decision, Hash32, Leg};
use aes_store::Cover;
use aes_telemetry::{fault, Fault};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::watch;

use crate::board::{is_newer, is_over, label, state_of, Board, DecisionSeen, Place, Tracked, TrackedLeg};
use crate::event::What;
use crate::Parts;

/// Between looks where no new block is noticed.
const FALLBACK: Duration = Duration::from_secs(2);
/// Questions to one chain at once.
const AT_ONCE: usize = 16;

async fn wait(ticks: &mut watch::Receiver<u64>, asked: impl Future<Output = ()>) {
    let tick = async {
        // no more blocks will be told: the fallback remains
        if ticks.changed().await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        // in this order, so that a simulation can do the same again
        biased;
        () = tick => {}
        () = asked => {}
        () = tokio::time::sleep(FALLBACK) => {}
    }
}

pub async fn at_home(parts: Arc<Parts>) {
    parts.greet_attestors().await;
    let mut ticks = parts.home.ticks();
    let chain = parts.home.domain().home_chain.clone();
    let mut reachable = true;
    loop {
        let seen = look_at_home(&parts, parts.clock.now()).await;
        match &seen {
            Err(error) if reachable => fault!(Fault::HomeUnreachable, "home chain {chain}: {error}; looking again"),
            Ok(()) if !reachable => tracing::info!("home chain {chain}: answers again"),
            _ => {}
        }
        reachable = seen.is_ok();
        parts.board().home_reachable = reachable;
        wait(&mut ticks, std::future::pending()).await;
    }
}

async fn look_at_home(parts: &Parts, tick_at: u64) -> Result<(), ChainError> {
    let ended_before = parts.ended_flights(&Place::Coordinator);
    let time = async {
        parts.board().home_time = Some(parts.home.time().await?);
        Ok(())
    };
    let set = async {
        parts.board().set = Some(parts.home.attestor_set(None).await?.set);
        Ok(())
    };
    // the decided first, and nothing beside them: they are waited for
    let decided = [HomeState::Aborted, HomeState::Committed].map(|state| read_state(parts, state, tick_at));
    let decided = try_join_all(decided).await?;
    let open = read_state(parts, HomeState::Open, tick_at);
    let (open, (), (), ()) = tokio::try_join!(open, time, set, parts.follow(&Place::Coordinator))?;

    let listed: BTreeSet<Hash32> = decided.into_iter().flatten().chain(open).collect();
    let (new, gone): (Vec<Hash32>, Vec<Hash32>) = {
        let mut board = parts.board();
        board.flights.retain(|id, _| !ended_before.contains(id));
        let new = listed.iter().filter(|id| board.executions.get(*id).is_none_or(|tracked| tracked.doubted));
        (new.copied().collect(), board.executions.keys().filter(|id| !listed.contains(*id)).copied().collect())
    };
    let records = stream::iter(new.into_iter().chain(gone))
        .map(|id| async move { Ok::<_, ChainError>((id, parts.home.execution(&id).await?)) })
        .buffer_unordered(AT_ONCE);
    let records: Vec<(Hash32, Option<ExecutionResponse>)> = records.try_collect().await?;
    let true_to_its_id = |(id, record): (Hash32, Option<ExecutionResponse>)| {
        let checked = check_execution(&id, record.as_ref()?, parts.home.domain());
        checked
            .inspect_err(|error| fault!(Fault::FalseRecord, "{error}; reading it again"))
            .is_ok()
            .then_some(record)
            .flatten()
    };
    let records: Vec<ExecutionResponse> = records.into_iter().filter_map(true_to_its_id).collect();
    went_on(parts, &records, tick_at);
    for record in records {
        take_in(parts, record);
    }
    parts.plan.notify_one();
    Ok(())
}

/// Those that went from one list to another between two questions. Under one lock, as a page is.
fn went_on(parts: &Parts, records: &[ExecutionResponse], tick_at: u64) {
    let seen = DecisionSeen { tick_at, seen_at: parts.clock.now() };
    let decisions = records.iter().map(|record| (record.execution_id, state_of(record.state)));
    let decisions = decisions.filter(|(_, state)| matches!(state, State::Committed | State::Aborted));
    let news: Vec<_> = {
        let mut board = parts.board();
        decisions.filter_map(|(id, state)| Some((id, advance(&mut board, &id, state, seen)?, state))).collect()
    };
    for (id, number, state) in news {
        decided(parts, &id, number, state);
    }
}

/// Page by page, each put on the board as it comes.
async fn read_state(parts: &Parts, state: HomeState, tick_at: u64) -> Result<Vec<Hash32>, ChainError> {
    let mut ids = Vec::new();
    let mut last = None;
    loop {
        let page = parts.home.executions(state, last).await?;
        let Some(end) = page.last() else { return Ok(ids) };
        last = Some(end.number);
        let seen = DecisionSeen { tick_at, seen_at: parts.clock.now() };
        // a page under one lock, so that a round sees all of it and its executions share a certificate
        let news: Vec<&ExecutionSummary> = {
            let mut board = parts.board();
            let went_on = |summary: &&ExecutionSummary| {
                advance(&mut board, &summary.execution_id, state_of(state), seen).is_some()
            };
            page.iter().filter(went_on).collect()
        };
        // first to work, then to paper
        parts.plan.notify_one();
        for summary in news {
            decided(parts, &summary.execution_id, summary.number, state_of(state));
        }
        ids.extend(page.iter().map(|summary| summary.execution_id));
    }
}

/// The execution's number, where it is one of ours and went on.
pub fn advance(board: &mut Board, execution_id: &Hash32, state: State, seen: DecisionSeen) -> Option<u64> {
    let tracked = board.executions.get_mut(execution_id)?;
    if !is_newer(state, tracked.state) {
        // a node that lags, or one that told us what is not so, now or before
        tracked.doubted |= state != tracked.state;
        return None;
    }
    tracked.state = state;
    tracked.decision_seen = Some(seen);
    Some(tracked.number)
}

pub fn decided(parts: &Parts, execution_id: &Hash32, number: u64, state: State) {
    let decision = match state {
        State::Committed => Decision::Commit,
        State::Aborted => Decision::Abort,
        State::Open | State::Finalized | State::RolledBack => return,
    };
    parts.note(parts.store.saw(execution_id, number, label(state), parts.clock.now()));
    parts.report(*execution_id, None, What::Decided { decision });
}

/// A whole record: of an execution not seen before, or of one that left the lists.
fn take_in(parts: &Parts, record: ExecutionResponse) {
    let (id, state) = (record.execution_id, state_of(record.state));
    if matches!(state, State::Finalized | State::RolledBack) {
        if parts.board().executions.remove(&id).is_some() {
            ended(parts, &record);
        }
        return;
    }
    if let Some(tracked) = parts.board().executions.get_mut(&id) {
        if tracked.doubted {
            tracked.correct(record);
        }
        return;
    }
    let tracked = Tracked::new(record, &parts.account);
    parts.note(parts.store.saw(&id, tracked.number, label(state), parts.clock.now()));
    parts.report(id, None, What::Opened { legs: tracked.legs.len() });
    let (number, chains) =
        (tracked.number, tracked.legs.iter().map(|leg| leg.leg.chain.clone()).collect::<BTreeSet<_>>());
    parts.board().executions.insert(id, tracked);
    for chain in chains {
        match parts.look.get(&chain) {
            Some(look) => look.notify_one(),
            None => {
                fault!(Fault::NoNode, execution = %id, "this relayer has no node of {chain}; add the chain to its config")
            }
        }
    }
    decided(parts, &id, number, state);
}

fn ended(parts: &Parts, record: &ExecutionResponse) {
    let id = record.execution_id;
    let state = state_of(record.state);
    parts.note(parts.store.saw(&id, record.number, label(state), parts.clock.now()));
    let count = |result| record.legs.iter().filter(|leg| leg.result == result).count();
    let (reverted, escaped) = (count(LegResult::Reverted), count(LegResult::Escaped));
    let what = match state {
        State::RolledBack => What::RolledBack { reverted, held: reverted + escaped },
        _ => What::Confirmed,
    };
    parts.report(id, None, what);
}

pub async fn at_chain(parts: Arc<Parts>, chain: Arc<dyn Chain>) {
    let mut ticks = chain.ticks();
    let Some(asked) = parts.look.get(chain.id()) else { return };
    loop {
        let place = Place::Escrow(chain.id().clone());
        let ended_before = parts.ended_flights(&place);
        let looked = look_at_chain(&parts, chain.as_ref(), &place).await;
        parts.weigh(chain.as_ref(), looked.as_ref().ok().map(|looked| looked.final_height));
        parts.write_sights(chain.as_ref(), looked.map(|looked| looked.sights));
        parts.board().flights.retain(|id, _| !ended_before.contains(id));
        parts.plan.notify_one();
        wait(&mut ticks, asked.notified()).await;
    }
}

type Sights = Vec<(Cover, Result<Sight, ChainError>)>;

struct Looked {
    final_height: u64,
    sights: Sights,
}

async fn look_at_chain(parts: &Parts, chain: &dyn Chain, place: &Place) -> Result<Looked, ChainError> {
    let legs = parts.legs_on(chain);
    // times first: what is not held in a later look was not held then
    let (newest, last) = tokio::try_join!(chain.head(Depth::Soft), chain.head(Depth::Final))?;
    let (soft_time, final_time) = (newest.time, last.time);
    let holds = stream::iter(legs).map(|(cover, leg)| async move {
        let seen = tokio::try_join!(
            chain.hold(&cover.execution_id, &leg, Depth::Soft),
            chain.hold(&cover.execution_id, &leg, Depth::Final),
        );
        match seen {
            Ok((soft, last)) => {
                let sight = Sight { soft: soft.map(view_of), soft_time, last: last.map(view_of), final_time };
                Ok((cover, Ok(sight)))
            }
            Err(error @ ChainError::Unreachable { .. }) => Err(error),
            // nonsense about one leg hides no other
            Err(error) => Ok((cover, Err(error))),
        }
    });
    let (sights, ()) = tokio::try_join!(holds.buffer_unordered(AT_ONCE).try_collect(), parts.follow(place))?;
    Ok(Looked { final_height: last.height, sights })
}

fn view_of(hold: Hold) -> HoldView {
    let status = match hold.status {
        HoldStatus::Held => Status::Held,
        HoldStatus::Finalized => Status::Finalized,
        HoldStatus::Released => Status::Released,
        HoldStatus::Escaped => Status::Escaped,
    };
    HoldView { status, deadline: hold.deadline }
}

impl Parts {
    /// The legs there that can still change.
    fn legs_on(&self, chain: &dyn Chain) -> Vec<(Cover, Leg)> {
        let board = self.board();
        let legs = board.executions.iter().flat_map(|(id, tracked)| {
            let can_change = |leg: &&TrackedLeg| !leg.sight.as_ref().is_some_and(|sight| is_over(sight, tracked.state));
            tracked.legs.iter().filter(can_change).map(move |leg| (*id, leg))
        });
        legs.filter(|(_, leg)| leg.leg.chain == *chain.id())
            .map(|(execution_id, leg)| (Cover { execution_id, leg: Some(leg.leg.index) }, leg.leg.clone()))
            .collect()
    }

    fn write_sights(&self, chain: &dyn Chain, looked: Result<Sights, ChainError>) {
        let error = looked.as_ref().err();
        let known = self
            .board()
            .chains
            .get_mut(chain.id())
            .map(|known| std::mem::replace(&mut known.reachable, error.is_none()));
        match (known, error) {
            (Some(true), Some(error)) => fault!(
                Fault::ChainUnreachable,
                "{}: {error}; nothing is done there until it answers, the others go on",
                chain.name()
            ),
            (Some(false), None) => tracing::info!("{}: answers again", chain.name()),
            _ => {}
        }
        let Ok(sights) = looked else {
            let mut board = self.board();
            let legs = board.executions.values_mut().flat_map(|tracked| &mut tracked.legs);
            return legs.filter(|leg| leg.leg.chain == *chain.id()).for_each(|leg| leg.sight = None);
        };
        for (cover, sight) in sights {
            let news = self.board().leg_mut(&cover).map(|leg| leg.see(sight)).unwrap_or_default();
            for what in news {
                self.report(cover.execution_id, Some(chain.id().clone()), what);
            }
        }
    }
}

impl TrackedLeg {
    /// What is new. A leg has ended only once that is final; until then it is said to be on its way.
    fn see(&mut self, seen: Result<Sight, ChainError>) -> Vec<What> {
        let (leg, function) = (self.leg.index, self.leg.function);
        let blind = seen.is_err();
        let was_blind = std::mem::replace(&mut self.blind, blind);
        self.sight = match seen {
            Ok(sight) => Some(sight),
            Err(error) => {
                self.sight = None;
                let cause = error.to_string();
                return if was_blind { Vec::new() } else { vec![What::Unseen { leg, cause }] };
            }
        };
        let status = |hold: fn(&Sight) -> Option<HoldView>| self.sight.as_ref().and_then(hold).map(|hold| hold.status);
        let (soft, last) = (status(|sight| sight.soft), status(|sight| sight.last));
        let before = std::mem::replace(&mut self.reported, (soft, last));
        let on_its_way = soft.filter(|_| soft != before.0 && soft != last).and_then(|status| match status {
            Status::Held => None,
            Status::Finalized => Some(What::Finalizing { leg, function }),
            Status::Released => Some(What::Releasing { leg, function }),
            Status::Escaped => None,
        });
        let held = (soft == Some(Status::Held) && before.0 != soft).then_some(What::Held { leg, function });
        let ended = last.filter(|_| last != before.1).and_then(|status| match status {
            Status::Held => None,
            Status::Finalized => Some(What::Finalized { leg, function }),
            Status::Released => Some(What::Released { leg, function }),
            Status::Escaped => Some(What::Escaped { leg, function }),
        });
        held.into_iter().chain(on_its_way).chain(ended).collect()
    }
}
