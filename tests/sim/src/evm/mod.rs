//! EVM chains: AesEscrow and AlzToken as deployed, on revm.

pub mod abi;
pub mod chain;
pub mod deploy;
pub mod ledger;
mod vm;
