//! ALZ as people write it ("200", "0.5") and as the protocol counts it (base units, 18 decimals).

use anyhow::{bail, Context, Result};

const DECIMALS: usize = 18;

pub fn parse(text: &str) -> Result<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') || fraction.contains('.') {
        bail!("'{text}' is not an amount of ALZ: write digits, e.g. 200 or 0.5");
    }
    if fraction.len() > DECIMALS {
        bail!("'{text}' has more than {DECIMALS} decimals; ALZ has {DECIMALS}");
    }
    format!("{whole}{fraction:0<DECIMALS$}").parse().with_context(|| format!("'{text}' ALZ does not fit 128 bits"))
}

pub fn show(base_units: u128) -> String {
    let digits = format!("{base_units:0>width$}", width = DECIMALS + 1);
    let (whole, fraction) = digits.split_at(digits.len() - DECIMALS);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        whole.into()
    } else {
        format!("{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_shown_reads_back(base_units: u128) {
            prop_assert_eq!(parse(&show(base_units)).unwrap(), base_units);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for bad in
            ["", ".", ".5", "1.2.3", "-1", "1e3", "1,5", "0.1234567890123456789", "999999999999999999999999999999"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("200").unwrap(), 200 * 10u128.pow(18));
    }
}
