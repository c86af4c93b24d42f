//! One escrow on one chain, with people around it, and short words for what they do.

pub mod keys;

use aes_escrow::contract;
use aes_escrow::msg::{
    Asset, BalancesResponse, ExecuteMsg, Hold, HoldResponse, HoldStatus, InstantiateMsg, Limits, QueryMsg, ReceiveMsg,
    Settings, Settlement,
};
use aes_protocol::{Bytes, Certificate, Decision, Domain, Function, Hash32, Leg};
use aes_testkit::{canonical, cw20, home_app};
pub use aes_testkit::{text, Outcome};
use cosmwasm_std::{coins, to_json_binary, Addr, Coin, Event, Uint128};
use cw_multi_test::{App, AppResponse, ContractWrapper, Executor};
use serde::de::DeserializeOwned;

use self::keys::{Attestors, Certifies};

pub const DENOM: &str = "aalz";
pub const CHAIN: &str = "cosmos:allianza-1";
pub const RICH: u128 = 1_000_000;
pub const DAY: u64 = 86_400;

pub const SETTINGS: Settings = Settings { max_horizon: DAY, escape_delay: 7 * DAY, limits_delay: DAY, set_grace: DAY };

pub fn limits() -> Limits {
    Limits { max_leg: 1000u128.into(), reserve_per_hour: 3600u128.into(), mint_cap: 2000u128.into() }
}

pub fn id(n: u8) -> Hash32 {
    Hash32([n; 32])
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Native,
    Cw20,
}

pub struct World {
    pub app: App,
    pub kind: Kind,
    pub escrow: Addr,
    /// the escrow's code, for those who migrate or instantiate another
    pub code: u64,
    /// only its address counts where ALZ is a bank denom
    pub cw20: Addr,
    pub admin: Addr,
    pub alice: Addr,
    pub bob: Addr,
    pub attestors: Attestors,
    pub domain: Domain,
}

impl World {
    pub fn new(kind: Kind) -> Self {
        let mut app = home_app(App::new(|router, api, storage| {
            for person in ["alice", "bob", "carol"] {
                let coins = vec![Coin::new(RICH, DENOM), Coin::new(RICH, "other")];
                router.bank.init_balance(storage, &api.addr_make(person), coins).unwrap();
            }
        }));
        let [admin, alice, bob] = ["admin", "alice", "bob"].map(|name| app.api().addr_make(name));

        let cw20_code = app.store_code(cw20::contract());
        let init = cw20::Init {
            decimals: 18,
            minter: admin.to_string(),
            holders: [&alice, &bob].map(|holder| (holder.to_string(), RICH.into())).into(),
            refuses: None,
        };
        let cw20 = app.instantiate_contract(cw20_code, admin.clone(), &init, &[], "cw20", None).unwrap();

        let code = app.store_code(Box::new(
            ContractWrapper::new(contract::execute, contract::instantiate, contract::query)
                .with_reply(contract::reply)
                .with_migrate(contract::migrate),
        ));
        let attestors = Attestors::new(1, 3, 2, 7);
        let domain = Domain { home_chain: CHAIN.parse().unwrap(), coordinator: vec![0xc0; 32].into() };
        let mut world = Self { app, kind, escrow: cw20.clone(), code, cw20, admin, alice, bob, attestors, domain };
        world.escrow = world.instantiate(&world.init()).unwrap();
        let minter = cw20::Execute::UpdateMinter { new_minter: Some(world.escrow.to_string()) };
        world.app.execute_contract(world.admin.clone(), world.cw20.clone(), &minter, &[]).unwrap();
        world
    }

    pub fn init(&self) -> InstantiateMsg {
        InstantiateMsg {
            admin: self.admin.to_string(),
            chain: CHAIN.parse().unwrap(),
            domain: self.domain.clone(),
            asset: match self.kind {
                Kind::Native => Asset::Native { denom: DENOM.into() },
                Kind::Cw20 => Asset::Cw20 { address: self.cw20.to_string() },
            },
            attestor_set: self.attestors.set.clone(),
            limits: limits(),
            settings: SETTINGS,
        }
    }

    pub fn instantiate(&mut self, msg: &InstantiateMsg) -> Result<Addr, String> {
        let admin = self.admin.clone();
        let contract_admin = Some(admin.to_string());
        self.app.instantiate_contract(self.code, admin, msg, &[], "escrow", contract_admin).map_err(text)
    }

    // ---- legs

    pub fn canonical(&self, account: &Addr) -> Bytes {
        canonical(&self.app, account)
    }

    /// From alice, to bob.
    pub fn leg(&self, function: Function, amount: u128) -> Leg {
        let account = |there: bool, who: &Addr| if there { self.canonical(who) } else { Bytes::default() };
        Leg {
            index: 0,
            chain: CHAIN.parse().unwrap(),
            escrow: self.canonical(&self.escrow),
            function,
            from: account(function.is_account_sourced(), &self.alice),
            to: account(function.has_recipient(), &self.bob),
            amount: amount.into(),
        }
    }

    pub fn now(&self) -> u64 {
        self.app.block_info().time.seconds()
    }

    /// An hour from now.
    pub fn deadline(&self) -> u64 {
        self.now() + 3600
    }

    pub fn advance(&mut self, seconds: u64) {
        aes_testkit::advance(&mut self.app, seconds);
    }

    // ---- messages

    pub fn send(&mut self, sender: &Addr, msg: &ExecuteMsg, funds: &[Coin]) -> Outcome {
        self.app.execute_contract(sender.clone(), self.escrow.clone(), msg, funds).map_err(text)
    }

    pub fn admin_sends(&mut self, msg: &ExecuteMsg) -> Outcome {
        self.send(&self.admin.clone(), msg, &[])
    }

    pub fn send_cw20(&mut self, sender: &Addr, amount: u128, msg: &impl serde::Serialize) -> Outcome {
        let send = cw20::Execute::Send {
            contract: self.escrow.to_string(),
            amount: amount.into(),
            msg: to_json_binary(msg).unwrap(),
        };
        self.app.execute_contract(sender.clone(), self.cw20.clone(), &send, &[]).map_err(text)
    }

    pub fn refuse(&mut self, recipient: Option<&Addr>) {
        let msg = cw20::Execute::Refuse { recipient: recipient.map(Addr::to_string) };
        self.app.execute_contract(self.admin.clone(), self.cw20.clone(), &msg, &[]).unwrap();
    }

    /// As the leg wants it: alice's funds, alice's cw20, or an `Opened` certificate.
    pub fn prepare(&mut self, execution_id: Hash32, deadline: u64, leg: &Leg) -> Outcome {
        if leg.function.is_account_sourced() {
            return self.deposit(&self.alice.clone(), execution_id, deadline, leg, leg.amount.u128());
        }
        let opened = self.attestors.opened(&self.domain, execution_id, deadline, std::slice::from_ref(leg), leg);
        let msg = ExecuteMsg::Prepare { execution_id, deadline, leg: leg.clone(), opened: Some(opened) };
        self.send(&self.bob.clone(), &msg, &[])
    }

    pub fn deposit(&mut self, who: &Addr, execution_id: Hash32, deadline: u64, leg: &Leg, amount: u128) -> Outcome {
        let leg = leg.clone();
        match self.kind {
            Kind::Native => {
                let msg = ExecuteMsg::Prepare { execution_id, deadline, leg, opened: None };
                self.send(who, &msg, &coins(amount, DENOM))
            }
            Kind::Cw20 => self.send_cw20(who, amount, &ReceiveMsg::Prepare { execution_id, deadline, leg }),
        }
    }

    pub fn fund_vault(&mut self, amount: u128) -> Outcome {
        let bob = self.bob.clone();
        match self.kind {
            Kind::Native => self.send(&bob, &ExecuteMsg::FundVault {}, &coins(amount, DENOM)),
            Kind::Cw20 => self.send_cw20(&bob, amount, &ReceiveMsg::FundVault {}),
        }
    }

    pub fn decide(&mut self, decision: Decision, executions: &[(Hash32, Vec<Leg>)]) -> Outcome {
        let (certificate, items) = self.attestors.decided(&self.domain, decision, executions);
        self.settle(decision, certificate, items)
    }

    pub fn settle(&mut self, decision: Decision, certificate: Certificate, items: Vec<Settlement>) -> Outcome {
        let msg = match decision {
            Decision::Commit => ExecuteMsg::Finalize { certificate, items },
            Decision::Abort => ExecuteMsg::Release { certificate, items },
        };
        self.send(&self.bob.clone(), &msg, &[])
    }

    pub fn finalize(&mut self, execution_id: Hash32, leg: &Leg) -> Outcome {
        self.decide(Decision::Commit, &[(execution_id, vec![leg.clone()])])
    }

    pub fn release(&mut self, execution_id: Hash32, leg: &Leg) -> Outcome {
        self.decide(Decision::Abort, &[(execution_id, vec![leg.clone()])])
    }

    pub fn escape(&mut self, who: &Addr, execution_id: Hash32, leg: &Leg) -> Outcome {
        self.send(who, &ExecuteMsg::Escape { execution_id, leg: leg.clone() }, &[])
    }

    // ---- what is so

    pub fn ask<T: DeserializeOwned>(&self, query: &QueryMsg) -> T {
        self.app.wrap().query_wasm_smart(&self.escrow, query).unwrap()
    }

    pub fn hold(&self, execution_id: Hash32, leg: &Leg) -> Option<Hold> {
        self.ask::<HoldResponse>(&QueryMsg::Hold { execution_id, leg_hash: leg.hash() }).hold
    }

    pub fn status(&self, execution_id: Hash32, leg: &Leg) -> Option<HoldStatus> {
        self.hold(execution_id, leg).map(|hold| hold.status)
    }

    /// vault, held, issued
    pub fn books(&self) -> (u128, u128, i128) {
        let BalancesResponse { vault, held, issued } = self.ask(&QueryMsg::Balances {});
        (vault.u128(), held.u128(), issued.to_string().parse().unwrap())
    }

    /// The ALZ an account really has.
    pub fn owns(&self, who: &Addr) -> u128 {
        match self.kind {
            Kind::Native => self.app.wrap().query_balance(who, DENOM).unwrap().amount.to_string().parse().unwrap(),
            Kind::Cw20 => {
                let query = cw20::Query::Balance { address: who.to_string() };
                let answer: cw20::Balance = self.app.wrap().query_wasm_smart(&self.cw20, &query).unwrap();
                answer.balance.u128()
            }
        }
    }

    pub fn supply(&self) -> Uint128 {
        let answer: cw20::TokenInfo = self.app.wrap().query_wasm_smart(&self.cw20, &cw20::Query::TokenInfo {}).unwrap();
        answer.total_supply
    }
}

/// The events of ours that `name` begins.
pub fn events<'a>(response: &'a AppResponse, name: &str) -> Vec<&'a Event> {
    response.events.iter().filter(|event| event.ty == format!("wasm-{name}")).collect()
}

pub fn attribute<'a>(event: &'a Event, key: &str) -> &'a str {
    event.attributes.iter().find(|attribute| attribute.key == key).map_or("", |attribute| &attribute.value)
}

/// What `aes-settled` said of each leg, in order.
pub fn results(response: &AppResponse) -> Vec<&str> {
    events(response, "aes-settled").into_iter().map(|event| attribute(event, "result")).collect()
}
