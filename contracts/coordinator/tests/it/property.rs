//! Any messages in any order: the state machine of protocol section 4, against a model of a few lines.

use aes_coordinator::msg::{ExecuteMsg, RollbackReason, State};
use aes_protocol::{Decision, Function, LegStatus};
use proptest::prelude::*;

use crate::support::{cancelled, evidence, leg, repeated, World, HOUR, POLYGON};

#[derive(Debug, Clone, Copy)]
enum Step {
    Open,
    Commit,
    Cancel,
    ExpireByStranger,
    RecordCommit,
    RecordAbort,
    Pause,
    Unpause,
    Wait,
}

/// What the protocol says a step does: the next state (the same one for a repeat), or none where it is refused.
fn model(state: State, step: Step, expired: bool) -> Option<State> {
    use State::*;
    match (step, state) {
        (Step::Open | Step::Pause | Step::Unpause | Step::Wait, _) => Some(state),
        (Step::Commit, Open) => (!expired).then_some(Committed),
        (Step::Commit, Committed | Finalized) => Some(state),
        (Step::Cancel, Open) => Some(Aborted),
        (Step::ExpireByStranger, Open) => expired.then_some(Aborted),
        (Step::Cancel | Step::ExpireByStranger, Aborted | RolledBack) => Some(state),
        (Step::RecordCommit, Committed) => Some(Finalized),
        (Step::RecordAbort, Aborted) => Some(RolledBack),
        (Step::RecordCommit | Step::RecordAbort, Finalized | RolledBack) => Some(state),
        _ => None,
    }
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    prop::sample::select(vec![Open, Commit, Cancel, ExpireByStranger, RecordCommit, RecordAbort, Pause, Unpause, Wait])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_execution_is_decided_once_whatever_comes(steps in prop::collection::vec(step(), 1..24)) {
        let mut world = World::new();
        let legs = [leg(0, POLYGON, Function::Transfer, 7)];
        let (opener, stranger) = (world.opener.clone(), world.stranger.clone());
        let (open, id) = (world.open_msg(&legs), world.open(&legs));
        let deadline = world.execution(id).deadline;

        for step in steps {
            let before = world.execution(id);
            let expected = model(before.state, step, world.now() >= deadline);
            let outcome = match step {
                Step::Open => world.send(&opener, &open),
                Step::Commit => world.commit_held(id, &legs),
                Step::Cancel => world.rollback(&opener, id, cancelled()),
                Step::ExpireByStranger => world.rollback(&stranger, id, RollbackReason::DeadlinePassed {}),
                Step::RecordCommit => world.record(id, Decision::Commit, evidence(&legs, &[LegStatus::Finalized])),
                Step::RecordAbort => world.record(id, Decision::Abort, evidence(&legs, &[LegStatus::Released])),
                Step::Pause => world.admin_sends(&ExecuteMsg::Pause {}),
                Step::Unpause => world.admin_sends(&ExecuteMsg::Unpause {}),
                Step::Wait => { world.advance(HOUR / 3); continue }
            };
            let after = world.execution(id);
            prop_assert_eq!(outcome.is_ok(), expected.is_some(), "{:?} in {:?}: {:?}", step, before.state, outcome);
            prop_assert_eq!(after.state, expected.unwrap_or(before.state));
            if after.state == before.state {
                prop_assert_eq!(&after, &before);
                let of_it = !matches!(step, Step::Pause | Step::Unpause);
                prop_assert!(outcome.is_err() || !of_it || repeated(&outcome));
            }
            prop_assert!(before.decision.is_none() || before.decision == after.decision);
        }
    }
}
