//! Accounts as the chain writes them (bech32) and as legs carry them (canonical bytes).

use aes_protocol::Bytes;
use bech32::{Bech32, Hrp};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountTextError {
    #[error("'{text}' is no bech32 address ({cause}); give one that starts with '{prefix}1'")]
    NotBech32 { text: String, prefix: String, cause: String },
    #[error("'{text}' is an account of another chain; one here starts with '{prefix}1'")]
    OtherPrefix { text: String, prefix: String },
    #[error("'{text}' holds {got} bytes; an account has 20, a contract 32")]
    Length { text: String, got: usize },
    #[error("'{prefix}' is no bech32 prefix: {cause}; correct `prefix` of this chain in the config")]
    Prefix { prefix: String, cause: String },
}

pub fn account_of(text: &str, prefix: &str) -> Result<Bytes, AccountTextError> {
    // long enough for any address, short enough for a message
    let shown = || text.chars().take(100).collect::<String>();
    let (hrp, bytes) = bech32::decode(text).map_err(|cause| AccountTextError::NotBech32 {
        text: shown(),
        prefix: prefix.into(),
        cause: cause.to_string(),
    })?;
    if hrp.as_str() != prefix {
        return Err(AccountTextError::OtherPrefix { text: shown(), prefix: prefix.into() });
    }
    match bytes.len() {
        20 | 32 => Ok(bytes.into()),
        got => Err(AccountTextError::Length { text: shown(), got }),
    }
}

pub fn bech32_of(account: &Bytes, prefix: &str) -> Result<String, AccountTextError> {
    let wrong = |cause: String| AccountTextError::Prefix { prefix: prefix.into(), cause };
    let hrp = Hrp::parse(prefix).map_err(|cause| wrong(cause.to_string()))?;
    bech32::encode::<Bech32>(hrp, account.as_slice()).map_err(|cause| wrong(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_the_same_account() {
        for length in [20, 32] {
            let account = Bytes::from(vec![7; length]);
            let text = bech32_of(&account, "wasm").unwrap();
            assert!(text.starts_with("wasm1"));
            assert_eq!(account_of(&text, "wasm"), Ok(account));
            assert!(matches!(account_of(&text, "osmo"), Err(AccountTextError::OtherPrefix { .. })));
        }
        let short = bech32_of(&vec![7; 19].into(), "wasm").unwrap();
        assert!(matches!(account_of(&short, "wasm"), Err(AccountTextError::Length { got: 19, .. })));
        assert!(matches!(account_of("aalz", "wasm"), Err(AccountTextError::NotBech32 { .. })));
        assert!(matches!(bech32_of(&vec![7; 20].into(), ""), Err(AccountTextError::Prefix { .. })));
    }
}
