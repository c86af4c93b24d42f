//! What the coordinator is told and asked. Hashes and accounts are `0x` hex, times Unix seconds.

use aes_authority::AdminResponse;
use aes_protocol::{AttestorSet, Bytes, Certificate, ChainId, Conservation, Decision, Evidence, Hash32, Leg};
use cosmwasm_schema::{cw_serde, QueryResponses};

#[cw_serde]
pub struct InstantiateMsg {
    /// bech32
    pub admin: String,
    /// CAIP-2 name of the chain this runs on; checked against the chain
    pub home_chain: ChainId,
    pub attestor_set: AttestorSet,
    pub conservation: Conservation,
    pub settings: Settings,
}

#[cw_serde]
#[derive(Copy)]
pub struct Settings {
    /// how far ahead a deadline may be, in seconds
    pub max_horizon: u64,
    /// how long a rotated set's certificates are still taken after the last deadline it could have served, in seconds
    pub set_grace: u64,
}

#[cw_serde]
pub enum ExecuteMsg {
    /// anyone; the sender becomes the opener. The same again is the same execution.
    Open { legs: Vec<Leg>, salt: Hash32, deadline: u64, relayer: Option<String> },
    /// the opener or the named relayer: a Bitcoin leg's pre-signatures, once and for all, at most 16 KiB
    Attach { execution_id: Hash32, leg: u8, presigned: Bytes },
    /// anyone; evidence in the order of the legs, under a `Prepared` certificate
    Commit { execution_id: Hash32, evidence: Vec<Evidence>, certificate: Certificate },
    /// the opener or the named relayer at any time, anyone once the deadline has passed
    Rollback { execution_id: Hash32, reason: RollbackReason },
    /// anyone; evidence in the order of the legs, under a `Settled` certificate
    Record { execution_id: Hash32, evidence: Vec<Evidence>, certificate: Certificate },
    /// anyone, with the current set's `Rotated` certificate
    Rotate { set: AttestorSet, certificate: Certificate },
    /// anyone who has two `Decided` certificates of one set for opposite decisions
    ReportEquivocation { execution_id: Hash32, commit: DecidedProof, abort: DecidedProof },
    /// admin: a chain and its one escrow, never changed once there
    RegisterChain { chain: ChainId, escrow: Bytes },
    /// admin
    UpdateSettings { settings: Settings },
    /// admin: stops `open` and nothing else
    Pause {},
    /// admin; refused while the current set is one that equivocated
    Unpause {},
    /// admin: first step of the handover
    ProposeAdmin { admin: String },
    /// the proposed admin: second step
    AcceptAdmin {},
}

/// A `Decided` certificate and the path of one execution's decision under its root.
#[cw_serde]
pub struct DecidedProof {
    pub path: Vec<Hash32>,
    pub certificate: Certificate,
}

#[cw_serde]
pub enum RollbackReason {
    /// a leg could not be prepared; the cause in at most 256 bytes
    AtomicityFailure {
        leg: u8,
        cause: String,
    },
    DeadlinePassed {},
    Cancelled {},
}

#[cw_serde]
#[derive(Copy, Eq, PartialOrd, Ord)]
pub enum State {
    Open,
    Committed,
    Aborted,
    Finalized,
    RolledBack,
}

impl State {
    /// Its place in the index by state.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Committed => 1,
            Self::Aborted => 2,
            Self::Finalized => 3,
            Self::RolledBack => 4,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Committed => "committed",
            Self::Aborted => "aborted",
            Self::Finalized => "finalized",
            Self::RolledBack => "rolled_back",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cw_serde]
#[derive(QueryResponses)]
pub enum QueryMsg {
    #[returns(ExecutionResponse)]
    Execution { execution_id: Hash32 },
    /// in the order they were opened; `start_after` is the last `number` of the page before; at most 100, by default 30
    #[returns(ExecutionsResponse)]
    ExecutionsByState { state: State, start_after: Option<u64>, limit: Option<u32> },
    #[returns(ExecutionsResponse)]
    ExecutionsByOpener { opener: String, start_after: Option<u64>, limit: Option<u32> },
    /// the current one where no id is given
    #[returns(aes_authority::SetResponse)]
    AttestorSet { id: Option<u64> },
    #[returns(ConfigResponse)]
    Config {},
    #[returns(ChainsResponse)]
    Chains { start_after: Option<ChainId>, limit: Option<u32> },
    #[returns(EquivocationsResponse)]
    /// by execution id and attestor set
    Equivocations { start_after: Option<(Hash32, u64)>, limit: Option<u32> },
}

/// One execution whole.
#[cw_serde]
pub struct ExecutionResponse {
    pub execution_id: Hash32,
    /// counts up from 1 over all executions
    pub number: u64,
    pub state: State,
    /// bech32
    pub opener: String,
    pub relayer: Option<String>,
    pub salt: Hash32,
    pub manifest_root: Hash32,
    pub deadline: u64,
    pub opened_at: u64,
    pub decision: Option<Decision>,
    pub decided_at: Option<u64>,
    pub settled_at: Option<u64>,
    /// why it was rolled back
    pub reason: Option<RollbackReason>,
    pub prepared_root: Option<Hash32>,
    pub settled_root: Option<Hash32>,
    pub legs: Vec<LegResponse>,
}

#[cw_serde]
pub struct LegResponse {
    pub leg: Leg,
    pub leg_hash: Hash32,
    /// when it was held; known once committed
    pub held: Option<Evidence>,
    /// how it ended; known once recorded
    pub settled: Option<Evidence>,
    pub result: LegResult,
    pub presigned: Option<Bytes>,
}

#[cw_serde]
#[derive(Copy, Eq)]
pub enum LegResult {
    /// not known on the home chain yet
    Pending,
    Finalized,
    /// it was held, and was given back
    Reverted,
    /// rolled back before it was ever held
    NotPrepared,
    /// taken back by its depositor
    Escaped,
}

#[cw_serde]
pub struct ExecutionSummary {
    pub execution_id: Hash32,
    pub number: u64,
    pub state: State,
    pub opener: String,
    pub deadline: u64,
    pub opened_at: u64,
    pub leg_count: u32,
}

#[cw_serde]
pub struct ExecutionsResponse {
    pub executions: Vec<ExecutionSummary>,
}

#[cw_serde]
pub struct ConfigResponse {
    pub authority: AdminResponse,
    pub home_chain: ChainId,
    /// canonical address of this contract: with `home_chain`, the domain of every certificate
    pub coordinator: Bytes,
    pub conservation: Conservation,
    pub settings: Settings,
    pub current_set: u64,
    /// a set has equivocated: no new executions until it is rotated out and the admin unpauses
    pub equivocated: bool,
}

#[cw_serde]
pub struct ChainResponse {
    pub chain: ChainId,
    pub escrow: Bytes,
}

#[cw_serde]
pub struct ChainsResponse {
    pub chains: Vec<ChainResponse>,
}

#[cw_serde]
pub struct EquivocationResponse {
    pub execution_id: Hash32,
    pub attestor_set: u64,
    pub commit: DecidedProof,
    pub abort: DecidedProof,
    pub reported_at: u64,
}

#[cw_serde]
pub struct EquivocationsResponse {
    pub equivocations: Vec<EquivocationResponse>,
}

#[cw_serde]
pub struct MigrateMsg {}
