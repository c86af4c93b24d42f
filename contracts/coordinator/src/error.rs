//! Everything the coordinator refuses: what, where, and what to do about it.

use aes_authority::AuthorityError;
use aes_protocol::{AccountError, Bytes, ChainId, Hash32, LegStatus, LegsError};
use cosmwasm_std::{Addr, StdError};

use crate::msg::State;

#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error("storage: {0}")]
    Std(#[from] StdError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Legs(#[from] LegsError),
    #[error("this message takes no funds; send it without")]
    NoFunds,

    // ---- instantiate, migrate, settings, chains
    #[error("home chain '{given}' is not the chain this runs on; give '{actual}'")]
    OtherChain { given: ChainId, actual: String },
    #[error("setting {name} is {got} seconds; give {min} to {max}")]
    Setting { name: &'static str, got: u64, min: u64, max: u64 },
    #[error("{cause}; migrate to code of the same name, not older")]
    Migrate { cause: String },
    #[error("the escrow: {0}")]
    Escrow(AccountError),
    #[error("chain {chain} has escrow {registered}, for good; holds of a new one need another deployment")]
    ChainHasEscrow { chain: ChainId, registered: Bytes },
    #[error("attestor set {0} has equivocated and is still the current one; rotate to another set first")]
    SetEquivocated(u64),

    // ---- open
    #[error("{what} '{address}' is not an address of this chain ({cause}); give its bech32 address in lower case")]
    Address { what: &'static str, address: String, cause: String },
    #[error("an attestor set has equivocated and nothing new is opened; wait for a new set and the admin's unpause")]
    Equivocated,
    #[error("leg {index}: chain {chain} is not of this deployment; the chains query lists those that are")]
    UnknownChain { index: u8, chain: ChainId },
    #[error("leg {index}: escrow {got} is not the one of {chain}; it is {registered}")]
    OtherEscrow { index: u8, chain: ChainId, got: Bytes, registered: Bytes },
    #[error("deadline {deadline} has passed, now is {now}; give a later one, in Unix seconds")]
    DeadlinePast { deadline: u64, now: u64 },
    #[error("deadline {deadline} is too far ahead; give {latest} or earlier")]
    DeadlineTooFar { deadline: u64, latest: u64 },

    // ---- an execution and its legs
    #[error("execution {0} is not known here; open it first, or check the id and the coordinator's address")]
    UnknownExecution(Hash32),
    #[error("execution {execution_id} has {count} legs, no leg {leg}; they are numbered from 0")]
    NoSuchLeg { execution_id: Hash32, leg: u8, count: usize },
    #[error("execution {execution_id} is {state}: {message} needs it {needed}")]
    WrongState { execution_id: Hash32, state: State, message: &'static str, needed: &'static str },
    #[error("{sender} is neither the opener of the execution nor its named relayer; {hint}")]
    NotOpenerOrRelayer { sender: Addr, hint: &'static str },

    // ---- attach
    #[error(
        "execution {execution_id}: leg {leg} has other transactions attached, and keeps them; open another execution"
    )]
    AttachedAlready { execution_id: Hash32, leg: u8 },
    #[error("leg {leg} is on {chain}: only a Bitcoin (bip122) leg has settlement transactions to attach")]
    NotBitcoin { leg: u8, chain: ChainId },
    #[error("{got} bytes of signed transactions; give 1 to {max}")]
    PresignedSize { got: usize, max: usize },

    // ---- commit and record
    #[error("the deadline {deadline} has passed, now is {now}: it can only be rolled back")]
    CommitTooLate { deadline: u64, now: u64 },
    #[error("{got} pieces of evidence for {legs} legs; give one a leg, in their order")]
    EvidenceCount { got: usize, legs: usize },
    #[error("evidence {position} is of leg {got}, expected {expected}; give one a leg, in their order")]
    EvidenceLeg { position: usize, got: Hash32, expected: Hash32 },
    #[error("evidence {position} is of {got}, its leg is on {expected}")]
    EvidenceChain { position: usize, got: ChainId, expected: ChainId },
    #[error("evidence {position} says {}; a leg of this message is {expected}", status_name(.got))]
    EvidenceStatus { position: usize, got: LegStatus, expected: &'static str },
    #[error("evidence {position} says escaped; only a depositor escapes, and '{function}' has none")]
    EvidenceEscape { position: usize, function: &'static str },

    // ---- rollback
    #[error("deadline_passed: the deadline is {deadline}, now is {now}; wait for it, or give another reason")]
    DeadlineNotPassed { deadline: u64, now: u64 },
    #[error("atomicity_failure: the cause has {0} bytes; give 1 to 256")]
    Cause(usize),

    // ---- report_equivocation
    #[error("the commit is certified by attestor set {commit}, the abort by set {abort}; equivocation is of one set")]
    TwoSets { commit: u64, abort: u64 },
}

fn status_name(status: &LegStatus) -> &'static str {
    match status {
        LegStatus::Held => "held",
        LegStatus::Finalized => "finalized",
        LegStatus::Released => "released",
        LegStatus::Absent => "absent",
        LegStatus::Escaped => "escaped",
    }
}
