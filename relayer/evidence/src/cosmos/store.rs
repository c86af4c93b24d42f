//! What a contract has stored, or has not, under an app hash: ICS-23, first the simple tree of all modules, then the
//! wasm module's own IAVL tree.

use aes_protocol::Bytes;
use ics23::commitment_proof::Proof;
use ics23::{CommitmentProof, ExistenceProof, HostFunctionsManager};
use prost::Message;

use crate::ProofError;

/// The module that keeps the contracts' storage, as its key in the tree of modules.
const MODULE: &[u8] = b"wasm";
/// Of the contracts' storage in the module's tree: what all its keys begin with, before the contract's address.
const CONTRACT_STORE: u8 = 0x03;
/// Far beyond what a tree of 2^60 leaves needs.
const MOST_BYTES: usize = 64 * 1024;

/// The root of the wasm module's tree at one height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleRoot(Vec<u8>);

/// The key of a contract's storage in the wasm module's tree.
pub fn store_key(contract: &[u8], key: &[u8]) -> Vec<u8> {
    [&[CONTRACT_STORE], contract, key].concat()
}

impl ModuleRoot {
    /// `multistore`: protobuf `cosmos.ics23.v1.CommitmentProof` of the module's root under the app hash.
    pub fn verify(app_hash: &[u8], multistore: &Bytes) -> Result<Self, ProofError> {
        const WHAT: &str = "multistore proof";
        let module = existence(WHAT, multistore)?;
        let root = module.value.clone();
        let proof = CommitmentProof { proof: Some(Proof::Exist(module)) };
        let spec = ics23::tendermint_spec();
        if ics23::verify_membership::<HostFunctionsManager>(&proof, &spec, &app_hash.to_vec(), MODULE, &root) {
            return Ok(Self(root));
        }
        Err(ProofError::mismatch(WHAT, "the wasm module's root is not under the app hash of the next header"))
    }

    /// `value` stands under the contract's key or, where it is none, nothing does.
    /// `iavl`: protobuf `cosmos.ics23.v1.CommitmentProof` of that under this root.
    pub fn check(&self, contract: &[u8], key: &[u8], value: Option<&[u8]>, iavl: &Bytes) -> Result<(), ProofError> {
        const WHAT: &str = "store proof";
        let (spec, key) = (ics23::iavl_spec(), store_key(contract, key));
        let (proved, cause) = match value {
            Some(value) => {
                let proof = CommitmentProof { proof: Some(Proof::Exist(existence(WHAT, iavl)?)) };
                let proved = ics23::verify_membership::<HostFunctionsManager>(&proof, &spec, &self.0, &key, value);
                (proved, "this value is not under this key in the contract's storage")
            }
            None => {
                let proof = decode(WHAT, iavl)?;
                if !matches!(proof.proof, Some(Proof::Nonexist(_))) {
                    return Err(ProofError::malformed(WHAT, "it is no ICS-23 proof of absence"));
                }
                let proved = ics23::verify_non_membership::<HostFunctionsManager>(&proof, &spec, &self.0, &key);
                (proved, "it does not show that the contract has nothing under this key")
            }
        };
        proved.then_some(()).ok_or_else(|| ProofError::mismatch(WHAT, cause))
    }
}

/// Plain existence only: batches and compressed proofs say the same in more than one way.
fn existence(what: &'static str, bytes: &Bytes) -> Result<ExistenceProof, ProofError> {
    match decode(what, bytes)?.proof {
        Some(Proof::Exist(proof)) => Ok(proof),
        _ => Err(ProofError::malformed(what, "it is no ICS-23 proof of existence")),
    }
}

fn decode(what: &'static str, bytes: &Bytes) -> Result<CommitmentProof, ProofError> {
    if bytes.0.len() > MOST_BYTES {
        return Err(ProofError::malformed(what, format!("{} bytes, at most {MOST_BYTES} are read", bytes.0.len())));
    }
    CommitmentProof::decode(bytes.as_slice()).map_err(|cause| ProofError::malformed(what, cause))
}
