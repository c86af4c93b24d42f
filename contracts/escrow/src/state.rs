//! What the escrow remembers, beside the admin, the pause and the attestor sets, which `aes-authority` keeps.

use aes_protocol::{Bytes, ChainId, Domain, Hash32};
use cosmwasm_schema::cw_serde;
use cosmwasm_std::Env;
use cw_storage_plus::{Item, Map};

use crate::limits::Reserve;
use crate::msg::{Asset, BalancesResponse, Hold, Moment, Settings};

/// Fixed at instantiation.
#[cw_serde]
pub struct Config {
    pub chain: ChainId,
    /// this contract's canonical address: what a leg names as its escrow
    pub escrow: Bytes,
    pub domain: Domain,
    pub asset: Asset,
    pub settings: Settings,
}

pub const CONFIG: Item<Config> = Item::new("config");
pub const RESERVE: Item<Reserve> = Item::new("reserve");
pub const BALANCES: Item<BalancesResponse> = Item::new("balances");

/// Execution id and leg hash to the hold. Proofs (ICS-23) rest on this key and value, so neither ever changes:
/// `0x0005 ‖ "holds" ‖ 0x0020 ‖ execution id (32 bytes) ‖ leg hash (32 bytes)`, and the hold as JSON.
pub const HOLDS: Map<(&[u8], &[u8]), Hold> = Map::new("holds");

pub fn hold_key<'a>(execution_id: &'a Hash32, leg_hash: &'a Hash32) -> (&'a [u8], &'a [u8]) {
    (&execution_id.0, &leg_hash.0)
}

pub fn moment(env: &Env) -> Moment {
    let transaction = env.transaction.as_ref();
    Moment {
        height: env.block.height,
        tx_index: transaction.map_or(0, |transaction| transaction.index),
        time: env.block.time.seconds(),
        tx_hash: transaction.and_then(|told| Hash32::try_from(told.hash.as_slice()).ok()).unwrap_or_default(),
    }
}
