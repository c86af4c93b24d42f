//! The end of an execution: how each leg ended, at finality, under a `Settled` certificate.

use aes_protocol::{Certificate, Decision, Evidence, Hash32, LegStatus, Statement};
use cosmwasm_std::{DepsMut, Env, Response};

use super::check_evidence;
use crate::error::ContractError;
use crate::events;
use crate::msg::State;
use crate::state::{advance_record, load_record, Record, CONFIG, LEGS, SETTLED};

pub fn record(
    deps: DepsMut,
    env: &Env,
    id: &Hash32,
    evidence: &[Evidence],
    certificate: &Certificate,
) -> Result<Response, ContractError> {
    let record = load_record(deps.storage, id)?;
    let legs = LEGS.load(deps.storage, &id.0)?;
    // Escaped fits both: a depositor whom no decision reached for so long took the hold back (P6).
    let (decision, end, root) = match record.state {
        State::Committed => {
            let fits = |status| matches!(status, LegStatus::Finalized | LegStatus::Escaped);
            (Decision::Commit, State::Finalized, check_evidence(&legs, evidence, fits, "finalized or escaped")?)
        }
        State::Aborted => {
            let fits = |status| matches!(status, LegStatus::Released | LegStatus::Absent | LegStatus::Escaped);
            let expected = "released, absent or escaped";
            (Decision::Abort, State::RolledBack, check_evidence(&legs, evidence, fits, expected)?)
        }
        State::Finalized | State::RolledBack => {
            return Ok(Response::new().add_event(events::repeated("aes-recorded", id)));
        }
        State::Open => {
            let (state, needed) = (record.state, "committed or aborted");
            return Err(ContractError::WrongState { execution_id: *id, state, message: "record", needed });
        }
    };
    let domain = CONFIG.load(deps.storage)?.domain();
    let statement = Statement::Settled { execution_id: *id, decision, evidence_root: root };
    aes_authority::verify(deps.as_ref(), env, &domain, &statement, certificate)?;

    let before = record.state;
    let settled_at = Some(env.block.time.seconds());
    let ended = Record { state: end, settled_at, settled_root: Some(root), ..record };
    advance_record(deps.storage, id, before, &ended)?;
    SETTLED.save(deps.storage, &id.0, &evidence.to_vec())?;
    Ok(Response::new().add_event(events::recorded(id, &ended, evidence, &root, certificate.attestor_set)?))
}
