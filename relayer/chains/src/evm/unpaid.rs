//! The legs of a settlement that the token would not pay, as the receipt tells.

use aes_protocol::Hash32;
use ethers_contract::EthEvent;
use ethers_core::abi::RawLog;
use ethers_core::types::{Address, Log, TransactionReceipt};

use super::abi::escrow::SettlementFailedFilter;
use super::abi::revert_text;
use crate::chain::Unpaid;

pub(super) fn unpaid(receipt: TransactionReceipt, escrow: Address) -> Vec<Unpaid> {
    let of_log = |log: Log| {
        let failed =
            SettlementFailedFilter::decode_log(&RawLog { topics: log.topics, data: log.data.to_vec() }).ok()?;
        Some(Unpaid {
            execution_id: Hash32(failed.execution_id),
            leg_hash: Hash32(failed.leg_hash),
            cause: revert_text(&failed.reason),
        })
    };
    receipt.logs.into_iter().filter(|log| log.address == escrow).filter_map(of_log).collect()
}

#[cfg(test)]
mod tests {
    use ethers_core::abi::{AbiEncode, Token};

    use super::*;

    #[test]
    fn a_payment_that_failed_is_told_with_its_leg_and_cause_and_by_the_escrow_alone() {
        let (escrow, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let reason = [&[0x08, 0xc3, 0x79, 0xa0][..], &"blocked".to_string().encode()].concat();
        let log = |address| Log {
            address,
            topics: vec![SettlementFailedFilter::signature(), [3; 32].into(), [4; 32].into()],
            data: ethers_core::abi::encode(&[Token::Bytes(reason.clone())]).into(),
            ..Default::default()
        };
        let receipt = TransactionReceipt { logs: vec![log(other), log(escrow)], ..Default::default() };
        let (execution_id, leg_hash) = (Hash32([3; 32]), Hash32([4; 32]));
        assert_eq!(unpaid(receipt, escrow), [Unpaid { execution_id, leg_hash, cause: "blocked".into() }]);
    }
}
