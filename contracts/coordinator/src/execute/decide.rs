//! The one decision of an execution: commit or rollback, made once. No pause stops it.

use aes_protocol::{Certificate, Decision, Evidence, Hash32, LegStatus, Statement};
use cosmwasm_std::{Addr, DepsMut, Env, Response};

use super::{check_evidence, is_opener_or_relayer};
use crate::error::ContractError;
use crate::events;
use crate::msg::{RollbackReason, State};
use crate::state::{advance_record, load_record, Record, CONFIG, LEGS, PREPARED};

const MAX_CAUSE_BYTES: usize = 256;

pub fn commit(
    deps: DepsMut,
    env: &Env,
    id: &Hash32,
    evidence: &[Evidence],
    certificate: &Certificate,
) -> Result<Response, ContractError> {
    let record = load_record(deps.storage, id)?;
    match record.state {
        State::Open => {}
        State::Committed | State::Finalized => {
            return Ok(Response::new().add_event(events::repeated("aes-committed", id)));
        }
        state @ (State::Aborted | State::RolledBack) => {
            return Err(ContractError::WrongState { execution_id: *id, state, message: "commit", needed: "open" });
        }
    }
    let now = env.block.time.seconds();
    if now >= record.deadline {
        return Err(ContractError::CommitTooLate { deadline: record.deadline, now });
    }
    let legs = LEGS.load(deps.storage, &id.0)?;
    let root = check_evidence(&legs, evidence, |status| status == LegStatus::Held, "held")?;
    let domain = CONFIG.load(deps.storage)?.domain();
    let statement = Statement::Prepared { execution_id: *id, evidence_root: root };
    aes_authority::verify(deps.as_ref(), env, &domain, &statement, certificate)?;

    let committed = Record {
        state: State::Committed,
        decision: Some(Decision::Commit),
        decided_at: Some(now),
        prepared_root: Some(root),
        ..record
    };
    advance_record(deps.storage, id, State::Open, &committed)?;
    PREPARED.save(deps.storage, &id.0, &evidence.to_vec())?;
    Ok(Response::new().add_event(events::committed(id, evidence, &root, certificate.attestor_set, now)?))
}

pub fn rollback(
    deps: DepsMut,
    env: &Env,
    sender: &Addr,
    id: &Hash32,
    reason: RollbackReason,
) -> Result<Response, ContractError> {
    let record = load_record(deps.storage, id)?;
    match record.state {
        State::Open => {}
        State::Aborted | State::RolledBack => {
            return Ok(Response::new().add_event(events::repeated("aes-rolled_back", id)));
        }
        state @ (State::Committed | State::Finalized) => {
            return Err(ContractError::WrongState { execution_id: *id, state, message: "rollback", needed: "open" });
        }
    }
    let now = env.block.time.seconds();
    let by_right = is_opener_or_relayer(&record, sender);
    if !by_right && reason != (RollbackReason::DeadlinePassed {}) {
        let hint = "others roll back once the deadline has passed, with the reason deadline_passed";
        return Err(ContractError::NotOpenerOrRelayer { sender: sender.clone(), hint });
    }
    check_reason(&record, id, &reason, now)?;

    let aborted = Record {
        state: State::Aborted,
        decision: Some(Decision::Abort),
        decided_at: Some(now),
        reason: Some(reason.clone()),
        ..record
    };
    advance_record(deps.storage, id, State::Open, &aborted)?;
    Ok(Response::new().add_event(events::rolled_back(id, &reason, now)?))
}

/// The reason is kept for good: what of it can be checked here, is.
fn check_reason(record: &Record, id: &Hash32, reason: &RollbackReason, now: u64) -> Result<(), ContractError> {
    match reason {
        RollbackReason::Cancelled {} => Ok(()),
        RollbackReason::DeadlinePassed {} if now < record.deadline => {
            Err(ContractError::DeadlineNotPassed { deadline: record.deadline, now })
        }
        RollbackReason::DeadlinePassed {} => Ok(()),
        RollbackReason::AtomicityFailure { leg, .. } if u32::from(*leg) >= record.leg_count => {
            let count = usize::try_from(record.leg_count).unwrap_or_default();
            Err(ContractError::NoSuchLeg { execution_id: *id, leg: *leg, count })
        }
        RollbackReason::AtomicityFailure { cause, .. } if !(1..=MAX_CAUSE_BYTES).contains(&cause.len()) => {
            Err(ContractError::Cause(cause.len()))
        }
        RollbackReason::AtomicityFailure { .. } => Ok(()),
    }
}
