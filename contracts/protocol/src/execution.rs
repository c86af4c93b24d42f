//! An execution: an ordered list of legs, all or none, and the id that everyone can compute beforehand.

use cosmwasm_schema::cw_serde;

use crate::bytes::{Bytes, Hash32};
use crate::chain::ChainId;
use crate::eip712::StructHash;
use crate::leg::{Function, Leg, LegError};
use crate::tree::Tree;

pub const MAX_LEGS: usize = 16;

#[cw_serde]
#[derive(Eq)]
pub struct Execution {
    pub home_chain: ChainId,
    pub coordinator: Bytes,
    pub opener: Bytes,
    /// any 32 bytes; makes two otherwise equal executions different
    pub salt: Hash32,
    pub manifest_root: Hash32,
    /// Unix seconds
    pub deadline: u64,
    /// who beside the opener may roll back before the deadline; empty for nobody
    pub relayer: Bytes,
}

/// Whether the ALZ that leaves accounts must be the ALZ that arrives.
#[cw_serde]
#[derive(Copy, Eq)]
pub enum Conservation {
    On,
    Off,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LegsError {
    #[error("an execution has 1 to 16 legs, got {0}")]
    Count(usize),
    #[error("leg at position {position} says index {index}; legs are numbered from 0 in their order")]
    Index { position: usize, index: u8 },
    #[error("leg {first} and leg {second} are the same leg; join them into one")]
    Twice { first: u8, second: u8 },
    #[error("ALZ out ({given}) is not ALZ in ({taken}) over lock + burn and unlock + mint; make the sums equal")]
    NotConserved { given: u128, taken: u128 },
    #[error("the sum of the amounts does not fit 128 bits")]
    Overflow,
    #[error(transparent)]
    Leg(#[from] LegError),
}

impl Execution {
    pub fn execution_id(&self) -> Hash32 {
        StructHash::of(
            "Execution(string homeChain,bytes coordinator,bytes opener,bytes32 salt,bytes32 manifestRoot,uint64 deadline,bytes relayer)",
        )
        .string(self.home_chain.as_str())
        .bytes(&self.coordinator.0)
        .bytes(&self.opener.0)
        .word(&self.salt)
        .word(&self.manifest_root)
        .uint(self.deadline.into())
        .bytes(&self.relayer.0)
        .finish()
    }
}

/// `None` for no legs.
pub fn manifest_tree(legs: &[Leg]) -> Option<Tree> {
    Tree::new(&legs.iter().map(Leg::hash).collect::<Vec<_>>())
}

/// The root over the leg hashes; `None` for no legs.
pub fn manifest_root(legs: &[Leg]) -> Option<Hash32> {
    manifest_tree(legs).map(|tree| tree.root())
}

/// The rules the legs of one execution keep together. Which chains and escrows exist is the coordinator's to know.
pub fn validate_legs(legs: &[Leg], conservation: Conservation) -> Result<(), LegsError> {
    if legs.is_empty() || legs.len() > MAX_LEGS {
        return Err(LegsError::Count(legs.len()));
    }
    let (mut taken, mut given) = (0u128, 0u128);
    for (position, leg) in legs.iter().enumerate() {
        if usize::from(leg.index) != position {
            return Err(LegsError::Index { position, index: leg.index });
        }
        leg.validate()?;
        let same = |other: &&Leg| Leg { index: leg.index, ..(*other).clone() } == *leg;
        if let Some(other) = legs.iter().take(position).find(same) {
            return Err(LegsError::Twice { first: other.index, second: leg.index });
        }
        let sum = match leg.function {
            Function::Transfer => continue,
            Function::Lock | Function::Burn => &mut taken,
            Function::Unlock | Function::Mint => &mut given,
        };
        *sum = sum.checked_add(leg.amount.u128()).ok_or(LegsError::Overflow)?;
    }
    if conservation == Conservation::On && taken != given {
        return Err(LegsError::NotConserved { given, taken });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(index: u8, function: Function, amount: u128) -> Leg {
        let account = |present: bool| if present { vec![7; 20].into() } else { Bytes::default() };
        Leg {
            index,
            chain: "eip155:1".parse().unwrap(),
            escrow: vec![9; 20].into(),
            function,
            from: account(function.is_account_sourced()),
            to: account(function.has_recipient()),
            amount: amount.into(),
        }
    }

    #[test]
    fn the_paper_with_equal_sums_passes_and_its_literal_figures_need_conservation_off() {
        let paper =
            |locked| vec![leg(0, Function::Lock, locked), leg(1, Function::Unlock, 100), leg(2, Function::Mint, 100)];
        assert_eq!(validate_legs(&paper(200), Conservation::On), Ok(()));
        assert_eq!(
            validate_legs(&paper(100), Conservation::On),
            Err(LegsError::NotConserved { given: 200, taken: 100 })
        );
        assert_eq!(validate_legs(&paper(100), Conservation::Off), Ok(()));
    }

    #[test]
    fn bad_lists_of_legs_are_refused() {
        let t = |index| leg(index, Function::Transfer, 1 + u128::from(index));
        assert_eq!(validate_legs(&[], Conservation::On), Err(LegsError::Count(0)));
        assert_eq!(validate_legs(&(0..17).map(t).collect::<Vec<_>>(), Conservation::On), Err(LegsError::Count(17)));
        assert_eq!(validate_legs(&(0..16).map(t).collect::<Vec<_>>(), Conservation::On), Ok(()));
        assert_eq!(validate_legs(&[t(1)], Conservation::On), Err(LegsError::Index { position: 0, index: 1 }));
        let twice = [t(0), Leg { index: 1, ..t(0) }];
        assert_eq!(validate_legs(&twice, Conservation::On), Err(LegsError::Twice { first: 0, second: 1 }));
        let zero = leg(0, Function::Burn, 0);
        assert_eq!(validate_legs(&[zero], Conservation::Off), Err(LegError::ZeroAmount(0).into()));
        let huge = [leg(0, Function::Lock, u128::MAX), leg(1, Function::Burn, 1)];
        assert_eq!(validate_legs(&huge, Conservation::Off), Err(LegsError::Overflow));
        let with_from = Leg { from: vec![7; 20].into(), ..leg(0, Function::Mint, 1) };
        assert!(validate_legs(&[with_from], Conservation::Off).is_err());
        let no_to = Leg { to: Bytes::default(), ..leg(0, Function::Transfer, 1) };
        assert!(validate_legs(&[no_to], Conservation::Off).is_err());
    }
}
