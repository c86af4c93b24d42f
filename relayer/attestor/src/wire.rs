//! What goes over the wire between a relayer and an attestor, as JSON.

use aes_protocol::{decisions_tree, evidence_root, AttestorSet, Bytes, DecisionLeaf, Evidence, Hash32, Statement};
use serde::{Deserialize, Serialize};

/// One `decided` request names at most this many executions.
pub const MAX_DECISIONS: usize = 64;

/// What an attestor is asked to look at and to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Opened {
        execution_id: Hash32,
    },
    Prepared {
        execution_id: Hash32,
    },
    /// 1 to 64 executions, each once, under one set of signatures
    Decided {
        execution_ids: Vec<Hash32>,
    },
    Settled {
        execution_id: Hash32,
    },
    /// the set must have been approved by the attestor's operator
    Rotated {
        set: AttestorSet,
    },
}

/// The body of `POST /v1/attest`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestBody {
    pub statement: Request,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// what was signed
    pub statement: Statement,
    pub attestor_set: u64,
    pub signer: Bytes,
    /// 65 bytes, `r ‖ s ‖ v`
    pub signature: Bytes,
    /// of `prepared` and `settled`: one a leg, in the order of the legs
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// of `decided`: one an execution, in the order they were asked for
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionLeaf>,
}

/// The answer of `GET /v1/identity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub signer: Bytes,
}

/// What an attestor has seen: a statement, and what stands under its root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    pub statement: Statement,
    pub evidence: Vec<Evidence>,
    pub decisions: Vec<DecisionLeaf>,
}

impl Request {
    /// Whether the statement is the one asked for and its root is the root of what comes with it.
    pub(crate) fn is_answered_by(&self, answer: &Answer) -> bool {
        let evidence_stands_under = |root| evidence_root(&answer.evidence) == Some(root);
        match (self, answer.statement) {
            (Self::Opened { execution_id: asked }, Statement::Opened { execution_id, .. }) => *asked == execution_id,
            (Self::Prepared { execution_id: asked }, Statement::Prepared { execution_id, evidence_root })
            | (Self::Settled { execution_id: asked }, Statement::Settled { execution_id, evidence_root, .. }) => {
                *asked == execution_id && evidence_stands_under(evidence_root)
            }
            (Self::Decided { execution_ids }, Statement::Decided { decisions_root }) => {
                answer.decisions.iter().map(|leaf| &leaf.execution_id).eq(execution_ids)
                    && decisions_tree(&answer.decisions).is_some_and(|tree| tree.root() == decisions_root)
            }
            (Self::Rotated { set }, Statement::Rotated { new_set, new_set_hash }) => {
                set.id == new_set && set.hash() == new_set_hash
            }
            _ => false,
        }
    }
}
