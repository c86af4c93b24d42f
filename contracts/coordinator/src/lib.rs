//! The coordinator: the one record on the home chain that decides each execution once, commit or rollback.

pub mod msg;
