//! The coordinator as its chain runs it: real messages, real secp256k1 signatures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::panic)]

mod attaching;
mod deciding;
mod golden;
mod opening;
mod property;
mod recording;
mod setup;
mod support;
mod trust;
mod vm;
