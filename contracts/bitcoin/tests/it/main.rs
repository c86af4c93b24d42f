//! Every template signed with real keys, its scripts run by Bitcoin Core's own code, its runes followed by the ledger.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod chain;
mod consensus;
mod etching;
mod fees;
mod holds;
mod keys;
mod ledger;
mod presigned;
mod properties;
mod sizes;
mod support;
mod vault;
