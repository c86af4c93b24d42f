//! What the coordinator remembers, beside the admin, the pause and the attestor sets, which `aes-authority` keeps.
//! An execution's parts stand apart, so that a decision rewrites the small record and never the legs.

use aes_protocol::{Bytes, ChainId, Conservation, Decision, Domain, Evidence, Hash32, Leg};
use cosmwasm_schema::cw_serde;
use cosmwasm_std::{Addr, StdResult, Storage};
use cw_storage_plus::{Item, Map};

use crate::error::ContractError;
use crate::msg::{EquivocationResponse, RollbackReason, Settings, State};

#[cw_serde]
pub struct Config {
    pub home_chain: ChainId,
    pub coordinator: Bytes,
    pub conservation: Conservation,
    pub settings: Settings,
}

impl Config {
    pub fn domain(&self) -> Domain {
        Domain { home_chain: self.home_chain.clone(), coordinator: self.coordinator.clone() }
    }
}

#[cw_serde]
pub struct Record {
    pub number: u64,
    pub state: State,
    pub opener: Addr,
    pub relayer: Option<Addr>,
    pub salt: Hash32,
    pub manifest_root: Hash32,
    pub deadline: u64,
    pub leg_count: u32,
    pub opened_at: u64,
    pub decision: Option<Decision>,
    pub decided_at: Option<u64>,
    pub settled_at: Option<u64>,
    pub reason: Option<RollbackReason>,
    pub prepared_root: Option<Hash32>,
    pub settled_root: Option<Hash32>,
}

/// An execution id's bytes as a key.
pub type Id<'a> = &'a [u8];

pub const CONFIG: Item<Config> = Item::new("config");
/// CAIP-2 name -> escrow
pub const CHAINS: Map<&str, Bytes> = Map::new("chains");
/// the number of the last execution
pub const COUNT: Item<u64> = Item::new("count");

pub const RECORDS: Map<Id, Record> = Map::new("records");
pub const LEGS: Map<Id, Vec<Leg>> = Map::new("legs");
pub const PREPARED: Map<Id, Vec<Evidence>> = Map::new("prepared");
pub const SETTLED: Map<Id, Vec<Evidence>> = Map::new("settled");
pub const PRESIGNED: Map<(Id, u8), Bytes> = Map::new("presigned");
/// state, number
pub const BY_STATE: Map<(u8, u64), Hash32> = Map::new("by_state");
/// opener, number
pub const BY_OPENER: Map<(&Addr, u64), Hash32> = Map::new("by_opener");

/// execution, attestor set
pub const EQUIVOCATIONS: Map<(Id, u64), EquivocationResponse> = Map::new("equivocations");
pub const EQUIVOCATED_SETS: Map<u64, ()> = Map::new("equivocated_sets");
/// nothing new is opened since an equivocation, until the admin's unpause
pub const HALTED: Item<bool> = Item::new("halted");

pub fn load_record(storage: &dyn Storage, id: &Hash32) -> Result<Record, ContractError> {
    RECORDS.may_load(storage, &id.0)?.ok_or(ContractError::UnknownExecution(*id))
}

/// Takes the execution's next number and puts its record under the indices.
pub fn insert_record(storage: &mut dyn Storage, id: &Hash32, record: &Record) -> StdResult<()> {
    COUNT.save(storage, &record.number)?;
    RECORDS.save(storage, &id.0, record)?;
    BY_STATE.save(storage, (record.state.code(), record.number), id)?;
    BY_OPENER.save(storage, (&record.opener, record.number), id)
}

/// A record in its next state, moved from `before` in the index.
pub fn advance_record(storage: &mut dyn Storage, id: &Hash32, before: State, record: &Record) -> StdResult<()> {
    BY_STATE.remove(storage, (before.code(), record.number));
    BY_STATE.save(storage, (record.state.code(), record.number), id)?;
    RECORDS.save(storage, &id.0, record)
}
