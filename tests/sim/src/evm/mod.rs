//! EVM chains: AesEscrow and AlzToken as deployed, on revm, and the real adapter over a node of ours.

pub mod abi;
pub mod deploy;
pub mod ledger;
pub mod node;
mod vm;
