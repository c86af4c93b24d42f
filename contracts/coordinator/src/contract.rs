//! The entry points: what each message is for is in `msg.rs`, what it does in `execute`.

#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, Response};

use crate::error::ContractError;
use crate::execute::{self, admin, attach, decide, equivocation, open, record};
use crate::msg::{ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg};
use crate::state::{Config, CONFIG, COUNT, HALTED};
use crate::{events, query};

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(deps: DepsMut, env: Env, info: MessageInfo, msg: InstantiateMsg) -> Result<Response, ContractError> {
    refuse_funds(&info)?;
    let actual = format!("cosmos:{}", env.block.chain_id);
    if msg.home_chain.as_str() != actual {
        return Err(ContractError::OtherChain { given: msg.home_chain, actual });
    }
    admin::check_settings(&msg.settings)?;
    let event = events::instantiated(&msg)?;

    cw2::set_contract_version(deps.storage, NAME, VERSION)?;
    aes_authority::init(deps.storage, deps.api, &msg.admin, msg.attestor_set)?;
    let coordinator = execute::account(deps.api, &env.contract.address)?;
    CONFIG.save(
        deps.storage,
        &Config { home_chain: msg.home_chain, coordinator, conservation: msg.conservation, settings: msg.settings },
    )?;
    COUNT.save(deps.storage, &0)?;
    HALTED.save(deps.storage, &false)?;
    Ok(Response::new().add_event(event))
}

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn execute(deps: DepsMut, env: Env, info: MessageInfo, msg: ExecuteMsg) -> Result<Response, ContractError> {
    refuse_funds(&info)?;
    let sender = &info.sender;
    match msg {
        ExecuteMsg::Open { legs, salt, deadline, relayer } => {
            open::open(deps, &env, sender, legs, salt, deadline, relayer)
        }
        ExecuteMsg::Attach { execution_id, leg, presigned } => {
            attach::attach(deps, sender, &execution_id, leg, &presigned)
        }
        ExecuteMsg::Commit { execution_id, evidence, certificate } => {
            decide::commit(deps, &env, &execution_id, &evidence, &certificate)
        }
        ExecuteMsg::Rollback { execution_id, reason } => decide::rollback(deps, &env, sender, &execution_id, reason),
        ExecuteMsg::Record { execution_id, evidence, certificate } => {
            record::record(deps, &env, &execution_id, &evidence, &certificate)
        }
        ExecuteMsg::Rotate { set, certificate } => {
            let config = CONFIG.load(deps.storage)?;
            let (horizon, grace) = (config.settings.max_horizon, config.settings.set_grace);
            let event = aes_authority::rotate(deps, &env, &config.domain(), set, &certificate, horizon, grace)?;
            Ok(Response::new().add_event(event))
        }
        ExecuteMsg::ReportEquivocation { execution_id, commit, abort } => {
            equivocation::report(deps, &env, execution_id, commit, abort)
        }
        ExecuteMsg::RegisterChain { chain, escrow } => admin::register_chain(deps, sender, &chain, &escrow),
        ExecuteMsg::UpdateSettings { settings } => admin::update_settings(deps, sender, settings),
        ExecuteMsg::Pause {} => Ok(Response::new().add_event(aes_authority::pause(deps.storage, sender)?)),
        ExecuteMsg::Unpause {} => admin::unpause(deps, sender),
        ExecuteMsg::ProposeAdmin { admin } => {
            let next = execute::address(deps.api, "admin", admin)?;
            Ok(Response::new().add_event(aes_authority::propose_admin(deps.storage, sender, next)?))
        }
        ExecuteMsg::AcceptAdmin {} => Ok(Response::new().add_event(aes_authority::accept_admin(deps.storage, sender)?)),
    }
}

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps, _env: Env, msg: QueryMsg) -> Result<Binary, ContractError> {
    query::answer(deps, msg)
}

#[cfg_attr(not(feature = "library"), entry_point)]
pub fn migrate(deps: DepsMut, _env: Env, _msg: MigrateMsg) -> Result<Response, ContractError> {
    let from = cw2::ensure_from_older_version(deps.storage, NAME, VERSION)
        .map_err(|cause| ContractError::Migrate { cause: cause.as_ref().to_string() })?;
    Ok(Response::new().add_event(events::migrated(&from.to_string(), VERSION)))
}

/// ALZ sent here would be nobody's: it moves through the escrows only.
fn refuse_funds(info: &MessageInfo) -> Result<(), ContractError> {
    if info.funds.is_empty() {
        Ok(())
    } else {
        Err(ContractError::NoFunds)
    }
}
