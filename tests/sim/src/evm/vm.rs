//! The EVM itself, revm: a transaction on a state, a call on a state.

use std::sync::Arc;

use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, TxEnv};
use revm::database::{CacheDB, EmptyDB, WrapDatabaseRef};
use revm::primitives::{Address, Bytes, Log, TxKind, U256};
use revm::state::AccountInfo;
use revm::{Context, DatabaseRef, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

pub type State = CacheDB<EmptyDB>;

/// Money for gas that lasts for any run.
const WEALTH: u128 = 1_000_000_000_000_000_000_000_000;
const CALL_GAS: u64 = 16_000_000;

pub struct Env {
    pub chain: u64,
    pub height: u64,
    pub time: u64,
    pub base_fee: u64,
}

pub struct Call {
    pub from: Address,
    pub to: Option<Address>,
    pub data: Bytes,
    pub nonce: u64,
    pub gas: u64,
    pub max_fee: u128,
}

pub enum Done {
    Ok { logs: Vec<Log>, output: Bytes, created: Option<Address>, gas: u64 },
    Reverted { data: Bytes, gas: u64 },
    OutOfGas,
}

impl Env {
    fn block(&self, base_fee: u64) -> BlockEnv {
        BlockEnv {
            number: U256::from(self.height),
            timestamp: U256::from(self.time),
            basefee: base_fee,
            gas_limit: u64::MAX,
            ..BlockEnv::default()
        }
    }
}

fn tx(call: &Call, env: &Env) -> TxEnv {
    let kind = call.to.map_or(TxKind::Create, TxKind::Call);
    TxEnv {
        tx_type: 2,
        caller: call.from,
        gas_limit: call.gas,
        gas_price: call.max_fee,
        gas_priority_fee: Some(0),
        kind,
        data: call.data.clone(),
        nonce: call.nonce,
        chain_id: Some(env.chain),
        ..TxEnv::default()
    }
}

fn done(result: ExecutionResult) -> Done {
    match result {
        ExecutionResult::Success { logs, output, gas, .. } => {
            let created = match &output {
                Output::Create(_, address) => *address,
                Output::Call(_) => None,
            };
            Done::Ok { logs, output: output.into_data(), created, gas: gas.tx_gas_used() }
        }
        ExecutionResult::Revert { output, gas, .. } => Done::Reverted { data: output, gas: gas.tx_gas_used() },
        ExecutionResult::Halt { .. } => Done::OutOfGas,
    }
}

/// `Err`: no block takes it as it is.
pub fn transact(state: &mut State, env: &Env, call: &Call) -> Result<Done, String> {
    let mut evm = Context::mainnet()
        .with_db(state)
        .with_block(env.block(env.base_fee))
        .modify_cfg_chained(|cfg| cfg.chain_id = env.chain)
        .build_mainnet();
    evm.transact_commit(tx(call, env)).map(done).map_err(|error| error.to_string())
}

/// `eth_call`: nothing is kept, nothing is paid.
pub fn call(state: &Arc<State>, env: &Env, from: Address, to: Address, data: Bytes) -> Result<Done, String> {
    let call = Call { from, to: Some(to), data, nonce: 0, gas: CALL_GAS, max_fee: 0 };
    let mut evm = Context::mainnet()
        .with_db(WrapDatabaseRef(state.as_ref()))
        .with_block(env.block(0))
        .modify_cfg_chained(|cfg| {
            cfg.chain_id = env.chain;
            cfg.disable_nonce_check = true;
        })
        .build_mainnet();
    evm.transact(tx(&call, env)).map(|answer| done(answer.result)).map_err(|error| error.to_string())
}

pub fn nonce(state: &State, account: Address) -> u64 {
    state.basic_ref(account).ok().flatten().map_or(0, |info| info.nonce)
}

pub fn balance(state: &State, account: Address) -> u128 {
    state.basic_ref(account).ok().flatten().map_or(0, |info| info.balance.saturating_to())
}

pub fn code(state: &State, account: Address) -> Bytes {
    let code = state.basic_ref(account).ok().flatten().and_then(|info| info.code);
    code.map(|code| code.original_bytes()).unwrap_or_default()
}

pub fn make_rich(state: &mut State, account: Address) {
    state.insert_account_info(account, AccountInfo { balance: U256::from(WEALTH), ..AccountInfo::default() });
}
