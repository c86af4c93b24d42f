//! Answers that both contracts give alike.

use aes_protocol::AttestorSet;
use cosmwasm_schema::cw_serde;

#[cw_serde]
pub struct AdminResponse {
    /// bech32
    pub admin: String,
    /// who may accept the handover
    pub pending_admin: Option<String>,
    pub paused: bool,
}

#[cw_serde]
pub struct SetResponse {
    pub set: AttestorSet,
    pub current: bool,
    /// Unix seconds after which its certificates are refused; none for the current set
    pub expires_at: Option<u64>,
}
