//! What is said to an escrow: each message as call data, and the gas that a settlement is given.

use aes_protocol::{Certificate, ChainId, Decision, Leg};
use ethers_core::abi::AbiEncode;
use ethers_core::types::{Address, Bytes};
use ethers_core::utils::to_checksum;

use super::abi::{self, escrow};
use super::packed;
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

/// The messages of one escrow as call data. It needs no node.
pub struct EscrowCalls<'a> {
    pub chain: &'a ChainId,
    pub address: Address,
}

impl EscrowCalls<'_> {
    fn refused(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Refused { chain: self.chain.clone(), cause: cause.into() }
    }

    pub fn check_own(&self, leg: &Leg) -> Result<(), ChainError> {
        if leg.chain == *self.chain && leg.escrow.as_slice() == self.address.as_bytes() {
            return Ok(());
        }
        Err(self.refused(format!(
            "leg {} is of {} and its escrow {}; here is escrow {:?}",
            leg.index, leg.chain, leg.escrow, self.address
        )))
    }

    /// `from` and `to`, the zero address where the leg has none.
    fn accounts(&self, leg: &Leg) -> Result<(Address, Address), ChainError> {
        self.check_own(leg)?;
        let account = |side: &str, bytes| {
            let wrong = || self.refused(format!("leg {}: '{side}' {bytes} is not 20 bytes, not all zero", leg.index));
            abi::account(bytes).ok_or_else(wrong)
        };
        Ok((account("from", &leg.from)?, account("to", &leg.to)?))
    }

    fn leg(&self, leg: &Leg) -> Result<escrow::Leg, ChainError> {
        let (from, to) = self.accounts(leg)?;
        Ok(escrow::Leg { index: leg.index, fn_: leg.function.code(), from, to, amount: leg.amount.u128() })
    }

    fn execution<'b>(&self, item: &'b SettlementItem) -> Result<packed::Execution<'b>, ChainError> {
        let with_accounts = |leg| self.accounts(leg).map(|(from, to)| (leg, from, to));
        Ok(packed::Execution {
            execution_id: item.execution_id,
            path: &item.path,
            legs: item.legs.iter().map(with_accounts).collect::<Result<_, _>>()?,
        })
    }

    fn certificate(&self, certificate: &Certificate, absent: &[Address]) -> Result<Vec<u8>, ChainError> {
        let wrong = || self.refused("certificate: give at most 255 signatures of 65 bytes");
        packed::certificate(certificate, absent).ok_or_else(wrong)
    }

    /// A prepare says nothing of `from`: the escrow takes its sender for that. So whoever is not the depositor would begin
    /// a hold of another leg, with money of their own.
    fn check_depositor(&self, leg: &Leg, depositor: Address, sender: Address) -> Result<(), ChainError> {
        if depositor == sender || !leg.function.is_account_sourced() {
            return Ok(());
        }
        let [caller, depositor] = [sender, depositor].map(|address| to_checksum(&address, None));
        let index = leg.index;
        Err(self.refused(format!(
            "NotTheDepositor(caller: {caller}, depositor: {depositor}): the 'from' of leg {index} sends its prepare"
        )))
    }

    /// `absent`: the members of the certificate's set that did not sign.
    pub fn call_data(&self, message: &EscrowMessage, sender: Address, absent: &[Address]) -> Result<Bytes, ChainError> {
        let data = match message {
            EscrowMessage::Prepare { execution_id, deadline, leg } => {
                let (from, to) = self.accounts(leg)?;
                self.check_depositor(leg, from, sender)?;
                escrow::PrepareCall { terms: packed::terms(leg, *deadline), to, execution_id: execution_id.0 }.encode()
            }
            EscrowMessage::PrepareReserve { execution_id, deadline, leg, manifest_root, path, certificate } => {
                escrow::PrepareReserveCall {
                    execution_id: execution_id.0,
                    deadline: *deadline,
                    leg: self.leg(leg)?,
                    manifest_root: manifest_root.0,
                    proof: abi::words(path),
                    opened: self.certificate(certificate, absent)?.into(),
                }
                .encode()
            }
            EscrowMessage::Settle { decision, certificate, items } => {
                let executions: Vec<_> = items.iter().map(|item| self.execution(item)).collect::<Result<_, _>>()?;
                let wrong = || self.refused("settlement: a batch takes 64 legs, an execution has 16 at most");
                let batch = packed::batch(self.certificate(certificate, absent)?, &executions).ok_or_else(wrong)?;
                match decision {
                    Decision::Commit => escrow::FinalizeBatchCall { batch: batch.into() }.encode(),
                    Decision::Abort => escrow::ReleaseBatchCall { batch: batch.into() }.encode(),
                }
            }
            EscrowMessage::Escape { execution_id, leg } => {
                escrow::EscapeCall { execution_id: execution_id.0, leg: self.leg(leg)? }.encode()
            }
            EscrowMessage::Rotate { set, certificate } => {
                let wrong = || self.refused(format!("set {}: a signer is not 20 bytes", set.id));
                let next = abi::attestor_set(set).ok_or_else(wrong)?;
                escrow::RotateCall { next, rotated: self.certificate(certificate, absent)?.into() }.encode()
            }
            EscrowMessage::FundVault { amount } => escrow::FundVaultCall { amount: *amount }.encode(),
        };
        Ok(data.into())
    }
}

/// Enough for whatever the batch meets on chain, without asking the node: what is not used is not paid.
pub fn settlement_gas(certificate: &Certificate, items: &[SettlementItem], data_length: usize) -> u64 {
    let legs = items.iter().fold(0usize, |sum, item| sum.saturating_add(item.legs.len()));
    let each = |count: usize, gas: u64| u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(gas);
    let gas = SETTLE_BASE
        .saturating_add(each(legs, SETTLE_LEG))
        .saturating_add(each(certificate.signatures.len(), SETTLE_SIGNATURE))
        .saturating_add(each(data_length, CALL_DATA_BYTE));
    gas.min(MOST_GAS)
}

/// ALZ that the message takes from its sender by allowance.
pub(super) fn deposit(message: &EscrowMessage) -> Option<u128> {
    match message {
        EscrowMessage::Prepare { leg, .. } => Some(leg.amount.u128()),
        EscrowMessage::FundVault { amount } => Some(*amount),
        _ => None,
    }
}
