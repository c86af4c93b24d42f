//! What a transaction may cost: the gas it is given, and the fee for that at the configured price.

use std::str::FromStr;

/// Price of one unit of gas, as the config writes it: `0.025uallz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GasPrice {
    /// the decimal number without its point
    digits: u128,
    /// digits behind the point
    scale: u32,
    pub denom: String,
}

impl FromStr for GasPrice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no gas price; write a decimal number and its denom, e.g. \"0.025stake\"");
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, denom) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= 18).ok_or_else(wrong)?;
        denom.parse::<cosmrs::Denom>().map_err(|_| wrong())?;
        Ok(Self { digits, scale, denom: denom.into() })
    }
}

impl GasPrice {
    /// Rounded up: a node refuses less than its minimum.
    pub fn fee(&self, gas: u64) -> u128 {
        self.digits.saturating_mul(gas.into()).div_ceil(10u128.pow(self.scale))
    }
}

/// How much gas a message is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gas {
    /// what the node says it used in a simulation, and a margin
    Simulated,
    /// computed here, since a simulation is a round trip that the settlement path does not pay for
    Bound(u64),
}

/// A simulation carries no signature: what its bytes and its check cost comes on top.
const UNSIGNED: u64 = 20_000;

/// Room for what other transactions in the same block change.
pub(super) fn with_margin(simulated: u64) -> u64 {
    simulated.saturating_mul(13).div_ceil(10).saturating_add(UNSIGNED)
}

/// Measured on wasmd 0.61 with both kinds of ALZ; the tests hold them to a fifth more than is used, and no more than
/// three times as much.
const TRANSACTION: u64 = 230_000;
const SIGNATURE: u64 = 4_000;
const LEG: u64 = 60_000;
/// one byte of the contract's message
const BYTE: u64 = 20;

pub(super) fn bound(message_bytes: usize, signatures: usize, legs: usize) -> Gas {
    let times = |count: usize, each: u64| u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(each);
    Gas::Bound(
        TRANSACTION
            .saturating_add(times(message_bytes, BYTE))
            .saturating_add(times(signatures, SIGNATURE))
            .saturating_add(times(legs, LEG)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_the_price_of_the_gas_rounded_up() {
        let price: GasPrice = "0.0025uallz".parse().unwrap();
        assert_eq!(price.denom, "uallz");
        assert_eq!(price.fee(100_000), 250);
        assert_eq!(price.fee(100_001), 251);
        assert_eq!("1ibc/ABC".parse::<GasPrice>().unwrap().fee(7), 7);
        for bad in ["", "0.025", "uallz", "0.0.1uallz", ".uallz", "-1uallz", "1 uallz", "0.0000000000000000001uallz"] {
            assert!(bad.parse::<GasPrice>().is_err(), "{bad}");
        }
    }
}
