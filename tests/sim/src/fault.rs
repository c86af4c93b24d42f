//! What can go wrong. Each kind has its own strength in a run, by the seed, and each time it really strikes is counted.

use crate::dice::Dice;

macro_rules! faults {
    ($($fault:ident $name:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($fault,)* }

        impl Fault {
            pub const ALL: &'static [Fault] = &[$(Fault::$fault,)*];

            pub fn name(self) -> &'static str {
                match self { $(Fault::$fault => $name,)* }
            }
        }
    };
}

faults! {
    Crash "crash",
    DiskLost "disk_lost",
    DiskFull "disk_full",
    TornWrite "torn_write",
    Outage "rpc_timeout",
    Late "rpc_late",
    Twice "rpc_twice",
    Stale "rpc_stale",
    Lie "rpc_lie",
    MissedNews "missed_news",
    NonceGap "nonce_gap",
    FeeSpike "fee_spike",
    NoGas "no_gas",
    Dropped "tx_dropped",
    Replaced "tx_replaced",
    Reorg "reorg",
    Finality "finality_stopped",
    Skew "clock_skew",
    ClockJump "clock_jumps",
    Halt "chain_halted",
    AttestorDown "attestor_down",
    AttestorCrash "attestor_crash",
    AttestorDisk "attestor_disk_full",
    JournalLost "attestor_disk_lost",
    JournalTorn "attestor_torn_write",
    AttestorLies "attestor_lies",
    AttestorLiedTo "attestor_lied_to",
    Forgery "forged_certificate",
    Rotation "rotation",
    Pause "pause",
    UserLate "user_late",
    UserTwice "user_twice",
    UserDeadline "user_other_deadline",
    UserCancels "user_cancels",
    UserEscapes "user_escapes",
    UserNever "user_never_comes",
    UserPayee "user_names_no_account",
}

/// How strong each kind is in this run: 0 never, 1 as often as where it is used says.
pub struct Odds(Vec<f64>);

impl Odds {
    pub fn roll(dice: &mut Dice) -> Self {
        let strength = |_: &Fault| if dice.chance(0.5) { dice.number(5..101) as f64 / 100.0 } else { 0.0 };
        Self(Fault::ALL.iter().map(strength).collect())
    }

    pub fn raise(&mut self, faults: &[Fault]) {
        faults.iter().for_each(|fault| self.0[*fault as usize] = 1.0);
    }

    pub fn of(&self, fault: Fault) -> f64 {
        self.0[fault as usize]
    }
}

/// How often each kind struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired(Vec<u64>);

impl Default for Fired {
    fn default() -> Self {
        Self(vec![0; Fault::ALL.len()])
    }
}

impl Fired {
    pub fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += more);
    }

    pub fn each(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.iter().map(|fault| (*fault, self.0[*fault as usize]))
    }
}
