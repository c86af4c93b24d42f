//! An execution begins: everything about it is fixed here, and its id says all of it.

use aes_protocol::{manifest_root, validate_legs, Bytes, Execution, Hash32, Leg, LegsError};
use cosmwasm_std::{Addr, DepsMut, Env, OverflowError, OverflowOperation, Response, StdError, Storage};

use super::{account, address};
use crate::error::ContractError;
use crate::events;
use crate::msg::State;
use crate::state::{insert_record, Record, CHAINS, CONFIG, COUNT, HALTED, LEGS, RECORDS};

pub fn open(
    deps: DepsMut,
    env: &Env,
    opener: &Addr,
    legs: Vec<Leg>,
    salt: Hash32,
    deadline: u64,
    relayer: Option<String>,
) -> Result<Response, ContractError> {
    let config = CONFIG.load(deps.storage)?;
    let relayer = relayer.map(|text| address(deps.api, "relayer", text)).transpose()?;
    let manifest_root = manifest_root(&legs).ok_or(LegsError::Count(0))?;
    let id = Execution {
        home_chain: config.home_chain,
        coordinator: config.coordinator,
        opener: account(deps.api, opener)?,
        salt,
        manifest_root,
        deadline,
        relayer: relayer.as_ref().map_or(Ok(Bytes::default()), |relayer| account(deps.api, relayer))?,
    }
    .execution_id();
    // Before every check: what was opened once stays opened, whatever the clock or the pause says now.
    if RECORDS.has(deps.storage, &id.0) {
        return Ok(Response::new().add_event(events::repeated("aes-opened", &id)).set_data(id.0));
    }

    aes_authority::assert_running(deps.storage)?;
    if HALTED.load(deps.storage)? {
        return Err(ContractError::Equivocated);
    }
    validate_legs(&legs, config.conservation)?;
    check_escrows(deps.storage, &legs)?;
    let opened_at = env.block.time.seconds();
    if deadline <= opened_at {
        return Err(ContractError::DeadlinePast { deadline, now: opened_at });
    }
    let latest = opened_at.saturating_add(config.settings.max_horizon);
    if deadline > latest {
        return Err(ContractError::DeadlineTooFar { deadline, latest });
    }

    let number = COUNT.load(deps.storage)?.checked_add(1);
    let record = Record {
        number: number.ok_or_else(|| StdError::from(OverflowError::new(OverflowOperation::Add)))?,
        state: State::Open,
        opener: opener.clone(),
        relayer,
        salt,
        manifest_root,
        deadline,
        leg_count: u32::try_from(legs.len()).map_err(StdError::from)?,
        opened_at,
        decision: None,
        decided_at: None,
        settled_at: None,
        reason: None,
        prepared_root: None,
        settled_root: None,
    };
    insert_record(deps.storage, &id, &record)?;
    LEGS.save(deps.storage, &id.0, &legs)?;
    Ok(Response::new().add_event(events::opened(&id, &record, &legs)?).set_data(id.0))
}

fn check_escrows(storage: &dyn Storage, legs: &[Leg]) -> Result<(), ContractError> {
    for leg in legs {
        let (index, chain) = (leg.index, leg.chain.clone());
        let Some(registered) = CHAINS.may_load(storage, chain.as_str())? else {
            return Err(ContractError::UnknownChain { index, chain });
        };
        if leg.escrow != registered {
            return Err(ContractError::OtherEscrow { index, chain, got: leg.escrow.clone(), registered });
        }
    }
    Ok(())
}
