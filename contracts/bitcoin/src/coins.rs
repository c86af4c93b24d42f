//! Outputs of ordinary wallets that our transactions spend, and a transaction waiting for signatures.

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, FeeRate, OutPoint, Psbt, Sequence, Transaction, TxIn, TxOut, Weight};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoinError {
    #[error("{0} is no P2WPKH or P2TR output: a transaction that others build on needs inputs that keep its id fixed")]
    Kind(OutPoint),
    #[error("{0} holds ALZ: it cannot pay fees here; use an output without")]
    HoldsAlz(OutPoint),
    #[error("{missing} more are needed: inputs bring {have}, outputs and fee take {need}")]
    TooFewSats { have: Amount, need: Amount, missing: Amount },
    #[error("inputs bring {have} base units of ALZ, {need} are needed")]
    TooLittleAlz { have: u128, need: u128 },
    #[error("amounts add up to more than can be said")]
    Overflow,
    #[error("a transaction needs at least one input")]
    NoInputs,
}

/// A wallet's output, spent by one key: P2WPKH, or P2TR by its key path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coin {
    pub outpoint: OutPoint,
    pub output: TxOut,
    /// base units, by the rune ledger
    pub alz: u128,
}

impl Coin {
    /// The witness that will stand there, with its count: one signature, and for P2WPKH the key.
    fn satisfaction(&self) -> Result<Weight, CoinError> {
        let script = &self.output.script_pubkey;
        if script.is_p2tr() {
            Ok(Weight::from_wu(66))
        } else if script.is_p2wpkh() {
            Ok(Weight::from_wu(108))
        } else {
            Err(CoinError::Kind(self.outpoint))
        }
    }

    pub(crate) fn without_alz(coins: &[Self]) -> Result<(), CoinError> {
        coins.iter().find(|coin| coin.alz > 0).map_or(Ok(()), |coin| Err(CoinError::HoldsAlz(coin.outpoint)))
    }
}

/// Unsigned, with what its inputs spend: enough for a PSBT or a sighash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub tx: Transaction,
    pub prevouts: Vec<TxOut>,
}

impl Draft {
    pub(crate) fn new(inputs: &[(OutPoint, TxOut)], output: Vec<TxOut>) -> Self {
        let spend = |(previous_output, _): &(OutPoint, TxOut)| TxIn {
            previous_output: *previous_output,
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            ..TxIn::default()
        };
        let input = inputs.iter().map(spend).collect();
        let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output };
        Self { tx, prevouts: inputs.iter().map(|(_, output)| output.clone()).collect() }
    }

    pub fn fee(&self) -> Amount {
        let total = |outputs: &[TxOut]| outputs.iter().fold(0u64, |sum, next| sum.saturating_add(next.value.to_sat()));
        Amount::from_sat(total(&self.prevouts).saturating_sub(total(&self.tx.output)))
    }

    /// BIP-174, every input with its witness UTXO. `None` only for a transaction that is signed already.
    pub fn psbt(&self) -> Option<Psbt> {
        let mut unsigned = self.tx.clone();
        unsigned.input.iter_mut().for_each(|input| input.witness.clear());
        let mut psbt = Psbt::from_unsigned_tx(unsigned).ok()?;
        for (input, prevout) in psbt.inputs.iter_mut().zip(&self.prevouts) {
            input.witness_utxo = Some(prevout.clone());
        }
        Some(psbt)
    }
}

/// Weight once `coins`, which are among the inputs without a witness yet, have signed; an anchor stays without one.
pub(crate) fn signed_weight(tx: &Transaction, coins: &[Coin]) -> Result<Weight, CoinError> {
    let there = tx.input.iter().map(|input| &input.witness).filter(|witness| !witness.is_empty());
    let present = there.fold(0usize, |sum, witness| sum.saturating_add(witness.size()));
    let empty = tx.input.iter().filter(|input| input.witness.is_empty()).count().saturating_sub(coins.len());
    // marker and flag are 2; an empty witness is its count, 1
    let base = tx.base_size().saturating_mul(4).saturating_add(present).saturating_add(empty).saturating_add(2);
    let mut wu = u64::try_from(base).map_err(|_| CoinError::Overflow)?;
    for coin in coins {
        wu = wu.saturating_add(coin.satisfaction()?.to_wu());
    }
    Ok(Weight::from_wu(wu))
}

pub(crate) fn fee_of(weight: Weight, rate: FeeRate) -> Result<Amount, CoinError> {
    rate.fee_vb(weight.to_vbytes_ceil()).ok_or(CoinError::Overflow)
}

pub(crate) fn sum<I: IntoIterator<Item = Amount>>(amounts: I) -> Result<Amount, CoinError> {
    amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add).ok_or(CoinError::Overflow)
}

pub(crate) fn sum_alz<I: IntoIterator<Item = u128>>(amounts: I) -> Result<u128, CoinError> {
    amounts.into_iter().try_fold(0u128, u128::checked_add).ok_or(CoinError::Overflow)
}

/// What is left of the inputs after outputs and fee.
pub(crate) fn rest(draft: &Draft, fee: Amount) -> Result<Amount, CoinError> {
    let have = sum(draft.prevouts.iter().map(|output| output.value))?;
    let need = sum(draft.tx.output.iter().map(|output| output.value))?.checked_add(fee).ok_or(CoinError::Overflow)?;
    have.checked_sub(need).ok_or_else(|| {
        let missing = need.checked_sub(have).unwrap_or_default();
        CoinError::TooFewSats { have, need, missing }
    })
}
