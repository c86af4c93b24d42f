//! What a node that lies says instead of the truth: of the right form, and wrong.

use aes_authority::SetResponse;
use aes_chains::{Head, Hold, HoldStatus, Outcome};
use aes_coordinator::msg::{ExecutionResponse, ExecutionSummary, State};
use aes_coordinator::state::Record;
use aes_protocol::{Evidence, Hash32, LegStatus};

use crate::dice::Dice;

pub trait Lie {
    fn twist(&mut self, dice: &mut Dice);
}

const STATES: [State; 5] = [State::Open, State::Committed, State::Aborted, State::Finalized, State::RolledBack];
const HOLDS: [HoldStatus; 4] = [HoldStatus::Held, HoldStatus::Finalized, HoldStatus::Released, HoldStatus::Escaped];
const ENDS: [LegStatus; 5] =
    [LegStatus::Held, LegStatus::Finalized, LegStatus::Released, LegStatus::Absent, LegStatus::Escaped];

impl Lie for u64 {
    fn twist(&mut self, dice: &mut Dice) {
        *self = if dice.chance(0.5) { *self + 100_000 } else { self.saturating_sub(1_000) };
    }
}

impl Lie for u128 {
    fn twist(&mut self, _: &mut Dice) {
        *self = self.wrapping_add(1);
    }
}

impl Lie for Head {
    fn twist(&mut self, dice: &mut Dice) {
        self.time.twist(dice);
        self.hash = Hash32(dice.bytes());
    }
}

impl Lie for Option<Hold> {
    fn twist(&mut self, dice: &mut Dice) {
        let status = *dice.pick(&HOLDS);
        *self = match *self {
            Some(_) if dice.chance(0.3) => None,
            Some(hold) if dice.chance(0.2) => Some(Hold { deadline: hold.deadline + 1, ..hold }),
            Some(hold) => Some(Hold { status, settled_at: Some(1), ..hold }),
            None => Some(Hold { status, deadline: dice.number(0..u64::MAX), held_at: Some(1), settled_at: Some(1) }),
        };
    }
}

impl Lie for Option<Evidence> {
    fn twist(&mut self, dice: &mut Dice) {
        if dice.chance(0.3) {
            *self = None;
        } else if let Some(evidence) = self {
            evidence.status = *dice.pick(&ENDS);
            evidence.height += dice.number(0..2);
        }
    }
}

impl Lie for Option<ExecutionResponse> {
    fn twist(&mut self, dice: &mut Dice) {
        if dice.chance(0.3) {
            *self = None;
        } else if let Some(record) = self {
            match dice.number(0..3) {
                0 => record.state = *dice.pick(&STATES),
                1 => record.deadline += 1_000,
                _ => record.legs.iter_mut().for_each(|leg| leg.leg.amount += leg.leg.amount),
            }
        }
    }
}

impl Lie for Option<Record> {
    fn twist(&mut self, dice: &mut Dice) {
        if dice.chance(0.3) {
            *self = None;
        } else if let Some(record) = self {
            record.state = *dice.pick(&STATES);
        }
    }
}

impl Lie for Vec<ExecutionSummary> {
    fn twist(&mut self, dice: &mut Dice) {
        let keep = dice.index(self.len() + 1);
        self.truncate(keep);
        if let Some(last) = self.last_mut().filter(|_| dice.chance(0.3)) {
            last.execution_id = Hash32(dice.bytes());
        }
    }
}

/// A set that is not the coordinator's only makes certificates that nobody takes.
impl Lie for SetResponse {
    fn twist(&mut self, dice: &mut Dice) {
        self.set.id += dice.number(0..2);
        self.set.threshold = 1;
    }
}

impl Lie for Outcome {
    fn twist(&mut self, dice: &mut Dice) {
        *self = match dice.number(0..4) {
            0 => Self::Unknown,
            1 => Self::Pending,
            2 => Self::Failed { height: 1, cause: "made up".into() },
            _ => Self::Included { height: 1, time: 1 },
        };
    }
}
