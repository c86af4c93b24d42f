//! What the tests of both CosmWasm contracts share: attestors with real keys, a chain to run on, and the VM that real
//! chains run the built wasm in. A test that cannot go on panics, and so does what helps it.

mod chain;
mod keys;
mod vm;

pub use chain::{advance, canonical, home_app, text, Outcome};
pub use keys::Attestors;
pub use vm::on_vm;
