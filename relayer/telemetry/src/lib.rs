//! What an operator is told: each kind of fault has a code, a level, a count and a paragraph in docs/runbook.md, and
//! metrics answer the questions an operator asks. One table each; who has something to say needs nothing handed down.

mod family;
mod fault;
mod metrics;

pub use fault::{Fault, Level};
pub use metrics::{metrics, Metrics, Page};
#[doc(hidden)]
pub use tracing;

/// Counts the fault and logs it with its code, at its level: `fault!(Fault::ChainStalled, chain = %id, "says what")`.
#[macro_export]
macro_rules! fault {
    ($fault:expr, $($said:tt)+) => {{
        let fault: $crate::Fault = $fault;
        fault.count();
        match fault.level() {
            $crate::Level::Alarm => $crate::tracing::error!(code = fault.code(), $($said)+),
            $crate::Level::Warning => $crate::tracing::warn!(code = fault.code(), $($said)+),
        }
    }};
}
