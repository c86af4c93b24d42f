//! ALZ as this chain knows it: a bank denom or a cw20. What is asked of either, and nothing of why.

use cosmwasm_std::{
    to_json_binary, Addr, BankMsg, Coin, CosmosMsg, Deps, MessageInfo, StdError, StdResult, Uint128, WasmMsg,
};
use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::execute::address as address_of;
use crate::msg::Asset;

const DECIMALS: u8 = 18;

/// cw20's own words; the published crate is still on cosmwasm-std 2, so they stand here, as far as we use them.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Cw20Msg<'a> {
    Transfer { recipient: &'a Addr, amount: Uint128 },
    Mint { recipient: &'a Addr, amount: Uint128 },
    Burn { amount: Uint128 },
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Cw20Query {
    TokenInfo {},
}

#[derive(Deserialize)]
struct TokenInfo {
    decimals: u8,
}

impl Asset {
    /// The asset with its address in the chain's own spelling, seen to exist.
    pub fn checked(self, deps: Deps) -> Result<Self, ContractError> {
        match self {
            Self::Native { denom } => {
                let mut bytes = denom.bytes();
                let well_formed = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
                    && (3..=128).contains(&denom.len())
                    && bytes.all(|b| b.is_ascii_alphanumeric() || b"/:._-".contains(&b));
                if well_formed {
                    Ok(Self::Native { denom })
                } else {
                    Err(ContractError::Denom(denom))
                }
            }
            Self::Cw20 { address } => {
                let address = address_of(deps.api, "cw20", address)?;
                let info: TokenInfo = deps
                    .querier
                    .query_wasm_smart(&address, &Cw20Query::TokenInfo {})
                    .map_err(|cause| ContractError::NotACw20 { address: address.clone(), cause: cause.to_string() })?;
                if info.decimals != DECIMALS {
                    return Err(ContractError::Decimals { address, decimals: info.decimals });
                }
                Ok(Self::Cw20 { address: address.into() })
            }
        }
    }

    pub fn transfer(&self, to: &Addr, amount: Uint128) -> StdResult<CosmosMsg> {
        match self {
            Self::Native { denom } => Ok(send_coins(to, vec![Coin::new(amount, denom)])),
            Self::Cw20 { address } => call_cw20(address, &Cw20Msg::Transfer { recipient: to, amount }),
        }
    }

    pub fn mint(&self, to: &Addr, amount: Uint128) -> Result<CosmosMsg, ContractError> {
        Ok(call_cw20(self.cw20("mint")?, &Cw20Msg::Mint { recipient: to, amount })?)
    }

    pub fn burn(&self, amount: Uint128) -> Result<CosmosMsg, ContractError> {
        Ok(call_cw20(self.cw20("burn")?, &Cw20Msg::Burn { amount })?)
    }

    /// The address of the cw20 that `function` needs.
    pub fn cw20(&self, function: &'static str) -> Result<&str, ContractError> {
        match self {
            Self::Cw20 { address } => Ok(address),
            Self::Native { .. } => Err(ContractError::NeedsCw20 { function }),
        }
    }

    /// The amount that came as funds, where ALZ is a bank denom: one coin of it and nothing else.
    pub fn coins_received(&self, info: &MessageInfo) -> Result<Uint128, ContractError> {
        match (self, info.funds.as_slice()) {
            (Self::Cw20 { address }, _) => Err(ContractError::SendCw20(address.clone())),
            (Self::Native { denom }, [coin]) if coin.denom == *denom => {
                Ok(Uint128::try_from(coin.amount).map_err(StdError::from)?)
            }
            (Self::Native { denom }, coins) => {
                Err(ContractError::Funds { expected: format!("one coin of {denom}"), got: coin_list(coins) })
            }
        }
    }

    /// Whether `receive` was called by ALZ's cw20, which alone can say that tokens came.
    pub fn expect_cw20(&self, info: &MessageInfo) -> Result<(), ContractError> {
        let hint = match self {
            Self::Cw20 { address } if *address == info.sender.as_str() => return Ok(()),
            Self::Cw20 { address } => format!("send the cw20 {address}"),
            Self::Native { denom } => format!("ALZ here is the bank denom {denom}, sent as funds"),
        };
        Err(ContractError::NotOurCw20 { sender: info.sender.clone(), hint })
    }
}

pub fn send_coins(to: &Addr, coins: Vec<Coin>) -> CosmosMsg {
    BankMsg::Send { to_address: to.to_string(), amount: coins }.into()
}

fn coin_list(coins: &[Coin]) -> String {
    coins.iter().map(Coin::to_string).collect::<Vec<_>>().join(",")
}

fn call_cw20(address: &str, msg: &Cw20Msg) -> StdResult<CosmosMsg> {
    Ok(WasmMsg::Execute { contract_addr: address.into(), msg: to_json_binary(msg)?, funds: vec![] }.into())
}
