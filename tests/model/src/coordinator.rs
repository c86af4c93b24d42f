//! The coordinator's rules: contracts/coordinator/src/execute/decide.rs and record.rs.

use crate::attestor::{is_certified, Place};
use crate::guard::Guard;
use crate::scenario::Scenario;
use crate::world::{AtHome, Decision, Home, Record, Statement, World};

pub fn deliver(scenario: &Scenario, world: &World, message: AtHome, with_liars: bool) -> Option<Home> {
    let home = world.home;
    let certified = |statement| is_certified(scenario, world, statement, Place::Home, with_liars);
    let once = scenario.with(Guard::DecideOnce);
    match message {
        AtHome::Commit => {
            let undecided = home.record == Record::Open || (!once && home.record == Record::Aborted);
            let in_time = !home.late || !scenario.with(Guard::CommitBeforeDeadline);
            let commits = undecided && in_time && certified(Statement::Prepared);
            commits.then_some(Home { record: Record::Committed, ..home })
        }
        AtHome::Rollback { by_right } => {
            let undecided = home.record == Record::Open || (!once && home.record == Record::Committed);
            let may = by_right || home.late || !scenario.with(Guard::RollbackByRight);
            let aborted_without_right = home.aborted_without_right || !(by_right || home.late);
            (undecided && may).then_some(Home { record: Record::Aborted, aborted_without_right, ..home })
        }
        AtHome::Record => {
            let (record, decision) = match home.record {
                Record::Committed => (Record::Finalized, Decision::Commit),
                Record::Aborted => (Record::RolledBack, Decision::Abort),
                Record::Unopened | Record::Open | Record::Finalized | Record::RolledBack => return None,
            };
            certified(Statement::Settled(decision)).then_some(Home { record, ..home })
        }
    }
}
