//! The contracts' words: what users and admins send, and what is read.

use ethers_core::abi::AbiDecode;
use revm::primitives::Address;

pub mod escrow {
    ethers_contract::abigen!(AesEscrow, "../../schema/evm/AesEscrow.json");
}
pub mod token {
    ethers_contract::abigen!(AlzToken, "../../schema/evm/AlzToken.json");
}

/// What a contract answered when it said no.
pub fn revert_text(data: &[u8]) -> String {
    if let Ok(error) = escrow::AesEscrowErrors::decode(data) {
        return format!("{error:?}");
    }
    token::AlzTokenErrors::decode(data)
        .map_or_else(|_| format!("0x{}", hex::encode(data)), |error| format!("{error:?}"))
}

pub fn to_ethers(address: Address) -> ethers_core::types::Address {
    ethers_core::types::Address::from(address.into_array())
}
