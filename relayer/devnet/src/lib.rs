//! Real chain nodes on loopback: wasmd (CosmWasm), anvil (EVM) and btcd (Bitcoin), for `aes devnet`
//! and the end-to-end tests. Nothing here knows the AES protocol.
//!
//! A node picks its own free port, keeps its data in a folder the caller names, and never outlives
//! the process that started it, however that ends: `stop`, drop, Ctrl-C or `kill -9`.

mod anvil;
mod binary;
mod btcd;
mod error;
mod process;
mod rpc;
mod wasmd;

pub use anvil::{Anvil, AnvilOptions};
pub use binary::Binary;
pub use btcd::{Btcd, BtcdOptions};
pub use error::Error;
pub use wasmd::{Coin, GenesisAccount, Wasmd, WasmdOptions, ALZ_DENOM, GAS_DENOM, MIN_GAS_PRICE};
