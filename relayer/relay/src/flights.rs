//! Transactions on their way: intent on disk, hand-over, outcome, a higher fee where one waits too long.

use std::future::Future;

use aes_chains::{ChainError, Outcome, TxId};
use aes_plan::Kind;
use aes_store::{Cover, End, Intent, OutboxRow, StoreError};
use tokio::time::Instant;

use crate::board::{Flight, Place};
use crate::Parts;

const KINDS: [Kind; 5] = [Kind::PrepareReserve, Kind::Commit, Kind::Rollback, Kind::Settle, Kind::Record];

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::PrepareReserve => "prepare_reserve",
        Kind::Commit => "commit",
        Kind::Rollback => "rollback",
        Kind::Settle => "settle",
        Kind::Record => "record",
    }
}

impl Parts {
    /// What the process before this one left on its way.
    pub fn take_up_flights(&self) -> Result<(), StoreError> {
        for row in self.store.unfinished()? {
            match flight_of(&row) {
                Some(flight) => {
                    self.board().take_off(flight);
                }
                None => self.store.ended(row.id, End::NotSent, Some("the process ended first"), self.clock.now())?,
            }
        }
        Ok(())
    }

    /// Writes the intent down, sends, writes down what came of it, and says when the node took it. An error is one of
    /// the chain; a database that cannot be written sends nothing.
    pub async fn hand_over<F>(&self, flight: u64, submit: F) -> Result<Option<u64>, ChainError>
    where
        F: Future<Output = Result<TxId, ChainError>>,
    {
        let Some(intent) = self.intent(flight) else { return Ok(None) };
        let row = match self.store.intend(&intent, self.clock.now()) {
            Ok(row) => row,
            Err(error) => {
                tracing::error!("nothing sent: {error}");
                self.land(flight);
                return Ok(None);
            }
        };
        let sent = submit.await;
        let at = self.clock.now();
        match sent {
            Ok(tx) => {
                self.note(self.store.submitted(row, &tx.0, at));
                if let Some(flight) = self.board().flights.get_mut(&flight) {
                    flight.row = Some(row);
                    flight.tx = Some(tx);
                    flight.since = Instant::now();
                }
                Ok(Some(at))
            }
            Err(error) => {
                self.note(self.store.ended(row, End::NotSent, Some(&error.to_string()), at));
                self.land(flight);
                Err(error)
            }
        }
    }

    fn intent(&self, flight: u64) -> Option<Intent> {
        let board = self.board();
        let flight = board.flights.get(&flight)?;
        let (chain, at_home) = match &flight.place {
            Place::Coordinator => (self.home.domain().home_chain.clone(), true),
            Place::Escrow(chain) => (chain.clone(), false),
        };
        Some(Intent { chain, at_home, kind: name_of(flight.kind).into(), covers: flight.covers.clone() })
    }

    /// It never left, so it may be planned again at once.
    pub fn land(&self, flight: u64) {
        self.board().flights.remove(&flight);
        self.plan.notify_one();
    }

    /// Those that ended before a look began: the look has shown what they did, and they leave the board.
    pub fn ended_flights(&self, place: &Place) -> Vec<u64> {
        let board = self.board();
        board.flights.iter().filter(|(_, flight)| flight.ended && flight.place == *place).map(|(id, _)| *id).collect()
    }

    /// Asks what became of each transaction that was handed over at this place.
    pub async fn follow(&self, place: &Place) -> Result<(), ChainError> {
        let waiting: Vec<(u64, Flight, TxId)> = {
            let board = self.board();
            let at_place = board.flights.iter().filter(|(_, flight)| flight.place == *place && !flight.ended);
            at_place.filter_map(|(id, flight)| Some((*id, flight.clone(), flight.tx.clone()?))).collect()
        };
        for (id, flight, tx) in waiting {
            let outcome = match place {
                Place::Coordinator => self.home.outcome(&tx).await?,
                Place::Escrow(chain) => match self.chains.get(chain) {
                    Some(chain) => chain.outcome(&tx).await?,
                    None => Outcome::Unknown,
                },
            };
            match outcome {
                Outcome::Pending => self.bump(id, &flight, &tx).await?,
                Outcome::Included { .. } => self.end(id, &flight, End::Included, None),
                Outcome::Failed { cause, .. } => self.end(id, &flight, End::Failed, Some(&cause)),
                Outcome::Unknown => self.end(id, &flight, End::Lost, None),
            }
        }
        Ok(())
    }

    fn end(&self, id: u64, flight: &Flight, end: End, cause: Option<&str>) {
        if let Some(row) = flight.row {
            self.note(self.store.ended(row, end, cause, self.clock.now()));
        }
        if let (End::Failed, Some(cause)) = (end, cause) {
            tracing::warn!(kind = name_of(flight.kind), place = ?flight.place, "a transaction was reverted: {cause}");
        }
        if let (Kind::PrepareReserve, Some(cause)) = (flight.kind, cause) {
            for cover in &flight.covers {
                self.cannot_prepare(cover, cause);
            }
        }
        let mut board = self.board();
        if flight.kind == Kind::Settle && end != End::Lost {
            for Cover { execution_id, leg } in &flight.covers {
                if let Some(tracked) = board.executions.get_mut(execution_id) {
                    tracked.spent(*leg, Instant::now());
                }
            }
        }
        if let Some(flight) = board.flights.get_mut(&id) {
            flight.ended = true;
        }
    }

    /// Raises the fee of one that waits too long.
    async fn bump(&self, id: u64, flight: &Flight, tx: &TxId) -> Result<(), ChainError> {
        let Place::Escrow(chain) = &flight.place else { return Ok(()) };
        let Some(chain) = self.chains.get(chain).filter(|_| flight.since.elapsed() >= self.bump_after) else {
            return Ok(());
        };
        let bumped = match chain.bump(tx).await {
            Err(error @ (ChainError::InsufficientGas { .. } | ChainError::Refused { .. })) => {
                tracing::warn!("{}: the fee of {} cannot be raised: {error}", chain.name(), tx.0);
                None
            }
            other => other?,
        };
        if let (Some(tx), Some(row)) = (&bumped, flight.row) {
            tracing::info!(
                "{}: raised the fee of {}: now {}",
                chain.name(),
                flight.tx.as_ref().map_or("", |tx| &tx.0),
                tx.0
            );
            self.note(self.store.submitted(row, &tx.0, self.clock.now()));
        }
        if let Some(flight) = self.board().flights.get_mut(&id) {
            flight.since = Instant::now();
            if let Some(tx) = bumped {
                flight.tx = Some(tx);
            }
        }
        Ok(())
    }

    /// History that could not be written is said and not missed: the chains are the truth.
    pub fn note(&self, written: Result<(), StoreError>) {
        if let Err(error) = written {
            tracing::error!("{error}");
        }
    }
}

fn flight_of(row: &OutboxRow) -> Option<Flight> {
    let kind = KINDS.into_iter().find(|kind| name_of(*kind) == row.kind)?;
    let place = if row.at_home { Place::Coordinator } else { Place::Escrow(row.chain.clone()) };
    let tx = TxId(row.tx.clone()?);
    Some(Flight { row: Some(row.id), tx: Some(tx), ..Flight::new(place, kind, row.covers.clone()) })
}
