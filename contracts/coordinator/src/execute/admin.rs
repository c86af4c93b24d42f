//! What the admin alone may do. None of it touches an execution that is open.

use aes_protocol::{Bytes, ChainId};
use cosmwasm_std::{Addr, DepsMut, Response};

use crate::error::ContractError;
use crate::events;
use crate::msg::Settings;
use crate::state::{CHAINS, CONFIG, EQUIVOCATED_SETS, HALTED};

/// Ten years: a longer setting is a slip.
const MAX_SECONDS: u64 = 3650 * 24 * 3600;

pub fn check_settings(settings: &Settings) -> Result<(), ContractError> {
    for (name, got, min) in [("max_horizon", settings.max_horizon, 1), ("set_grace", settings.set_grace, 0)] {
        if !(min..=MAX_SECONDS).contains(&got) {
            return Err(ContractError::Setting { name, got, min, max: MAX_SECONDS });
        }
    }
    Ok(())
}

pub fn update_settings(deps: DepsMut, sender: &Addr, settings: Settings) -> Result<Response, ContractError> {
    aes_authority::assert_admin(deps.storage, sender)?;
    check_settings(&settings)?;
    let mut config = CONFIG.load(deps.storage)?;
    config.settings = settings;
    CONFIG.save(deps.storage, &config)?;
    Ok(Response::new().add_event(events::settings_updated(&settings)?))
}

/// A chain's escrow is for good: another one under the same name would leave holds that nobody looks at.
pub fn register_chain(
    deps: DepsMut,
    sender: &Addr,
    chain: &ChainId,
    escrow: &Bytes,
) -> Result<Response, ContractError> {
    aes_authority::assert_admin(deps.storage, sender)?;
    chain.check_account(escrow).map_err(ContractError::Escrow)?;
    let repeated = match CHAINS.may_load(deps.storage, chain.as_str())? {
        Some(registered) if registered != *escrow => {
            return Err(ContractError::ChainHasEscrow { chain: chain.clone(), registered });
        }
        registered => registered.is_some(),
    };
    CHAINS.save(deps.storage, chain.as_str(), escrow)?;
    Ok(Response::new().add_event(events::chain_registered(chain, escrow, repeated)))
}

/// Ends the halt after an equivocation too, once the set that did it is no longer the current one.
pub fn unpause(deps: DepsMut, sender: &Addr) -> Result<Response, ContractError> {
    let event = aes_authority::unpause(deps.storage, sender)?;
    let current = aes_authority::current_set_id(deps.storage)?;
    if EQUIVOCATED_SETS.has(deps.storage, current) {
        return Err(ContractError::SetEquivocated(current));
    }
    let halted = HALTED.load(deps.storage)?;
    HALTED.save(deps.storage, &false)?;
    Ok(Response::new().add_event(event.add_attribute("halt_ended", halted.to_string())))
}
