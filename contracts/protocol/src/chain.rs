//! Chains by their CAIP-2 names, and what an account's canonical bytes look like on each kind.

use std::fmt;
use std::str::FromStr;

use cosmwasm_schema::cw_schema::{DefinitionReference, Node, NodeType, SchemaVisitor, Schemaifier};
use schemars::JsonSchema;
use serde::{de, Deserialize, Deserializer, Serialize};

use crate::bytes::Bytes;

/// A CAIP-2 chain id, e.g. `eip155:80002`. Can only be made from a well-formed one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ChainId(#[schemars(regex(pattern = r"^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$"))] String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// CAIP-2 namespace `eip155`
    Evm,
    /// CAIP-2 namespace `cosmos`
    Cosmos,
    /// CAIP-2 namespace `bip122`
    Bitcoin,
}

impl ChainKind {
    /// Whether a release with nothing held leaves something there that refuses a later prepare. Bitcoin has no such place.
    pub fn keeps_tombstones(self) -> bool {
        match self {
            Self::Evm | Self::Cosmos => true,
            Self::Bitcoin => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainIdError {
    #[error("'{0}' is not a CAIP-2 chain id: write namespace:reference, e.g. eip155:80002")]
    Malformed(String),
    #[error("chain '{0}': AES runs on eip155, cosmos and bip122 chains")]
    UnknownNamespace(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an account on {chain} is {expected}, got {got} bytes")]
pub struct AccountError {
    pub chain: ChainId,
    pub expected: &'static str,
    pub got: usize,
}

impl ChainId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn kind(&self) -> ChainKind {
        match self.namespace() {
            "eip155" => ChainKind::Evm,
            "cosmos" => ChainKind::Cosmos,
            _ => ChainKind::Bitcoin,
        }
    }

    pub fn namespace(&self) -> &str {
        self.0.split_once(':').map_or("", |(namespace, _)| namespace)
    }

    pub fn reference(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, reference)| reference)
    }

    /// Canonical bytes only: 20 for EVM, a canonical address for CosmWasm, a standard scriptPubKey for Bitcoin.
    pub fn check_account(&self, account: &Bytes) -> Result<(), AccountError> {
        let got = account.0.len();
        let (fits, expected) = match self.kind() {
            ChainKind::Evm => (got == 20 && account.0.iter().any(|b| *b != 0), "20 bytes, not all zero"),
            ChainKind::Cosmos => (got == 20 || got == 32, "20 or 32 bytes"),
            // P2PKH is 25 bytes; the witness programs of BIP-141 are 4 to 42
            ChainKind::Bitcoin => ((4..=42).contains(&got), "a scriptPubKey of 4 to 42 bytes"),
        };
        if fits {
            Ok(())
        } else {
            Err(AccountError { chain: self.clone(), expected, got })
        }
    }
}

impl Schemaifier for ChainId {
    fn visit_schema(visitor: &mut SchemaVisitor) -> DefinitionReference {
        visitor.insert(Self::id(), Node { name: "ChainId".into(), description: None, value: NodeType::String })
    }
}

impl FromStr for ChainId {
    type Err = ChainIdError;
    fn from_str(text: &str) -> Result<Self, ChainIdError> {
        let malformed = || ChainIdError::Malformed(text.chars().take(80).collect());
        let (namespace, reference) = text.split_once(':').ok_or_else(malformed)?;
        let of = |part: &str, min: usize, max: usize, allowed: fn(&u8) -> bool| {
            (min..=max).contains(&part.len()) && part.as_bytes().iter().all(allowed)
        };
        let well_formed = of(namespace, 3, 8, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && of(reference, 1, 32, |b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_');
        if !well_formed {
            return Err(malformed());
        }
        match namespace {
            "eip155" | "cosmos" | "bip122" => Ok(Self(text.into())),
            _ => Err(ChainIdError::UnknownNamespace(text.into())),
        }
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChainId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_caip_2_are_refused() {
        for bad in [
            "",
            "eip155",
            "eip155:",
            ":1",
            "EIP155:1",
            "eip155:é",
            "eip155:1:2",
            "ei:1",
            "eip155:1 ",
            "cosmos:abcdefghijklmnopqrstuvwxyz1234567",
            "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        ] {
            assert!(bad.parse::<ChainId>().is_err(), "{bad}");
        }
        assert_eq!("cosmos:allianza-1".parse::<ChainId>().unwrap().kind(), ChainKind::Cosmos);
    }

    #[test]
    fn accounts_of_another_form_are_refused() {
        let evm: ChainId = "eip155:1".parse().unwrap();
        assert!(evm.check_account(&vec![1; 20].into()).is_ok());
        assert!(evm.check_account(&vec![0; 20].into()).is_err());
        assert!(evm.check_account(&vec![1; 32].into()).is_err());
        let cosmos: ChainId = "cosmos:a".parse().unwrap();
        assert!(cosmos.check_account(&vec![1; 21].into()).is_err());
    }
}
