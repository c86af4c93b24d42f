//! Legs to plan with.

use aes_protocol::{Bytes, Function, Leg};

pub const DEADLINE: u64 = 1_000;

pub fn leg(index: u8, function: Function) -> Leg {
    let account = |present: bool| if present { vec![7; 20].into() } else { Bytes::default() };
    Leg {
        index,
        chain: format!("eip155:{}", 1 + index / 2).parse().unwrap(),
        escrow: vec![9; 20].into(),
        function,
        from: account(function.is_account_sourced()),
        to: account(function.has_recipient()),
        amount: 1u128.into(),
    }
}
