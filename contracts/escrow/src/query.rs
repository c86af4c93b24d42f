//! What can be asked.

use aes_protocol::Hash32;
use cosmwasm_std::{to_json_binary, Binary, Deps, Env, Order, StdResult};
use cw_storage_plus::Bound;

use crate::error::ContractError;
use crate::msg::{ConfigResponse, Hold, HoldEntry, HoldResponse, HoldsResponse, QueryMsg};
use crate::state::{hold_key, BALANCES, CONFIG, HOLDS, RESERVE};

const DEFAULT_LIMIT: u32 = 30;
const MAX_LIMIT: u32 = 100;

pub fn answer(deps: Deps, env: &Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    Ok(match msg {
        QueryMsg::Hold { execution_id, leg_hash } => {
            let hold = HOLDS.may_load(deps.storage, hold_key(&execution_id, &leg_hash))?;
            to_json_binary(&HoldResponse { hold })
        }
        QueryMsg::Holds { execution_id, start_after, limit } => {
            to_json_binary(&holds(deps, execution_id, start_after, limit)?)
        }
        QueryMsg::Balances {} => to_json_binary(&BALANCES.load(deps.storage)?),
        QueryMsg::AttestorSet { id } => to_json_binary(&aes_authority::query_set(deps.storage, id)?),
        QueryMsg::Config {} => to_json_binary(&config(deps, env)?),
    }?)
}

fn holds(
    deps: Deps,
    execution_id: Option<Hash32>,
    start_after: Option<(Hash32, Hash32)>,
    limit: Option<u32>,
) -> Result<HoldsResponse, ContractError> {
    let limit = usize::try_from(limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)).unwrap_or_default();
    if let (Some(asked), Some((start_after, _))) = (execution_id, start_after) {
        if asked != start_after {
            return Err(ContractError::StartAfterOtherExecution { start_after, asked });
        }
    }
    let holds: StdResult<Vec<_>> = match &execution_id {
        None => {
            let min = start_after.as_ref().map(|(id, leg)| Bound::exclusive(hold_key(id, leg)));
            let entries = HOLDS.range(deps.storage, min, None, Order::Ascending).take(limit);
            entries.map(|entry| entry.and_then(|((id, leg), hold)| to_entry(&id, &leg, hold))).collect()
        }
        Some(id) => {
            let min = start_after.as_ref().map(|(_, leg)| Bound::exclusive(leg.0.as_slice()));
            let entries = HOLDS.prefix(&id.0).range(deps.storage, min, None, Order::Ascending).take(limit);
            entries.map(|entry| entry.and_then(|(leg, hold)| to_entry(&id.0, &leg, hold))).collect()
        }
    };
    Ok(HoldsResponse { holds: holds? })
}

fn to_entry(execution_id: &[u8], leg_hash: &[u8], hold: Hold) -> StdResult<HoldEntry> {
    Ok(HoldEntry { execution_id: execution_id.try_into()?, leg_hash: leg_hash.try_into()?, hold })
}

fn config(deps: Deps, env: &Env) -> Result<ConfigResponse, ContractError> {
    let config = CONFIG.load(deps.storage)?;
    let reserve = RESERVE.load(deps.storage)?.at(env.block.time.seconds());
    Ok(ConfigResponse {
        authority: aes_authority::query_admin(deps.storage)?,
        chain: config.chain,
        domain: config.domain,
        asset: config.asset,
        limits: reserve.limits,
        pending_limits: reserve.pending,
        reserve_available: reserve.available,
        settings: config.settings,
        current_set: aes_authority::current_set_id(deps.storage)?,
    })
}
