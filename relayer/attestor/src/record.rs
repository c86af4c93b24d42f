//! What an execution's id covers, so that no node can lie about it: everything that `open` fixed.

use aes_chains::ChainError;
use aes_coordinator::msg::ExecutionResponse;
use aes_coordinator::state::Record;
use aes_protocol::{manifest_root, Bytes, Domain, Execution, Hash32, Leg};

/// Without the legs: the manifest root stands for them.
pub(crate) fn check_record(execution_id: &Hash32, record: &Record, domain: &Domain) -> Result<(), ChainError> {
    let covered = Covered {
        opener: record.opener.as_str(),
        relayer: record.relayer.as_ref().map(|relayer| relayer.as_str()),
        salt: record.salt,
        manifest_root: record.manifest_root,
        deadline: record.deadline,
    };
    covered.check(execution_id, domain)
}

/// With its legs.
pub fn check_execution(
    execution_id: &Hash32,
    execution: &ExecutionResponse,
    domain: &Domain,
) -> Result<(), ChainError> {
    let legs: Vec<Leg> = execution.legs.iter().map(|entry| entry.leg.clone()).collect();
    if manifest_root(&legs) != Some(execution.manifest_root) {
        return Err(nonsense(execution_id, domain, "has other legs than its manifest root says"));
    }
    let covered = Covered {
        opener: &execution.opener,
        relayer: execution.relayer.as_deref(),
        salt: execution.salt,
        manifest_root: execution.manifest_root,
        deadline: execution.deadline,
    };
    covered.check(execution_id, domain)
}

struct Covered<'a> {
    /// bech32
    opener: &'a str,
    relayer: Option<&'a str>,
    salt: Hash32,
    manifest_root: Hash32,
    deadline: u64,
}

impl Covered<'_> {
    fn check(self, execution_id: &Hash32, domain: &Domain) -> Result<(), ChainError> {
        let account = |bech32: &str| match bech32::decode(bech32) {
            Ok((_, bytes)) => Ok(Bytes(bytes)),
            Err(_) => Err(nonsense(execution_id, domain, "names an account that is no bech32 address")),
        };
        let execution = Execution {
            home_chain: domain.home_chain.clone(),
            coordinator: domain.coordinator.clone(),
            opener: account(self.opener)?,
            salt: self.salt,
            manifest_root: self.manifest_root,
            deadline: self.deadline,
            relayer: self.relayer.map(account).transpose()?.unwrap_or_default(),
        };
        if execution.execution_id() == *execution_id {
            Ok(())
        } else {
            Err(nonsense(execution_id, domain, "does not hash to its id"))
        }
    }
}

fn nonsense(execution_id: &Hash32, domain: &Domain, cause: &str) -> ChainError {
    let cause = format!("the record of execution {execution_id} {cause}");
    ChainError::BadAnswer { chain: domain.home_chain.clone(), cause }
}
