//! How fast the reserve may leave: a token bucket, and limits that change only after a delay in the open.
//! Pure: time is an argument, and nothing has to be sent for a change to begin to count.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::Uint128;

use crate::error::ContractError;
use crate::msg::{Limits, PendingLimits};

const HOUR: u64 = 3600;

#[cw_serde]
#[derive(Copy)]
pub struct Reserve {
    pub limits: Limits,
    pub pending: Option<PendingLimits>,
    /// what of `reserve_per_hour` could be taken at `updated_at`
    pub available: Uint128,
    updated_at: u64,
}

impl Reserve {
    /// Begins with a full bucket.
    pub fn new(limits: Limits, now: u64) -> Self {
        Self { limits, pending: None, available: limits.reserve_per_hour, updated_at: now }
    }

    /// As it is at `now`: filled by the old rate until a change counts, and by the new one after.
    pub fn at(self, now: u64) -> Self {
        match self.pending {
            Some(next) if next.effective_at <= now => {
                let before = self.refilled(next.effective_at);
                Self { limits: next.limits, pending: None, ..before }.refilled(now)
            }
            _ => self.refilled(now),
        }
    }

    fn refilled(self, now: u64) -> Self {
        let elapsed = now.saturating_sub(self.updated_at);
        let per_hour = self.limits.reserve_per_hour;
        // An overflow is more than any bucket holds, so the bucket is full.
        let added = per_hour.checked_multiply_ratio(elapsed, HOUR).unwrap_or(Uint128::MAX);
        Self {
            available: self.available.saturating_add(added).min(per_hour),
            updated_at: now.max(self.updated_at),
            ..self
        }
    }

    pub fn take(&mut self, amount: Uint128) -> Result<(), ContractError> {
        let available = self.available;
        self.available =
            available.checked_sub(amount).map_err(|_| ContractError::ReserveRateExceeded { amount, available })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_hour: u128) -> Limits {
        Limits { max_leg: 1000u128.into(), reserve_per_hour: per_hour.into(), mint_cap: 0u128.into() }
    }

    #[test]
    fn the_bucket_empties_refills_by_the_hour_and_never_overflows() {
        let mut reserve = Reserve::new(limits(3600), 100);
        reserve.take(3600u128.into()).unwrap();
        assert!(reserve.take(1u128.into()).is_err());
        assert_eq!(reserve.at(110).available.u128(), 10);
        assert_eq!(reserve.at(100 + 2 * HOUR).available.u128(), 3600);
        assert_eq!(Reserve::new(limits(u128::MAX), 0).at(u64::MAX).available, Uint128::MAX);
        // a clock that stands still or goes back gives nothing
        assert_eq!(reserve.at(50).available.u128(), 0);
    }

    #[test]
    fn a_change_counts_from_its_moment_and_no_earlier() {
        let mut reserve = Reserve::new(limits(3600), 0);
        reserve.take(3600u128.into()).unwrap();
        reserve.pending = Some(PendingLimits { limits: limits(7200), effective_at: 100 });
        assert_eq!(reserve.at(99).limits, limits(3600));
        // 100 seconds at one a second, then 50 at two a second, whether or not anyone looked in between
        assert_eq!(reserve.at(150).available.u128(), 200);
        assert_eq!(reserve.at(100).at(150), reserve.at(150));
        // a smaller bucket spills what it cannot hold
        let smaller = PendingLimits { limits: limits(10), effective_at: 5 };
        assert_eq!(Reserve { pending: Some(smaller), ..Reserve::new(limits(3600), 0) }.at(5).available.u128(), 10);
    }
}
