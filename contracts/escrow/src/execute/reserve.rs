//! What feeds the reserve and what bounds it.

use cosmwasm_std::{Addr, DepsMut, Env, Response, Uint128};

use crate::error::ContractError;
use crate::events;
use crate::msg::{Limits, PendingLimits};
use crate::state::{BALANCES, CONFIG, RESERVE};

pub fn fund_vault(deps: DepsMut, from: &Addr, amount: Uint128) -> Result<Response, ContractError> {
    if amount.is_zero() {
        return Err(ContractError::ZeroAmount);
    }
    let mut balances = BALANCES.load(deps.storage)?;
    balances.fund(amount)?;
    BALANCES.save(deps.storage, &balances)?;
    Ok(Response::new().add_event(events::vault_funded(from, amount)))
}

/// A change already waiting is replaced, and its delay begins anew.
pub fn schedule_limits(deps: DepsMut, env: &Env, sender: &Addr, limits: Limits) -> Result<Response, ContractError> {
    aes_authority::assert_admin(deps.storage, sender)?;
    let now = env.block.time.seconds();
    let delay = CONFIG.load(deps.storage)?.settings.limits_delay;
    let next = PendingLimits { limits, effective_at: now.saturating_add(delay) };
    let mut reserve = RESERVE.load(deps.storage)?.at(now);
    reserve.pending = Some(next);
    RESERVE.save(deps.storage, &reserve)?;
    Ok(Response::new().add_event(events::limits_scheduled(&next)?))
}
