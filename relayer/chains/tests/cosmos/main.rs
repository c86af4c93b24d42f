//! The CosmWasm adapter against a real wasmd with the real contracts (`make nodes`, `tools/wasm/build.sh`).

mod escrow;
mod home;
mod net;
mod node;
