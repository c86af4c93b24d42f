//! What was last seen of everything, and what is on its way: the facts that `plan` is asked with.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aes_chains::TxId;
use aes_coordinator::msg::ExecutionResponse;
use aes_plan::{plan, Action, Kind, LegView, Sight, Standing, State, Status, View};
use aes_protocol::{AttestorSet, ChainId, Hash32, Leg};
use aes_store::Cover;
use tokio::time::Instant;

use crate::standing::Known;

/// The first wait after an attempt; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// After a settlement that cost gas and settled nothing: a recipient that reverts will do so again.
const LONGEST_WAIT_SPENT: Duration = Duration::from_secs(600);

#[derive(Default)]
pub struct Board {
    pub home_time: Option<u64>,
    /// whether the last look at the home chain was answered
    pub home_reachable: bool,
    pub set: Option<AttestorSet>,
    pub executions: BTreeMap<Hash32, Tracked>,
    pub flights: BTreeMap<u64, Flight>,
    pub chains: BTreeMap<ChainId, Known>,
    last_flight: u64,
}

/// An execution that has not ended.
pub struct Tracked {
    pub number: u64,
    pub state: State,
    pub opened_at: u64,
    pub deadline: u64,
    pub may_rollback: bool,
    pub manifest_root: Hash32,
    pub legs: Vec<TrackedLeg>,
    /// none where it was decided before we ever saw it
    pub decision_seen: Option<DecisionSeen>,
    /// the attestors saw it otherwise, so a node may have told us what is not so: to be read anew
    pub doubted: bool,
    tries: HashMap<(Option<u8>, Kind), Tries>,
}

pub struct TrackedLeg {
    pub leg: Leg,
    pub sight: Option<Sight>,
    /// its node answers nonsense about it, and that was said
    pub blind: bool,
    /// what was reported of it, soft and final
    pub reported: (Option<Status>, Option<Status>),
    pub cannot_prepare: Option<String>,
}

/// Microseconds since the Unix epoch.
#[derive(Clone, Copy)]
pub struct DecisionSeen {
    pub tick_at: u64,
    pub seen_at: u64,
}

#[derive(Default)]
struct Tries {
    count: u32,
    spent: u32,
    not_before: Option<Instant>,
}

/// Where a transaction goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Coordinator,
    Escrow(ChainId),
}

/// A transaction from the moment it is decided on until a look taken after its end.
#[derive(Debug, Clone)]
pub struct Flight {
    pub place: Place,
    pub kind: Kind,
    pub covers: Vec<Cover>,
    /// in the outbox, once it is there
    pub row: Option<i64>,
    /// once a node has taken it
    pub tx: Option<TxId>,
    pub since: Instant,
    /// its node answers nonsense about it, and that was said
    pub blind: bool,
    pub ended: bool,
}

pub struct Round {
    pub ready: Vec<Ready>,
    /// when to plan again although nothing changed
    pub retry_at: Option<Instant>,
}

pub struct Ready {
    pub execution_id: Hash32,
    pub action: Action,
    pub again: bool,
}

impl Board {
    pub fn new(chains: BTreeMap<ChainId, Known>) -> Self {
        Self { chains, ..Self::default() }
    }

    /// What is to be done now: what `plan` says, less what was tried a moment ago.
    pub fn round(&mut self, now: Instant) -> Round {
        let mut round = Round { ready: Vec::new(), retry_at: None };
        let Some(home_time) = self.home_time else { return round };
        let chains = &self.chains;
        let standing = |chain: &ChainId| chains.get(chain).map_or(Standing::Sound, |known| known.standing(now));
        let mut flying: HashMap<(Hash32, Option<u8>), Kind> = HashMap::new();
        for flight in self.flights.values() {
            for cover in &flight.covers {
                let kind = flying.entry((cover.execution_id, cover.leg)).or_insert(flight.kind);
                if flight.kind == Kind::Settle {
                    *kind = Kind::Settle;
                }
            }
        }
        for (id, tracked) in &mut self.executions {
            for mut action in plan(&tracked.view(home_time, standing, |leg| flying.get(&(*id, leg)).copied())) {
                let mut again = false;
                let mut due = |leg, kind| tracked.is_due(leg, kind, now, &mut again, &mut round.retry_at);
                let ready = match &mut action {
                    Action::PrepareReserve { leg } => due(Some(*leg), Kind::PrepareReserve),
                    Action::Commit => due(None, Kind::Commit),
                    Action::Rollback { .. } => due(None, Kind::Rollback),
                    Action::Record => due(None, Kind::Record),
                    Action::Settle { legs, .. } => {
                        legs.retain(|leg| due(Some(*leg), Kind::Settle));
                        !legs.is_empty()
                    }
                };
                if ready {
                    round.ready.push(Ready { execution_id: *id, action, again });
                }
            }
        }
        round
    }

    pub fn take_off(&mut self, flight: Flight) -> u64 {
        self.last_flight += 1;
        self.flights.insert(self.last_flight, flight);
        self.last_flight
    }

    pub fn doubt(&mut self, execution_id: &Hash32) {
        if let Some(tracked) = self.executions.get_mut(execution_id) {
            tracked.doubted = true;
        }
    }

    pub fn leg_mut(&mut self, cover: &Cover) -> Option<&mut TrackedLeg> {
        self.executions.get_mut(&cover.execution_id)?.legs.get_mut(usize::from(cover.leg?))
    }
}

impl Flight {
    pub fn new(place: Place, kind: Kind, covers: Vec<Cover>) -> Self {
        Self { place, kind, covers, row: None, tx: None, since: Instant::now(), blind: false, ended: false }
    }
}

impl TrackedLeg {
    fn new(leg: Leg) -> Self {
        Self { leg, sight: None, blind: false, reported: (None, None), cannot_prepare: None }
    }
}

impl Tracked {
    pub fn new(execution: ExecutionResponse, account: &str) -> Self {
        let may_rollback = execution.opener == account || execution.relayer.as_deref() == Some(account);
        Self {
            number: execution.number,
            state: state_of(execution.state),
            opened_at: execution.opened_at,
            deadline: execution.deadline,
            may_rollback,
            manifest_root: execution.manifest_root,
            legs: execution.legs.into_iter().map(|response| TrackedLeg::new(response.leg)).collect(),
            decision_seen: None,
            doubted: false,
            tries: HashMap::new(),
        }
    }

    /// As the home chain says now, whatever it said before; and a leg that had ended is looked at once more.
    pub fn correct(&mut self, execution: ExecutionResponse) {
        let state = state_of(execution.state);
        self.state = state;
        self.deadline = execution.deadline;
        self.manifest_root = execution.manifest_root;
        let known = std::mem::take(&mut self.legs);
        let corrected = |leg: Leg| match known.iter().find(|known| known.leg == leg) {
            Some(known) => TrackedLeg {
                sight: known.sight.clone().filter(|sight| !is_over(sight, state)),
                cannot_prepare: known.cannot_prepare.clone(),
                reported: known.reported,
                ..TrackedLeg::new(leg)
            },
            None => TrackedLeg::new(leg),
        };
        self.legs = execution.legs.into_iter().map(|entry| corrected(entry.leg)).collect();
        self.doubted = false;
    }

    fn view(
        &self,
        home_time: u64,
        standing: impl Fn(&ChainId) -> Standing,
        in_flight: impl Fn(Option<u8>) -> Option<Kind>,
    ) -> View {
        let leg = |leg: &TrackedLeg| LegView {
            leg: leg.leg.clone(),
            sight: leg.sight.clone(),
            standing: standing(&leg.leg.chain),
            in_flight: in_flight(Some(leg.leg.index)),
            cannot_prepare: leg.cannot_prepare.clone(),
        };
        View {
            state: self.state,
            deadline: self.deadline,
            home_time,
            legs: self.legs.iter().map(leg).collect(),
            in_flight: in_flight(None),
            may_rollback: self.may_rollback,
        }
    }

    fn is_due(
        &mut self,
        leg: Option<u8>,
        kind: Kind,
        now: Instant,
        again: &mut bool,
        retry_at: &mut Option<Instant>,
    ) -> bool {
        let tries = self.tries.entry((leg, kind)).or_default();
        if let Some(at) = tries.not_before.filter(|at| *at > now) {
            *retry_at = Some(retry_at.map_or(at, |other| other.min(at)));
            return false;
        }
        *again |= tries.count > 0;
        tries.not_before = Some(now + wait(tries.count, LONGEST_WAIT));
        tries.count += 1;
        true
    }

    /// A settlement of this leg went into a block and cost gas; where it settled nothing, the next one waits longer.
    pub fn spent(&mut self, leg: Option<u8>, now: Instant) {
        let tries = self.tries.entry((leg, Kind::Settle)).or_default();
        tries.not_before = Some(now + wait(tries.spent + 5, LONGEST_WAIT_SPENT));
        tries.spent += 1;
        // twice in vain: the leg may have ended long ago, or be another one than we were told
        self.doubted |= tries.spent > 1;
    }
}

fn wait(count: u32, longest: Duration) -> Duration {
    FIRST_WAIT.saturating_mul(2u32.saturating_pow(count)).min(longest)
}

/// Ended at finality as it was decided: nothing changes there any more. Any other end is looked at again: it cannot be so.
pub fn is_over(sight: &Sight, state: State) -> bool {
    sight.last.is_some_and(|hold| match hold.status {
        Status::Held => false,
        Status::Finalized => state == State::Committed,
        Status::Released => state == State::Aborted,
        Status::Escaped => true,
    })
}

pub fn state_of(state: aes_coordinator::msg::State) -> State {
    use aes_coordinator::msg::State as Theirs;
    match state {
        Theirs::Open => State::Open,
        Theirs::Committed => State::Committed,
        Theirs::Aborted => State::Aborted,
        Theirs::Finalized => State::Finalized,
        Theirs::RolledBack => State::RolledBack,
    }
}

pub fn label(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Committed => "committed",
        State::Aborted => "aborted",
        State::Finalized => "finalized",
        State::RolledBack => "rolled_back",
    }
}

/// States go one way; a node that lags shows an older one.
pub fn is_newer(new: State, old: State) -> bool {
    let rank = |state| match state {
        State::Open => 0,
        State::Committed | State::Aborted => 1,
        State::Finalized | State::RolledBack => 2,
    };
    rank(new) > rank(old)
}
