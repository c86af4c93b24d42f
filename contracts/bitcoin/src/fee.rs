//! Fees: the bounds an operator sets, the child that raises a stuck settlement's, and what a replacement must pay.

use bitcoin::{Amount, FeeRate, OutPoint, ScriptBuf, TxOut};
use serde::{Deserialize, Serialize};

use crate::coins::{fee_of, rest, signed_weight, Coin, CoinError, Draft};
use crate::payee::{payee, PayeeError};
use crate::sats::{anchor_script, ANCHOR, CARRIER, RELAY_FEE_RATE};
use crate::settle::Settlement;

/// Never less, never more, whatever an estimate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeBounds {
    floor: FeeRate,
    ceiling: FeeRate,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeeError {
    #[error("fee bounds {floor} to {ceiling} sat/kwu: the floor is at least 250 (1 sat/vB) and not over the ceiling")]
    Bounds { floor: FeeRate, ceiling: FeeRate },
    #[error(transparent)]
    Coin(#[from] CoinError),
    #[error(transparent)]
    Payee(#[from] PayeeError),
    #[error("the child would leave {0} for its change, less than dust; give a larger coin")]
    Dust(Amount),
}

impl FeeBounds {
    pub fn new(floor: FeeRate, ceiling: FeeRate) -> Result<Self, FeeError> {
        if floor < RELAY_FEE_RATE || ceiling < floor {
            return Err(FeeError::Bounds { floor, ceiling });
        }
        Ok(Self { floor, ceiling })
    }

    /// Without an estimate, the floor.
    pub fn clamp(&self, estimate: Option<FeeRate>) -> FeeRate {
        estimate.unwrap_or(self.floor).clamp(self.floor, self.ceiling)
    }
}

/// BIP-125: what a replacement of `vbytes` pays at least, over what it replaces.
pub fn replacement_fee(replaced: Amount, vbytes: u64) -> Result<Amount, CoinError> {
    let own = RELAY_FEE_RATE.fee_vb(vbytes).ok_or(CoinError::Overflow)?;
    replaced.checked_add(own).ok_or(CoinError::Overflow)
}

impl Settlement {
    /// The child that spends the anchor and lifts both to `target`. `replaces` is the fee of an earlier child that is
    /// still in the mempool. The first input is the anchor, which needs no witness; the wallet signs the others.
    pub fn anchor_child(
        &self,
        coins: &[Coin],
        change: &[u8],
        target: FeeRate,
        replaces: Option<Amount>,
    ) -> Result<Draft, FeeError> {
        Coin::without_alz(coins)?;
        if coins.is_empty() {
            return Err(CoinError::NoInputs.into());
        }
        let anchor = TxOut { value: ANCHOR, script_pubkey: anchor_script() };
        let wallet = coins.iter().map(|coin| (coin.outpoint, coin.output.clone()));
        let inputs: Vec<(OutPoint, TxOut)> = std::iter::once((self.anchor(), anchor)).chain(wallet).collect();
        let change: ScriptBuf = payee("change", change)?;
        let mut draft = Draft::new(&inputs, vec![TxOut { value: Amount::ZERO, script_pubkey: change }]);
        let weight = signed_weight(&draft.tx, coins)?;
        let own = weight.to_vbytes_ceil();
        let both = own.checked_add(self.hold().script.settle_vbytes()).ok_or(CoinError::Overflow)?;
        let lift = target.fee_vb(both).ok_or(CoinError::Overflow)?.checked_sub(self.fee()).unwrap_or_default();
        let least = match replaces {
            Some(replaced) => replacement_fee(replaced, own)?,
            None => fee_of(weight, RELAY_FEE_RATE)?,
        };
        let left = rest(&draft, lift.max(least))?;
        if left < CARRIER {
            return Err(FeeError::Dust(left));
        }
        if let Some(change) = draft.tx.output.first_mut() {
            change.value = left;
        }
        Ok(draft)
    }
}
