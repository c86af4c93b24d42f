//! What counts as this leg's hold. An attestor signs `Prepared` only for a hold that passes; a release needs none of it
//! but the output itself, because it only gives back.

use bitcoin::{Amount, OutPoint, TxOut};

use crate::hold::{Hold, Source};
use crate::ledger::Holding;

/// What a node and the ledger say of the hold's output.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    pub output: &'a TxOut,
    pub holding: Option<&'a Holding>,
    /// of the block before the one the output is in (BIP-68 counts from there), Unix seconds
    pub median_time_past_before: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotThisHold {
    #[error("{0} pays to another script: not this execution's leg, depositor, refund delay or attestor set")]
    Script(OutPoint),
    #[error("{outpoint} holds {got}, a hold holds exactly {wanted} (carrier, anchor and settlement fee)")]
    Sats { outpoint: OutPoint, got: Amount, wanted: Amount },
    #[error("{0} holds no ALZ: another rune, or none")]
    NoAlz(OutPoint),
    #[error("{outpoint} holds {got} base units of ALZ, the leg is of {wanted}")]
    Amount { outpoint: OutPoint, got: u128, wanted: u128 },
    #[error("{0} was given another rune beside ALZ")]
    OtherRune(OutPoint),
    #[error("{outpoint}: its refund opens at {opens_at}, a hold stays until {until} (deadline and escape delay)")]
    RefundTooEarly { outpoint: OutPoint, opens_at: u64, until: u64 },
}

impl Hold {
    pub fn check(&self, seen: &Sighting<'_>, deadline: u64, escape_delay: u64) -> Result<(), NotThisHold> {
        let outpoint = self.outpoint;
        if seen.output.script_pubkey != *self.script.script_pubkey() {
            return Err(NotThisHold::Script(outpoint));
        }
        let (got, wanted) = (seen.output.value, self.script.sats());
        if got != wanted {
            return Err(NotThisHold::Sats { outpoint, got, wanted });
        }
        let holding = seen.holding.ok_or(NotThisHold::NoAlz(outpoint))?;
        let (got, wanted) = (holding.alz, self.script.leg().amount.u128());
        if got != wanted {
            return Err(NotThisHold::Amount { outpoint, got, wanted });
        }
        if holding.mixed {
            return Err(NotThisHold::OtherRune(outpoint));
        }
        if let Source::Account { refund, .. } = self.script.source() {
            let opens_at = refund.opens_at(seen.median_time_past_before);
            let until = deadline.saturating_add(escape_delay);
            if opens_at < until {
                return Err(NotThisHold::RefundTooEarly { outpoint, opens_at, until });
            }
        }
        Ok(())
    }
}
