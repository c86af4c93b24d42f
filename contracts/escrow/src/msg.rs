//! What the escrow is told and asked. Hashes and accounts are `0x` hex, times Unix seconds, amounts base units.

use aes_authority::AdminResponse;
use aes_protocol::{AttestorSet, Certificate, ChainId, Domain, Hash32, Leg};
use cosmwasm_schema::{cw_serde, QueryResponses};
use cosmwasm_std::{Binary, Int256, Uint128};

#[cw_serde]
pub struct InstantiateMsg {
    /// bech32
    pub admin: String,
    /// CAIP-2 name of the chain this runs on; checked against the chain
    pub chain: ChainId,
    /// home chain and coordinator: what certificates are bound to
    pub domain: Domain,
    pub asset: Asset,
    pub attestor_set: AttestorSet,
    pub limits: Limits,
    pub settings: Settings,
}

/// What ALZ is on this chain.
#[cw_serde]
pub enum Asset {
    /// a bank denom: `transfer`, `lock`, `unlock`
    Native { denom: String },
    /// a cw20 by its bech32 address; `mint` and `burn` too where the escrow is its minter
    Cw20 { address: String },
}

/// Fixed for the life of the escrow.
#[cw_serde]
#[derive(Copy)]
pub struct Settings {
    pub max_horizon: u64,
    /// how long after its deadline an undecided hold can be escaped from, in seconds
    pub escape_delay: u64,
    /// how long a change of limits is in the open before it counts, in seconds
    pub limits_delay: u64,
    pub set_grace: u64,
}

#[cw_serde]
#[derive(Copy)]
pub struct Limits {
    /// the largest leg
    pub max_leg: Uint128,
    /// reserve (unlock and mint) that may leave per hour: capacity and hourly refill of a token bucket
    pub reserve_per_hour: Uint128,
    /// most that may be minted and not burned
    pub mint_cap: Uint128,
}

#[cw_serde]
pub enum ExecuteMsg {
    /// account-sourced: the depositor, with exactly the leg's amount in funds (cw20: through `receive`);
    /// reserve-sourced: anyone, with `opened`
    Prepare { execution_id: Hash32, deadline: u64, leg: Leg, opened: Option<Opened> },
    /// cw20's hook; `msg` is a `ReceiveMsg`
    Receive { sender: String, amount: Uint128, msg: Binary },
    /// anyone, with a `Decided` certificate; at most 64 legs in all
    Finalize { certificate: Certificate, items: Vec<Settlement> },
    /// anyone, with a `Decided` certificate; at most 64 legs in all
    Release { certificate: Certificate, items: Vec<Settlement> },
    /// the depositor, `escape_delay` after the deadline
    Escape { execution_id: Hash32, leg: Leg },
    /// anyone, with the current set's `Rotated` certificate
    Rotate { set: AttestorSet, certificate: Certificate },
    /// anyone: adds the funds to the vault (cw20: through `receive`)
    FundVault {},
    /// admin: limits that count `limits_delay` from now
    ScheduleLimits { limits: Limits },
    /// admin: stops `prepare` and nothing else
    Pause {},
    /// admin
    Unpause {},
    /// admin: first step of the handover
    ProposeAdmin { admin: String },
    /// the proposed admin: second step
    AcceptAdmin {},
}

#[cw_serde]
pub enum ReceiveMsg {
    Prepare { execution_id: Hash32, deadline: u64, leg: Leg },
    FundVault {},
}

/// What lets anyone prepare a reserve-sourced leg: the statement's fields, the leg's path under the manifest root, the signatures.
#[cw_serde]
pub struct Opened {
    pub manifest_root: Hash32,
    pub path: Vec<Hash32>,
    pub certificate: Certificate,
}

/// One execution's legs of this chain, and the path of its decision under the certificate's root.
#[cw_serde]
pub struct Settlement {
    pub execution_id: Hash32,
    pub path: Vec<Hash32>,
    pub legs: Vec<Leg>,
}

#[cw_serde]
#[derive(Copy, Eq)]
pub enum HoldStatus {
    Held,
    Finalized,
    Released,
    Escaped,
}

impl HoldStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Finalized => "finalized",
            Self::Released => "released",
            Self::Escaped => "escaped",
        }
    }
}

impl std::fmt::Display for HoldStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cw_serde]
#[derive(QueryResponses)]
pub enum QueryMsg {
    #[returns(HoldResponse)]
    Hold { execution_id: Hash32, leg_hash: Hash32 },
    /// by execution id and leg hash; at most 100, by default 30
    #[returns(HoldsResponse)]
    Holds { execution_id: Option<Hash32>, start_after: Option<(Hash32, Hash32)>, limit: Option<u32> },
    #[returns(BalancesResponse)]
    Balances {},
    #[returns(aes_authority::SetResponse)]
    AttestorSet { id: Option<u64> },
    #[returns(ConfigResponse)]
    Config {},
}

/// Where in the chain something happened.
#[cw_serde]
#[derive(Copy, Eq)]
pub struct Moment {
    pub height: u64,
    /// position of the transaction in its block
    pub tx_index: u32,
    /// Unix seconds
    pub time: u64,
    /// of the transaction, so that a proof of the hold proves it too; zero on a chain whose CosmWasm is older than 3.0
    /// and does not tell it
    #[serde(default)]
    pub tx_hash: Hash32,
}

/// Never deleted. `held_at` is none for a tombstone: released before it was ever held.
#[cw_serde]
pub struct Hold {
    pub status: HoldStatus,
    pub deadline: u64,
    pub held_at: Option<Moment>,
    pub settled_at: Option<Moment>,
    /// why the last try to pay it failed; it is still held
    pub failure: Option<String>,
}

#[cw_serde]
pub struct HoldResponse {
    pub hold: Option<Hold>,
}

#[cw_serde]
pub struct HoldEntry {
    pub execution_id: Hash32,
    pub leg_hash: Hash32,
    pub hold: Hold,
}

#[cw_serde]
pub struct HoldsResponse {
    pub holds: Vec<HoldEntry>,
}

#[cw_serde]
pub struct BalancesResponse {
    /// the reserve
    pub vault: Uint128,
    /// pending in holds
    pub held: Uint128,
    /// minted less burned by this escrow
    pub issued: Int256,
}

#[cw_serde]
pub struct ConfigResponse {
    pub authority: AdminResponse,
    pub chain: ChainId,
    pub domain: Domain,
    pub asset: Asset,
    pub limits: Limits,
    pub pending_limits: Option<PendingLimits>,
    /// what of `reserve_per_hour` is there to take now
    pub reserve_available: Uint128,
    pub settings: Settings,
    pub current_set: u64,
}

#[cw_serde]
#[derive(Copy)]
pub struct PendingLimits {
    pub limits: Limits,
    pub effective_at: u64,
}

/// What a settlement message did to one leg; events carry it as `result`.
#[cw_serde]
#[derive(Copy, Eq)]
pub enum SettleResult {
    Settled,
    /// it had been settled so before; nothing moved
    Repeated,
    /// released with nothing held
    Tombstone,
    /// could not be paid; still held
    Failed,
}

impl SettleResult {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Repeated => "repeated",
            Self::Tombstone => "tombstone",
            Self::Failed => "failed",
        }
    }
}

#[cw_serde]
pub struct MigrateMsg {}
