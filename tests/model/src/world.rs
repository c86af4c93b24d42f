//! One moment of the whole world: the coordinator's record, every chain as it is and as its finality shows it, what each
//! honest attestor has signed, what each relayer has on its way.

use crate::scenario::{Scenario, MAX_CHAINS, MAX_HONEST, MAX_LEGS, MAX_RELAYERS, RESERVE};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Record {
    #[default]
    Unopened,
    Open,
    Committed,
    Aborted,
    Finalized,
    RolledBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    Commit,
    Abort,
}

impl Record {
    pub fn decision(self) -> Option<Decision> {
        match self {
            Self::Unopened | Self::Open => None,
            Self::Committed | Self::Finalized => Some(Decision::Commit),
            Self::Aborted | Self::RolledBack => Some(Decision::Abort),
        }
    }

    pub fn is_ended(self) -> bool {
        matches!(self, Self::Finalized | Self::RolledBack)
    }
}

/// The home chain: what it has it keeps, for CometBFT's blocks are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Home {
    pub record: Record,
    /// its clock has passed the deadline
    pub late: bool,
    /// rolled back by somebody without the right to, before the deadline
    pub aborted_without_right: bool,
    /// a depositor escaped while nothing was decided
    pub escaped_undecided: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    #[default]
    None,
    Held,
    Finalized,
    Released,
    Escaped,
}

/// A hold, and what it has moved on the accounts of its leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hold {
    pub status: Status,
    /// false under `Released`: a tombstone
    pub was_held: bool,
    /// stored with an earlier deadline than the execution's
    pub other_deadline: bool,
    pub from: i8,
    pub to: i8,
}

impl Hold {
    pub fn is_tombstone(&self) -> bool {
        self.status == Status::Released && !self.was_held
    }

    pub fn is_held(&self) -> bool {
        self.status == Status::Held && !self.other_deadline
    }
}

/// What one block of one chain holds of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ledger {
    /// its clock has passed the deadline
    pub late: bool,
    pub holds: [Hold; MAX_LEGS],
    pub vault: i8,
    pub held: i8,
    pub issued: i8,
    /// what other executions took out of the reserve
    pub others: i8,
    /// what went to somebody named in no leg
    pub thief: i8,
    /// a hold of a leg that is not this execution's, or not this chain's
    pub bogus: Status,
    /// somebody escaped with a hold that is not theirs
    pub escaped_by_stranger: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Chain {
    /// the newest block
    pub soft: Ledger,
    /// the newest final one
    pub last: Ledger,
    /// the next attestor set is known here
    pub rotated: bool,
}

/// Statements about the one execution, as bits of what an attestor has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement {
    Opened,
    Prepared,
    Decided(Decision),
    Settled(Decision),
}

impl Statement {
    pub const ALL: [Self; 6] = [
        Self::Opened,
        Self::Prepared,
        Self::Decided(Decision::Commit),
        Self::Decided(Decision::Abort),
        Self::Settled(Decision::Commit),
        Self::Settled(Decision::Abort),
    ];

    pub fn bit(self) -> u8 {
        match self {
            Self::Opened => 1,
            Self::Prepared => 2,
            Self::Decided(Decision::Commit) => 4,
            Self::Decided(Decision::Abort) => 8,
            Self::Settled(Decision::Commit) => 16,
            Self::Settled(Decision::Abort) => 32,
        }
    }
}

/// What an honest attestor has signed under each set: its journal and its signatures, which are never one without the
/// other. A liar needs no memory: it has signed everything.
pub type Signed = [u8; 2];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtHome {
    Commit,
    Rollback { by_right: bool },
    Record,
}

/// A relayer that follows the plan: what it has on its way, and what it was told it cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Relayer {
    pub may_rollback: bool,
    pub at_home: Option<AtHome>,
    pub preparing: [bool; MAX_LEGS],
    pub settling: [Option<Decision>; MAX_LEGS],
    pub cannot_prepare: [bool; MAX_LEGS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// the chain's node does not answer the relayers
    NoAnswer,
    /// the relayers' gas accounts there are empty
    NoGas,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trouble {
    #[default]
    Off,
    On(TroubleKind, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct World {
    pub home: Home,
    pub chains: [Chain; MAX_CHAINS],
    /// every clock has passed deadline + escape_delay: the delay is longer than any skew between clocks
    pub escape_open: bool,
    /// sorted: honest attestors differ in nothing else
    pub signed: [Signed; MAX_HONEST],
    pub relayers: [Relayer; MAX_RELAYERS],
    pub trouble: Trouble,
    pub paused: bool,
    pub home_rotated: bool,
    /// the first set is no longer believed, and its keys have been stolen
    pub expired: bool,
    /// a set of liars is believed everywhere
    pub hostile_set: bool,
    /// so far
    pub faults: u8,
    pub reorganized: bool,
    pub forked: bool,
}

impl World {
    pub fn first(scenario: &Scenario, may_rollback: bool) -> Self {
        let mut world = Self::default();
        for chain in &mut world.chains[..scenario.chains] {
            chain.soft.vault = RESERVE;
            chain.last = chain.soft;
        }
        // the relayer named in `open` is the one that may die
        world.relayers[0].may_rollback = may_rollback;
        world
    }

    pub fn soft(&self, scenario: &Scenario, leg: usize) -> &Hold {
        &self.chains[scenario.chain_of[leg]].soft.holds[leg]
    }

    pub fn last(&self, scenario: &Scenario, leg: usize) -> &Hold {
        &self.chains[scenario.chain_of[leg]].last.holds[leg]
    }

    pub fn all_late(&self, scenario: &Scenario) -> bool {
        self.home.late && self.chains[..scenario.chains].iter().all(|chain| chain.soft.late)
    }

    /// Rises with every step while every guard is in: so no run goes round in circles, and each comes to an end.
    pub fn rank(&self) -> u32 {
        let faults = u32::from(self.faults) + u32::from(self.forked);
        let record = match self.home.record {
            Record::Unopened => 0,
            Record::Open => 1,
            Record::Committed | Record::Aborted => 2,
            Record::Finalized | Record::RolledBack => 3,
        };
        let of_hold = |hold: &Hold| match hold.status {
            Status::None => 0,
            Status::Held => 1,
            Status::Finalized | Status::Released | Status::Escaped => 2,
        };
        let of_ledger = |ledger: &Ledger| {
            u32::from(ledger.late) + ledger.holds.iter().map(of_hold).sum::<u32>() + u32::from(ledger.others > 0)
        };
        let of_chain = |chain: &Chain| of_ledger(&chain.soft) + of_ledger(&chain.last) + u32::from(chain.rotated);
        let of_relayer =
            |relayer: &Relayer| relayer.cannot_prepare.iter().map(|cannot| u32::from(*cannot)).sum::<u32>();
        let calm = u32::from(self.trouble == Trouble::Off);
        let flags = [self.home.late, self.escape_open, self.paused, self.home_rotated, self.expired];
        let lasting = record
            + calm
            + flags.iter().map(|flag| u32::from(*flag)).sum::<u32>()
            + self.chains.iter().map(of_chain).sum::<u32>()
            + self.relayers.iter().map(of_relayer).sum::<u32>()
            + self.signed.iter().flatten().map(|bits| bits.count_ones()).sum::<u32>();
        let flying = self.relayers.iter().map(|relayer| {
            let settling = relayer.settling.iter().map(|decision| u32::from(decision.is_some()));
            let preparing = relayer.preparing.iter().map(|preparing| u32::from(*preparing));
            u32::from(relayer.at_home.is_some()) + settling.chain(preparing).sum::<u32>()
        });
        faults * 1_000_000 + lasting * 100 + flying.sum::<u32>()
    }
}
