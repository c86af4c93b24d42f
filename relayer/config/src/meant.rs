//! One kind of table serves every kind of chain: a key that this chain's kind does not read, or a price in the wrong unit,
//! is somebody's mistake, and is named before anything starts.

use aes_protocol::ChainKind;

use crate::file::{ChainConfig, Config, FollowConfig};

/// More for a unit of gas or a virtual byte than any chain has ever asked: wei, or sat for the whole transaction, is meant.
const MOST_GWEI: u64 = 1_000_000;
const MOST_SAT: u64 = 100_000;

/// What is wrong, and where: `chains."eip155:1".bitcoin: only Bitcoin chains have it; …`.
pub(crate) fn mistake(config: &Config) -> Option<String> {
    let in_chains = config.chains.iter().find_map(|(id, chain)| {
        let (key, why) = in_chain(id.kind(), chain)?;
        Some(format!("chains.\"{id}\".{key}: {why}"))
    });
    let mut chains_of_deploy = config.deploy.iter().flat_map(|deploy| &deploy.chains);
    let in_deploy = chains_of_deploy
        .find(|(id, chain)| id.kind() == ChainKind::Cosmos && chain.initial_supply.is_some())
        .map(|(id, _)| format!("deploy.chains.\"{id}\".initial_supply: {}", not_for("EVM and Bitcoin chains")));
    let in_relay = config
        .relay
        .iter()
        .flat_map(|relay| relay.stalled_after.keys())
        .find(|id| !config.chains.contains_key(id))
        .map(|id| format!("relay.stalled_after.\"{id}\": there is no [chains.\"{id}\"]; add it, or take the line out"));
    in_chains.or(in_deploy).or(in_relay)
}

fn in_chain(kind: ChainKind, chain: &ChainConfig) -> Option<(&'static str, String)> {
    use ChainKind::{Bitcoin, Cosmos};
    let (cosmos, bitcoin) = ("CosmWasm chains", "Bitcoin chains");
    [
        ("gas_price", kind != Cosmos && chain.gas_price.is_some(), cosmos),
        ("prefix", kind != Cosmos && chain.prefix.is_some(), cosmos),
        ("follow", kind != Cosmos && chain.follow != FollowConfig::default(), cosmos),
        ("bitcoin", kind != Bitcoin && chain.bitcoin.is_some(), bitcoin),
        ("max_fee", kind == Cosmos && chain.max_fee.is_some(), "EVM and Bitcoin chains"),
    ]
    .into_iter()
    .find(|(_, misplaced, _)| *misplaced)
    .map(|(key, _, whose)| (key, not_for(whose)))
    .or_else(|| Some(("max_fee", wrong_unit(kind, chain.max_fee?)?)))
}

fn not_for(whose: &str) -> String {
    format!("only {whose} have it; take it out, or correct the chain's id")
}

fn wrong_unit(kind: ChainKind, max_fee: u64) -> Option<String> {
    let (most, unit) = match kind {
        ChainKind::Bitcoin => (MOST_SAT, "sat for a virtual byte"),
        _ => (MOST_GWEI, "gwei for a unit of gas"),
    };
    (!(1..=most).contains(&max_fee)).then(|| format!("it is in {unit}, so from 1 to {most}, not {max_fee}"))
}
