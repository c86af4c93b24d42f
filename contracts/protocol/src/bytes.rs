//! Byte strings as people read them: `0x` and lower-case hex in every JSON, log and file.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use cosmwasm_schema::cw_schema::{DefinitionReference, Node, NodeType, SchemaVisitor, Schemaifier};
use schemars::gen::SchemaGenerator;
use schemars::schema::{InstanceType, Schema, SchemaObject};
use schemars::JsonSchema;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("'{0}' is not hex bytes: write 0x and then two hex digits a byte")]
    NotHex(String),
    #[error("expected 32 bytes (0x and 64 hex digits), got {0} bytes")]
    Length(usize),
}

fn parse_hex(text: &str) -> Result<Vec<u8>, ParseError> {
    text.strip_prefix("0x")
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or_else(|| ParseError::NotHex(text.chars().take(80).collect()))
}

/// 32 bytes: a keccak-256 hash, an id, a salt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash32(pub [u8; 32]);

/// Bytes of any length: an account, a signature.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}
impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}
impl From<[u8; 32]> for Hash32 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}
impl TryFrom<&[u8]> for Hash32 {
    type Error = ParseError;
    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self(bytes.try_into().map_err(|_| ParseError::Length(bytes.len()))?))
    }
}
impl AsRef<[u8]> for Hash32 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
impl FromStr for Bytes {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_hex(text).map(Self)
    }
}
impl FromStr for Hash32 {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::try_from(parse_hex(text)?.as_slice())
    }
}

macro_rules! as_hex_text {
    ($type:ident, $pattern:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(&self.0))
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
        impl Schemaifier for $type {
            fn visit_schema(visitor: &mut SchemaVisitor) -> DefinitionReference {
                visitor.insert(
                    Self::id(),
                    Node { name: stringify!($type).into(), description: None, value: NodeType::String },
                )
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> String {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema =
                    SchemaObject { instance_type: Some(InstanceType::String.into()), ..Default::default() };
                schema.string().pattern = Some($pattern.into());
                schema.into()
            }
        }
    };
}
as_hex_text!(Hash32, "^0x[0-9a-f]{64}$");
as_hex_text!(Bytes, "^0x([0-9a-f]{2})*$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_and_written_alike() {
        let hash: Hash32 = serde_json::from_str(&format!("\"0x{}\"", "ab".repeat(32))).unwrap();
        assert_eq!(hash.to_string(), format!("0x{}", "ab".repeat(32)));
        let empty: Bytes = "0x".parse().unwrap();
        assert!(empty.is_empty());
    }

    #[test]
    fn what_is_not_hex_is_refused() {
        for bad in ["", "ab", "0xa", "0xzz", "0X00", "0x 00"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!("0x00".parse::<Hash32>(), Err(ParseError::Length(1)));
    }
}
