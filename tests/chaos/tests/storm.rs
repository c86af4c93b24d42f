//! A short share of `make chaos`, without Bitcoin: some executions while processes are killed and nodes and links fail.
//! Which strikes fall is the storm's affair; what each execution comes to is not.

use aes_chaos::{run, Options};

#[tokio::test(flavor = "multi_thread")]
async fn a_short_storm_loses_nothing_and_every_execution_ends_all_or_none() {
    let executions = 20;
    // few at once, so that there is time for many strikes
    let options = Options { executions, users: 4, seed: 1, data: None, whole: false };
    let tally = run(options).await.unwrap().tally;
    assert!(tally.is_clean(), "{}", tally.complaints().join("\n"));
    // one whose user could not open it before its deadline never was
    assert!(tally.executions() > executions / 2, "only {} executions were opened", tally.executions());
}
