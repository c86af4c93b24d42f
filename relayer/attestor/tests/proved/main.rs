//! Attestors that believe no node: on a real one, honest, and with endpoints before it that lie.

mod evm;
mod fork;
mod honest;
mod lies;
mod net;
mod proxy;
