//! Transactions that the attestors sign over vault outputs: into a hold, split, joined, on to the next set. Whoever
//! carries one pays its fee and carriers with coins of its own, and its change is where a child can raise the fee.

use std::collections::BTreeSet;

use bitcoin::{Amount, FeeRate, OutPoint, ScriptBuf, TapSighash, Transaction, TxOut, Witness};
use serde::{Deserialize, Serialize};

use crate::coins::{fee_of, rest, signed_weight, sum_alz, Coin, CoinError, Draft};
use crate::escrow::{Escrow, EscrowError, Vault};
use crate::hold::{HoldScript, Source};
use crate::keys::{AttestorKeys, AttestorSignature, SignatureError};
use crate::payee::{payee, PayeeError};
use crate::runes::edicts_script;
use crate::sats::CARRIER;
use crate::script::ScriptError;
use crate::settle::{satisfy, satisfy_with_placeholders, script_path_sighash, SettleError};

/// Inputs and outputs of one vault transaction: about 10 kvB for a set of 2-of-3, well under the standard 100.
pub const MAX_VAULT_INPUTS: usize = 64;
pub const MAX_VAULT_OUTPUTS: usize = 64;

/// An output of a set's vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VaultCoin {
    pub outpoint: OutPoint,
    pub value: Amount,
    /// base units, by the rune ledger
    pub alz: u128,
    pub set_id: u64,
}

/// Who pays: coins without ALZ, where the change goes, and how much a virtual byte is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payer {
    pub coins: Vec<Coin>,
    pub change: ScriptBuf,
    pub rate: FeeRate,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    #[error(transparent)]
    Coin(#[from] CoinError),
    #[error(transparent)]
    Payee(#[from] PayeeError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error("vault input {input}: {cause}")]
    Signature { input: usize, cause: SignatureError },
    #[error("{got} lists of signatures for {wanted} {what} inputs")]
    Inputs { what: &'static str, got: usize, wanted: usize },
    #[error("1 to {MAX_VAULT_INPUTS} vault outputs go in and 1 to {MAX_VAULT_OUTPUTS} come out at once, got {0}")]
    Size(usize),
    #[error("vault output {0} is given twice")]
    Repeated(OutPoint),
    #[error("an output without ALZ: amounts are at least one base unit")]
    ZeroAmount,
    #[error("the amounts add up to {got} base units, the vault outputs to {wanted}")]
    Amounts { got: u128, wanted: u128 },
    #[error("vault outputs of two attestor sets in one transaction; move those of the older set first")]
    TwoSets,
    #[error("this hold is its depositor's: only a reserve-sourced one is made from the vault")]
    NotReserve,
}

/// Unsigned. Its first inputs are one set's vault outputs, the others the payer's.
#[derive(Debug, Clone)]
pub struct VaultSpend {
    draft: Draft,
    vault: Vault,
    of_vault: usize,
}

impl Escrow {
    /// Vault outputs into the hold of an `unlock`: the hold first, then what is left, back to the hold's vault.
    pub fn move_to_hold(
        &self,
        hold: &HoldScript,
        coins: &[VaultCoin],
        payer: &Payer,
    ) -> Result<VaultSpend, VaultError> {
        if hold.source() != Source::Reserve {
            return Err(VaultError::NotReserve);
        }
        let have = sum_alz(coins.iter().map(|coin| coin.alz))?;
        let need = hold.leg().amount.u128();
        let left = have.checked_sub(need).ok_or(CoinError::TooLittleAlz { have, need })?;
        let mut outputs = vec![(hold.output(), need)];
        if left > 0 {
            outputs.push((carrier(hold.vault().script_pubkey()), left));
        }
        self.vault_spend(coins, outputs, payer)
    }

    /// The same ALZ in other outputs, in the order given, in the vault of `set_id`: one amount joins, several split,
    /// and another set than the coins' is the rotation.
    pub fn rearrange_vault(
        &self,
        coins: &[VaultCoin],
        amounts: &[u128],
        set_id: u64,
        payer: &Payer,
    ) -> Result<VaultSpend, VaultError> {
        let wanted = sum_alz(coins.iter().map(|coin| coin.alz))?;
        let got = sum_alz(amounts.iter().copied())?;
        if got != wanted {
            return Err(VaultError::Amounts { got, wanted });
        }
        let vault = self.vault(set_id)?;
        let outputs = amounts.iter().map(|amount| (carrier(vault.script_pubkey()), *amount)).collect();
        self.vault_spend(coins, outputs, payer)
    }

    fn vault_spend(
        &self,
        coins: &[VaultCoin],
        outputs: Vec<(TxOut, u128)>,
        payer: &Payer,
    ) -> Result<VaultSpend, VaultError> {
        for (count, most) in [(coins.len(), MAX_VAULT_INPUTS), (outputs.len(), MAX_VAULT_OUTPUTS)] {
            if count == 0 || count > most {
                return Err(VaultError::Size(count));
            }
        }
        let mut seen = BTreeSet::new();
        let every = coins.iter().map(|coin| coin.outpoint).chain(payer.coins.iter().map(|coin| coin.outpoint));
        if let Some(twice) = every.into_iter().find(|outpoint| !seen.insert(*outpoint)) {
            return Err(VaultError::Repeated(twice));
        }
        // amount 0 in an edict would mean all of it
        if outputs.iter().any(|(_, alz)| *alz == 0) {
            return Err(VaultError::ZeroAmount);
        }
        Coin::without_alz(&payer.coins)?;
        let set_id = coins.first().map(|coin| coin.set_id).ok_or(VaultError::Size(0))?;
        if coins.iter().any(|coin| coin.set_id != set_id) {
            return Err(VaultError::TwoSets);
        }
        let vault = self.vault(set_id)?;
        let of_vault = coins
            .iter()
            .map(|coin| (coin.outpoint, TxOut { value: coin.value, script_pubkey: vault.script_pubkey().clone() }));
        let of_payer = payer.coins.iter().map(|coin| (coin.outpoint, coin.output.clone()));
        let inputs: Vec<_> = of_vault.chain(of_payer).collect();
        let runestone = runestone(self, &outputs);
        let output = outputs.into_iter().map(|(output, _)| output).chain(runestone).collect();
        let mut draft = Draft::new(&inputs, output);
        pay(&mut draft, &vault, coins.len(), payer)?;
        Ok(VaultSpend { draft, vault, of_vault: coins.len() })
    }
}

/// The fee and the payer's change; a change below dust goes to the fee.
fn pay(draft: &mut Draft, vault: &Vault, of_vault: usize, payer: &Payer) -> Result<(), VaultError> {
    let change = TxOut { value: Amount::ZERO, script_pubkey: payee("change", payer.change.as_bytes())? };
    draft.tx.output.push(change);
    let mut sized = draft.tx.clone();
    let signers: Vec<_> = vault.keys().keys().iter().take(vault.keys().threshold()).copied().collect();
    for input in sized.input.iter_mut().take(of_vault) {
        satisfy_with_placeholders(&vault.locked, vault.locked.leaf(0)?.hash, input, &signers)?;
    }
    let fee = fee_of(signed_weight(&sized, &payer.coins)?, payer.rate)?;
    let over = rest(draft, fee)?;
    if let Some(change) = draft.tx.output.last_mut() {
        change.value = over;
    }
    if over < CARRIER {
        draft.tx.output.pop();
    }
    Ok(())
}

fn carrier(script_pubkey: &ScriptBuf) -> TxOut {
    TxOut { value: CARRIER, script_pubkey: script_pubkey.clone() }
}

/// One output with ALZ needs none: all runes go to the first that is no OP_RETURN. Of several, all but the last are
/// named by an edict, and the last gets the rest by the pointer.
fn runestone(escrow: &Escrow, outputs: &[(TxOut, u128)]) -> Option<TxOut> {
    let last = outputs.len().checked_sub(1).filter(|last| *last > 0)?;
    let places = (0u32..).zip(outputs).take(last).map(|(place, (_, alz))| (*alz, place)).collect::<Vec<_>>();
    let script_pubkey = edicts_script(escrow.rune, &places, u32::try_from(last).ok());
    Some(TxOut { value: Amount::ZERO, script_pubkey })
}

impl VaultSpend {
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    pub fn unsigned(&self) -> &Transaction {
        &self.draft.tx
    }

    pub fn fee(&self) -> Amount {
        self.draft.fee()
    }

    /// The vault outputs it spends: the attestors' journal has an entry for each.
    pub fn spends(&self) -> impl Iterator<Item = OutPoint> + '_ {
        self.draft.tx.input.iter().take(self.of_vault).map(|input| input.previous_output)
    }

    /// Of the set that signs for all its vault inputs.
    pub fn keys(&self) -> &AttestorKeys {
        self.vault.keys()
    }

    /// One for each vault input, in order; the payer signs the rest from `draft().psbt()`.
    pub fn sighashes(&self) -> Result<Vec<TapSighash>, VaultError> {
        let leaf = self.vault.locked.leaf(0)?.hash;
        let one = |input| Ok(script_path_sighash(&self.draft.tx, input, &self.draft.prevouts, leaf)?);
        (0..self.of_vault).map(one).collect()
    }

    pub fn finish(&self, attestors: &[Vec<AttestorSignature>], payer: &[Witness]) -> Result<Transaction, VaultError> {
        let (of_vault, of_payer) = (self.of_vault, self.draft.tx.input.len().saturating_sub(self.of_vault));
        for (what, got, wanted) in [("vault", attestors.len(), of_vault), ("payer", payer.len(), of_payer)] {
            if got != wanted {
                return Err(VaultError::Inputs { what, got, wanted });
            }
        }
        let sighashes = self.sighashes()?;
        let mut tx = self.draft.tx.clone();
        let (by_vault, by_payer) = tx.input.split_at_mut(of_vault);
        let (keys, locked) = (self.vault.keys(), &self.vault.locked);
        for (input, ((txin, signatures), sighash)) in by_vault.iter_mut().zip(attestors).zip(&sighashes).enumerate() {
            keys.check(sighash, signatures).map_err(|cause| VaultError::Signature { input, cause })?;
            let signed: Vec<_> = signatures.iter().map(|by| (by.key, by.signature)).collect();
            satisfy(locked, locked.leaf(0)?.hash, txin, &signed)?;
        }
        for (txin, witness) in by_payer.iter_mut().zip(payer) {
            txin.witness = witness.clone();
        }
        Ok(tx)
    }
}

/// Which vault outputs pay for a hold: the smallest single one that does, else the largest together. Those in `taken`
/// wait for another execution and are left alone; everyone who asks with the same view gets the same answer.
pub fn choose_coins(coins: &[VaultCoin], amount: u128, taken: &BTreeSet<OutPoint>) -> Option<Vec<VaultCoin>> {
    let mut free: Vec<VaultCoin> = coins.iter().filter(|coin| !taken.contains(&coin.outpoint)).copied().collect();
    free.sort_by_key(|coin| (coin.alz, coin.outpoint));
    if let Some(one) = free.iter().find(|coin| coin.alz >= amount) {
        return Some(vec![*one]);
    }
    let mut chosen = Vec::new();
    let mut have = 0u128;
    for coin in free.into_iter().rev().take(MAX_VAULT_INPUTS) {
        have = have.checked_add(coin.alz)?;
        chosen.push(coin);
        if have >= amount {
            return Some(chosen);
        }
    }
    None
}
