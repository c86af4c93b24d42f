//! The home chain: coordinator and escrow as they are, in cw-multi-test. A committed block is final.

pub mod alz;
mod escrow;
mod home;
pub mod ledger;
mod shelf;

use aes_protocol::{Hash32, Leg};

pub use escrow::CosmosLink;
pub use home::HomeLink;

/// As `contracts/escrow/src/state.rs` promises it.
pub fn hold_key(execution_id: &Hash32, leg: &Leg) -> Vec<u8> {
    [&[0, 5][..], b"holds", &[0, 32], &execution_id.0, &leg.hash().0].concat()
}
