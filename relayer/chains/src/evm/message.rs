//! What is said to an escrow: each message as call data, and the gas that a settlement is given.

use aes_protocol::{Certificate, Decision, Leg};
use ethers_core::abi::AbiEncode;
use ethers_core::types::{Address, Bytes, U256};

use super::abi::{self, escrow};
use super::node::Node;
use crate::chain::{EscrowMessage, SettlementItem};
use crate::error::ChainError;

/// The transaction itself, its event, and the token call that one failing leg may use up (200,000 of its own).
const SETTLE_BASE: u64 = 300_000;
/// Each leg's token call may take 200,000; what is around it under 45,000.
const SETTLE_LEG: u64 = 250_000;
const SETTLE_SIGNATURE: u64 = 10_000;
/// EIP-7623: no byte of call data costs more.
const CALL_DATA_BYTE: u64 = 40;
/// EIP-7825: no transaction may ask for more.
const MOST_GAS: u64 = 16_777_216;

pub(super) struct Escrow<'a> {
    pub node: &'a Node,
    pub address: Address,
}

impl Escrow<'_> {
    pub fn check_own(&self, leg: &Leg) -> Result<(), ChainError> {
        if leg.chain == self.node.id && leg.escrow.as_slice() == self.address.as_bytes() {
            return Ok(());
        }
        Err(self.node.refused(format!(
            "leg {} is of {} and its escrow {}; here is escrow {:?}",
            leg.index, leg.chain, leg.escrow, self.address
        )))
    }

    fn leg(&self, leg: &Leg) -> Result<escrow::Leg, ChainError> {
        self.check_own(leg)?;
        let account = |side: &str, bytes| {
            let wrong =
                || self.node.refused(format!("leg {}: '{side}' {bytes} is not 20 bytes, not all zero", leg.index));
            abi::account(bytes).ok_or_else(wrong)
        };
        Ok(escrow::Leg {
            index: leg.index,
            fn_: leg.function.code(),
            from: account("from", &leg.from)?,
            to: account("to", &leg.to)?,
            amount: leg.amount.u128(),
        })
    }

    fn settlement(&self, item: &SettlementItem) -> Result<escrow::Settlement, ChainError> {
        Ok(escrow::Settlement {
            execution_id: item.execution_id.0,
            path: abi::words(&item.path),
            legs: item.legs.iter().map(|leg| self.leg(leg)).collect::<Result<_, _>>()?,
        })
    }

    pub fn call_data(&self, message: &EscrowMessage) -> Result<Bytes, ChainError> {
        let data = match message {
            EscrowMessage::Prepare { execution_id, deadline, leg } => {
                escrow::PrepareCall { execution_id: execution_id.0, deadline: *deadline, leg: self.leg(leg)? }.encode()
            }
            EscrowMessage::PrepareReserve { execution_id, deadline, leg, manifest_root, path, certificate } => {
                escrow::PrepareReserveCall {
                    execution_id: execution_id.0,
                    deadline: *deadline,
                    leg: self.leg(leg)?,
                    manifest_root: manifest_root.0,
                    proof: abi::words(path),
                    opened: abi::certificate(certificate),
                }
                .encode()
            }
            EscrowMessage::Settle { decision, certificate, items } => {
                let decided = abi::certificate(certificate);
                let settlements = items.iter().map(|item| self.settlement(item)).collect::<Result<_, _>>()?;
                match decision {
                    Decision::Commit => escrow::FinalizeCall { decided, settlements }.encode(),
                    Decision::Abort => escrow::ReleaseCall { decided, settlements }.encode(),
                }
            }
            EscrowMessage::Escape { execution_id, leg } => {
                escrow::EscapeCall { execution_id: execution_id.0, leg: self.leg(leg)? }.encode()
            }
            EscrowMessage::Rotate { set, certificate } => {
                let wrong = || self.node.refused(format!("set {}: a signer is not 20 bytes", set.id));
                let next = abi::attestor_set(set).ok_or_else(wrong)?;
                escrow::RotateCall { next, rotated: abi::certificate(certificate) }.encode()
            }
            EscrowMessage::FundVault { amount } => escrow::FundVaultCall { amount: *amount }.encode(),
        };
        Ok(data.into())
    }
}

/// Enough for whatever the batch meets on chain, without asking the node: what is not used is not paid.
pub(super) fn settlement_gas(certificate: &Certificate, items: &[SettlementItem], data: &Bytes) -> U256 {
    let legs = items.iter().fold(0usize, |sum, item| sum.saturating_add(item.legs.len()));
    let each = |count: usize, gas: u64| u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(gas);
    let gas = SETTLE_BASE
        .saturating_add(each(legs, SETTLE_LEG))
        .saturating_add(each(certificate.signatures.len(), SETTLE_SIGNATURE))
        .saturating_add(each(data.len(), CALL_DATA_BYTE));
    gas.min(MOST_GAS).into()
}

/// ALZ that the message takes from its sender by allowance.
pub(super) fn deposit(message: &EscrowMessage) -> Option<u128> {
    match message {
        EscrowMessage::Prepare { leg, .. } => Some(leg.amount.u128()),
        EscrowMessage::FundVault { amount } => Some(*amount),
        _ => None,
    }
}
