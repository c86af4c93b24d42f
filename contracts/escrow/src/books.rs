//! The three sums of P8, and every way they may move: each change is one method here, and there are no others.
//! What the escrow really owns is `vault + held`, always.

use cosmwasm_std::{Int256, OverflowError, Uint128};

use crate::error::ContractError;
use crate::msg::BalancesResponse;

impl BalancesResponse {
    pub const EMPTY: Self = Self { vault: Uint128::zero(), held: Uint128::zero(), issued: Int256::zero() };

    /// The vault is given `amount` from outside.
    pub fn fund(&mut self, amount: Uint128) -> Result<(), ContractError> {
        book(&mut self.vault, "vault", |vault| vault.checked_add(amount))
    }

    /// A depositor's ALZ comes into a hold.
    pub fn deposit(&mut self, amount: Uint128) -> Result<(), ContractError> {
        book(&mut self.held, "held", |held| held.checked_add(amount))
    }

    /// The vault's ALZ goes into a hold.
    pub fn unlock(&mut self, amount: Uint128) -> Result<(), ContractError> {
        let vault = self.vault;
        self.vault = vault.checked_sub(amount).map_err(|_| ContractError::VaultTooSmall { amount, vault })?;
        self.deposit(amount)
    }

    /// New ALZ goes into a hold.
    pub fn mint(&mut self, amount: Uint128, mint_cap: Uint128) -> Result<(), ContractError> {
        let issued = self.issued;
        book(&mut self.issued, "issued", |issued| issued.checked_add(amount.into()))?;
        if self.issued > Int256::from(mint_cap) {
            return Err(ContractError::MintCapExceeded { amount, issued, mint_cap });
        }
        self.deposit(amount)
    }

    /// A hold is paid to an account.
    pub fn pay(&mut self, amount: Uint128) -> Result<(), ContractError> {
        book(&mut self.held, "held", |held| held.checked_sub(amount))
    }

    /// A hold goes into the vault.
    pub fn keep(&mut self, amount: Uint128) -> Result<(), ContractError> {
        self.pay(amount)?;
        self.fund(amount)
    }

    /// A hold is destroyed.
    pub fn burn(&mut self, amount: Uint128) -> Result<(), ContractError> {
        book(&mut self.issued, "issued", |issued| issued.checked_sub(amount.into()))?;
        self.pay(amount)
    }

    /// A burn was refused: undoes `burn`, whatever the cap, since nothing new came to be.
    pub fn unburn(&mut self, amount: Uint128) -> Result<(), ContractError> {
        book(&mut self.issued, "issued", |issued| issued.checked_add(amount.into()))?;
        self.deposit(amount)
    }
}

fn book<T: Copy>(
    sum: &mut T,
    what: &'static str,
    change: impl FnOnce(T) -> Result<T, OverflowError>,
) -> Result<(), ContractError> {
    *sum = change(*sum).map_err(|cause| ContractError::Books { what, cause: cause.to_string() })?;
    Ok(())
}
