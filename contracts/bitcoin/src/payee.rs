//! Which scripts ALZ may be paid to. A full-amount move sends all runes to the first output that is no OP_RETURN, so a
//! payee that is one would send them to the anchor, which anyone spends.

use aes_protocol::Bytes;
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Script, ScriptBuf};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{role}' {script}: ALZ is paid to P2PKH, P2SH, P2WPKH, P2WSH and P2TR scripts only")]
pub struct PayeeError {
    pub role: &'static str,
    pub script: Bytes,
}

pub(crate) fn payee(role: &'static str, script: &[u8]) -> Result<ScriptBuf, PayeeError> {
    if is_payable(Script::from_bytes(script)) {
        Ok(ScriptBuf::from(script.to_vec()))
    } else {
        Err(PayeeError { role, script: script.into() })
    }
}

fn is_payable(script: &Script) -> bool {
    // a Taproot output whose key is not on the curve can never be spent
    let on_curve = || script.as_bytes().get(2..).is_some_and(|key| XOnlyPublicKey::from_slice(key).is_ok());
    script.is_p2pkh() || script.is_p2sh() || script.is_p2wpkh() || script.is_p2wsh() || (script.is_p2tr() && on_curve())
}
