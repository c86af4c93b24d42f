//! The binary `aes`: one file a subcommand under `commands/`. What several of them need stands here; nothing here decides anything.

pub mod amount;
pub mod commands;
pub mod context;
pub mod devnet;
pub mod legs;
pub mod output;
pub mod psbt;
pub mod screen;
pub mod signals;
