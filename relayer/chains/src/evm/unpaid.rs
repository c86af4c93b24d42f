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
