//! What is written is read back, by the next process too.

use std::path::PathBuf;

use aes_protocol::Hash32;
use aes_store::{Cover, End, Intent, Store, StoreError, Timing};

fn id(n: u8) -> Hash32 {
    Hash32([n; 32])
}

fn new_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    (folder, path)
}

#[test]
fn an_intent_outlives_the_process_until_it_ended() {
    let (_folder, path) = new_file();
    let covers = vec![Cover { execution_id: id(1), leg: Some(2) }, Cover { execution_id: id(3), leg: None }];
    let intent =
        Intent { chain: "eip155:1".parse().unwrap(), at_home: false, kind: "settle".into(), covers: covers.clone() };
    let row = Store::open(&path).unwrap().intend(&intent, 10).unwrap();

    let store = Store::open(&path).unwrap();
    let left = store.unfinished().unwrap();
    assert_eq!((left.len(), left[0].id, &left[0].covers, &left[0].tx), (1, row, &covers, &None));

    store.submitted(row, "0xaa", 11).unwrap();
    store.submitted(row, "0xbb", 12).unwrap();
    let left = store.unfinished().unwrap();
    assert_eq!((left[0].tx.as_deref(), left[0].submitted), (Some("0xbb"), Some(11)));

    store.ended(row, End::Failed, Some("reverted"), 13).unwrap();
    assert!(store.unfinished().unwrap().is_empty());
    for execution in [id(1), id(3)] {
        let history = store.outbox(&execution).unwrap();
        assert_eq!((history[0].outcome, history[0].cause.as_deref()), (Some(End::Failed), Some("reverted")));
    }
    assert!(store.outbox(&id(9)).unwrap().is_empty());
}

#[test]
fn an_execution_is_one_row_that_changes_and_a_timing_stays_as_first_written() {
    let (_folder, path) = new_file();
    let store = Store::open(&path).unwrap();
    store.saw(&id(1), 7, "open", 1).unwrap();
    store.saw(&id(1), 7, "open", 2).unwrap();
    store.saw(&id(1), 7, "aborted", 3).unwrap();
    let rows = store.executions().unwrap();
    assert_eq!((rows.len(), rows[0].number, rows[0].state.as_str()), (1, 7, "aborted"));
    assert_eq!((rows[0].first_seen, rows[0].changed), (1, 3));

    let timing = Timing {
        execution_id: id(1),
        chain: "cosmos:allianza-1".parse().unwrap(),
        tick_at: 1,
        decision_seen_at: 2,
        attested_at: 3,
        handed_over_at: 4,
    };
    store.time(&timing).unwrap();
    store.time(&Timing { handed_over_at: 9, ..timing.clone() }).unwrap();
    assert_eq!(store.timings(&id(1)).unwrap(), vec![timing]);
}

#[test]
fn a_file_of_another_release_or_of_no_database_is_refused() {
    let (folder, path) = new_file();
    drop(Store::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::OtherVersion { found: 99, .. })));

    let text = folder.path().join("text");
    std::fs::write(&text, "no database, ".repeat(100)).unwrap();
    assert!(matches!(Store::open(&text), Err(StoreError::Open { .. })));
    assert!(matches!(Store::open(&folder.path().join("no/such/folder.db")), Err(StoreError::Open { .. })));
}
