//! ALZ on the home chain: a denom of the bank, which nobody can mint, or a cw20, which the escrow can.

use aes_escrow::msg::{Asset, ExecuteMsg, ReceiveMsg};
use aes_testkit::cw20;
use cosmwasm_std::{coins, to_json_binary, Addr, BankMsg, Coin, CosmosMsg, Empty, QuerierWrapper, WasmMsg};
use serde::Serialize;

pub const DENOM: &str = "aalz";

#[derive(Debug, Clone)]
pub enum Alz {
    Denom,
    Cw20(Addr),
}

impl Alz {
    pub fn asset(&self) -> Asset {
        match self {
            Self::Denom => Asset::Native { denom: DENOM.into() },
            Self::Cw20(token) => Asset::Cw20 { address: token.to_string() },
        }
    }

    pub fn can_be_minted(&self) -> bool {
        matches!(self, Self::Cw20(_))
    }

    /// To the escrow, with what it is for: a denom goes along as funds, a cw20 sends itself with a word inside.
    pub fn pay(&self, escrow: &Addr, amount: u128, message: &ExecuteMsg, inside: &ReceiveMsg) -> WasmMsg {
        match self {
            Self::Denom => call(escrow, message, coins(amount, DENOM)),
            Self::Cw20(token) => {
                let msg = to_json_binary(inside).expect("a message as JSON");
                let send = cw20::Execute::Send { contract: escrow.to_string(), amount: amount.into(), msg };
                call(token, &send, Vec::new())
            }
        }
    }

    /// From whoever signs it.
    pub fn transfer(&self, to: &Addr, amount: u128) -> CosmosMsg {
        match self {
            Self::Denom => BankMsg::Send { to_address: to.to_string(), amount: coins(amount, DENOM) }.into(),
            Self::Cw20(token) => {
                let transfer = cw20::Execute::Transfer { recipient: to.to_string(), amount: amount.into() };
                call(token, &transfer, Vec::new()).into()
            }
        }
    }

    pub fn balance(&self, chain: QuerierWrapper<'_, Empty>, account: &Addr) -> u128 {
        match self {
            Self::Denom => {
                let coin = chain.query_balance(account, DENOM).expect("a bank");
                coin.amount.to_string().parse().expect("a small amount")
            }
            Self::Cw20(token) => {
                let query = cw20::Query::Balance { address: account.to_string() };
                let answer: cw20::Balance = chain.query_wasm_smart(token, &query).expect("a cw20");
                answer.balance.u128()
            }
        }
    }
}

pub fn call(contract: &Addr, msg: &impl Serialize, funds: Vec<Coin>) -> WasmMsg {
    let msg = to_json_binary(msg).expect("a message as JSON");
    WasmMsg::Execute { contract_addr: contract.to_string(), msg, funds }
}
