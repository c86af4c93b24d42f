//! Transactions on their way: intent on disk, hand-over, outcome, a higher fee where one waits too long.

use std::future::Future;

use aes_chains::{Chain, ChainError, Outcome, TxId, Unpaid};
use aes_plan::Kind;
use aes_protocol::Leg;
use aes_store::{Cover, End, Intent, OutboxRow, StoreError};
use aes_telemetry::{fault, Fault};
use tokio::time::Instant;

use crate::board::{Flight, Place};
use crate::event::What;
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
                None => self.store.ended(row.id, End::Unknown, Some("the process ended first"), self.clock.now())?,
            }
        }
        Ok(())
    }

    /// Writes the intent down, sends, writes down what came of it, and says when the node took it. A database that cannot
    /// be written holds nothing up: it is history, and users wait (docs/decisions/0011).
    pub async fn hand_over<F>(&self, flight: u64, submit: F) -> Result<Option<u64>, ChainError>
    where
        F: Future<Output = Result<TxId, ChainError>>,
    {
        let Some(intent) = self.intent(flight) else { return Ok(None) };
        let row = self.noted(self.store.intend(&intent, self.clock.now()));
        let sent = submit.await;
        let at = self.clock.now();
        match sent {
            Ok(tx) => {
                if let Some(row) = row {
                    self.note(self.store.submitted(row, &tx.0, at));
                }
                if let Some(flight) = self.board().flights.get_mut(&flight) {
                    flight.row = row;
                    flight.tx = Some(tx);
                    flight.since = Instant::now();
                }
                Ok(Some(at))
            }
            Err(error) => {
                let end = match &error {
                    // the answer may be what was lost
                    ChainError::Unreachable { .. } | ChainError::BadAnswer { .. } => End::Unknown,
                    ChainError::InsufficientGas { .. }
                    | ChainError::Refused { .. }
                    | ChainError::Later { .. }
                    | ChainError::NoKey { .. } => End::NotSent,
                };
                if let Some(row) = row {
                    self.note(self.store.ended(row, end, Some(&error.to_string()), at));
                }
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

    /// Asks what became of each transaction that was handed over at this place. Nonsense about one hides no other.
    pub async fn follow(&self, place: &Place) -> Result<(), ChainError> {
        let waiting: Vec<(u64, Flight, TxId)> = {
            let board = self.board();
            let at_place = board.flights.iter().filter(|(_, flight)| flight.place == *place && !flight.ended);
            at_place.filter_map(|(id, flight)| Some((*id, flight.clone(), flight.tx.clone()?))).collect()
        };
        for (id, flight, tx) in waiting {
            let chain = match place {
                Place::Coordinator => None,
                Place::Escrow(chain) => self.chains.get(chain),
            };
            let outcome = match (place, chain) {
                (Place::Coordinator, _) => self.home.outcome(&tx).await,
                (_, Some(chain)) => chain.outcome(&tx).await,
                (_, None) => Ok(Outcome::Unknown),
            };
            let followed = match (outcome, chain) {
                (Ok(Outcome::Pending), Some(chain)) => self.bump(id, &flight, &tx, chain.as_ref()).await,
                (Ok(Outcome::Pending), None) => Ok(()),
                (Ok(outcome), _) => {
                    self.end(id, &flight, outcome);
                    Ok(())
                }
                (Err(error), _) => Err(error),
            };
            match followed {
                Ok(()) => {}
                Err(error @ ChainError::Unreachable { .. }) => return Err(error),
                Err(error) => self.say_blind(id, &tx, &error),
            }
        }
        Ok(())
    }

    /// Once a flight.
    fn say_blind(&self, id: u64, tx: &TxId, error: &ChainError) {
        let was_blind =
            self.board().flights.get_mut(&id).is_none_or(|flight| std::mem::replace(&mut flight.blind, true));
        if !was_blind {
            fault!(Fault::BadAnswer, "transaction {}: {error}; asking again", tx.0);
        }
    }

    fn end(&self, id: u64, flight: &Flight, outcome: Outcome) {
        let (kind, place) = (name_of(flight.kind), &flight.place);
        let (end, cause) = match outcome {
            Outcome::Pending => return,
            Outcome::Included { unpaid, .. } => (End::Included, self.say_unpaid(&unpaid)),
            Outcome::Failed { cause, .. } => {
                fault!(Fault::Reverted, kind, ?place, "a transaction was reverted: {cause}");
                if flight.kind == Kind::PrepareReserve {
                    flight.covers.iter().for_each(|cover| self.cannot_prepare(cover, &cause));
                }
                (End::Failed, Some(cause))
            }
            Outcome::Unknown => {
                let tx = flight.tx.as_ref().map_or("", |tx| &tx.0);
                fault!(Fault::Lost, kind, ?place, "transaction {tx} is not known there any more");
                (End::Lost, None)
            }
        };
        if let Some(row) = flight.row {
            self.note(self.store.ended(row, end, cause.as_deref(), self.clock.now()));
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

    /// The legs whose payment failed in a settlement that is in a block; in words, for its row.
    fn say_unpaid(&self, unpaid: &[Unpaid]) -> Option<String> {
        let mut causes = Vec::new();
        for Unpaid { execution_id, leg_hash, cause } in unpaid {
            let leg = self.board().executions.get(execution_id).and_then(|tracked| {
                tracked.legs.iter().map(|leg| &leg.leg).find(|leg| leg.hash() == *leg_hash).cloned()
            });
            if let Some(Leg { index, chain, function, .. }) = leg {
                let what = What::PaymentFailed { leg: index, function, cause: cause.clone() };
                self.report(*execution_id, Some(chain), what);
            }
            causes.push(format!("{execution_id}, leg {leg_hash}: not paid ({cause})"));
        }
        (!causes.is_empty()).then(|| causes.join("; "))
    }

    /// Raises the fee of one that waits too long.
    async fn bump(&self, id: u64, flight: &Flight, tx: &TxId, chain: &dyn Chain) -> Result<(), ChainError> {
        if flight.since.elapsed() < self.bump_after {
            return Ok(());
        }
        let bumped = chain.bump(tx).await;
        if let Ok(Some(higher)) = &bumped {
            tracing::info!("{}: raised the fee of {}: now {}", chain.name(), tx.0, higher.0);
            if let Some(row) = flight.row {
                self.note(self.store.submitted(row, &higher.0, self.clock.now()));
            }
        }
        if let Some(flight) = self.board().flights.get_mut(&id) {
            flight.since = Instant::now();
            if let Ok(Some(higher)) = &bumped {
                flight.tx = Some(higher.clone());
            }
        }
        bumped.map(|_| ())
    }

    /// History that could not be written is said and not missed: the chains are the truth.
    pub fn note(&self, written: Result<(), StoreError>) {
        self.noted(written);
    }

    fn noted<T>(&self, written: Result<T, StoreError>) -> Option<T> {
        written.inspect_err(|error| fault!(Fault::Database, "{error}; going on without")).ok()
    }
}

fn flight_of(row: &OutboxRow) -> Option<Flight> {
    let kind = KINDS.into_iter().find(|kind| name_of(*kind) == row.kind)?;
    let place = if row.at_home { Place::Coordinator } else { Place::Escrow(row.chain.clone()) };
    let tx = TxId(row.tx.clone()?);
    Some(Flight { row: Some(row.id), tx: Some(tx), ..Flight::new(place, kind, row.covers.clone()) })
}
