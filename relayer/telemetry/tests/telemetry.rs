//! Each fault has its paragraph in the runbook and no paragraph is without a fault; what is counted is on the page.

use std::collections::BTreeSet;

use aes_telemetry::{fault, metrics, Fault};

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");

#[test]
fn every_code_has_a_heading_in_the_runbook_and_every_heading_a_code() {
    let codes: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.code()).collect();
    assert_eq!(codes.len(), Fault::ALL.len(), "a code given twice");
    let headings: BTreeSet<&str> = RUNBOOK.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(codes, headings);
}

#[test]
fn every_paragraph_says_what_it_means_what_is_done_by_itself_and_what_to_do() {
    for section in RUNBOOK.split("\n### ").skip(1) {
        for part in ["**Means.**", "**By itself.**", "**Do.**"] {
            assert!(section.contains(part), "no {part} in {section}");
        }
    }
}

#[test]
fn what_is_counted_is_on_the_page() {
    let line = |count| format!("aes_faults_total{{code=\"AES-R-CUT-OFF\",level=\"warning\"}} {count}\n");
    assert!(metrics().page().1.contains(&line(0)));
    fault!(Fault::CutOff, chain = "eip155:1", "{} sends cut off", 2);
    metrics().executions.set(["open"], 3.0);
    metrics().added.observe(["polygon"], 0.004);
    let ([(_, media_type)], page) = metrics().page();
    assert!(page.contains(&line(1)), "{page}");
    assert!(page.contains("aes_executions{state=\"open\"} 3.0\n"), "{page}");
    assert!(page.contains("aes_settlement_added_seconds_bucket{le=\"0.005\",chain=\"polygon\"} 1\n"), "{page}");
    assert!(page.ends_with("# EOF\n") && media_type.starts_with("application/openmetrics-text"));
}
