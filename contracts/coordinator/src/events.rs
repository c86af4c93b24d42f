//! What is told of each state change: enough to rebuild the whole state from events alone.
//! On chain their types carry the prefix `wasm-`. Hashes are `0x` hex, structures JSON, times Unix seconds.
//! `repeated`: it was so before, and nothing changed.

use aes_protocol::{Bytes, ChainId, Evidence, Hash32, Leg};
use cosmwasm_std::{to_json_string, Event, StdResult};

use crate::msg::{EquivocationResponse, InstantiateMsg, RollbackReason, Settings};
use crate::state::Record;

fn of_execution(name: &str, execution_id: &Hash32, repeated: bool) -> Event {
    Event::new(name)
        .add_attribute("execution_id", execution_id.to_string())
        .add_attribute("repeated", repeated.to_string())
}

pub fn instantiated(msg: &InstantiateMsg) -> StdResult<Event> {
    Ok(Event::new("aes-instantiated").add_attribute("config", to_json_string(msg)?))
}

pub fn migrated(from: &str, to: &str) -> Event {
    Event::new("aes-migrated").add_attribute("from", from).add_attribute("to", to)
}

pub fn opened(id: &Hash32, record: &Record, legs: &[Leg]) -> StdResult<Event> {
    let hashes: Vec<_> = legs.iter().map(Leg::hash).collect();
    let event = of_execution("aes-opened", id, false)
        .add_attribute("number", record.number.to_string())
        .add_attribute("opener", &record.opener)
        .add_attribute("salt", record.salt.to_string())
        .add_attribute("manifest_root", record.manifest_root.to_string())
        .add_attribute("deadline", record.deadline.to_string())
        .add_attribute("opened_at", record.opened_at.to_string())
        .add_attribute("legs", to_json_string(&legs)?)
        .add_attribute("leg_hashes", to_json_string(&hashes)?);
    Ok(event.add_attributes(record.relayer.as_ref().map(|relayer| ("relayer", relayer))))
}

pub fn attached(id: &Hash32, leg: &Leg, presigned: &Bytes, repeated: bool) -> Event {
    of_execution("aes-attached", id, repeated)
        .add_attribute("leg", leg.index.to_string())
        .add_attribute("leg_hash", leg.hash().to_string())
        .add_attribute("presigned", presigned.to_string())
}

pub fn committed(id: &Hash32, evidence: &[Evidence], root: &Hash32, set: u64, at: u64) -> StdResult<Event> {
    Ok(of_execution("aes-committed", id, false)
        .add_attribute("evidence", to_json_string(&evidence)?)
        .add_attribute("prepared_root", root.to_string())
        .add_attribute("attestor_set", set.to_string())
        .add_attribute("decided_at", at.to_string()))
}

pub fn rolled_back(id: &Hash32, reason: &RollbackReason, at: u64) -> StdResult<Event> {
    Ok(of_execution("aes-rolled_back", id, false)
        .add_attribute("reason", to_json_string(reason)?)
        .add_attribute("decided_at", at.to_string()))
}

pub fn recorded(id: &Hash32, record: &Record, evidence: &[Evidence], root: &Hash32, set: u64) -> StdResult<Event> {
    let event = of_execution("aes-recorded", id, false)
        .add_attribute("state", record.state.as_str())
        .add_attribute("evidence", to_json_string(&evidence)?)
        .add_attribute("settled_root", root.to_string())
        .add_attribute("attestor_set", set.to_string());
    Ok(event.add_attributes(record.settled_at.map(|at| ("settled_at", at.to_string()))))
}

/// The same message again: `name` as the first time, nothing else to tell.
pub fn repeated(name: &str, id: &Hash32) -> Event {
    of_execution(name, id, true)
}

pub fn equivocation_reported(found: &EquivocationResponse, repeated: bool) -> StdResult<Event> {
    Ok(of_execution("aes-equivocation_reported", &found.execution_id, repeated)
        .add_attribute("attestor_set", found.attestor_set.to_string())
        .add_attribute("commit", to_json_string(&found.commit)?)
        .add_attribute("abort", to_json_string(&found.abort)?)
        .add_attribute("reported_at", found.reported_at.to_string()))
}

pub fn chain_registered(chain: &ChainId, escrow: &Bytes, repeated: bool) -> Event {
    Event::new("aes-chain_registered")
        .add_attribute("chain", chain.as_str())
        .add_attribute("escrow", escrow.to_string())
        .add_attribute("repeated", repeated.to_string())
}

pub fn settings_updated(settings: &Settings) -> StdResult<Event> {
    Ok(Event::new("aes-settings_updated").add_attribute("settings", to_json_string(settings)?))
}
