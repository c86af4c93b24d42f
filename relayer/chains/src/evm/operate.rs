//! What an admin says to an escrow or a token that is there, and what each step of a deployment would cost.

use ethers_core::abi::AbiEncode;
use ethers_core::types::{Address, Bytes as CallData};

use super::abi::{escrow, token};
use super::deploy::{Artifact, EscrowSettings, EvmDeployer, Limits};
use crate::error::ChainError;

/// Escrow and token have the same two-step handover (OpenZeppelin's `Ownable2Step`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminCall {
    /// escrow: stops `prepare` and nothing else
    Pause,
    Unpause,
    /// escrow: limits that may be applied once their delay is over
    ScheduleLimits(Limits),
    /// escrow, by anyone: the scheduled limits begin
    ApplyLimits,
    /// token: the one account that may mint and burn
    SetBridge(String),
    ProposeAdmin(String),
    AcceptAdmin,
}

impl EvmDeployer {
    /// Returns the block it is in.
    pub async fn admin_call(&self, contract: &str, call: &AdminCall) -> Result<u64, ChainError> {
        let receipt = self.send(Some(self.parse(contract)?), self.call_data(call)?).await?;
        self.height_of(&receipt)
    }

    /// What `admin_call` would cost, asked of the node, in wei.
    pub async fn cost_of_call(&self, contract: &str, call: &AdminCall) -> Result<u128, ChainError> {
        self.cost(Some(self.parse(contract)?), self.call_data(call)?).await
    }

    pub async fn cost_of_token(
        &self,
        artifact: &Artifact,
        admin: &str,
        holder: &str,
        supply: u128,
    ) -> Result<u128, ChainError> {
        self.cost(None, self.token_code(artifact, admin, holder, supply)?).await
    }

    /// Only where its token is there already.
    pub async fn cost_of_escrow(&self, artifact: &Artifact, settings: &EscrowSettings) -> Result<u128, ChainError> {
        self.cost(None, self.escrow_code(artifact, settings)?).await
    }

    fn call_data(&self, call: &AdminCall) -> Result<Vec<u8>, ChainError> {
        Ok(match call {
            AdminCall::Pause => escrow::PauseCall.encode(),
            AdminCall::Unpause => escrow::UnpauseCall.encode(),
            AdminCall::ScheduleLimits(limits) => escrow::ScheduleLimitsCall { next: (*limits).into() }.encode(),
            AdminCall::ApplyLimits => escrow::ApplyLimitsCall.encode(),
            AdminCall::SetBridge(bridge) => token::SetBridgeCall { new_bridge: self.parse(bridge)? }.encode(),
            AdminCall::ProposeAdmin(next) => escrow::TransferOwnershipCall { new_owner: self.parse(next)? }.encode(),
            AdminCall::AcceptAdmin => escrow::AcceptOwnershipCall.encode(),
        })
    }

    async fn cost(&self, to: Option<Address>, data: Vec<u8>) -> Result<u128, ChainError> {
        let price = self.sender.refresh_fees().await?.price;
        let gas = self.gas(to, CallData::from(data)).await?;
        self.node.amount(gas.saturating_mul(price), "the fee")
    }
}
