//! One coordinator on the home chain, with people around it, and short words for what they do.

pub mod keys;

use aes_coordinator::contract;
use aes_coordinator::msg::{ExecuteMsg, ExecutionResponse, InstantiateMsg, QueryMsg, RollbackReason, Settings, State};
use aes_protocol::{
    evidence_root, Bytes, Certificate, Conservation, Decision, Domain, Evidence, Function, Hash32, Leg, LegStatus,
    Statement,
};
use aes_testkit::{canonical, home_app};
pub use aes_testkit::{text, Outcome};
use cosmwasm_std::Addr;
use cw_multi_test::{App, ContractWrapper, Executor};
use serde::de::DeserializeOwned;

use self::keys::Attestors;

pub const HOME: &str = "cosmos:allianza-1";
pub const POLYGON: &str = "eip155:80002";
pub const ETHEREUM: &str = "eip155:11155111";
pub const BITCOIN: &str = "bip122:000000000019d6689c085ae165831e93";
pub const DAY: u64 = 86_400;
pub const HOUR: u64 = 3600;
pub const SETTINGS: Settings = Settings { max_horizon: DAY, set_grace: 2 * DAY };

/// The escrow of each chain.
pub fn escrow(chain: &str) -> Bytes {
    match chain {
        HOME => vec![0xe0; 32].into(),
        BITCOIN => vec![0xe1; 34].into(),
        _ => vec![0xe2; 20].into(),
    }
}

pub fn leg(index: u8, chain: &str, function: Function, amount: u128) -> Leg {
    let account = |there: bool, byte: u8| match (there, chain) {
        (false, _) => Bytes::default(),
        (true, BITCOIN) => vec![byte; 34].into(),
        (true, _) => vec![byte; 20].into(),
    };
    Leg {
        index,
        chain: chain.parse().unwrap(),
        escrow: escrow(chain),
        function,
        from: account(function.is_account_sourced(), 0xa1),
        to: account(function.has_recipient(), 0xb2),
        amount: amount.into(),
    }
}

/// The AES paper's: out of Polygon, into the CosmWasm chain and Ethereum.
pub fn paper() -> Vec<Leg> {
    vec![
        leg(0, POLYGON, Function::Lock, 200),
        leg(1, HOME, Function::Unlock, 100),
        leg(2, ETHEREUM, Function::Mint, 100),
    ]
}

/// One piece of evidence a leg, with the statuses given.
pub fn evidence(legs: &[Leg], statuses: &[LegStatus]) -> Vec<Evidence> {
    let piece = |(leg, status): (&Leg, &LegStatus)| Evidence {
        leg_hash: leg.hash(),
        status: *status,
        chain: leg.chain.clone(),
        height: 100 + u64::from(leg.index),
        block_hash: Hash32([0xbb; 32]),
        tx_id: Hash32([0xcc; 32]),
        event_hash: Hash32([0xdd; 32]),
        time: 1_800_000_000,
    };
    legs.iter().zip(statuses).map(piece).collect()
}

pub fn cancelled() -> RollbackReason {
    RollbackReason::Cancelled {}
}

pub fn failure(leg: u8, cause: &str) -> RollbackReason {
    RollbackReason::AtomicityFailure { leg, cause: cause.into() }
}

pub struct World {
    pub app: App,
    pub coordinator: Addr,
    /// the coordinator's code, for those who migrate or instantiate another
    pub code: u64,
    pub admin: Addr,
    pub opener: Addr,
    pub relayer: Addr,
    pub stranger: Addr,
    pub attestors: Attestors,
    pub domain: Domain,
}

/// It succeeded, and says whether it had been done before.
pub fn repeated(outcome: &Outcome) -> bool {
    let events = &outcome.as_ref().unwrap().events;
    let event = events.iter().find(|event| event.ty.starts_with("wasm-aes-")).unwrap();
    let attribute = event.attributes.iter().find(|attribute| attribute.key == "repeated").unwrap();
    attribute.value == "true"
}

/// It was refused, and every part of `texts` is in what it said.
pub fn refused(outcome: &Outcome, texts: &str) {
    let error = outcome.as_ref().unwrap_err();
    assert!(error.contains(texts), "expected '{texts}' in '{error}'");
}

impl World {
    /// With its four chains registered.
    pub fn new() -> Self {
        let mut world = Self::bare();
        for chain in [HOME, POLYGON, ETHEREUM, BITCOIN] {
            let msg = ExecuteMsg::RegisterChain { chain: chain.parse().unwrap(), escrow: escrow(chain) };
            world.admin_sends(&msg).unwrap();
        }
        world
    }

    pub fn bare() -> Self {
        let mut app = home_app(App::default());
        let [admin, opener, relayer, stranger] =
            ["admin", "opener", "relayer", "stranger"].map(|name| app.api().addr_make(name));
        let code = app.store_code(Box::new(
            ContractWrapper::new(contract::execute, contract::instantiate, contract::query)
                .with_migrate(contract::migrate),
        ));
        let attestors = Attestors::new(1, 3, 2, 7);
        let domain = Domain { home_chain: HOME.parse().unwrap(), coordinator: Bytes::default() };
        let coordinator = admin.clone();
        let mut world = Self { app, coordinator, code, admin, opener, relayer, stranger, attestors, domain };
        world.coordinator = world.instantiate(&world.init()).unwrap();
        world.domain.coordinator = world.canonical(&world.coordinator);
        world
    }

    pub fn init(&self) -> InstantiateMsg {
        InstantiateMsg {
            admin: self.admin.to_string(),
            home_chain: HOME.parse().unwrap(),
            attestor_set: self.attestors.set.clone(),
            conservation: Conservation::On,
            settings: SETTINGS,
        }
    }

    pub fn instantiate(&mut self, msg: &InstantiateMsg) -> Result<Addr, String> {
        let admin = self.admin.clone();
        let contract_admin = Some(admin.to_string());
        self.app.instantiate_contract(self.code, admin, msg, &[], "coordinator", contract_admin).map_err(text)
    }

    pub fn canonical(&self, account: &Addr) -> Bytes {
        canonical(&self.app, account)
    }

    pub fn now(&self) -> u64 {
        self.app.block_info().time.seconds()
    }

    pub fn advance(&mut self, seconds: u64) {
        aes_testkit::advance(&mut self.app, seconds);
    }

    // ---- messages

    pub fn send(&mut self, sender: &Addr, msg: &ExecuteMsg) -> Outcome {
        self.app.execute_contract(sender.clone(), self.coordinator.clone(), msg, &[]).map_err(text)
    }

    pub fn admin_sends(&mut self, msg: &ExecuteMsg) -> Outcome {
        self.send(&self.admin.clone(), msg)
    }

    /// An hour from now, with the relayer named.
    pub fn open_msg(&self, legs: &[Leg]) -> ExecuteMsg {
        ExecuteMsg::Open {
            legs: legs.to_vec(),
            salt: Hash32([5; 32]),
            deadline: self.now() + HOUR,
            relayer: Some(self.relayer.to_string()),
        }
    }

    /// Opened by the opener; the id from the answer's data.
    pub fn open(&mut self, legs: &[Leg]) -> Hash32 {
        let msg = self.open_msg(legs);
        let response = self.send(&self.opener.clone(), &msg).unwrap();
        response.data.unwrap().as_slice().try_into().unwrap()
    }

    pub fn prepared(&self, execution_id: Hash32, evidence: &[Evidence]) -> Certificate {
        let evidence_root = evidence_root(evidence).unwrap();
        self.attestors.sign(&self.domain, &Statement::Prepared { execution_id, evidence_root })
    }

    pub fn commit(&mut self, execution_id: Hash32, evidence: Vec<Evidence>) -> Outcome {
        let certificate = self.prepared(execution_id, &evidence);
        self.send(&self.stranger.clone(), &ExecuteMsg::Commit { execution_id, evidence, certificate })
    }

    pub fn commit_held(&mut self, execution_id: Hash32, legs: &[Leg]) -> Outcome {
        self.commit(execution_id, evidence(legs, &vec![LegStatus::Held; legs.len()]))
    }

    pub fn rollback(&mut self, sender: &Addr, execution_id: Hash32, reason: RollbackReason) -> Outcome {
        self.send(sender, &ExecuteMsg::Rollback { execution_id, reason })
    }

    pub fn settled(&self, execution_id: Hash32, decision: Decision, evidence: &[Evidence]) -> Certificate {
        let evidence_root = evidence_root(evidence).unwrap();
        self.attestors.sign(&self.domain, &Statement::Settled { execution_id, decision, evidence_root })
    }

    pub fn record(&mut self, execution_id: Hash32, decision: Decision, evidence: Vec<Evidence>) -> Outcome {
        let certificate = self.settled(execution_id, decision, &evidence);
        self.send(&self.stranger.clone(), &ExecuteMsg::Record { execution_id, evidence, certificate })
    }

    // ---- queries

    pub fn ask<T: DeserializeOwned>(&self, query: &QueryMsg) -> T {
        self.app.wrap().query_wasm_smart(&self.coordinator, query).unwrap()
    }

    pub fn execution(&self, execution_id: Hash32) -> ExecutionResponse {
        self.ask(&QueryMsg::Execution { execution_id })
    }

    pub fn state(&self, execution_id: Hash32) -> State {
        self.execution(execution_id).state
    }
}
