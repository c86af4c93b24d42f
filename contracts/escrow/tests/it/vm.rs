//! The wasm that is deployed, in the VM that chains run: its static checks, and its first messages.

use aes_escrow::msg::{Asset, BalancesResponse, ExecuteMsg, InstantiateMsg, QueryMsg};
use aes_protocol::Domain;
use aes_testkit::on_vm;
use cosmwasm_std::{coins, from_json, ContractResult, Empty, Response, Uint128};
use cosmwasm_vm::testing::{execute, instantiate, mock_info, query};

use crate::support::{keys::Attestors, limits, DENOM, SETTINGS};

#[test]
fn the_built_wasm_passes_the_chains_checks_and_runs() {
    let (mut instance, env) = on_vm("aes_escrow.wasm");
    let admin = instance.api().addr_make("admin");
    let init = InstantiateMsg {
        admin: admin.clone(),
        chain: "cosmos:allianza-1".parse().unwrap(),
        domain: Domain { home_chain: "cosmos:allianza-1".parse().unwrap(), coordinator: vec![0xc0; 32].into() },
        asset: Asset::Native { denom: DENOM.into() },
        attestor_set: Attestors::new(1, 3, 2, 7).set,
        limits: limits(),
        settings: SETTINGS,
    };
    let made: ContractResult<Response> = instantiate(&mut instance, env.clone(), mock_info(&admin, &[]), init);
    made.unwrap();

    let info = mock_info(&admin, &coins(5, DENOM));
    let funded: ContractResult<Response<Empty>> = execute(&mut instance, env.clone(), info, ExecuteMsg::FundVault {});
    funded.unwrap();
    let answer = query(&mut instance, env, QueryMsg::Balances {}).unwrap();
    assert_eq!(from_json::<BalancesResponse>(answer).unwrap().vault, Uint128::new(5));
}
