//! The metrics of this process, each the answer to a question an operator asks; the one table of their names and labels.

use std::sync::LazyLock;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::family::{Counters, Gauges, Histograms};
use crate::fault::Fault;

/// `GET /metrics`: a header and a body, OpenMetrics text as Prometheus reads it.
pub type Page = ([(&'static str, &'static str); 1], String);

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

macro_rules! metrics {
    ($($field:ident: $kind:ident [$($label:literal),*] $name:literal $help:literal,)*) => {
        pub struct Metrics {
            registry: Registry,
            $(pub $field: $kind<{ [$($label),*].len() }>,)*
        }

        impl Metrics {
            fn new() -> Self {
                let mut registry = Registry::with_prefix("aes");
                $(
                    let $field = $kind::new([$($label),*]);
                    registry.register($name, $help, $field.family());
                )*
                Self { registry, $($field,)* }
            }
        }
    };
}

metrics! {
    faults: Counters ["code", "level"] "faults" "Faults; docs/runbook.md has a paragraph for each code",
    endpoint_answers: Counters ["chain", "endpoint", "outcome"] "endpoint_answers" "Questions to an RPC endpoint, answered or failed",

    executions: Gauges ["state"] "executions" "Executions that have not ended",
    oldest: Gauges ["state"] "oldest_execution_age_seconds" "By the home chain's time, since the oldest execution of the state was opened",
    in_flight: Gauges ["chain"] "transactions_in_flight" "Transactions of this relayer on their way",
    added: Histograms ["chain"] "settlement_added_seconds" "From seeing a decision to handing its settlement to the chain's node",
    gas_balance: Gauges ["chain", "denom"] "gas_balance" "Of the account that pays fees, in the fee token's base units",
    reachable: Gauges ["chain"] "chain_reachable" "1 where the last look at the chain was answered",
    halted: Gauges ["chain"] "chain_halted" "1 where nothing new goes to the chain: it is stalled, or attestors disagree about it",
    final_age: Gauges ["chain"] "final_block_age_seconds" "Since a newer final block was last seen",

    followed_height: Gauges ["chain"] "followed_height" "Of the newest header that the attestor believes",
    lying_endpoints: Gauges ["chain"] "lying_endpoints" "Endpoints that the attestor caught lying and does not ask any more",
    stopped: Gauges ["chain"] "chain_stopped" "1 where the attestor signs nothing of the chain any more",
    statements: Counters ["outcome"] "statements" "What the attestor was asked to sign: signed, or the code of the refusal",
}

/// One for the process, as its log is.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
        let metrics = Metrics::new();
        // from the start, so that the first one is seen to rise
        Fault::ALL.iter().for_each(|fault| metrics.faults.add(fault.labels(), 0));
        metrics
    });
    &METRICS
}

impl Metrics {
    pub fn page(&self) -> Page {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all that is written to it");
        ([("content-type", MEDIA_TYPE)], text)
    }
}
