//! What became of a leg, in the protocol's normalized form; from every honest node the same bytes.
//!
//! `event_hash` is the keccak of the stored hold's JSON as an ICS-23 proof would show it: of a settled hold as it
//! is, which never changes again; of a held one as it was first stored, without a later failure to pay. The transaction
//! is the one that the hold itself names, so that the same proof covers it.

use aes_escrow::msg::{Hold, HoldStatus};
use aes_protocol::{keccak, Evidence, Hash32, LegStatus};
use tendermint::abci::Event;

use super::client::CosmosClient;
use super::state::Stored;
use crate::error::ChainError;

pub(super) struct StoredHold {
    /// with the bytes it is stored as
    pub hold: Option<(Hold, Vec<u8>)>,
    /// at which it was so
    pub height: u64,
}

/// One read of the escrow's storage; cheaper for the node than running the contract to ask it.
pub(super) async fn stored_hold(
    client: &CosmosClient,
    escrow: &str,
    execution_id: &Hash32,
    leg_hash: &Hash32,
) -> Result<StoredHold, ChainError> {
    let Stored { value: bytes, height, .. } = client.stored(escrow, &hold_key(execution_id, leg_hash)).await?;
    if bytes.is_empty() {
        return Ok(StoredHold { hold: None, height });
    }
    let hold =
        serde_json::from_slice(&bytes).map_err(|error| client.bad_answer(format!("hold of {escrow}: {error}")))?;
    Ok(StoredHold { hold: Some((hold, bytes)), height })
}

/// As `contracts/escrow/src/state.rs` promises it.
fn hold_key(execution_id: &Hash32, leg_hash: &Hash32) -> Vec<u8> {
    [&[0, 5][..], b"holds", &[0, 32], &execution_id.0, &leg_hash.0].concat()
}

pub(super) async fn evidence(
    client: &CosmosClient,
    escrow: &str,
    execution_id: &Hash32,
    leg_hash: &Hash32,
    deadline: u64,
) -> Result<Option<Evidence>, ChainError> {
    let of_leg = OfLeg { client, escrow, execution_id, leg_hash };
    if let (Some((hold, bytes)), _) = of_leg.look().await? {
        return of_leg.of_hold(hold, bytes, deadline).await;
    }
    let head = client.head().await?;
    if head.time < deadline {
        return Ok(None);
    }
    // Once more: a hold may have come between the two looks. From `head` on the escrow takes none, so nothing
    // in the state of the block before it is nothing for ever (the newest block may not be executed yet).
    match of_leg.look().await? {
        (Some((hold, bytes)), _) => of_leg.of_hold(hold, bytes, deadline).await,
        (None, height) if height.saturating_add(1) < head.height => Ok(None),
        (None, _) => of_leg.never_held(deadline, head.height).await.map(Some),
    }
}

struct OfLeg<'a> {
    client: &'a CosmosClient,
    escrow: &'a str,
    execution_id: &'a Hash32,
    leg_hash: &'a Hash32,
}

impl OfLeg<'_> {
    async fn look(&self) -> Result<(Option<(Hold, Vec<u8>)>, u64), ChainError> {
        let stored = stored_hold(self.client, self.escrow, self.execution_id, self.leg_hash).await?;
        Ok((stored.hold, stored.height))
    }

    async fn of_hold(&self, hold: Hold, bytes: Vec<u8>, deadline: u64) -> Result<Option<Evidence>, ChainError> {
        let (status, moment, event_hash) = match hold.status {
            HoldStatus::Held if hold.deadline != deadline => return Ok(None),
            HoldStatus::Held => {
                let moment = hold.held_at;
                let first = Hold { settled_at: None, failure: None, ..hold };
                (LegStatus::Held, moment, keccak(&self.client.json(&first)?))
            }
            HoldStatus::Finalized => (LegStatus::Finalized, hold.settled_at, keccak(&bytes)),
            HoldStatus::Released if hold.held_at.is_none() => (LegStatus::Absent, hold.settled_at, keccak(&bytes)),
            HoldStatus::Released => (LegStatus::Released, hold.settled_at, keccak(&bytes)),
            HoldStatus::Escaped => (LegStatus::Escaped, hold.settled_at, keccak(&bytes)),
        };
        let moment = moment.ok_or_else(|| self.client.bad_answer(format!("a {status:?} hold without its time")))?;
        let block = self.client.block(moment.height).await?;
        Ok(Some(Evidence {
            leg_hash: *self.leg_hash,
            status,
            chain: self.client.id.clone(),
            height: moment.height,
            block_hash: block.hash,
            tx_id: moment.tx_hash,
            event_hash,
            time: block.time,
        }))
    }

    /// Nothing held, and nothing can be any more: the first block at or after the deadline says so.
    async fn never_held(&self, deadline: u64, head: u64) -> Result<Evidence, ChainError> {
        // Deadlines are mostly recent: back from the head in growing steps, then halve.
        let (mut before, mut first, mut step) = (head, head, 1);
        while before > 1 {
            before = before.saturating_sub(step).max(1);
            if self.client.block_time(before).await? < deadline {
                break;
            }
            first = before;
            step = step.saturating_mul(2);
        }
        while first.saturating_sub(before) > 1 {
            let middle = before.midpoint(first);
            if self.client.block_time(middle).await? < deadline {
                before = middle;
            } else {
                first = middle;
            }
        }
        let block = self.client.block(first).await?;
        Ok(Evidence {
            leg_hash: *self.leg_hash,
            status: LegStatus::Absent,
            chain: self.client.id.clone(),
            height: first,
            block_hash: block.hash,
            tx_id: Hash32::default(),
            event_hash: Hash32::default(),
            time: block.time,
        })
    }
}

pub(super) fn attribute<'a>(event: &'a Event, key: &str) -> Option<&'a str> {
    let found = event.attributes.iter().find(|attribute| attribute.key_str().is_ok_and(|name| name == key))?;
    found.value_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_cw_storage_plus_makes() {
        let map: cw_storage_plus::Map<(&[u8], &[u8]), Hold> = cw_storage_plus::Map::new("holds");
        let (execution_id, leg_hash) = (Hash32([1; 32]), Hash32([2; 32]));
        assert_eq!(hold_key(&execution_id, &leg_hash), *map.key((&execution_id.0, &leg_hash.0)));
    }
}
