//! Whether a chain may be given something new: not where it stopped finalizing or does not answer, nor where attestors
//! have signed different things about it. What is inside then rolls back (`plan`); the other chains go on.

use std::collections::BTreeSet;
use std::time::Duration;

use aes_chains::Chain;
use aes_plan::Standing;
use aes_protocol::{ChainId, Evidence};
use aes_telemetry::{fault, Fault};
use tokio::time::Instant;

use crate::Parts;

/// What is known of a chain as a whole.
pub struct Known {
    pub reachable: bool,
    pub final_height: u64,
    /// when a newer final block was last seen; the start counts as one
    pub moved: Instant,
    stalled_after: Duration,
    /// until a certificate with evidence of that chain comes together
    disputed: bool,
    told: Standing,
}

impl Known {
    pub fn new(stalled_after: Duration) -> Self {
        let (reachable, final_height, moved) = (true, 0, Instant::now());
        Self { reachable, final_height, moved, stalled_after, disputed: false, told: Standing::Sound }
    }

    pub fn standing(&self, now: Instant) -> Standing {
        if self.disputed {
            Standing::Disputed
        } else if now.saturating_duration_since(self.moved) >= self.stalled_after {
            Standing::Stalled
        } else {
            Standing::Sound
        }
    }
}

impl Parts {
    /// After each look, whether it was answered or not.
    pub fn weigh(&self, chain: &dyn Chain, final_height: Option<u64>) {
        let now = Instant::now();
        let mut board = self.board();
        let Some(known) = board.chains.get_mut(chain.id()) else { return };
        if let Some(newer) = final_height.filter(|height| *height > known.final_height) {
            known.final_height = newer;
            known.moved = now;
        }
        let standing = known.standing(now);
        if standing == std::mem::replace(&mut known.told, standing) {
            return;
        }
        match standing {
            Standing::Sound => tracing::info!("{}: takes new executions again", chain.name()),
            Standing::Stalled => fault!(
                Fault::ChainStalled,
                "{}: no final block after {} for {} s; nothing new goes there, and what is inside rolls back",
                chain.name(),
                known.final_height,
                known.stalled_after.as_secs()
            ),
            // said where the certificate failed
            Standing::Disputed => {}
        }
    }

    pub fn dispute(&self, disputed: &BTreeSet<ChainId>) {
        let mut board = self.board();
        let chains = board.chains.iter_mut().filter(|(id, _)| disputed.contains(*id));
        chains.for_each(|(_, known)| known.disputed = true);
    }

    /// A threshold of attestors says the same of these chains.
    pub fn agree(&self, evidence: &[Evidence]) {
        let mut board = self.board();
        for leaf in evidence {
            if let Some(known) = board.chains.get_mut(&leaf.chain) {
                known.disputed = false;
            }
        }
    }
}
