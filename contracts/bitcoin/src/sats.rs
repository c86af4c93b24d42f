//! The sats beside the ALZ, in one place.
//!
//! Who brings a hold also brings [`CARRIER`], the anchor and the settlement's fee: the depositor for an account-sourced
//! hold, whoever carries the vault's ALZ into a hold for a reserve-sourced one. Each settlement pays the carrier out
//! with the ALZ: to `to` or the vault when finalized, back to `from` or the vault when released; a burn gives it to
//! `from`.

use bitcoin::{Amount, FeeRate, ScriptBuf};

/// What an output with ALZ holds: the dust limit of the most expensive standard script (P2PKH).
pub const CARRIER: Amount = Amount::from_sat(546);

/// The dust limit of a pay-to-anchor output.
pub const ANCHOR: Amount = Amount::from_sat(240);

/// What a settlement pays by itself. Over the 1 sat/vB that nodes ask of a parent where no packages are relayed; what a
/// crowded mempool asks beyond it, a child adds through the anchor.
pub const SETTLE_FEE_RATE: FeeRate = FeeRate::from_sat_per_vb_u32(3);

/// What nodes relay at all, and what a replacement adds for its own size.
pub const RELAY_FEE_RATE: FeeRate = FeeRate::from_sat_per_vb_u32(1);

/// Pay-to-anchor, `OP_1 <4e73>`: anyone spends it, with an empty witness.
pub fn anchor_script() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73])
}
