//! What was observed of one execution.

use aes_protocol::Leg;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    Committed,
    Aborted,
    Finalized,
    RolledBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Held,
    Finalized,
    Released,
    Escaped,
}

/// What this relayer can have in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    PrepareReserve,
    Commit,
    Rollback,
    Settle,
    Record,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldView {
    pub status: Status,
    pub deadline: u64,
}

impl HoldView {
    /// A hold with another deadline is not this execution's hold.
    pub fn is_held(&self, deadline: u64) -> bool {
        self.status == Status::Held && self.deadline == deadline
    }
}

/// A leg as its chain showed it when last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    pub soft: Option<HoldView>,
    /// time of the chain's newest block
    pub soft_time: u64,
    /// at Final
    pub last: Option<HoldView>,
    /// time of the chain's newest final block
    pub final_time: u64,
}

/// Whether a chain may be given something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    Sound,
    /// no newer final block for too long, or no answer
    Stalled,
    /// attestors have signed different things about it
    Disputed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegView {
    pub leg: Leg,
    /// none while the chain does not answer: nothing is done there, and nothing that needs the leg
    pub sight: Option<Sight>,
    /// of its chain
    pub standing: Standing,
    pub in_flight: Option<Kind>,
    /// why this relayer cannot prepare it, where it tried and was told so
    pub cannot_prepare: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub state: State,
    pub deadline: u64,
    pub home_time: u64,
    pub legs: Vec<LegView>,
    /// at the home chain
    pub in_flight: Option<Kind>,
    /// this relayer is the opener or the relayer named in `open`
    pub may_rollback: bool,
}
