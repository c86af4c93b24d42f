//! What happens, told three ways at once: the log in the words of the AES paper, an event for whoever subscribed,
//! and the time of it.

use std::time::{SystemTime, UNIX_EPOCH};

use aes_protocol::{ChainId, Decision, Function, Hash32};
use aes_telemetry::{fault, Fault};
use serde::Serialize;
use tokio::time::Instant;

use crate::Parts;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    pub execution_id: Hash32,
    /// none at the coordinator
    pub chain: Option<ChainId>,
    pub what: What,
    /// microseconds since the Unix epoch
    pub at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Opened {
        legs: usize,
    },
    Held {
        leg: u8,
        function: Function,
    },
    CannotPrepare {
        leg: u8,
        function: Function,
        cause: String,
    },
    /// a node answers nonsense about the leg
    Unseen {
        leg: u8,
        cause: String,
    },
    /// the settlement is in a block, and the account would not take this leg's ALZ: it stays held
    PaymentFailed {
        leg: u8,
        function: Function,
        cause: String,
    },
    Decided {
        decision: Decision,
    },
    /// the chain's node has the settlement; what the relayer and the attestors took for it, where that is known
    HandedOver {
        added_us: Option<u64>,
    },
    /// in a block, which is not final yet
    Finalizing {
        leg: u8,
        function: Function,
    },
    Releasing {
        leg: u8,
        function: Function,
    },
    /// final, as is all that follows
    Finalized {
        leg: u8,
        function: Function,
    },
    /// given back, or kept from ever being held
    Released {
        leg: u8,
        function: Function,
    },
    Escaped {
        leg: u8,
        function: Function,
    },
    Confirmed,
    /// of the legs that were held, how many were given back
    RolledBack {
        reverted: usize,
        held: usize,
    },
}

/// Microseconds since the Unix epoch that never go back.
pub struct Clock {
    start: Instant,
    unix_at_start: u64,
}

impl Clock {
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), unix_at_start: u64::try_from(unix.as_micros()).unwrap_or(u64::MAX) }
    }

    pub fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    pub fn at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.start);
        self.unix_at_start.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Parts {
    pub fn report(&self, execution_id: Hash32, chain: Option<ChainId>, what: What) {
        let name = chain.as_ref().map_or("", |chain| self.name(chain));
        let execution = tracing::field::display(&execution_id);
        match &what {
            What::Opened { legs } => {
                tracing::info!(
                    execution,
                    "AES: atomic multi-chain transaction of {legs} legs; Phase 1: Preparatory execution"
                );
            }
            What::Held { function, .. } => {
                tracing::info!(execution, "{name}: {} executed successfully", function.name());
            }
            What::CannotPrepare { function, cause, .. } => {
                fault!(Fault::CannotPrepare, execution, "{name}: {} failed ({cause})", function.name());
            }
            What::Unseen { leg, cause } => {
                fault!(Fault::BadAnswer, execution, leg, "{cause}; nothing is done with this leg until that changes");
            }
            What::PaymentFailed { function, cause, .. } => fault!(
                Fault::PaymentFailed,
                execution,
                "{name}: the {} stays held, its payment failed ({cause}); trying again",
                function.name()
            ),
            What::Decided { decision: Decision::Commit } => {
                tracing::info!(execution, "all legs are held: confirming on every chain");
            }
            What::Decided { decision: Decision::Abort } => {
                tracing::info!(execution, "ROLLBACK: Reverting executions to ensure atomicity");
            }
            What::HandedOver { added_us: Some(added) } => {
                tracing::info!(execution, added_us = added, "{name}: settlement handed over");
            }
            What::HandedOver { added_us: None } => tracing::info!(execution, "{name}: settlement handed over"),
            What::Finalizing { function, .. } => {
                tracing::info!(execution, "{name}: {} settled, not final yet", function.name());
            }
            What::Releasing { .. } => tracing::info!(execution, "{name}: release in a block, not final yet"),
            What::Finalized { function, .. } => tracing::info!(execution, "{name}: {} confirmed", function.name()),
            What::Released { .. } => tracing::info!(execution, "{name}: Execution reverted successfully"),
            What::Escaped { function, .. } => {
                fault!(
                    Fault::Escaped,
                    execution,
                    "{name}: {} was taken back by its depositor (escape)",
                    function.name()
                );
            }
            What::Confirmed => tracing::info!(execution, "AES: Atomic execution confirmed - all chains were updated"),
            What::RolledBack { reverted, held } => {
                tracing::info!(execution, "Rollback completed: {reverted}/{held} executions reverted");
            }
        }
        // without subscribers nobody misses it
        let _ = self.events.send(Event { execution_id, chain, what, at: self.clock.now() });
    }
}
