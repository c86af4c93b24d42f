//! A chain as it is at the start: the contracts' own bytecode, deployed, with ALZ in accounts and in the vault.

use std::sync::OnceLock;

use aes_protocol::{AttestorSet, ChainId, Domain};
use ethers_core::abi::{encode, AbiEncode, Tokenizable};
use revm::primitives::{Address, Bytes};

use super::abi::{escrow, to_ethers, token};
use super::ledger::EvmLedger;
use super::vm::{self, Call, Done, Env, State};
use crate::keys::Key;

pub const VAULT: u128 = 1_000_000;
pub const RICH: u128 = 1_000_000;
pub const MINT_CAP: u128 = 1_000_000;

pub struct Terms<'a> {
    pub domain: &'a Domain,
    pub set: &'a AttestorSet,
    pub max_horizon: u64,
    pub escape_delay: u64,
    pub set_grace: u64,
}

pub fn account(name: &str) -> Address {
    Address::from(Key::named(name).address)
}

fn bytecode(of: &str) -> Vec<u8> {
    let file = format!("{}/../../artifacts/{of}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}; run `make contracts`"));
    let artifact: serde_json::Value = serde_json::from_str(&text).expect("a JSON artifact");
    let code = artifact["bytecode"].as_str().expect("bytecode");
    hex::decode(code.trim_start_matches("0x")).expect("hex")
}

/// Read once a process.
fn escrow_code() -> &'static [u8] {
    static CODE: OnceLock<Vec<u8>> = OnceLock::new();
    CODE.get_or_init(|| bytecode("AesEscrow"))
}

fn token_code() -> &'static [u8] {
    static CODE: OnceLock<Vec<u8>> = OnceLock::new();
    CODE.get_or_init(|| bytecode("AlzToken"))
}

struct Maker {
    state: State,
    env: Env,
    admin: Address,
}

impl Maker {
    fn run(&mut self, from: Address, to: Option<Address>, data: Bytes) -> Option<Address> {
        let nonce = vm::nonce(&self.state, from);
        let call = Call { from, to, data, nonce, gas: 16_000_000, max_fee: 10 };
        match vm::transact(&mut self.state, &self.env, &call) {
            Ok(Done::Ok { created, .. }) => created,
            Ok(Done::Reverted { data, .. }) => panic!("setting up: {}", super::abi::revert_text(&data)),
            Ok(Done::OutOfGas) => panic!("setting up: out of gas"),
            Err(error) => panic!("setting up: {error}"),
        }
    }

    fn create(&mut self, code: &[u8], arguments: &[u8]) -> Address {
        let code = [code, arguments].concat();
        self.run(self.admin, None, code.into()).expect("a contract")
    }
}

pub fn chain(id: ChainId, lag: u64, time: u64, payers: &[Address], depositors: &[Address], terms: &Terms) -> EvmLedger {
    let number = id.reference().parse().expect("an EVM chain's number");
    let admin = account("admin");
    let mut state = State::default();
    payers.iter().chain(depositors).chain([&admin]).for_each(|payer| vm::make_rich(&mut state, *payer));
    let env = Env { chain: number, height: 0, time, base_fee: 1 };
    let mut maker = Maker { state, env, admin };

    let supply = RICH * depositors.len() as u128 + VAULT;
    let arguments = (to_ethers(admin), to_ethers(admin), ethers_core::types::U256::from(supply)).encode();
    let alz = maker.create(token_code(), &arguments);
    let member = |attestor: &aes_protocol::Attestor| escrow::Attestor {
        signer: ethers_core::types::Address::from_slice(attestor.signer.as_slice()),
        bitcoin_key: attestor.bitcoin_key.0,
    };
    let settings = escrow::Settings {
        home_chain: terms.domain.home_chain.to_string(),
        coordinator: terms.domain.coordinator.as_slice().to_vec().into(),
        token: to_ethers(alz),
        attestor_set: escrow::AttestorSet {
            id: terms.set.id,
            threshold: terms.set.threshold,
            attestors: terms.set.attestors.iter().map(member).collect(),
        },
        limits: escrow::Limits { max_leg: RICH, reserve_per_hour: 10 * RICH, mint_cap: MINT_CAP },
        max_horizon: terms.max_horizon,
        escape_delay: terms.escape_delay,
        limits_delay: 3600,
        set_grace: terms.set_grace,
        admin: to_ethers(admin),
    };
    let aes = maker.create(escrow_code(), &encode(&[settings.into_token()]));

    let everything = ethers_core::types::U256::MAX;
    maker.run(admin, Some(alz), token::SetBridgeCall { new_bridge: to_ethers(aes) }.encode().into());
    maker.run(admin, Some(alz), token::ApproveCall { spender: to_ethers(aes), value: everything }.encode().into());
    maker.run(admin, Some(aes), escrow::FundVaultCall { amount: VAULT }.encode().into());
    for depositor in depositors {
        let transfer = token::TransferCall { to: to_ethers(*depositor), value: RICH.into() };
        maker.run(admin, Some(alz), transfer.encode().into());
        let approve = token::ApproveCall { spender: to_ethers(aes), value: everything };
        maker.run(*depositor, Some(alz), approve.encode().into());
    }
    let mut ledger = EvmLedger::new(id, number, lag, maker.state, time);
    (ledger.escrow, ledger.token) = (aes, alz);
    ledger
}
