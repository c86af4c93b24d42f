//! What the attestors give the coordinator beside certificates: proofs of a decision.

use aes_coordinator::msg::DecidedProof;
use aes_protocol::{decisions_tree, Decision, DecisionLeaf, Domain, Hash32, Statement};
pub use aes_testkit::Attestors;

pub trait Decides {
    /// The decision for one execution, under a root that decides for another one too.
    fn decided(&self, domain: &Domain, execution_id: Hash32, decision: Decision) -> DecidedProof;
}

impl Decides for Attestors {
    fn decided(&self, domain: &Domain, execution_id: Hash32, decision: Decision) -> DecidedProof {
        let leaf = DecisionLeaf { execution_id, decision };
        let other = DecisionLeaf { execution_id: Hash32([0xee; 32]), decision: Decision::Commit };
        let tree = decisions_tree(&[leaf, other]).unwrap();
        let statement = Statement::Decided { decisions_root: tree.root() };
        DecidedProof { path: tree.path(&leaf.hash()).unwrap(), certificate: self.sign(domain, &statement) }
    }
}
