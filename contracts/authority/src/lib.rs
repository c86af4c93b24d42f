//! Who may change a contract, and whose signatures it believes: the admin and its two-step handover, the pause,
//! and the attestor sets by id. Shared by the coordinator and the escrow, so that both keep the same rules.

mod admin;
mod error;
mod msg;
mod sets;

pub use admin::{accept_admin, assert_admin, assert_running, pause, propose_admin, query_admin, unpause};
pub use error::AuthorityError;
pub use msg::{AdminResponse, SetResponse};
pub use sets::{current_set_id, query_set, rotate, set_key, verify, CURRENT as CURRENT_SET};

use aes_protocol::AttestorSet;
use cosmwasm_std::{Api, Storage};

/// What `instantiate` sets up: the admin, running, and the first set, under whatever id it has.
pub fn init(storage: &mut dyn Storage, api: &dyn Api, admin: &str, set: AttestorSet) -> Result<(), AuthorityError> {
    let admin = api
        .addr_validate(admin)
        .map_err(|cause| AuthorityError::Address { address: admin.into(), cause: cause.as_ref().to_string() })?;
    admin::init(storage, admin)?;
    sets::init(storage, set)
}
