//! One file a subcommand: its flags, what it does, what it says.

pub mod admin;
pub mod attach;
pub mod attest;
pub mod completions;
pub mod config;
pub mod demo;
pub mod deploy;
pub mod devnet;
pub mod escape;
pub mod keys;
pub mod list;
pub mod open;
pub mod prepare;
pub mod proof;
pub mod relay;
pub mod report;
pub mod rollback;
pub mod rotate;
pub mod sent;
pub mod status;
pub mod verify;
