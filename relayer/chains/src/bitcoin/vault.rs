//! Keeps the vault in as many outputs as executions may want at once, ahead of need: an unlock takes one output and its
//! change is free again a block later, so two executions never wait for the same one. What is left in an older set's vault
//! goes to the current set's on the way.

use std::sync::Weak;
use std::time::Duration;

use aes_bitcoin::{AttestorKeys, VaultCoin, MAX_VAULT_INPUTS, MAX_VAULT_OUTPUTS};
use aes_coordinator::msg::State;

use super::BitcoinChain;
use crate::error::ChainError;

/// Outputs over this many times the wanted number are joined.
const TOO_MANY: usize = 4;
/// Where no block comes so long: an attestor that did not sign may be back long before the next one.
const EVERY: Duration = Duration::from_secs(15);

/// One rearrangement: these outputs into these amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rearrangement {
    coins: Vec<VaultCoin>,
    amounts: Vec<u128>,
}

impl BitcoinChain {
    /// For a relayer with a key: a task of its own, woken by each block and now and then, that ends with the adapter.
    pub(super) fn keep_vault(&self) {
        if self.wallet.is_none() {
            return;
        }
        let (chain, mut ticks): (Weak<Self>, _) = (self.own.clone(), self.following.follower.ticks());
        tokio::spawn(async move {
            loop {
                if let Ok(Err(_)) = tokio::time::timeout(EVERY, ticks.changed()).await {
                    return;
                }
                let Some(chain) = chain.upgrade() else { return };
                if let Err(error) = chain.unpin_decided().await {
                    tracing::info!("{error}; vault outputs stay kept for their legs for a while");
                }
                if let Err(error) = chain.bump_rearrangements().await {
                    tracing::info!("{error}; a split or a join pays as before for a while");
                }
                if let Err(error) = chain.rearrange_if_needed().await {
                    tracing::info!("{error}; the vault stays as it is for a while");
                }
                if let Err(error) = chain.release_late().await {
                    tracing::info!("{error}; late holds are looked for again");
                }
            }
        });
    }

    async fn rearrange_if_needed(&self) -> Result<(), ChainError> {
        let escrow = self.sets.escrow().await?;
        let Some(current) = escrow.sets.current().map(AttestorKeys::set_id) else { return Ok(()) };
        let (claim, amounts) = {
            let _choosing = self.choosing.lock().await;
            let taken = self.taken(None);
            let free = self.vault_coins(&escrow)?.into_iter().filter(|coin| !taken.contains(&coin.outpoint)).collect();
            let Some(Rearrangement { coins, amounts }) = rearrangement(free, current, self.vault_outputs) else {
                return Ok(());
            };
            (self.claims.claim(coins), amounts)
        };
        if let Some(outpoint) = self.spent_on_the_way(&claim.coins).await?.first() {
            return Err(self.node.later(format!("another relayer's transaction spends {outpoint}")));
        }
        tracing::info!(chain = %self.node.id, "the vault: {} outputs become {}", claim.coins.len(), amounts.len());
        self.rearrange(claim.coins.clone(), amounts).await?;
        Ok(())
    }

    /// What is kept for legs whose execution is decided is free again.
    async fn unpin_decided(&self) -> Result<(), ChainError> {
        for leg in self.claims.pinned_legs() {
            let record = self.record(&leg.0).await?;
            if record.is_none_or(|record| record.state != State::Open) {
                self.claims.unpin(&leg);
            }
        }
        Ok(())
    }
}

/// What attestors sign on anybody's word: the same outputs on to the current set, many into one, or one into even parts.
pub fn is_a_rearrangement(coins: &[VaultCoin], amounts: &[u128], current: u64) -> bool {
    let Some(set) = coins.first().map(|coin| coin.set_id) else { return false };
    if coins.iter().any(|coin| coin.set_id != set) {
        return false;
    }
    if set != current {
        return coins.iter().map(|coin| coin.alz).eq(amounts.iter().copied());
    }
    match (coins, amounts) {
        ([_], [_]) => false,
        ([one], parts) => shares(one.alz, parts.len()).is_some_and(|even| even == parts),
        (_, amounts) => amounts.len() == 1,
    }
}

fn rearrangement(mut free: Vec<VaultCoin>, current: u64, wanted: usize) -> Option<Rearrangement> {
    free.sort_by_key(|coin| (coin.alz, coin.outpoint));
    // an older set's outputs go to the current vault, one for one
    let oldest = free.iter().map(|coin| coin.set_id).filter(|set| *set != current).min();
    if let Some(oldest) = oldest {
        let coins: Vec<VaultCoin> =
            free.into_iter().filter(|coin| coin.set_id == oldest).take(MAX_VAULT_INPUTS).collect();
        let amounts = coins.iter().map(|coin| coin.alz).collect();
        return Some(Rearrangement { coins, amounts });
    }
    if free.len() > wanted.saturating_mul(TOO_MANY) {
        free.truncate(free.len().saturating_sub(wanted).saturating_add(1).min(MAX_VAULT_INPUTS));
        let sum = free.iter().map(|coin| coin.alz).try_fold(0u128, u128::checked_add)?;
        return Some(Rearrangement { coins: free, amounts: vec![sum] });
    }
    // half of them gone is early enough, and spares a transaction for each that is used
    if free.len() > wanted / 2 {
        return None;
    }
    let largest = free.pop()?;
    let parts = wanted.saturating_sub(free.len()).min(MAX_VAULT_OUTPUTS);
    let amounts = shares(largest.alz, parts)?;
    (amounts.len() > 1).then_some(Rearrangement { coins: vec![largest], amounts })
}

/// As even as whole numbers allow; none of zero.
fn shares(alz: u128, parts: usize) -> Option<Vec<u128>> {
    let parts = u128::try_from(parts).ok()?.min(alz);
    let (share, more) = (alz.checked_div(parts)?, alz.checked_rem(parts)?);
    (0..parts).map(|nth| share.checked_add(u128::from(nth < more))).collect()
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash;
    use bitcoin::{Amount, OutPoint, Txid};

    use super::*;

    fn coin(number: u8, alz: u128, set_id: u64) -> VaultCoin {
        let outpoint = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 };
        VaultCoin { outpoint, value: Amount::from_sat(546), alz, set_id }
    }

    #[test]
    fn one_output_is_split_into_as_many_as_wanted() {
        let split = rearrangement(vec![coin(1, 1_001, 1)], 1, 4).unwrap();
        assert_eq!(split.amounts, [251, 250, 250, 250]);
        assert_eq!(rearrangement(vec![coin(1, 1, 1)], 1, 4), None, "one unit cannot be split");
        assert_eq!(rearrangement(Vec::new(), 1, 4), None);
    }

    #[test]
    fn enough_outputs_stay_and_too_many_are_joined() {
        let some: Vec<VaultCoin> = (0..3).map(|number| coin(number, 10, 1)).collect();
        assert_eq!(rearrangement(some, 1, 4), None);
        let many: Vec<VaultCoin> = (0..17).map(|number| coin(number, u128::from(number) + 1, 1)).collect();
        let joined = rearrangement(many, 1, 4).unwrap();
        assert_eq!((joined.coins.len(), joined.amounts), (14, vec![105]), "the smallest ones into one, three stay");
    }

    #[test]
    fn only_what_this_page_makes_is_signed() {
        let is = |coins: &[VaultCoin], amounts: &[u128]| is_a_rearrangement(coins, amounts, 2);
        let (old, one, two) = (coin(1, 7, 1), coin(2, 9, 2), coin(3, 8, 2));
        for (free, wanted) in [(vec![old, coin(4, 3, 1)], 4), (vec![one], 4), (vec![one; 17], 2)] {
            let made = rearrangement(free, 2, wanted).unwrap();
            assert!(is(&made.coins, &made.amounts), "{made:?}");
        }
        assert!(!is(&[old], &[3, 4]), "a rotation leaves the amounts alone");
        assert!(!is(&[old, one], &[7, 9]), "of two sets");
        assert!(!is(&[one], &[8, 1]) && !is(&[one], &[9]) && !is(&[one, two], &[10, 7]) && !is(&[], &[]));
    }

    #[test]
    fn an_older_sets_vault_is_moved_first() {
        let moved = rearrangement(vec![coin(1, 7, 1), coin(2, 9, 2), coin(3, 8, 1)], 2, 4).unwrap();
        assert_eq!(moved.amounts, [7, 8]);
    }
}
