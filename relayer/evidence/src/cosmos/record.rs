//! What the coordinator decided about an execution, and what it knows of its legs, under its chain's app hash.

use aes_coordinator::state::Record;
use aes_protocol::{manifest_root, Bytes, Domain, Evidence, Execution, Hash32, Leg};
use cosmwasm_schema::cw_serde;

use super::light::{CosmosAnchors, Headers, Run};
use super::store::ModuleRoot;
use crate::ProofError;

/// Proof of an execution's record on the home chain.
#[cw_serde]
#[derive(Eq)]
pub struct RecordProof {
    pub runs: Vec<Run>,
    /// height of the block after which the state is shown
    pub height: u64,
    /// protobuf `cosmos.ics23.v1.CommitmentProof` of the wasm module's root under the app hash
    pub multistore: Bytes,
    pub record: Stored,
    pub legs: Stored,
    /// where the execution was prepared
    pub prepared: Option<Stored>,
    /// where its settlement is recorded
    pub settled: Option<Stored>,
}

#[cw_serde]
#[derive(Eq)]
pub struct Stored {
    /// as the contract keeps it, JSON
    pub value: Bytes,
    /// protobuf `cosmos.ics23.v1.CommitmentProof` of it under the module's root
    pub iavl: Bytes,
}

/// What the coordinator keeps about an execution, each under a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPart {
    Record,
    Legs,
    Prepared,
    Settled,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HomeRecord {
    pub record: Record,
    pub legs: Vec<Leg>,
    pub prepared: Vec<Evidence>,
    pub settled: Vec<Evidence>,
}

/// As `contracts/coordinator/src/state.rs` lays it out.
pub fn record_key(part: RecordPart, execution_id: &Hash32) -> Vec<u8> {
    let namespace: &[u8] = match part {
        RecordPart::Record => b"\0\x07records",
        RecordPart::Legs => b"\0\x04legs",
        RecordPart::Prepared => b"\0\x08prepared",
        RecordPart::Settled => b"\0\x07settled",
    };
    [namespace, &execution_id.0].concat()
}

impl RecordProof {
    pub fn verify(
        &self,
        execution_id: &Hash32,
        domain: &Domain,
        anchors: &CosmosAnchors,
    ) -> Result<HomeRecord, ProofError> {
        let headers = Headers::verify(&domain.home_chain, &self.runs, anchors)?;
        let root = ModuleRoot::verify(headers.app_hash(self.height)?, &self.multistore)?;
        let coordinator = domain.coordinator.as_slice();
        let value = |part, stored: &Stored| {
            let key = record_key(part, execution_id);
            root.check(coordinator, &key, Some(stored.value.as_slice()), &stored.iavl).map(|()| stored.value.clone())
        };
        let leaves = |part, stored: &Option<Stored>| match stored {
            Some(stored) => read("evidence", &value(part, stored)?),
            None => Ok(vec![]),
        };
        let home = HomeRecord {
            record: read("record", &value(RecordPart::Record, &self.record)?)?,
            legs: read("legs", &value(RecordPart::Legs, &self.legs)?)?,
            prepared: leaves(RecordPart::Prepared, &self.prepared)?,
            settled: leaves(RecordPart::Settled, &self.settled)?,
        };
        home.check(execution_id, domain)?;
        Ok(home)
    }
}

impl HomeRecord {
    /// What the execution's id is the hash of.
    pub fn execution(&self, domain: &Domain) -> Result<Execution, ProofError> {
        let wrong = |cause: &str| ProofError::mismatch("record", cause);
        let account = |bech32: &str| match bech32::decode(bech32) {
            Ok((_, bytes)) => Ok(Bytes(bytes)),
            Err(_) => Err(wrong("it names an account that is no bech32 address")),
        };
        let Record { opener, relayer, salt, deadline, .. } = &self.record;
        Ok(Execution {
            home_chain: domain.home_chain.clone(),
            coordinator: domain.coordinator.clone(),
            opener: account(opener.as_str())?,
            salt: *salt,
            manifest_root: manifest_root(&self.legs).ok_or_else(|| wrong("it has no legs"))?,
            deadline: *deadline,
            relayer: relayer.as_ref().map(|relayer| account(relayer.as_str())).transpose()?.unwrap_or_default(),
        })
    }

    /// The record hashes to its execution's id, and the leaves to the roots in it. The chain keeps it so; a reader who
    /// recomputes it need not believe the contract's code either.
    pub fn check(&self, execution_id: &Hash32, domain: &Domain) -> Result<(), ProofError> {
        let wrong = |cause: &str| ProofError::mismatch("record", cause);
        let execution = self.execution(domain)?;
        if execution.execution_id() != *execution_id || execution.manifest_root != self.record.manifest_root {
            return Err(wrong("it does not hash to the execution's id"));
        }
        // No leaves have no root: where the record has one, the leaves must be there.
        let stands = |leaves: &[Evidence], root| aes_protocol::evidence_root(leaves) == root;
        if !stands(&self.prepared, self.record.prepared_root) || !stands(&self.settled, self.record.settled_root) {
            return Err(wrong("its evidence does not hash to its roots"));
        }
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &Bytes) -> Result<T, ProofError> {
    serde_json::from_slice(bytes.as_slice()).map_err(|cause| ProofError::malformed(what, cause))
}
