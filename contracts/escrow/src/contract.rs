//! The entry points: what each message is for is in `msg.rs`, what it does in `execute`.

#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{from_json, Binary, Deps, DepsMut, Env, MessageInfo, Reply, Response};

use aes_protocol::Decision;

use crate::error::ContractError;
use crate::execute::prepare::Prepare;
use crate::execute::{address, escape, reserve, settle};
use crate::limits::Reserve;
use crate::msg::{BalancesResponse, ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg, ReceiveMsg, Settings};
use crate::state::{Config, BALANCES, CONFIG, RESERVE};
use crate::{events, query};

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Ten years: a longer setting is a slip.
const MAX_SECONDS: u64 = 3650 * 24 * 3600;

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(deps: DepsMut, env: Env, info: MessageInfo, msg: InstantiateMsg) -> Result<Response, ContractError> {
    refuse_funds(&info)?;
    if msg.chain.as_str().strip_prefix("cosmos:") != Some(env.block.chain_id.as_str()) {
        return Err(ContractError::OtherChain { given: msg.chain, actual: format!("cosmos:{}", env.block.chain_id) });
    }
    msg.domain.home_chain.check_account(&msg.domain.coordinator).map_err(ContractError::Coordinator)?;
    check_settings(&msg.settings)?;
    let msg = InstantiateMsg { asset: msg.asset.checked(deps.as_ref())?, ..msg };
    let event = events::instantiated(&msg)?;

    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    aes_authority::init(deps.storage, deps.api, &msg.admin, msg.attestor_set)?;
    let escrow = deps.api.addr_canonicalize(env.contract.address.as_str())?.as_slice().into();
    CONFIG.save(
        deps.storage,
        &Config { chain: msg.chain, escrow, domain: msg.domain, asset: msg.asset, settings: msg.settings },
    )?;
    RESERVE.save(deps.storage, &Reserve::new(msg.limits, env.block.time.seconds()))?;
    BALANCES.save(deps.storage, &BalancesResponse::EMPTY)?;
    Ok(Response::new().add_event(event))
}

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn execute(deps: DepsMut, env: Env, info: MessageInfo, msg: ExecuteMsg) -> Result<Response, ContractError> {
    if !matches!(msg, ExecuteMsg::Prepare { .. } | ExecuteMsg::FundVault {}) {
        refuse_funds(&info)?;
    }
    let sender = &info.sender;
    match msg {
        ExecuteMsg::Prepare { execution_id, deadline, leg, opened } => {
            Prepare::new(execution_id, deadline, leg).execute(deps, &env, &info, opened)
        }
        ExecuteMsg::Receive { sender: from, amount, msg } => {
            CONFIG.load(deps.storage)?.asset.expect_cw20(&info)?;
            let from = address(deps.api, "sender", from)?;
            match from_json(msg).map_err(|cause| ContractError::Inside(cause.as_ref().to_string()))? {
                ReceiveMsg::Prepare { execution_id, deadline, leg } => {
                    Prepare::new(execution_id, deadline, leg).with_cw20(deps, &env, &from, amount)
                }
                ReceiveMsg::FundVault {} => reserve::fund_vault(deps, &from, amount),
            }
        }
        ExecuteMsg::Finalize { certificate, items } => {
            settle::settle(deps, &env, Decision::Commit, &certificate, &items)
        }
        ExecuteMsg::Release { certificate, items } => settle::settle(deps, &env, Decision::Abort, &certificate, &items),
        ExecuteMsg::Escape { execution_id, leg } => escape::escape(deps, &env, &info, execution_id, &leg),
        ExecuteMsg::FundVault {} => {
            let amount = CONFIG.load(deps.storage)?.asset.coins_received(&info)?;
            reserve::fund_vault(deps, sender, amount)
        }
        ExecuteMsg::ScheduleLimits { limits } => reserve::schedule_limits(deps, &env, sender, limits),
        ExecuteMsg::Rotate { set, certificate } => {
            let config = CONFIG.load(deps.storage)?;
            let (max_horizon, grace) = (config.settings.max_horizon, config.settings.set_grace);
            let event = aes_authority::rotate(deps, &env, &config.domain, set, &certificate, max_horizon, grace)?;
            Ok(Response::new().add_event(event))
        }
        ExecuteMsg::Pause {} => Ok(Response::new().add_event(aes_authority::pause(deps.storage, sender)?)),
        ExecuteMsg::Unpause {} => Ok(Response::new().add_event(aes_authority::unpause(deps.storage, sender)?)),
        ExecuteMsg::ProposeAdmin { admin } => {
            let admin = address(deps.api, "admin", admin)?;
            Ok(Response::new().add_event(aes_authority::propose_admin(deps.storage, sender, admin)?))
        }
        ExecuteMsg::AcceptAdmin {} => Ok(Response::new().add_event(aes_authority::accept_admin(deps.storage, sender)?)),
    }
}

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn reply(deps: DepsMut, _env: Env, reply: Reply) -> Result<Response, ContractError> {
    settle::payment_failed(deps, reply)
}

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps, env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    query::answer(deps, &env, msg)
}

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn migrate(deps: DepsMut, _env: Env, _msg: MigrateMsg) -> Result<Response, ContractError> {
    let stored = cw2::get_contract_version(deps.storage)?;
    let refused = || ContractError::Migrate {
        ours: format!("{NAME} {VERSION}"),
        stored: format!("{} {}", stored.contract, stored.version),
    };
    if stored.contract != NAME
        || version_numbers(&stored.version).ok_or_else(refused)? > version_numbers(VERSION).ok_or_else(refused)?
    {
        return Err(refused());
    }
    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    Ok(Response::new().add_event(events::migrated(&stored.version, VERSION)))
}

/// `1.2.3` in an order that `10.0.0` and `9.0.0` keep.
fn version_numbers(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|number| number.parse().ok()).collect()
}

fn refuse_funds(info: &MessageInfo) -> Result<(), ContractError> {
    if info.funds.is_empty() {
        Ok(())
    } else {
        Err(ContractError::NoFunds)
    }
}

fn check_settings(settings: &Settings) -> Result<(), ContractError> {
    for (name, got, min) in [
        ("max_horizon", settings.max_horizon, 1),
        ("escape_delay", settings.escape_delay, 1),
        ("limits_delay", settings.limits_delay, 0),
        ("set_grace", settings.set_grace, 0),
    ] {
        if !(min..=MAX_SECONDS).contains(&got) {
            return Err(ContractError::Setting { name, got, min, max: MAX_SECONDS });
        }
    }
    Ok(())
}
