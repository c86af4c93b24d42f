//! Blocks, a mempool in the order things came, and the state of each block.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aes_chains::{Announced, Head, Outcome, Ticks, TxId};
use aes_coordinator::msg::State as ExecutionState;
use aes_protocol::{keccak, AttestorSet, Bytes, ChainId, Conservation, Decision, Domain, Hash32};
use aes_testkit::cw20;
use cosmwasm_std::{coins, Addr, Api, Event, Timestamp, WasmMsg};
use cw_multi_test::{App, AppBuilder, BankKeeper, ContractWrapper, Executor};
use serde::de::DeserializeOwned;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::alz::{Alz, DENOM};
use super::shelf::Shelf;
use crate::dice::Dice;
use crate::evm::deploy::{MINT_CAP, RICH, VAULT};

type SimApp = App<BankKeeper, cosmwasm_std::testing::MockApi, Shelf>;

pub struct Times {
    pub max_horizon: u64,
    pub escape_delay: u64,
    pub set_grace: u64,
}

#[derive(Debug, Clone)]
pub struct Tx {
    pub id: TxId,
    pub sender: Addr,
    call: WasmMsg,
}

struct Block {
    head: Head,
    state: Shelf,
}

pub struct CosmosLedger {
    pub id: ChainId,
    pub coordinator: Addr,
    pub escrow: Addr,
    pub admin: Addr,
    pub alz: Alz,
    /// a question swaps an older state in and out again
    app: RefCell<SimApp>,
    blocks: Vec<Block>,
    mempool: Vec<Tx>,
    outcomes: BTreeMap<String, Outcome>,
    count: u64,
    pub ticks: Ticks,
    pub announced: broadcast::Sender<Announced>,
}

/// What the chain would answer: cw-multi-test tells the whole message before the cause, and a backtrace behind it.
fn text(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let text = text.split("\nbacktrace").next().unwrap_or_default();
    let cause = text.rsplit("error: ").next().unwrap_or(text);
    cause.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

impl CosmosLedger {
    pub fn new(id: ChainId, time: u64, depositors: &[&str], is_cw20: bool) -> Self {
        let wallets = || depositors.iter().map(|name| (*name, RICH)).chain([("admin", VAULT)]);
        let mut app = AppBuilder::default().with_storage(Shelf::default()).build(|router, api, storage| {
            for (name, amount) in wallets().filter(|_| !is_cw20) {
                router.bank.init_balance(storage, &api.addr_make(name), coins(amount, DENOM)).expect("a bank");
            }
        });
        let admin = app.api().addr_make("admin");
        let alz = if is_cw20 { Alz::Cw20(token(&mut app, &admin, wallets())) } else { Alz::Denom };
        let head = Head { height: 1, hash: keccak(id.as_str().as_bytes()), time };
        let nobody = Addr::unchecked("nobody");
        let mut ledger = Self {
            id,
            coordinator: nobody.clone(),
            escrow: nobody,
            admin,
            alz,
            app: RefCell::new(app),
            blocks: Vec::new(),
            mempool: Vec::new(),
            outcomes: BTreeMap::new(),
            count: 0,
            ticks: Ticks::default(),
            announced: broadcast::Sender::new(64),
        };
        ledger.set_block(&head);
        ledger.blocks.push(Block { head, state: ledger.app.get_mut().storage().clone() });
        ledger
    }

    fn set_block(&mut self, head: &Head) {
        let reference = self.id.reference().to_string();
        self.app.get_mut().update_block(|block| {
            block.chain_id.clone_from(&reference);
            block.height = head.height;
            block.time = Timestamp::from_seconds(head.time);
        });
    }

    /// The coordinator and the escrow, with ALZ in the vault.
    pub fn deploy(&mut self, set: &AttestorSet, times: &Times) -> Domain {
        use aes_coordinator::{contract as coordinator, msg as coordinator_msg};
        use aes_escrow::{contract as escrow, msg as escrow_msg};
        let admin = self.admin.clone();
        let app = self.app.get_mut();
        let code = app.store_code(Box::new(ContractWrapper::new(
            coordinator::execute,
            coordinator::instantiate,
            coordinator::query,
        )));
        let init = coordinator_msg::InstantiateMsg {
            admin: admin.to_string(),
            home_chain: self.id.clone(),
            attestor_set: set.clone(),
            conservation: Conservation::On,
            settings: coordinator_msg::Settings { max_horizon: times.max_horizon, set_grace: times.set_grace },
        };
        self.coordinator =
            app.instantiate_contract(code, admin.clone(), &init, &[], "coordinator", None).expect("a coordinator");
        let canonical = app.api().addr_canonicalize(self.coordinator.as_str()).expect("an address");
        let domain = Domain { home_chain: self.id.clone(), coordinator: canonical.as_slice().into() };

        let wrapper = ContractWrapper::new(escrow::execute, escrow::instantiate, escrow::query);
        let code = app.store_code(Box::new(wrapper.with_reply(escrow::reply)));
        let init = escrow_msg::InstantiateMsg {
            admin: admin.to_string(),
            chain: self.id.clone(),
            domain: domain.clone(),
            asset: self.alz.asset(),
            attestor_set: set.clone(),
            limits: escrow_msg::Limits {
                max_leg: RICH.into(),
                reserve_per_hour: (10 * RICH).into(),
                mint_cap: if self.alz.can_be_minted() { MINT_CAP } else { 0 }.into(),
            },
            settings: escrow_msg::Settings {
                max_horizon: times.max_horizon,
                escape_delay: times.escape_delay,
                limits_delay: 3600,
                set_grace: times.set_grace,
            },
        };
        self.escrow = app.instantiate_contract(code, admin.clone(), &init, &[], "escrow", None).expect("an escrow");
        if let Alz::Cw20(token) = &self.alz {
            let minter = cw20::Execute::UpdateMinter { new_minter: Some(self.escrow.to_string()) };
            app.execute_contract(admin.clone(), token.clone(), &minter, &[]).expect("a minter");
        }
        let (fund, inside) = (escrow_msg::ExecuteMsg::FundVault {}, escrow_msg::ReceiveMsg::FundVault {});
        app.execute(admin, self.alz.pay(&self.escrow, VAULT, &fund, &inside).into()).expect("a vault");
        domain
    }

    /// What was set up is the first block.
    pub fn seal(&mut self) {
        let state = self.app.get_mut().storage().clone();
        if let Some(block) = self.blocks.last_mut() {
            block.state = state;
        }
    }

    pub fn register(&mut self, chain: &ChainId, escrow: &Bytes) {
        let msg = aes_coordinator::msg::ExecuteMsg::RegisterChain { chain: chain.clone(), escrow: escrow.clone() };
        let (admin, coordinator) = (self.admin.clone(), self.coordinator.clone());
        self.app.get_mut().execute_contract(admin, coordinator, &msg, &[]).expect("a chain");
    }

    pub fn address(&self, name: &str) -> Addr {
        self.app.borrow().api().addr_make(name)
    }

    pub fn account(&self, address: &Addr) -> Bytes {
        self.app.borrow().api().addr_canonicalize(address.as_str()).expect("an address").as_slice().into()
    }

    pub fn humanized(&self, account: &Bytes) -> Addr {
        self.app.borrow().api().addr_humanize(&account.as_slice().into()).expect("an account")
    }

    pub fn newest(&self) -> Head {
        self.blocks.last().expect("a genesis block").head
    }

    pub fn head(&self, back: u64) -> Head {
        self.blocks[self.position(back)].head
    }

    fn position(&self, back: u64) -> usize {
        self.blocks.len().saturating_sub(1 + back as usize)
    }

    /// The first block at or after `time`, as far as a node `back` blocks behind has it.
    pub fn first_from(&self, time: u64, back: u64) -> Option<Head> {
        self.blocks[..=self.position(back)].iter().map(|block| block.head).find(|head| head.time >= time)
    }

    pub fn block(&self, height: u64) -> Option<Head> {
        self.blocks.iter().map(|block| block.head).find(|head| head.height == height)
    }

    fn on<T>(&self, back: u64, read: impl FnOnce(&SimApp) -> T) -> T {
        let mut app = self.app.borrow_mut();
        let older = self.blocks[self.position(back)].state.clone();
        let newest = std::mem::replace(app.storage_mut(), older);
        let answer = read(&app);
        *app.storage_mut() = newest;
        answer
    }

    pub fn query<T: DeserializeOwned>(&self, back: u64, contract: &Addr, msg: &impl Serialize) -> Result<T, String> {
        self.on(back, |app| app.wrap().query_wasm_smart(contract, msg)).map_err(|error| text(&error))
    }

    pub fn stored(&self, back: u64, contract: &Addr, key: Vec<u8>) -> Option<Vec<u8>> {
        self.on(back, |app| app.wrap().query_wasm_raw(contract, key)).ok().flatten()
    }

    /// A thief with the escrow's own key, which nobody has.
    pub fn rob(&mut self, thief: &Addr) {
        let loot = self.alz.transfer(thief, 1);
        self.app.get_mut().execute(self.escrow.clone(), loot).expect("ALZ in the escrow");
        self.seal();
    }

    pub fn balance(&self, account: &Addr) -> u128 {
        self.on(0, |app| self.alz.balance(app.wrap(), account))
    }

    /// Run on the newest state, and forgotten.
    pub fn simulate(&self, sender: &Addr, call: WasmMsg) -> Result<(), String> {
        let mut app = self.app.borrow_mut();
        let before = app.storage().clone();
        let ran = app.execute(sender.clone(), call.into());
        *app.storage_mut() = before;
        ran.map(|_| ()).map_err(|error| text(&error))
    }

    /// The same message, signed once more.
    pub fn copy(&mut self, tx: Tx, sender: Addr) -> Tx {
        self.signed(sender, tx.call)
    }

    pub fn signed(&mut self, sender: Addr, call: WasmMsg) -> Tx {
        self.count += 1;
        Tx { id: TxId(format!("{:064X}", self.count)), sender, call }
    }

    pub fn take(&mut self, tx: Tx) {
        self.outcomes.insert(tx.id.0.clone(), Outcome::Pending);
        self.mempool.push(tx);
    }

    pub fn outcome(&self, tx: &TxId) -> Outcome {
        self.outcomes.get(&tx.0).cloned().unwrap_or(Outcome::Unknown)
    }

    /// The next block; what it decided, and what failed in it.
    pub fn mine(&mut self, time: u64, dice: &mut Dice) -> (Vec<(Hash32, Decision)>, Vec<String>) {
        let parent = self.newest();
        let time = time.max(parent.time);
        let height = parent.height + 1;
        let hash = keccak(&[&parent.hash.0[..], &time.to_be_bytes(), &dice.bytes()].concat());
        let head = Head { height, hash, time };
        self.set_block(&head);
        let (mut decisions, mut failures) = (Vec::new(), Vec::new());
        let coordinator = self.coordinator.clone();
        for tx in std::mem::take(&mut self.mempool) {
            let outcome = match self.app.get_mut().execute(tx.sender, tx.call.into()) {
                Ok(response) => {
                    decisions.extend(response.events.iter().filter_map(|event| decision(event, &coordinator)));
                    Outcome::Included { height, time, unpaid: Vec::new() }
                }
                Err(error) => {
                    failures.push(text(&error));
                    Outcome::Failed { height, cause: text(&error) }
                }
            };
            self.outcomes.insert(tx.id.0, outcome);
        }
        let state = self.app.get_mut().storage().clone();
        self.blocks.push(Block { head, state });
        self.ticks.tell(height);
        (decisions, failures)
    }

    pub fn announce(&self, decisions: Vec<(Hash32, Decision)>) {
        // without a listener nobody misses it
        let _ = self.announced.send(Announced { heard_at: Instant::now(), decisions });
    }

    pub fn executions(&self, state: ExecutionState) -> Vec<Hash32> {
        let ask = aes_coordinator::msg::QueryMsg::ExecutionsByState { state, start_after: None, limit: Some(100) };
        let answer: aes_coordinator::msg::ExecutionsResponse =
            self.query(0, &self.coordinator, &ask).expect("the coordinator answers");
        answer.executions.iter().map(|summary| summary.execution_id).collect()
    }
}

fn token<'a>(app: &mut SimApp, admin: &Addr, wallets: impl Iterator<Item = (&'a str, u128)>) -> Addr {
    let holders = wallets.map(|(name, amount)| (app.api().addr_make(name).to_string(), amount.into())).collect();
    let init = cw20::Init { decimals: 18, minter: admin.to_string(), holders, refuses: None };
    let code = app.store_code(cw20::contract());
    app.instantiate_contract(code, admin.clone(), &init, &[], "cw20", None).expect("a cw20")
}

/// As the real adapter hears it.
fn decision(event: &Event, coordinator: &Addr) -> Option<(Hash32, Decision)> {
    let decision = match event.ty.as_str() {
        "wasm-aes-committed" => Decision::Commit,
        "wasm-aes-rolled_back" => Decision::Abort,
        _ => return None,
    };
    let attribute = |name: &str| event.attributes.iter().find(|attribute| attribute.key == name);
    let is_news =
        attribute("_contract_address")?.value == coordinator.as_str() && attribute("repeated")?.value == "false";
    Some((attribute("execution_id")?.value.parse().ok()?, decision)).filter(|_| is_news)
}
