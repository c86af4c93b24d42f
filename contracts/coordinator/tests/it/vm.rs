//! The wasm that is deployed, in the VM that chains run: its static checks, and its first messages.

use aes_coordinator::msg::{ExecuteMsg, ExecutionsResponse, InstantiateMsg, QueryMsg, State};
use aes_protocol::{Conservation, Hash32};
use aes_testkit::on_vm;
use cosmwasm_std::{from_json, ContractResult, Empty, Response};
use cosmwasm_vm::testing::{execute, instantiate, mock_info, query};

use crate::support::{escrow, keys::Attestors, paper, HOUR, SETTINGS};

#[test]
fn the_built_wasm_passes_the_chains_checks_and_runs() {
    let (mut instance, env) = on_vm("aes_coordinator.wasm");
    let admin = instance.api().addr_make("admin");
    let init = InstantiateMsg {
        admin: admin.clone(),
        home_chain: "cosmos:allianza-1".parse().unwrap(),
        attestor_set: Attestors::new(1, 3, 2, 7).set,
        conservation: Conservation::On,
        settings: SETTINGS,
    };
    let made: ContractResult<Response> = instantiate(&mut instance, env.clone(), mock_info(&admin, &[]), init);
    made.unwrap();

    let registrations = paper().into_iter().map(|leg| {
        let escrow = escrow(leg.chain.as_str());
        ExecuteMsg::RegisterChain { chain: leg.chain, escrow }
    });
    let deadline = env.block.time.seconds() + HOUR;
    let open = ExecuteMsg::Open { legs: paper(), salt: Hash32::default(), deadline, relayer: None };
    for msg in registrations.chain([open]) {
        let info = mock_info(&admin, &[]);
        let done: ContractResult<Response<Empty>> = execute(&mut instance, env.clone(), info, msg);
        done.unwrap();
    }
    let list = QueryMsg::ExecutionsByState { state: State::Open, start_after: None, limit: None };
    let answer = query(&mut instance, env, list).unwrap();
    assert_eq!(from_json::<ExecutionsResponse>(answer).unwrap().executions.len(), 1);
}
