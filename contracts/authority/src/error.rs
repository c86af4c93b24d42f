//! What the admin's and the attestors' rules refuse: what, and what to do about it.

use aes_protocol::{CertificateError, SetError};
use cosmwasm_std::{Addr, StdError};

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("storage: {0}")]
    Std(#[from] StdError),
    #[error("'{address}' is not an address of this chain ({cause}); give its bech32 address in lower case")]
    Address { address: String, cause: String },
    #[error("{sender} is not the admin; only {admin} may do this")]
    NotAdmin { sender: Addr, admin: String },
    #[error("{sender} is not the proposed admin; {}", match .pending {
        Some(pending) => format!("only {pending} may accept"),
        None => "the admin proposes one first with propose_admin".into(),
    })]
    NotPendingAdmin { sender: Addr, pending: Option<String> },
    #[error("the contract is paused and begins nothing new; wait for the admin's unpause")]
    Paused,
    #[error("the attestor set: {0}")]
    Set(#[from] SetError),
    #[error("attestor set {0} is not known here; use a certificate of a set that this contract was rotated to")]
    UnknownSet(u64),
    #[error("attestor set {id} expired at {expired_at}, now is {now}; get a certificate of the current set {current}")]
    ExpiredSet { id: u64, expired_at: u64, now: u64, current: u64 },
    #[error("attestor set {got} cannot follow set {current}; the next one is {current} + 1")]
    NotNext { got: u64, current: u64 },
    #[error("attestor set {0} is there already and is another one; an id is used once, take the next")]
    OtherSetUnderId(u64),
    #[error("a rotation is signed by the current set {current}, this certificate is of set {got}")]
    NotByCurrent { got: u64, current: u64 },
    #[error("attestor set {0}: ids end here")]
    LastId(u64),
    #[error("the certificate: {0}")]
    Certificate(#[from] CertificateError),
}
