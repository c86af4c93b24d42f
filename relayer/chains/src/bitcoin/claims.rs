//! Vault outputs that no move may choose. Attestors are asked for several moves at once, so what one of them spends no other
//! may choose meanwhile; and where only some attestors signed, they sign no other output for that leg, so it is kept for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_bitcoin::VaultCoin;
use aes_protocol::Hash32;
use bitcoin::OutPoint;

/// A reserve-sourced leg: its execution and its place there.
pub type LegId = (Hash32, u8);

#[derive(Default)]
pub struct Claims(Mutex<Claimed>);

#[derive(Default)]
struct Claimed {
    moving: BTreeSet<OutPoint>,
    pinned: BTreeMap<LegId, BTreeSet<OutPoint>>,
}

/// Given back when it is dropped, which is once the transaction is in the book of what was sent, or will not be.
pub struct Claim<'a> {
    pub coins: Vec<VaultCoin>,
    claims: &'a Claims,
}

impl Claims {
    pub fn claim(&self, coins: Vec<VaultCoin>) -> Claim<'_> {
        self.claimed().moving.extend(coins.iter().map(|coin| coin.outpoint));
        Claim { coins, claims: self }
    }

    /// All but those that are kept for this leg.
    pub fn taken(&self, own: Option<&LegId>) -> BTreeSet<OutPoint> {
        let claimed = self.claimed();
        let others = claimed.pinned.iter().filter(|(leg, _)| Some(*leg) != own).flat_map(|(_, outpoints)| outpoints);
        claimed.moving.iter().chain(others).copied().collect()
    }

    pub fn pin(&self, leg: LegId, outpoints: impl IntoIterator<Item = OutPoint>) {
        self.claimed().pinned.entry(leg).or_default().extend(outpoints);
    }

    pub fn pinned(&self, leg: &LegId) -> BTreeSet<OutPoint> {
        self.claimed().pinned.get(leg).cloned().unwrap_or_default()
    }

    pub fn pinned_legs(&self) -> Vec<LegId> {
        self.claimed().pinned.keys().copied().collect()
    }

    pub fn unpin(&self, leg: &LegId) {
        self.claimed().pinned.remove(leg);
    }

    fn claimed(&self) -> MutexGuard<'_, Claimed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claimed = self.claims.claimed();
        for coin in &self.coins {
            claimed.moving.remove(&coin.outpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash;
    use bitcoin::{Amount, Txid};

    use super::*;

    fn outpoint(number: u8) -> OutPoint {
        OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 }
    }

    #[test]
    fn what_moves_is_nobodys_and_what_is_pinned_is_its_legs() {
        let claims = Claims::default();
        let (one, two) = ((Hash32([1; 32]), 0), (Hash32([1; 32]), 1));
        let coin = VaultCoin { outpoint: outpoint(1), value: Amount::from_sat(546), alz: 5, set_id: 1 };
        let claim = claims.claim(vec![coin]);
        claims.pin(one, [outpoint(2)]);
        assert_eq!(claims.taken(Some(&one)), BTreeSet::from([outpoint(1)]));
        assert_eq!(claims.taken(Some(&two)), BTreeSet::from([outpoint(1), outpoint(2)]));
        drop(claim);
        assert_eq!(claims.taken(None), BTreeSet::from([outpoint(2)]));
        claims.unpin(&one);
        assert_eq!((claims.taken(None), claims.pinned_legs()), (BTreeSet::new(), Vec::new()));
    }
}
