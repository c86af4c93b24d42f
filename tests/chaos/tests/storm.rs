//! A short storm: `make chaos` is the long one.

use aes_chaos::{run, Options};

#[tokio::test(flavor = "multi_thread")]
async fn every_execution_ends_all_or_none_in_a_storm() {
    let report = run(Options { executions: 24, users: 12, seed: 1, data: None }).await.unwrap();
    assert_eq!(report.tally.complaints(), Vec::<String>::new());
    assert!(report.tally.executions() >= 20, "{:?}", report.tally);
    assert!(report.fired.0.values().sum::<u64>() >= 10, "{:?}", report.fired);
}
