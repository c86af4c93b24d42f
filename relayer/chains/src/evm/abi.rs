//! The contracts as `schema/evm` gives them, the protocol's words in their types, and their errors in words.

use aes_protocol::{Attestor, AttestorSet, Bytes, Hash32};
use ethers_core::abi::ethabi::AbiError;
use ethers_core::abi::{Abi, AbiDecode, Token};
use ethers_core::types::Address;
use ethers_core::utils::{hex, to_checksum};

pub(super) use escrow::AesEscrow;
pub(super) use token::AlzToken;

/// One module a contract: both have errors of OpenZeppelin's with the same names.
pub(super) mod escrow {
    ethers_contract::abigen!(AesEscrow, "../../schema/evm/AesEscrow.json");
}
pub(super) mod token {
    ethers_contract::abigen!(AlzToken, "../../schema/evm/AlzToken.json");
}

/// `Error(string)`, what `require` with a text makes.
const ERROR_STRING: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];

/// 20 bytes that are not all zero, or none where the leg has no such account (the contract's zero address).
pub(super) fn account(bytes: &Bytes) -> Option<Address> {
    if bytes.is_empty() {
        return Some(Address::zero());
    }
    let address: [u8; 20] = bytes.as_slice().try_into().ok()?;
    Some(Address::from(address)).filter(|address| !address.is_zero())
}

/// `None` where a signer is not 20 bytes.
pub(super) fn attestor_set(set: &AttestorSet) -> Option<escrow::AttestorSet> {
    let member = |attestor: &Attestor| {
        let signer: [u8; 20] = attestor.signer.as_slice().try_into().ok()?;
        Some(escrow::Attestor { signer: signer.into(), bitcoin_key: attestor.bitcoin_key.0 })
    };
    let attestors = set.attestors.iter().map(member).collect::<Option<_>>()?;
    Some(escrow::AttestorSet { id: set.id, threshold: set.threshold, attestors })
}

pub(super) fn words(hashes: &[Hash32]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| hash.0).collect()
}

/// Whether the escrow itself said no, and not the token it called.
pub(super) fn is_escrow_error(revert: &[u8]) -> bool {
    find_error(&escrow::AESESCROW_ABI, revert).is_some()
}

/// What a contract answered when it said no: `DeadlinePassed(deadline: 7, nowSeconds: 9)`.
pub(super) fn revert_text(revert: &[u8]) -> String {
    let known = [&*escrow::AESESCROW_ABI, &*token::ALZTOKEN_ABI].into_iter().find_map(|abi| find_error(abi, revert));
    if let Some(error) = known {
        return error_text(error, revert);
    }
    match revert.split_at_checked(4) {
        Some((selector, text)) if selector == ERROR_STRING => {
            String::decode(text).unwrap_or_else(|_| format!("reverted with 0x{}", hex::encode(revert)))
        }
        Some(_) => format!("reverted with 0x{}", hex::encode(revert)),
        None => "reverted without a reason".into(),
    }
}

fn find_error<'a>(abi: &'a Abi, revert: &[u8]) -> Option<&'a AbiError> {
    abi.errors().find(|error| revert.get(..4) == error.signature().0.get(..4))
}

fn error_text(error: &AbiError, revert: &[u8]) -> String {
    let values = revert.get(4..).and_then(|data| error.decode(data).ok()).unwrap_or_default();
    let fields =
        error.inputs.iter().zip(&values).map(|(input, value)| format!("{}: {}", input.name, value_text(value)));
    format!("{}({})", error.name, fields.collect::<Vec<_>>().join(", "))
}

fn value_text(value: &Token) -> String {
    match value {
        Token::Address(address) => to_checksum(address, None),
        Token::Uint(number) => number.to_string(),
        Token::Int(number) => ethers_core::types::I256::from_raw(*number).to_string(),
        Token::FixedBytes(bytes) | Token::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        other => other.to_string(),
    }
}
