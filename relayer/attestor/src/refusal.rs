//! Why an attestor does not sign, and how it says so: a problem document (RFC 9457) with a code for programs.

use std::time::Duration;

use aes_chains::ChainError;
use aes_coordinator::msg::State;
use aes_protocol::{ChainId, Decision, Hash32, SetError};
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde::{Deserialize, Serialize};

use crate::wire::MAX_DECISIONS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// not so on the chains, or not yet at the depth asked for
    NotSeen,
    UnknownExecution,
    /// against a statement signed before
    Equivocation,
    ChainUnreachable,
    NotInSet,
    BadRequest,
    /// a set that the operator has not approved
    NotApproved,
    /// the attestor itself is ill, e.g. its disk is full
    Unavailable,
}

impl Code {
    pub(crate) fn name(self) -> &'static str {
        self.name_title_status().0
    }

    fn name_title_status(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::NotSeen => ("not_seen", "Not seen on the chains", StatusCode::CONFLICT),
            Self::UnknownExecution => ("unknown_execution", "No such execution", StatusCode::NOT_FOUND),
            Self::Equivocation => ("equivocation", "Against what was signed before", StatusCode::CONFLICT),
            Self::ChainUnreachable => ("chain_unreachable", "A chain cannot be read", StatusCode::SERVICE_UNAVAILABLE),
            Self::NotInSet => ("not_in_set", "Not an attestor of the current set", StatusCode::FORBIDDEN),
            Self::BadRequest => ("bad_request", "Not a request for an attestor", StatusCode::BAD_REQUEST),
            Self::NotApproved => ("not_approved", "Set not approved by the operator", StatusCode::FORBIDDEN),
            Self::Unavailable => ("unavailable", "The attestor cannot sign now", StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// RFC 9457 problem details, media type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:aes:problem:` and the code
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// what, where, and what to do
    pub detail: String,
    pub code: Code,
    /// Bitcoin: the output that all holds of this leg must spend, because one that does is signed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// Bitcoin: the vault output that is signed away for another leg
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<String>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("execution {0}: the coordinator does not know it; open it, or wait for this attestor's home node")]
    UnknownExecution(Hash32),
    #[error("execution {execution_id}: is {state:?} at the coordinator, and only an open one can be prepared")]
    NotOpen { execution_id: Hash32, state: State },
    #[error("execution {execution_id}: its deadline {deadline} has passed, the home chain is at {now}; roll it back")]
    DeadlinePassed { execution_id: Hash32, deadline: u64, now: u64 },
    #[error("execution {0}: still open at the coordinator; commit it or roll it back first")]
    Undecided(Hash32),
    #[error("leg {leg} on {chain}: {seen}, expected {expected}; ask again when it is so")]
    Leg { leg: u8, chain: ChainId, seen: String, expected: String },
    #[error(
        "execution {execution_id}: this attestor has signed {signed:?} and will not sign {asked:?}; \
         its nodes contradict themselves, look at the home chain"
    )]
    OppositeDecision { execution_id: Hash32, signed: Decision, asked: Decision },
    #[error(
        "execution {execution_id}: this attestor has signed its decision ({signed:?}), so it is not open any more; \
         its home node may be behind"
    )]
    AlreadyDecided { execution_id: Hash32, signed: Decision },
    #[error("attestor set {id}: this attestor has signed hash {signed} under that id and will not sign {asked}")]
    OtherSet { id: u64, signed: String, asked: Hash32 },
    #[error("{0}")]
    Chain(#[from] ChainError),
    #[error("{0}: this attestor has no node there; its operator must add the chain to its config")]
    NoNode(ChainId),
    #[error("no answer within {} s: a chain's node is slow; GET /v1/health says which", .0.as_secs())]
    Timeout(Duration),
    #[error("signer {signer} is not in the current attestor set {set}; ask the attestors that are")]
    NotInSet { signer: String, set: u64 },
    #[error("attestor set {id} with hash {hash}: its operator has not approved it; `aes attest approve --set FILE`")]
    NotApproved { id: u64, hash: Hash32 },
    #[error("attestor set {got}: the current set is {current}, so the next has the id after it")]
    NotTheNextSet { got: u64, current: u64 },
    #[error("attestor set: {0}")]
    Set(#[from] SetError),
    #[error("{0} execution ids; give 1 to {MAX_DECISIONS}")]
    DecisionCount(usize),
    #[error("execution {0} is named twice; name each once")]
    NamedTwice(Hash32),
    #[error("{detail}")]
    Http { status: StatusCode, detail: String },
    #[error("{0}: this attestor has no Bitcoin key; its operator must name one, attest.bitcoin_key")]
    NoBitcoinKey(ChainId),
    #[error("{0}: certificates there are statements, not signatures on transactions; POST /v1/attest")]
    NotCosigned(ChainId),
    #[error("transaction {txid}: this attestor's Bitcoin key {key} has no part in it; ask the set that has")]
    NotACosigner { key: Hash32, txid: Hash32 },
    #[error("hold {outpoint}: this attestor has signed its {signed} and will not sign the other outcome")]
    OtherOutcome { outpoint: String, signed: String },
    #[error(
        "execution {execution_id}: this attestor has signed for leg {leg} with {first} and will not for another hold"
    )]
    SecondHold { execution_id: Hash32, leg: u8, first: String },
    #[error(
        "vault output {outpoint}: this attestor has signed it away for leg {leg} of execution {by}; choose another"
    )]
    Reserved { outpoint: String, by: Hash32, leg: u8 },
    #[error("the journal cannot be written ({0}), so nothing is signed; look at the attestor's disk")]
    Journal(String),
    #[error("signing failed: {0}; look at the attestor's key")]
    Signing(String),
}

impl Refusal {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::UnknownExecution(_) => Code::UnknownExecution,
            Self::NotOpen { .. } | Self::DeadlinePassed { .. } | Self::Undecided(_) | Self::Leg { .. } => Code::NotSeen,
            Self::OppositeDecision { .. }
            | Self::AlreadyDecided { .. }
            | Self::OtherSet { .. }
            | Self::OtherOutcome { .. }
            | Self::SecondHold { .. } => Code::Equivocation,
            Self::Reserved { .. } => Code::NotSeen,
            Self::NotACosigner { .. } => Code::NotInSet,
            Self::NoBitcoinKey(_) => Code::Unavailable,
            Self::NotCosigned(_) => Code::BadRequest,
            Self::Chain(_) | Self::NoNode(_) | Self::Timeout(_) => Code::ChainUnreachable,
            Self::NotInSet { .. } => Code::NotInSet,
            Self::NotApproved { .. } => Code::NotApproved,
            Self::NotTheNextSet { .. }
            | Self::Set(_)
            | Self::DecisionCount(_)
            | Self::NamedTwice(_)
            | Self::Http { .. } => Code::BadRequest,
            Self::Journal(_) | Self::Signing(_) => Code::Unavailable,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.code();
        let (name, title, status) = code.name_title_status();
        let status = match &self {
            Self::Http { status, .. } => *status,
            _ => status,
        };
        let problem = Problem {
            kind: format!("urn:aes:problem:{name}"),
            title: title.into(),
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            pinned: match &self {
                Self::SecondHold { first, .. } => Some(first.clone()),
                _ => None,
            },
            reserved: match self {
                Self::Reserved { outpoint, .. } => Some(outpoint),
                _ => None,
            },
        };
        (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(problem)).into_response()
    }
}
