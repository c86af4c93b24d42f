//! Everything the escrow refuses: what, where, and what to do about it.

use aes_authority::AuthorityError;
use aes_protocol::{AccountError, Bytes, ChainId, Hash32, LegError};
use cosmwasm_std::{Addr, Int256, StdError, Uint128};

use crate::msg::HoldStatus;

#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error("{0}")]
    Std(#[from] StdError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Leg(#[from] LegError),

    #[error("{what} '{address}' is not an address of this chain ({cause}); give its bech32 address in lower case")]
    Address { what: &'static str, address: String, cause: String },

    // ---- instantiate and migrate
    #[error("chain '{given}' is not the chain this runs on; give '{actual}'")]
    OtherChain { given: ChainId, actual: String },
    #[error("domain: the coordinator's address: {0}")]
    Coordinator(AccountError),
    #[error("setting {name} is {got} seconds; give {min} to {max}")]
    Setting { name: &'static str, got: u64, min: u64, max: u64 },
    #[error("'{0}' is not a bank denom: a letter, then 2 to 127 letters, digits or any of /:._-")]
    Denom(String),
    #[error("the cw20 at {address} does not answer token_info ({cause}); give the address of ALZ's cw20")]
    NotACw20 { address: Addr, cause: String },
    #[error("the cw20 at {address} has {decimals} decimals; ALZ has 18 on every chain")]
    Decimals { address: Addr, decimals: u8 },
    #[error(
        "this is code of {ours}, the contract's state is of {stored}; migrate to code of the same name, not older"
    )]
    Migrate { ours: String, stored: String },

    // ---- funds
    #[error("this message takes no funds; send it without")]
    NoFunds,
    #[error("send {expected} as funds and nothing else, got '{got}'")]
    Funds { expected: String, got: String },
    #[error("{got} base units came, the leg is {expected}; send exactly that")]
    Amount { got: Uint128, expected: Uint128 },
    #[error("ALZ here is the cw20 {0}: send it to this contract with cw20's 'send', the message inside")]
    SendCw20(String),
    #[error("'receive' is for ALZ's cw20 to call, not for {sender}; {hint}")]
    NotOurCw20 { sender: Addr, hint: String },
    #[error("the message inside cw20's 'send' is none of this contract's ({0}); give 'prepare' or 'fund_vault'")]
    Inside(String),
    #[error("amount is zero; give at least one base unit")]
    ZeroAmount,

    // ---- prepare
    #[error("the leg is for chain {leg}, this escrow is on {ours}; send it there")]
    LegOfOtherChain { leg: ChainId, ours: ChainId },
    #[error("the leg names escrow {leg}, this one is {ours}; send it there")]
    LegOfOtherEscrow { leg: Bytes, ours: Bytes },
    #[error("{function} needs ALZ as a cw20 with this escrow as its minter; here it is a bank denom")]
    NeedsCw20 { function: &'static str },
    #[error("{function} legs are prepared by their depositor with funds; leave 'opened' out")]
    OpenedNotTaken { function: &'static str },
    #[error("{function} legs take from the reserve; give 'opened' with an Opened certificate")]
    OpenedMissing { function: &'static str },
    #[error("leg {leg_hash} is not under manifest root {manifest_root} by the path given; compute the path again")]
    NotInManifest { leg_hash: Hash32, manifest_root: Hash32 },
    #[error("the sender is {sender}, the depositor is {depositor}; the depositor sends this")]
    NotTheDepositor { sender: Bytes, depositor: Bytes },
    #[error("the recipient is this escrow itself; use lock to fill its vault")]
    RecipientIsEscrow,
    #[error("the deadline {deadline} is not after now ({now}); open a new execution")]
    DeadlinePassed { deadline: u64, now: u64 },
    #[error("the deadline {deadline} is too far; the latest now is {latest}")]
    DeadlineTooFar { deadline: u64, latest: u64 },
    #[error("the leg's {amount} base units are over the largest leg, {max_leg}; split it over executions")]
    LegTooLarge { amount: Uint128, max_leg: Uint128 },
    #[error("{amount} base units are more of the reserve than may leave now, {available}; wait for the refill")]
    ReserveRateExceeded { amount: Uint128, available: Uint128 },
    #[error("{amount} base units are more than the vault's {vault}; wait for it to be filled")]
    VaultTooSmall { amount: Uint128, vault: Uint128 },
    #[error("minting {amount} over the {issued} issued would pass the mint cap {mint_cap}")]
    MintCapExceeded { amount: Uint128, issued: Int256, mint_cap: Uint128 },
    #[error("execution {execution_id}, leg {leg_hash}: held with deadline {held}, asked with {asked}; use the deadline of the hold")]
    HoldHasOtherDeadline { execution_id: Hash32, leg_hash: Hash32, held: u64, asked: u64 },
    #[error("execution {execution_id}, leg {leg_hash}: already {status}; it cannot be prepared again")]
    HoldSettled { execution_id: Hash32, leg_hash: Hash32, status: HoldStatus },

    // ---- settle and escape
    #[error("nothing to settle: give 1 to {max} legs, and at least one in each item")]
    EmptyBatch { max: usize },
    #[error("{got} legs in one message; give at most {max}")]
    BatchTooLarge { got: usize, max: usize },
    #[error("execution {execution_id}: its decision leads to root {got}, the first item's to {expected}; send one message for each root")]
    OtherDecisionsRoot { execution_id: Hash32, got: Hash32, expected: Hash32 },
    #[error("execution {execution_id}, leg {leg_hash}: nothing is held here; prepare it first")]
    NothingHeld { execution_id: Hash32, leg_hash: Hash32 },
    #[error(
        "execution {execution_id}, leg {leg_hash}: already {status}, the opposite of what is asked; \
             where two certificates disagree, report_equivocation at the coordinator"
    )]
    HoldSettledOtherwise { execution_id: Hash32, leg_hash: Hash32, status: HoldStatus },
    #[error("{function} legs take from the reserve; only a depositor's own ALZ can be escaped with")]
    NothingToEscape { function: &'static str },
    #[error("now is {now}; escape opens at {opens_at}, and only if no decision has come")]
    EscapeTooEarly { now: u64, opens_at: u64 },
    #[error("the books do not add up for {what}: {cause}; nothing was changed")]
    Books { what: &'static str, cause: String },
    #[error("reply {0} is none that this contract asked for")]
    UnknownReply(u64),

    // ---- queries
    #[error("start_after is of execution {start_after}, asked for {asked}; give a key of the page before")]
    StartAfterOtherExecution { start_after: Hash32, asked: Hash32 },
}
