//! Vault outputs that a move under way spends. Attestors are asked for several moves at once, so what one of them has
//! chosen no other may choose meanwhile.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_bitcoin::VaultCoin;
use bitcoin::OutPoint;

#[derive(Default)]
pub struct Claims(Mutex<BTreeSet<OutPoint>>);

/// Given back when it is dropped, which is once the transaction is in the book of what was sent, or will not be.
pub struct Claim<'a> {
    pub coins: Vec<VaultCoin>,
    claims: &'a Claims,
}

impl Claims {
    pub fn claim(&self, coins: Vec<VaultCoin>) -> Claim<'_> {
        self.claimed().extend(coins.iter().map(|coin| coin.outpoint));
        Claim { coins, claims: self }
    }

    pub fn all(&self) -> BTreeSet<OutPoint> {
        self.claimed().clone()
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeSet<OutPoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claimed = self.claims.claimed();
        for coin in &self.coins {
            claimed.remove(&coin.outpoint);
        }
    }
}
