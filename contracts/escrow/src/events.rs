//! What is told of each state change: enough to rebuild the whole state from events alone.
//! On chain their types carry the prefix `wasm-`. Hashes are `0x` hex, structures JSON.

use aes_protocol::{Decision, Hash32, Leg};
use cosmwasm_std::{to_json_string, Addr, Event, StdResult, Uint128};

use crate::msg::{HoldStatus, InstantiateMsg, PendingLimits, SettleResult};

fn of_leg(name: &str, execution_id: &Hash32, leg_hash: &Hash32) -> Event {
    Event::new(name)
        .add_attribute("execution_id", execution_id.to_string())
        .add_attribute("leg_hash", leg_hash.to_string())
}

pub fn instantiated(msg: &InstantiateMsg) -> StdResult<Event> {
    Ok(Event::new("aes-instantiated").add_attribute("config", to_json_string(msg)?))
}

pub fn migrated(from: &str, to: &str) -> Event {
    Event::new("aes-migrated").add_attribute("from", from).add_attribute("to", to)
}

/// `repeated`: it was held so before; nothing moved.
pub fn prepared(
    execution_id: &Hash32,
    leg_hash: &Hash32,
    leg: &Leg,
    deadline: u64,
    repeated: bool,
) -> StdResult<Event> {
    Ok(of_leg("aes-prepared", execution_id, leg_hash)
        .add_attribute("leg", to_json_string(leg)?)
        .add_attribute("deadline", deadline.to_string())
        .add_attribute("repeated", repeated.to_string()))
}

/// `status` is the hold's after it. A payment that fails is told second, after `settled`: the last one counts.
pub fn settled(
    execution_id: &Hash32,
    leg_hash: &Hash32,
    decision: Decision,
    status: HoldStatus,
    result: SettleResult,
) -> Event {
    let decision = match decision {
        Decision::Commit => "commit",
        Decision::Abort => "abort",
    };
    of_leg("aes-settled", execution_id, leg_hash)
        .add_attribute("decision", decision)
        .add_attribute("status", status.as_str())
        .add_attribute("result", result.as_str())
}

pub fn escaped(execution_id: &Hash32, leg_hash: &Hash32, repeated: bool) -> Event {
    of_leg("aes-escaped", execution_id, leg_hash).add_attribute("repeated", repeated.to_string())
}

pub fn vault_funded(from: &Addr, amount: Uint128) -> Event {
    Event::new("aes-vault_funded").add_attribute("from", from).add_attribute("amount", amount.to_string())
}

/// There is no event when they begin to count: `effective_at` says it here.
pub fn limits_scheduled(next: &PendingLimits) -> StdResult<Event> {
    Ok(Event::new("aes-limits_scheduled")
        .add_attribute("limits", to_json_string(&next.limits)?)
        .add_attribute("effective_at", next.effective_at.to_string()))
}
