//! One file for each thing that can be done to the escrow.

pub mod escape;
pub mod prepare;
pub mod reserve;
pub mod settle;

use aes_protocol::{Bytes, Leg};
use cosmwasm_std::{Addr, Api, StdResult};

use crate::error::ContractError;
use crate::state::Config;

/// A leg is another one's on any other chain or escrow, and its hash says so: such a leg is never ours to move.
fn check_ours(config: &Config, leg: &Leg) -> Result<(), ContractError> {
    if leg.chain != config.chain {
        return Err(ContractError::LegOfOtherChain { leg: leg.chain.clone(), ours: config.chain.clone() });
    }
    if leg.escrow != config.escrow {
        return Err(ContractError::LegOfOtherEscrow { leg: leg.escrow.clone(), ours: config.escrow.clone() });
    }
    Ok(())
}

pub fn address(api: &dyn Api, what: &'static str, address: String) -> Result<Addr, ContractError> {
    api.addr_validate(&address).map_err(|cause| ContractError::Address {
        what,
        address,
        cause: cause.as_ref().to_string(),
    })
}

fn check_depositor(api: &dyn Api, sender: &Addr, leg: &Leg) -> Result<(), ContractError> {
    let sender = Bytes::from(api.addr_canonicalize(sender.as_str())?.as_slice());
    if sender == leg.from {
        Ok(())
    } else {
        Err(ContractError::NotTheDepositor { sender, depositor: leg.from.clone() })
    }
}

fn humanize(api: &dyn Api, account: &Bytes) -> StdResult<Addr> {
    api.addr_humanize(&account.as_slice().into())
}
