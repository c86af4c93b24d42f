//! One Bitcoin chain: blocks, a mempool and a node made here, under the real adapter; every script is run by Bitcoin Core's code.

pub mod blocks;
pub mod deploy;
pub mod ends;
pub mod ledger;
pub mod node;
