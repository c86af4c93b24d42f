//! The wasm that is deployed, in the VM that chains run: its static checks, and its first messages.

use std::path::Path;

use aes_escrow::msg::{Asset, BalancesResponse, ExecuteMsg, InstantiateMsg, QueryMsg};
use aes_protocol::Domain;
use cosmwasm_std::{coins, from_json, ContractResult, Empty, Response, Uint128};
use cosmwasm_vm::testing::{execute, instantiate, mock_env, mock_info, mock_instance, query};

use crate::support::{keys::Attestors, limits, DENOM, SETTINGS};

const WASM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../artifacts/aes_escrow.wasm");

#[test]
fn the_built_wasm_passes_the_chains_checks_and_runs() {
    assert!(Path::new(WASM).exists(), "artifacts/aes_escrow.wasm is not there: build it with tools/wasm/build.sh");
    let wasm = std::fs::read(WASM).unwrap();
    let mut instance = mock_instance(&wasm, &[]);
    let mut env = mock_env();
    env.block.chain_id = "allianza-1".into();
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
