//! What a deployment will change, in order: each step with what it needs done before it, and its cost where the node
//! can tell it beforehand.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;

use aes_chains::ChainError;
use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::{ChainId, Hash32};
use anyhow::{bail, Result};
use serde::Serialize;

/// One change to a chain, shown before it is made.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    pub step: usize,
    pub chain: ChainId,
    pub what: String,
    /// steps that come before, because this one needs what they make
    pub after: Vec<usize>,
    pub cost: Cost,
    #[serde(skip)]
    pub(super) act: Act,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    Coordinator,
    OfCoordinator(CoordinatorCall),
    /// EVM: the ALZ token
    Token {
        supply: u128,
    },
    Escrow,
    /// EVM: the escrow may mint and burn
    Bridge,
    Register(ChainId),
    Vault {
        amount: u128,
    },
    ScheduleLimits,
    /// EVM: scheduled limits whose delay is over begin only when they are told to
    ApplyLimits,
    ProposeAdmin {
        of: Contract,
        next: String,
    },
    /// nothing on the chain: the manifest takes the code that ALZ runs
    KnowAsset(Hash32),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum CoordinatorCall {
    Execute(ExecuteMsg),
    /// who may put other code under it
    Migrator(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Contract {
    Escrow,
    Token,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// in the fee token's base units
    About {
        amount: String,
        unit: String,
    },
    /// what is known of it; the rest depends on what this very step makes
    AtLeast {
        amount: String,
        unit: String,
    },
    /// it depends on a step before
    Later,
    Nothing,
    /// the node did not say
    Unknown {
        cause: String,
    },
}

impl Cost {
    pub(super) async fn about(asked: impl Future<Output = Result<u128, ChainError>>, unit: &str) -> Self {
        match asked.await {
            Ok(amount) => Self::About { amount: amount.to_string(), unit: unit.into() },
            Err(error) => Self::Unknown { cause: error.to_string() },
        }
    }

    pub(super) async fn at_least(asked: impl Future<Output = Result<u128, ChainError>>, unit: &str) -> Self {
        match Self::about(asked, unit).await {
            Self::About { amount, unit } => Self::AtLeast { amount, unit },
            other => other,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::About { amount, unit } => write!(f, "costs about {amount} {unit}"),
            Self::AtLeast { amount, unit } => write!(f, "costs {amount} {unit} and a little more"),
            Self::Later => f.write_str("its cost is known then"),
            Self::Nothing => f.write_str("costs nothing"),
            Self::Unknown { cause } => write!(f, "its cost is not known: {cause}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = if self.after.is_empty() { "" } else { "then: " };
        write!(f, "{:>3}. {:<22} {then}{} ({})", self.step, self.chain.as_str(), self.what, self.cost)
    }
}

/// A whole survey: what to change, what waits, and what cannot be changed.
#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub waiting: Vec<String>,
    /// what is otherwise than the deployment file or `artifacts` have it, and may stay so
    pub differs: Vec<String>,
    /// what is allowed, and unwise
    pub warnings: Vec<String>,
    /// chains whose vault is seen to have been filled
    pub(super) filled: BTreeSet<ChainId>,
    problems: Vec<String>,
}

impl Plan {
    /// Answers with the step's number.
    pub(super) fn add(
        &mut self,
        chain: &ChainId,
        act: Act,
        what: String,
        after: &[Option<usize>],
        cost: Cost,
    ) -> usize {
        let step = self.changes.len().saturating_add(1);
        let after: Vec<usize> = after.iter().flatten().copied().collect();
        self.changes.push(Change { step, chain: chain.clone(), what, after, cost, act });
        step
    }

    /// A difference that no change of ours can mend, with its cure.
    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// All problems at once: whoever mends one wants to know of the next.
    pub(super) fn checked(self) -> Result<Self> {
        if self.problems.is_empty() {
            return Ok(self);
        }
        bail!(
            "what is deployed is not what the deployment file says, and nothing was changed:\n  {}",
            self.problems.join("\n  ")
        );
    }
}
