//! What the tests of every kind of proof share.

pub mod mutate;
