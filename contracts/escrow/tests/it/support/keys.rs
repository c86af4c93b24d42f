//! What the attestors give the escrow: what lets the reserve give, and what a settlement needs.

use aes_escrow::msg::{Opened, Settlement};
use aes_protocol::{
    decisions_tree, manifest_tree, Certificate, Decision, DecisionLeaf, Domain, Hash32, Leg, Statement,
};
pub use aes_testkit::Attestors;

pub trait Certifies {
    /// The certificate under which the reserve gives to `leg`, one of `manifest`.
    fn opened(&self, domain: &Domain, execution_id: Hash32, deadline: u64, manifest: &[Leg], leg: &Leg) -> Opened;

    /// One certificate and one item an execution, all decided alike.
    fn decided(
        &self,
        domain: &Domain,
        decision: Decision,
        executions: &[(Hash32, Vec<Leg>)],
    ) -> (Certificate, Vec<Settlement>);
}

impl Certifies for Attestors {
    fn opened(&self, domain: &Domain, execution_id: Hash32, deadline: u64, manifest: &[Leg], leg: &Leg) -> Opened {
        let tree = manifest_tree(manifest).unwrap();
        let manifest_root = tree.root();
        let certificate = self.sign(domain, &Statement::Opened { execution_id, manifest_root, deadline });
        Opened { manifest_root, path: tree.path(&leg.hash()).unwrap(), certificate }
    }

    fn decided(
        &self,
        domain: &Domain,
        decision: Decision,
        executions: &[(Hash32, Vec<Leg>)],
    ) -> (Certificate, Vec<Settlement>) {
        let leaf = |id: Hash32| DecisionLeaf { execution_id: id, decision };
        let leaves: Vec<_> = executions.iter().map(|(id, _)| leaf(*id)).collect();
        let tree = decisions_tree(&leaves).unwrap();
        let items = executions
            .iter()
            .map(|(id, legs)| Settlement {
                execution_id: *id,
                path: tree.path(&leaf(*id).hash()).unwrap(),
                legs: legs.clone(),
            })
            .collect();
        (self.sign(domain, &Statement::Decided { decisions_root: tree.root() }), items)
    }
}
