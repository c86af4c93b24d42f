//! A Bitcoin leg's signed settlement transactions, kept where no lost disk loses them.
//! What is in them is for the attestors to judge before they sign `Prepared`.

use aes_protocol::{Bytes, ChainKind, Hash32};
use cosmwasm_std::{Addr, DepsMut, Response};

use super::is_opener_or_relayer;
use crate::error::ContractError;
use crate::events;
use crate::msg::State;
use crate::state::{load_record, LEGS, PRESIGNED};

const MAX_PRESIGNED: usize = 16 * 1024;

pub fn attach(
    deps: DepsMut,
    sender: &Addr,
    id: &Hash32,
    leg: u8,
    presigned: &Bytes,
) -> Result<Response, ContractError> {
    let record = load_record(deps.storage, id)?;
    if !is_opener_or_relayer(&record, sender) {
        let hint = "only they attach to it";
        return Err(ContractError::NotOpenerOrRelayer { sender: sender.clone(), hint });
    }
    let legs = LEGS.load(deps.storage, &id.0)?;
    let Some(attached_to) = legs.get(usize::from(leg)) else {
        return Err(ContractError::NoSuchLeg { execution_id: *id, leg, count: legs.len() });
    };
    if attached_to.chain.kind() != ChainKind::Bitcoin {
        return Err(ContractError::NotBitcoin { leg, chain: attached_to.chain.clone() });
    }
    let got = presigned.0.len();
    if !(1..=MAX_PRESIGNED).contains(&got) {
        return Err(ContractError::PresignedSize { got, max: MAX_PRESIGNED });
    }
    let attached = PRESIGNED.may_load(deps.storage, (&id.0, leg))?;
    let repeated = attached.as_ref() == Some(presigned);
    // Once and for all: replaced after attestors have seen the hold, no decision could end it any more.
    if attached.is_some() && !repeated {
        return Err(ContractError::AttachedAlready { execution_id: *id, leg });
    }
    if !repeated {
        if record.state != State::Open {
            let (state, needed) = (record.state, "open");
            return Err(ContractError::WrongState { execution_id: *id, state, message: "attach", needed });
        }
        PRESIGNED.save(deps.storage, (&id.0, leg), presigned)?;
    }
    Ok(Response::new().add_event(events::attached(id, attached_to, presigned, repeated)))
}
