//! What can be asked.

use aes_protocol::{ChainId, Evidence, Hash32, LegStatus};
use cosmwasm_std::{to_json_binary, Binary, Deps, Order, StdResult, Storage};
use cw_storage_plus::Bound;

use crate::error::ContractError;
use crate::execute::address;
use crate::msg::{
    ChainResponse, ChainsResponse, ConfigResponse, EquivocationsResponse, ExecutionResponse, ExecutionSummary,
    ExecutionsResponse, LegResponse, LegResult, QueryMsg, State,
};
use crate::state::{
    load_record, BY_OPENER, BY_STATE, CHAINS, CONFIG, EQUIVOCATIONS, HALTED, LEGS, PREPARED, PRESIGNED, SETTLED,
};

const DEFAULT_LIMIT: u32 = 30;
const MAX_LIMIT: u32 = 100;

pub fn answer(deps: Deps, msg: QueryMsg) -> Result<Binary, ContractError> {
    let storage = deps.storage;
    Ok(match msg {
        QueryMsg::Execution { execution_id } => to_json_binary(&execution(storage, execution_id)?),
        QueryMsg::ExecutionsByState { state, start_after, limit } => {
            to_json_binary(&by_state(storage, state, start_after, limit)?)
        }
        QueryMsg::ExecutionsByOpener { opener, start_after, limit } => {
            to_json_binary(&by_opener(deps, opener, start_after, limit)?)
        }
        QueryMsg::AttestorSet { id } => to_json_binary(&aes_authority::query_set(storage, id)?),
        QueryMsg::Config {} => to_json_binary(&config(storage)?),
        QueryMsg::Chains { start_after, limit } => to_json_binary(&chains(storage, start_after, limit)?),
        QueryMsg::Equivocations { start_after, limit } => to_json_binary(&equivocations(storage, start_after, limit)?),
    }?)
}

fn page(limit: Option<u32>) -> usize {
    usize::try_from(limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)).unwrap_or_default()
}

/// From the contract's storage, or from the part of it that is about this execution.
pub fn execution(storage: &dyn Storage, execution_id: Hash32) -> Result<ExecutionResponse, ContractError> {
    let record = load_record(storage, &execution_id)?;
    let held = PREPARED.may_load(storage, &execution_id.0)?.unwrap_or_default();
    let settled = SETTLED.may_load(storage, &execution_id.0)?.unwrap_or_default();
    let legs = LEGS.load(storage, &execution_id.0)?.into_iter().enumerate().map(|(position, leg)| {
        let settled = settled.get(position).cloned();
        Ok(LegResponse {
            leg_hash: leg.hash(),
            held: held.get(position).cloned(),
            result: result(settled.as_ref()),
            settled,
            presigned: PRESIGNED.may_load(storage, (&execution_id.0, leg.index))?,
            leg,
        })
    });
    Ok(ExecutionResponse {
        execution_id,
        legs: legs.collect::<StdResult<_>>()?,
        number: record.number,
        state: record.state,
        opener: record.opener.into(),
        relayer: record.relayer.map(Into::into),
        salt: record.salt,
        manifest_root: record.manifest_root,
        deadline: record.deadline,
        opened_at: record.opened_at,
        decision: record.decision,
        decided_at: record.decided_at,
        settled_at: record.settled_at,
        reason: record.reason,
        prepared_root: record.prepared_root,
        settled_root: record.settled_root,
    })
}

fn result(settled: Option<&Evidence>) -> LegResult {
    match settled.map(|evidence| evidence.status) {
        None | Some(LegStatus::Held) => LegResult::Pending,
        Some(LegStatus::Finalized) => LegResult::Finalized,
        Some(LegStatus::Released) => LegResult::Reverted,
        Some(LegStatus::Absent) => LegResult::NotPrepared,
        Some(LegStatus::Escaped) => LegResult::Escaped,
    }
}

fn by_state(
    storage: &dyn Storage,
    state: State,
    start_after: Option<u64>,
    limit: Option<u32>,
) -> Result<ExecutionsResponse, ContractError> {
    let min = start_after.map(Bound::exclusive);
    let ids = BY_STATE.prefix(state.code()).range(storage, min, None, Order::Ascending).take(page(limit));
    let executions = ids.map(|entry| summary(storage, entry?.1)).collect::<Result<_, _>>()?;
    Ok(ExecutionsResponse { executions })
}

fn by_opener(
    deps: Deps,
    opener: String,
    start_after: Option<u64>,
    limit: Option<u32>,
) -> Result<ExecutionsResponse, ContractError> {
    let opener = address(deps.api, "opener", opener)?;
    let min = start_after.map(Bound::exclusive);
    let ids = BY_OPENER.prefix(&opener).range(deps.storage, min, None, Order::Ascending).take(page(limit));
    let executions = ids.map(|entry| summary(deps.storage, entry?.1)).collect::<Result<_, _>>()?;
    Ok(ExecutionsResponse { executions })
}

fn summary(storage: &dyn Storage, execution_id: Hash32) -> Result<ExecutionSummary, ContractError> {
    let record = load_record(storage, &execution_id)?;
    Ok(ExecutionSummary {
        execution_id,
        number: record.number,
        state: record.state,
        opener: record.opener.into(),
        deadline: record.deadline,
        opened_at: record.opened_at,
        leg_count: record.leg_count,
    })
}

fn config(storage: &dyn Storage) -> Result<ConfigResponse, ContractError> {
    let config = CONFIG.load(storage)?;
    Ok(ConfigResponse {
        authority: aes_authority::query_admin(storage)?,
        home_chain: config.home_chain,
        coordinator: config.coordinator,
        conservation: config.conservation,
        settings: config.settings,
        current_set: aes_authority::current_set_id(storage)?,
        equivocated: HALTED.load(storage)?,
    })
}

fn chains(
    storage: &dyn Storage,
    start_after: Option<ChainId>,
    limit: Option<u32>,
) -> Result<ChainsResponse, ContractError> {
    let min = start_after.as_ref().map(|chain| Bound::exclusive(chain.as_str()));
    let entries = CHAINS.range(storage, min, None, Order::Ascending).take(page(limit));
    let chains = entries.map(|entry| {
        let (name, escrow) = entry?;
        Ok(ChainResponse { chain: name.parse()?, escrow })
    });
    Ok(ChainsResponse { chains: chains.collect::<StdResult<_>>()? })
}

fn equivocations(
    storage: &dyn Storage,
    start_after: Option<(Hash32, u64)>,
    limit: Option<u32>,
) -> Result<EquivocationsResponse, ContractError> {
    let min = start_after.as_ref().map(|(id, set)| Bound::exclusive((id.0.as_slice(), *set)));
    let entries = EQUIVOCATIONS.range(storage, min, None, Order::Ascending).take(page(limit));
    Ok(EquivocationsResponse { equivocations: entries.map(|entry| Ok(entry?.1)).collect::<StdResult<_>>()? })
}
