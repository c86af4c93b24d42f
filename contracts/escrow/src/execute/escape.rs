//! The way out when no decision ever comes: long after the deadline, the depositor alone takes the hold back (P6).

use aes_protocol::{Hash32, Leg};
use cosmwasm_std::{DepsMut, Env, MessageInfo, Response};

use super::settle::Destination;
use super::{check_depositor, check_ours};
use crate::error::ContractError;
use crate::events;
use crate::msg::{Hold, HoldStatus};
use crate::state::{hold_key, moment, BALANCES, CONFIG, HOLDS};

pub fn escape(
    deps: DepsMut,
    env: &Env,
    info: &MessageInfo,
    execution_id: Hash32,
    leg: &Leg,
) -> Result<Response, ContractError> {
    let config = CONFIG.load(deps.storage)?;
    check_ours(&config, leg)?;
    if !leg.function.is_account_sourced() {
        return Err(ContractError::NothingToEscape { function: leg.function.name() });
    }
    check_depositor(deps.api, &info.sender, leg)?;
    let leg_hash = leg.hash();
    let key = hold_key(&execution_id, &leg_hash);
    let hold = HOLDS.may_load(deps.storage, key)?.ok_or(ContractError::NothingHeld { execution_id, leg_hash })?;
    match hold.status {
        HoldStatus::Held => {}
        HoldStatus::Escaped => return Ok(Response::new().add_event(events::escaped(&execution_id, &leg_hash, true))),
        status => return Err(ContractError::HoldSettledOtherwise { execution_id, leg_hash, status }),
    }
    let now = env.block.time.seconds();
    let opens_at = hold.deadline.saturating_add(config.settings.escape_delay);
    if now < opens_at {
        return Err(ContractError::EscapeTooEarly { now, opens_at });
    }
    let escaped = Hold { status: HoldStatus::Escaped, settled_at: Some(moment(env)), failure: None, ..hold };
    HOLDS.save(deps.storage, key, &escaped)?;
    let mut balances = BALANCES.load(deps.storage)?;
    let payment = Destination::Account(&leg.from).pay(deps.as_ref(), &config, &mut balances, leg.amount)?;
    BALANCES.save(deps.storage, &balances)?;
    Ok(Response::new().add_event(events::escaped(&execution_id, &leg_hash, false)).add_messages(payment))
}
