//! A hold ends as the coordinator decided. Nothing here looks at the clock, the pause or the limits: the decision
//! alone says which way, and the leg says to whom. Each leg settles on its own; what cannot be paid stays held.

use aes_protocol::{Bytes, Certificate, Decision, DecisionLeaf, Function, Hash32, Leg, Statement};
use cosmwasm_schema::cw_serde;
use cosmwasm_std::{
    from_json, to_json_binary, CosmosMsg, Deps, DepsMut, Env, Event, Reply, Response, SubMsg, SubMsgResult, Uint128,
};

use super::{check_ours, humanize};
use crate::error::ContractError;
use crate::events;
use crate::msg::{BalancesResponse, Hold, HoldStatus, SettleResult, Settlement};
use crate::state::{hold_key, moment, Config, BALANCES, CONFIG, HOLDS};

pub const MAX_LEGS: usize = 64;

/// The gas one payment gets, so that an asset's contract cannot starve the rest of a batch. Where less than this is
/// left, wasmd does not limit the payment, and running out fails the whole message: nobody can make a payable leg
/// look unpayable by sending too little.
const PAYMENT_GAS: u64 = 500_000;
const PAYMENT_REPLY: u64 = 1;
/// Longer reasons are cut: they are stored.
const MAX_FAILURE_CHARS: usize = 256;

/// Where a hold goes, per decision: the protocol's table of functions.
pub enum Destination<'a> {
    Account(&'a Bytes),
    Vault,
    Destroyed,
}

impl<'a> Destination<'a> {
    fn of(leg: &'a Leg, decision: Decision) -> Self {
        match (decision, leg.function) {
            (Decision::Commit, Function::Transfer | Function::Unlock | Function::Mint) => Self::Account(&leg.to),
            (Decision::Commit, Function::Lock) | (Decision::Abort, Function::Unlock) => Self::Vault,
            (Decision::Commit, Function::Burn) | (Decision::Abort, Function::Mint) => Self::Destroyed,
            (Decision::Abort, Function::Transfer | Function::Lock | Function::Burn) => Self::Account(&leg.from),
        }
    }

    /// Books the move, and answers with the message that makes it where one is needed.
    pub fn pay(
        &self,
        deps: Deps,
        config: &Config,
        balances: &mut BalancesResponse,
        amount: Uint128,
    ) -> Result<Option<CosmosMsg>, ContractError> {
        match self {
            Self::Account(account) => {
                balances.pay(amount)?;
                Ok(Some(config.asset.transfer(&humanize(deps.api, account)?, amount)?))
            }
            Self::Vault => balances.keep(amount).map(|()| None),
            Self::Destroyed => {
                balances.burn(amount)?;
                config.asset.burn(amount).map(Some)
            }
        }
    }
}

/// What `reply` needs to undo a settlement that could not be paid.
#[cw_serde]
struct Unpaid {
    execution_id: Hash32,
    leg_hash: Hash32,
    decision: Decision,
    amount: Uint128,
    burn: bool,
}

pub fn settle(
    mut deps: DepsMut,
    env: &Env,
    decision: Decision,
    certificate: &Certificate,
    items: &[Settlement],
) -> Result<Response, ContractError> {
    check_size(items)?;
    let config = CONFIG.load(deps.storage)?;
    let decisions_root = common_root(decision, items)?;
    aes_authority::verify(deps.as_ref(), env, &config.domain, &Statement::Decided { decisions_root }, certificate)?;

    let mut balances = BALANCES.load(deps.storage)?;
    let mut response = Response::new();
    for item in items {
        for leg in &item.legs {
            let (event, payment) =
                settle_leg(deps.branch(), env, &config, &mut balances, decision, item.execution_id, leg)?;
            response = response.add_event(event).add_submessages(payment);
        }
    }
    BALANCES.save(deps.storage, &balances)?;
    Ok(response)
}

fn check_size(items: &[Settlement]) -> Result<(), ContractError> {
    let got = items.iter().map(|item| item.legs.len()).fold(0, usize::saturating_add);
    if got > MAX_LEGS {
        return Err(ContractError::BatchTooLarge { got, max: MAX_LEGS });
    }
    if items.is_empty() || items.iter().any(|item| item.legs.is_empty()) {
        return Err(ContractError::EmptyBatch { max: MAX_LEGS });
    }
    Ok(())
}

/// The one root that all the items' decisions lead to: one certificate is for one root.
fn common_root(decision: Decision, items: &[Settlement]) -> Result<Hash32, ContractError> {
    let root_of = |item: &Settlement| DecisionLeaf { execution_id: item.execution_id, decision }.root(&item.path);
    let expected = items.first().map(root_of).unwrap_or_default();
    for item in items.iter().skip(1) {
        let got = root_of(item);
        if got != expected {
            return Err(ContractError::OtherDecisionsRoot { execution_id: item.execution_id, got, expected });
        }
    }
    Ok(expected)
}

fn settle_leg(
    deps: DepsMut,
    env: &Env,
    config: &Config,
    balances: &mut BalancesResponse,
    decision: Decision,
    execution_id: Hash32,
    leg: &Leg,
) -> Result<(Event, Option<SubMsg>), ContractError> {
    check_ours(config, leg)?;
    let leg_hash = leg.hash();
    let key = hold_key(&execution_id, &leg_hash);
    let outcome = match decision {
        Decision::Commit => HoldStatus::Finalized,
        Decision::Abort => HoldStatus::Released,
    };
    let event = |status, result| events::settled(&execution_id, &leg_hash, decision, status, result);
    let settled_at = Some(moment(env));

    let Some(hold) = HOLDS.may_load(deps.storage, key)? else {
        if decision == Decision::Commit {
            return Err(ContractError::NothingHeld { execution_id, leg_hash });
        }
        let tombstone = Hold { status: outcome, deadline: 0, held_at: None, settled_at, failure: None };
        HOLDS.save(deps.storage, key, &tombstone)?;
        return Ok((event(outcome, SettleResult::Tombstone), None));
    };
    match hold.status {
        HoldStatus::Held => {}
        status if status == outcome => return Ok((event(status, SettleResult::Repeated), None)),
        // What was escaped with is back with its depositor, which is all an abort asks for.
        HoldStatus::Escaped if decision == Decision::Abort => {
            return Ok((event(HoldStatus::Escaped, SettleResult::Repeated), None));
        }
        status => return Err(ContractError::HoldSettledOtherwise { execution_id, leg_hash, status }),
    }
    HOLDS.save(deps.storage, key, &Hold { status: outcome, settled_at, failure: None, ..hold })?;
    let destination = Destination::of(leg, decision);
    let payment = match destination.pay(deps.as_ref(), config, balances, leg.amount)? {
        None => None,
        Some(message) => {
            let burn = matches!(destination, Destination::Destroyed);
            let unpaid = Unpaid { execution_id, leg_hash, decision, amount: leg.amount, burn };
            let payment = SubMsg::reply_on_error(message, PAYMENT_REPLY).with_gas_limit(PAYMENT_GAS);
            Some(payment.with_payload(to_json_binary(&unpaid)?))
        }
    };
    Ok((event(outcome, SettleResult::Settled), payment))
}

/// A payment was refused: its leg is held as before, with the reason, and the rest of the batch goes on.
pub fn payment_failed(deps: DepsMut, reply: Reply) -> Result<Response, ContractError> {
    let (PAYMENT_REPLY, SubMsgResult::Err(cause)) = (reply.id, reply.result) else {
        return Err(ContractError::UnknownReply(reply.id));
    };
    let Unpaid { execution_id, leg_hash, decision, amount, burn } = from_json(reply.payload)?;
    let key = hold_key(&execution_id, &leg_hash);
    let failure: String = cause.chars().take(MAX_FAILURE_CHARS).collect();
    let event = events::settled(&execution_id, &leg_hash, decision, HoldStatus::Held, SettleResult::Failed)
        .add_attribute("failure", &failure);

    let hold = HOLDS.load(deps.storage, key)?;
    let held = Hold { status: HoldStatus::Held, settled_at: None, failure: Some(failure), ..hold };
    HOLDS.save(deps.storage, key, &held)?;
    let mut balances = BALANCES.load(deps.storage)?;
    if burn {
        balances.unburn(amount)?;
    } else {
        balances.deposit(amount)?;
    }
    BALANCES.save(deps.storage, &balances)?;
    Ok(Response::new().add_event(event))
}
