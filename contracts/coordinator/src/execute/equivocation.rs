//! Attestors signed both decisions of one execution: the proof is kept, and nothing new is opened.

use aes_protocol::{Decision, DecisionLeaf, Hash32, Statement};
use cosmwasm_std::{DepsMut, Env, Response};

use crate::error::ContractError;
use crate::events;
use crate::msg::{DecidedProof, EquivocationResponse};
use crate::state::{CONFIG, EQUIVOCATED_SETS, EQUIVOCATIONS, HALTED};

/// The execution need not be one of ours: two opposite signatures are proof enough.
pub fn report(
    deps: DepsMut,
    env: &Env,
    execution_id: Hash32,
    commit: DecidedProof,
    abort: DecidedProof,
) -> Result<Response, ContractError> {
    let set = commit.certificate.attestor_set;
    if abort.certificate.attestor_set != set {
        return Err(ContractError::TwoSets { commit: set, abort: abort.certificate.attestor_set });
    }
    // Before the certificates: what was proved once stays proved, also when the set has expired since.
    let key = (execution_id.0.as_slice(), set);
    if let Some(known) = EQUIVOCATIONS.may_load(deps.storage, key)? {
        return Ok(Response::new().add_event(events::equivocation_reported(&known, true)?));
    }

    let domain = CONFIG.load(deps.storage)?.domain();
    for (decision, proof) in [(Decision::Commit, &commit), (Decision::Abort, &abort)] {
        let decisions_root = DecisionLeaf { execution_id, decision }.root(&proof.path);
        let statement = Statement::Decided { decisions_root };
        aes_authority::verify(deps.as_ref(), env, &domain, &statement, &proof.certificate)?;
    }

    let reported_at = env.block.time.seconds();
    let found = EquivocationResponse { execution_id, attestor_set: set, commit, abort, reported_at };
    EQUIVOCATIONS.save(deps.storage, key, &found)?;
    EQUIVOCATED_SETS.save(deps.storage, set, &())?;
    HALTED.save(deps.storage, &true)?;
    Ok(Response::new().add_event(events::equivocation_reported(&found, false)?))
}
