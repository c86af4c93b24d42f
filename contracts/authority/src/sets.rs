//! The attestor sets a contract believes, each under its id; only a set's own certificate makes the next one.

use aes_protocol::{AttestorSet, Certificate, Domain, Hash32, Recover, Statement};
use cosmwasm_schema::cw_serde;
use cosmwasm_std::{to_json_string, Api, Deps, DepsMut, Env, Event, Storage};
use cw_storage_plus::{Item, Map};

use crate::error::AuthorityError;
use crate::msg::SetResponse;

#[cw_serde]
struct StoredSet {
    set: AttestorSet,
    /// none while it is the current one
    expires_at: Option<u64>,
}

const SETS: Map<u64, StoredSet> = Map::new("attestor_sets");
/// the id of the current set
pub const CURRENT: Item<u64> = Item::new("current_attestor_set");

/// Recovery as the chain offers it to contracts.
struct ChainRecover<'a>(&'a dyn Api);

impl Recover for ChainRecover<'_> {
    fn recover(&self, digest: &Hash32, r_s: &[u8], recovery_id: u8) -> Option<Vec<u8>> {
        self.0.secp256k1_recover_pubkey(&digest.0, r_s, recovery_id).ok()
    }
}

pub(crate) fn init(storage: &mut dyn Storage, set: AttestorSet) -> Result<(), AuthorityError> {
    set.validate()?;
    CURRENT.save(storage, &set.id)?;
    Ok(SETS.save(storage, set.id, &StoredSet { set, expires_at: None })?)
}

/// The storage key of a set, for who proves what is under it.
pub fn set_key(id: u64) -> Vec<u8> {
    SETS.key(id).to_vec()
}

pub fn current_set_id(storage: &dyn Storage) -> Result<u64, AuthorityError> {
    Ok(CURRENT.load(storage)?)
}

/// The current one where no id is given.
pub fn query_set(storage: &dyn Storage, id: Option<u64>) -> Result<SetResponse, AuthorityError> {
    let current = CURRENT.load(storage)?;
    let id = id.unwrap_or(current);
    let StoredSet { set, expires_at } = SETS.may_load(storage, id)?.ok_or(AuthorityError::UnknownSet(id))?;
    Ok(SetResponse { set, current: id == current, expires_at })
}

/// Exactly `threshold` signatures on the statement by a set that is known here and has not expired.
pub fn verify(
    deps: Deps,
    env: &Env,
    domain: &Domain,
    statement: &Statement,
    certificate: &Certificate,
) -> Result<(), AuthorityError> {
    let id = certificate.attestor_set;
    let StoredSet { set, expires_at } = SETS.may_load(deps.storage, id)?.ok_or(AuthorityError::UnknownSet(id))?;
    let now = env.block.time.seconds();
    if let Some(expired_at) = expires_at.filter(|expires_at| now > *expires_at) {
        return Err(AuthorityError::ExpiredSet { id, expired_at, now, current: CURRENT.load(deps.storage)? });
    }
    Ok(certificate.verify(statement, domain, &set, &ChainRecover(deps.api))?)
}

/// The next set, by the current one's certificate. The old one stays valid for the last execution it could have
/// served: one opened now with the farthest deadline, and the grace.
pub fn rotate(
    deps: DepsMut,
    env: &Env,
    domain: &Domain,
    next: AttestorSet,
    certificate: &Certificate,
    max_horizon: u64,
    grace: u64,
) -> Result<Event, AuthorityError> {
    next.validate()?;
    let new_set_hash = next.hash();
    let rotated = |repeated: bool| {
        Event::new("aes-rotated")
            .add_attribute("new_set", next.id.to_string())
            .add_attribute("new_set_hash", new_set_hash.to_string())
            .add_attribute("repeated", repeated.to_string())
    };
    if let Some(stored) = SETS.may_load(deps.storage, next.id)? {
        return if stored.set == next { Ok(rotated(true)) } else { Err(AuthorityError::OtherSetUnderId(next.id)) };
    }
    let current = CURRENT.load(deps.storage)?;
    if next.id != current.checked_add(1).ok_or(AuthorityError::LastId(current))? {
        return Err(AuthorityError::NotNext { got: next.id, current });
    }
    if certificate.attestor_set != current {
        return Err(AuthorityError::NotByCurrent { got: certificate.attestor_set, current });
    }
    let statement = Statement::Rotated { new_set: next.id, new_set_hash };
    verify(deps.as_ref(), env, domain, &statement, certificate)?;

    let expires_at = env.block.time.seconds().saturating_add(max_horizon).saturating_add(grace);
    let old = SETS.load(deps.storage, current)?;
    SETS.save(deps.storage, current, &StoredSet { expires_at: Some(expires_at), ..old })?;
    CURRENT.save(deps.storage, &next.id)?;
    let event = rotated(false)
        .add_attribute("set", to_json_string(&next)?)
        .add_attribute("old_set", current.to_string())
        .add_attribute("old_set_expires_at", expires_at.to_string());
    SETS.save(deps.storage, next.id, &StoredSet { set: next, expires_at: None })?;
    Ok(event)
}
