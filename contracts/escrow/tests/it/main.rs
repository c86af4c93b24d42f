//! The escrow as its chain runs it: real messages, real secp256k1 signatures, a real bank and a real cw20.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod deposits;
mod golden;
mod property;
mod reserve;
mod rules;
mod settling;
mod support;
mod trust;
mod vm;
