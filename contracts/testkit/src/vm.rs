//! The wasm that is deployed, in the VM that chains run.

use std::path::Path;

use cosmwasm_std::Env;
use cosmwasm_vm::testing::{mock_env, mock_instance, MockApi, MockQuerier, MockStorage};
use cosmwasm_vm::Instance;

/// A contract out of `artifacts/`, which has passed the static checks of a chain, and the block it is in.
pub fn on_vm(name: &str) -> (Instance<MockApi, MockStorage, MockQuerier>, Env) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts").join(name);
    assert!(file.exists(), "artifacts/{name} is not there: build it with tools/wasm/build.sh");
    let mut env = mock_env();
    env.block.chain_id = "allianza-1".into();
    (mock_instance(&std::fs::read(file).unwrap(), &[]), env)
}
