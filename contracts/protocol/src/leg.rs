//! One move of ALZ on one chain, and which accounts each function takes.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::Uint128;

use crate::bytes::{Bytes, Hash32};
use crate::chain::{AccountError, ChainId, ChainKind};
use crate::eip712::StructHash;

#[cw_serde]
#[derive(Copy, Eq)]
pub enum Function {
    Transfer,
    Lock,
    Unlock,
    Mint,
    Burn,
}

impl Function {
    pub fn code(self) -> u8 {
        match self {
            Self::Transfer => 0,
            Self::Lock => 1,
            Self::Unlock => 2,
            Self::Mint => 3,
            Self::Burn => 4,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Mint => "mint",
            Self::Burn => "burn",
        }
    }

    /// The depositor's own ALZ, prepared by the depositor; otherwise the reserve's, prepared with an `Opened` certificate.
    pub fn is_account_sourced(self) -> bool {
        matches!(self, Self::Transfer | Self::Lock | Self::Burn)
    }

    pub fn has_recipient(self) -> bool {
        matches!(self, Self::Transfer | Self::Unlock | Self::Mint)
    }
}

#[cw_serde]
#[derive(Eq)]
pub struct Leg {
    pub index: u8,
    pub chain: ChainId,
    /// the escrow's canonical address on that chain
    pub escrow: Bytes,
    pub function: Function,
    /// empty where the function has no source account
    pub from: Bytes,
    /// empty where the function has no destination account
    pub to: Bytes,
    /// base units, 18 decimals
    pub amount: Uint128,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LegError {
    #[error("leg {0}: amount is zero; give at least one base unit")]
    ZeroAmount(u8),
    #[error("leg {index}: {side}: {cause}")]
    Account { index: u8, side: &'static str, cause: AccountError },
    #[error("leg {index}: {function} has no '{side}' account; leave it empty (0x)")]
    UnexpectedAccount { index: u8, side: &'static str, function: &'static str },
    #[error("leg {0}: nothing is minted on Bitcoin, where ALZ is a premined rune; use unlock")]
    MintOnBitcoin(u8),
}

impl Leg {
    pub fn hash(&self) -> Hash32 {
        StructHash::of("Leg(uint8 index,string chain,bytes escrow,uint8 function,bytes from,bytes to,uint128 amount)")
            .uint(self.index.into())
            .string(self.chain.as_str())
            .bytes(&self.escrow.0)
            .uint(self.function.code().into())
            .bytes(&self.from.0)
            .bytes(&self.to.0)
            .uint(self.amount.u128())
            .finish()
    }

    /// The rules a leg keeps by itself, whatever execution it is in.
    pub fn validate(&self) -> Result<(), LegError> {
        let index = self.index;
        if self.amount.is_zero() {
            return Err(LegError::ZeroAmount(index));
        }
        if self.function == Function::Mint && self.chain.kind() == ChainKind::Bitcoin {
            return Err(LegError::MintOnBitcoin(index));
        }
        for (side, account, wanted) in
            [("from", &self.from, self.function.is_account_sourced()), ("to", &self.to, self.function.has_recipient())]
        {
            if wanted {
                self.chain.check_account(account).map_err(|cause| LegError::Account { index, side, cause })?;
            } else if !account.is_empty() {
                return Err(LegError::UnexpectedAccount { index, side, function: self.function.name() });
            }
        }
        self.chain.check_account(&self.escrow).map_err(|cause| LegError::Account { index, side: "escrow", cause })
    }
}
