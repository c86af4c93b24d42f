//! The escrow on a CosmWasm chain: holds ALZ pending until the coordinator's decision, certified, reaches it.

pub mod msg;
