//! What the tests of both CosmWasm contracts share: attestors with real keys, a chain to run on, a cw20, and the VM that real
//! chains run the built wasm in. A test that cannot go on panics, and so does what helps it.

mod chain;
pub mod cw20;
mod keys;
#[cfg(feature = "vm")]
mod vm;

pub use chain::{advance, canonical, home_app, text, Outcome};
pub use keys::Attestors;
#[cfg(feature = "vm")]
pub use vm::on_vm;
