//! The admin, handed over in two steps so that a mistyped address loses nothing, and the pause.

use cosmwasm_std::{Addr, Event, Storage};
use cw_storage_plus::Item;

use crate::error::AuthorityError;
use crate::msg::AdminResponse;

/// Kept as it is answered.
const ADMIN: Item<AdminResponse> = Item::new("admin");

pub(crate) fn init(storage: &mut dyn Storage, admin: Addr) -> Result<(), AuthorityError> {
    Ok(ADMIN.save(storage, &AdminResponse { admin: admin.into(), pending_admin: None, paused: false })?)
}

pub fn query_admin(storage: &dyn Storage) -> Result<AdminResponse, AuthorityError> {
    Ok(ADMIN.load(storage)?)
}

pub fn assert_admin(storage: &dyn Storage, sender: &Addr) -> Result<(), AuthorityError> {
    let admin = ADMIN.load(storage)?.admin;
    if sender.as_str() == admin {
        Ok(())
    } else {
        Err(AuthorityError::NotAdmin { sender: sender.clone(), admin })
    }
}

/// For what begins something new, and for nothing else: a pause never stops a settlement.
pub fn assert_running(storage: &dyn Storage) -> Result<(), AuthorityError> {
    if ADMIN.load(storage)?.paused {
        Err(AuthorityError::Paused)
    } else {
        Ok(())
    }
}

pub fn pause(storage: &mut dyn Storage, sender: &Addr) -> Result<Event, AuthorityError> {
    set_paused(storage, sender, true)
}

pub fn unpause(storage: &mut dyn Storage, sender: &Addr) -> Result<Event, AuthorityError> {
    set_paused(storage, sender, false)
}

fn set_paused(storage: &mut dyn Storage, sender: &Addr, paused: bool) -> Result<Event, AuthorityError> {
    assert_admin(storage, sender)?;
    let state = ADMIN.load(storage)?;
    let repeated = state.paused == paused;
    ADMIN.save(storage, &AdminResponse { paused, ..state })?;
    let name = if paused { "aes-paused" } else { "aes-unpaused" };
    Ok(Event::new(name).add_attribute("repeated", repeated.to_string()))
}

/// A proposal already waiting is replaced.
pub fn propose_admin(storage: &mut dyn Storage, sender: &Addr, next: Addr) -> Result<Event, AuthorityError> {
    assert_admin(storage, sender)?;
    let state = ADMIN.load(storage)?;
    let next = Some(String::from(next));
    let repeated = state.pending_admin == next;
    let event = Event::new("aes-admin_proposed")
        .add_attribute("admin", &state.admin)
        .add_attribute("pending_admin", next.as_deref().unwrap_or_default())
        .add_attribute("repeated", repeated.to_string());
    ADMIN.save(storage, &AdminResponse { pending_admin: next, ..state })?;
    Ok(event)
}

pub fn accept_admin(storage: &mut dyn Storage, sender: &Addr) -> Result<Event, AuthorityError> {
    let state = ADMIN.load(storage)?;
    // Accepting twice is what a lost answer leads to: the second time it is done already.
    let repeated = state.pending_admin.is_none() && sender.as_str() == state.admin;
    if !repeated && state.pending_admin.as_deref() != Some(sender.as_str()) {
        return Err(AuthorityError::NotPendingAdmin { sender: sender.clone(), pending: state.pending_admin });
    }
    ADMIN.save(storage, &AdminResponse { admin: sender.to_string(), pending_admin: None, ..state })?;
    Ok(Event::new("aes-admin_accepted").add_attribute("admin", sender).add_attribute("repeated", repeated.to_string()))
}
