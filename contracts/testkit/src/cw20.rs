//! A small honest cw20 with the JSON of cw20-base (which, still on cosmwasm-std 2, cannot run beside cosmwasm-std 3).
//! It keeps balances, supply and a minter, and has one recipient that it refuses to pay.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::{
    to_json_binary, Addr, Binary, Deps, DepsMut, Empty, Env, MessageInfo, Response, StdError, StdResult, Storage,
    Uint128, WasmMsg,
};
use cw_multi_test::{Contract, ContractWrapper};
use cw_storage_plus::{Item, Map};

#[cw_serde]
pub struct Init {
    pub decimals: u8,
    pub minter: String,
    pub holders: Vec<(String, Uint128)>,
    pub refuses: Option<String>,
}

#[cw_serde]
pub enum Execute {
    Transfer {
        recipient: String,
        amount: Uint128,
    },
    Send {
        contract: String,
        amount: Uint128,
        msg: Binary,
    },
    Mint {
        recipient: String,
        amount: Uint128,
    },
    Burn {
        amount: Uint128,
    },
    UpdateMinter {
        new_minter: Option<String>,
    },
    /// not of cw20: whom it refuses from now on
    Refuse {
        recipient: Option<String>,
    },
}

#[cw_serde]
pub enum Query {
    TokenInfo {},
    Balance { address: String },
}

#[cw_serde]
pub struct TokenInfo {
    pub name: String,
    pub symbol: String,
    pub decimals: u8,
    pub total_supply: Uint128,
}

#[cw_serde]
pub struct Balance {
    pub balance: Uint128,
}

/// What a contract is told when tokens come.
#[cw_serde]
enum Hook {
    Receive { sender: String, amount: Uint128, msg: Binary },
}

const BALANCES: Map<&Addr, Uint128> = Map::new("balance");
const SUPPLY: Item<Uint128> = Item::new("supply");
const DECIMALS: Item<u8> = Item::new("decimals");
const MINTER: Item<Option<String>> = Item::new("minter");
const REFUSES: Item<Option<String>> = Item::new("refuses");

pub fn contract() -> Box<dyn Contract<Empty>> {
    Box::new(ContractWrapper::new(execute, instantiate, query))
}

fn instantiate(deps: DepsMut, _: Env, _: MessageInfo, msg: Init) -> StdResult<Response> {
    SUPPLY.save(deps.storage, &Uint128::zero())?;
    DECIMALS.save(deps.storage, &msg.decimals)?;
    MINTER.save(deps.storage, &Some(msg.minter))?;
    REFUSES.save(deps.storage, &msg.refuses)?;
    for (holder, amount) in msg.holders {
        mint(deps.storage, &Addr::unchecked(holder), amount)?;
    }
    Ok(Response::new())
}

fn execute(deps: DepsMut, _: Env, info: MessageInfo, msg: Execute) -> StdResult<Response> {
    let storage = deps.storage;
    match msg {
        Execute::Transfer { recipient, amount } => {
            if REFUSES.load(storage)?.as_ref() == Some(&recipient) {
                return Err(StdError::msg("this recipient is refused"));
            }
            take(storage, &info.sender, amount)?;
            give(storage, &Addr::unchecked(recipient), amount)?;
        }
        Execute::Send { contract, amount, msg } => {
            take(storage, &info.sender, amount)?;
            give(storage, &Addr::unchecked(&contract), amount)?;
            let hook = Hook::Receive { sender: info.sender.into(), amount, msg };
            return Ok(Response::new().add_message(WasmMsg::Execute {
                contract_addr: contract,
                msg: to_json_binary(&hook)?,
                funds: vec![],
            }));
        }
        Execute::Mint { recipient, amount } => {
            if MINTER.load(storage)?.as_deref() != Some(info.sender.as_str()) {
                return Err(StdError::msg("only the minter mints"));
            }
            mint(storage, &Addr::unchecked(recipient), amount)?;
        }
        Execute::Burn { amount } => {
            if REFUSES.load(storage)?.as_deref() == Some(info.sender.as_str()) {
                return Err(StdError::msg("this burner is refused"));
            }
            take(storage, &info.sender, amount)?;
            let supply = SUPPLY.load(storage)?.checked_sub(amount)?;
            SUPPLY.save(storage, &supply)?;
        }
        Execute::UpdateMinter { new_minter } => MINTER.save(storage, &new_minter)?,
        Execute::Refuse { recipient } => REFUSES.save(storage, &recipient)?,
    }
    Ok(Response::new())
}

fn query(deps: Deps, _: Env, msg: Query) -> StdResult<Binary> {
    match msg {
        Query::TokenInfo {} => to_json_binary(&TokenInfo {
            name: "Allianza".into(),
            symbol: "ALZ".into(),
            decimals: DECIMALS.load(deps.storage)?,
            total_supply: SUPPLY.load(deps.storage)?,
        }),
        Query::Balance { address } => to_json_binary(&Balance {
            balance: BALANCES.may_load(deps.storage, &Addr::unchecked(address))?.unwrap_or_default(),
        }),
    }
}

fn mint(storage: &mut dyn Storage, to: &Addr, amount: Uint128) -> StdResult<()> {
    let supply = SUPPLY.load(storage)?.checked_add(amount)?;
    SUPPLY.save(storage, &supply)?;
    give(storage, to, amount)
}

fn give(storage: &mut dyn Storage, to: &Addr, amount: Uint128) -> StdResult<()> {
    let balance = BALANCES.may_load(storage, to)?.unwrap_or_default();
    BALANCES.save(storage, to, &balance.checked_add(amount)?)
}

fn take(storage: &mut dyn Storage, from: &Addr, amount: Uint128) -> StdResult<()> {
    let balance = BALANCES.may_load(storage, from)?.unwrap_or_default();
    BALANCES.save(storage, from, &balance.checked_sub(amount)?)
}
