//! The one bit that settles an execution, and the tree that lets one set of signatures settle many.

use cosmwasm_schema::cw_serde;

use crate::bytes::Hash32;
use crate::eip712::StructHash;
use crate::tree::{path_root, Tree};

#[cw_serde]
#[derive(Copy, Eq)]
pub enum Decision {
    Commit,
    Abort,
}

impl Decision {
    pub fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Abort => 2,
        }
    }
}

#[cw_serde]
#[derive(Copy, Eq)]
pub struct DecisionLeaf {
    pub execution_id: Hash32,
    pub decision: Decision,
}

impl DecisionLeaf {
    pub fn hash(&self) -> Hash32 {
        StructHash::of("Decision(bytes32 executionId,uint8 decision)")
            .word(&self.execution_id)
            .uint(self.decision.code().into())
            .finish()
    }

    /// The `decisionsRoot` that this decision's path leads to.
    pub fn root(&self, path: &[Hash32]) -> Hash32 {
        path_root(&self.hash(), path)
    }
}

/// `None` for no decisions.
pub fn decisions_tree(decisions: &[DecisionLeaf]) -> Option<Tree> {
    Tree::new(&decisions.iter().map(DecisionLeaf::hash).collect::<Vec<_>>())
}
