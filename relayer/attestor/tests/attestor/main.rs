//! Attestors over real HTTP on loopback with real journals; only the chains are facts in memory, so that each test
//! can say exactly what an attestor's nodes show it.

mod http;
mod journal;
mod quorum;
mod refusals;
mod world;
