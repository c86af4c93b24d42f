//! Attestors with real keys: sets, certificates, and what a settlement needs.

use aes_escrow::msg::{Opened, Settlement};
use aes_protocol::{
    address_of_public_key, decisions_tree, manifest_tree, Attestor, AttestorSet, Bytes, Certificate, Decision,
    DecisionLeaf, Domain, Hash32, Leg, Statement,
};
use k256::ecdsa::SigningKey;

/// A set whose keys the test has, ascending by address.
#[derive(Clone)]
pub struct Attestors {
    pub set: AttestorSet,
    keys: Vec<SigningKey>,
}

fn address(key: &SigningKey) -> [u8; 20] {
    address_of_public_key(key.verifying_key().to_encoded_point(false).as_bytes()).unwrap()
}

impl Attestors {
    /// `seed` makes the keys; two sets of one seed and id are the same set.
    pub fn new(id: u64, count: u8, threshold: u8, seed: u8) -> Self {
        let mut keys: Vec<_> = (1..=count)
            .map(|n| {
                let mut secret = [seed; 32];
                secret[31] = n;
                SigningKey::from_slice(&secret).unwrap()
            })
            .collect();
        keys.sort_by_key(address);
        let attestors = keys
            .iter()
            .map(|key| Attestor { signer: address(key).to_vec().into(), bitcoin_key: Hash32::default() })
            .collect();
        Self { set: AttestorSet { id, threshold, attestors }, keys }
    }

    pub fn sign(&self, domain: &Domain, statement: &Statement) -> Certificate {
        let digest = statement.digest(domain, self.set.id);
        let sign = |key: &SigningKey| {
            let (signature, recovery) = key.sign_prehash_recoverable(&digest.0).unwrap();
            let mut bytes = signature.to_bytes().to_vec();
            bytes.push(27 + recovery.to_byte());
            Bytes::from(bytes)
        };
        let signatures = self.keys.iter().take(self.set.threshold.into()).map(sign).collect();
        Certificate { attestor_set: self.set.id, signatures }
    }

    /// The certificate under which the reserve gives to `leg`, one of `manifest`.
    pub fn opened(&self, domain: &Domain, execution_id: Hash32, deadline: u64, manifest: &[Leg], leg: &Leg) -> Opened {
        let tree = manifest_tree(manifest).unwrap();
        let manifest_root = tree.root();
        let certificate = self.sign(domain, &Statement::Opened { execution_id, manifest_root, deadline });
        Opened { manifest_root, path: tree.path(&leg.hash()).unwrap(), certificate }
    }

    /// One certificate and one item an execution, all decided alike.
    pub fn decided(
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
