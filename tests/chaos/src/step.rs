//! Where a process is killed: each step is a message on a link of the relayer's, held before it arrives or after it was
//! answered. What the dead process knew, and what the other side knows, follows from that.

use std::time::Duration;

use aes_e2e::link::Link;
use aes_e2e::link::Stop::{self, Answer, Question};
use anyhow::Result;
use futures::future::join_all;

use crate::fleet::Fleet;

/// A step that nobody comes to in this time is left out this once.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Relayer,
    /// all three at once
    Attestors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Chain(&'static str),
    Attestors,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub killed: Who,
    stops: &'static [(To, Stop)],
    /// how far an execution must be for these messages to be the step's: transactions look alike
    pub once: Once,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    Opened,
    /// every leg, though not at finality yet
    Held,
    Committed,
}

const HOME: To = To::Chain("allianza");
const POLYGON: To = To::Chain("polygon");
const ETHEREUM: To = To::Chain("ethereum");
const SEND_EVM: &str = "eth_sendRawTransaction";
const SEND_HOME: &str = "broadcast_tx_sync";

const fn relayer(name: &'static str, stops: &'static [(To, Stop)]) -> Step {
    Step { name, killed: Who::Relayer, stops, once: Once::Opened }
}

const fn attestors(name: &'static str, stops: &'static [(To, Stop)]) -> Step {
    Step { killed: Who::Attestors, ..relayer(name, stops) }
}

const fn once_held(step: Step) -> Step {
    Step { once: Once::Held, ..step }
}

const fn once_committed(step: Step) -> Step {
    Step { once: Once::Committed, ..step }
}

/// In the order of an execution. An attestor that has answered has written its journal and signed: between the two it
/// says nothing to anybody, and what is left of it is the same.
pub const STEPS: &[Step] = &[
    relayer("opened_asked", &[(To::Attestors, Question("{\"opened\""))]),
    relayer("opened_signed", &[(To::Attestors, Answer("{\"opened\""))]),
    attestors("attestors_opened_asked", &[(To::Attestors, Question("{\"opened\""))]),
    attestors("attestors_opened_signed", &[(To::Attestors, Answer("{\"opened\""))]),
    relayer("intent_written", &[(ETHEREUM, Question("eth_estimateGas"))]),
    relayer("reserve_handed_over", &[(ETHEREUM, Question(SEND_EVM))]),
    relayer("reserve_answer_lost", &[(ETHEREUM, Answer(SEND_EVM))]),
    relayer("reserve_included", &[(ETHEREUM, Answer("eth_getTransactionReceipt"))]),
    relayer("prepared_signed", &[(To::Attestors, Answer("{\"prepared\""))]),
    attestors("attestors_prepared_signed", &[(To::Attestors, Answer("{\"prepared\""))]),
    once_held(relayer("commit_handed_over", &[(HOME, Question(SEND_HOME))])),
    once_held(relayer("commit_answer_lost", &[(HOME, Answer(SEND_HOME))])),
    relayer("decision_seen", &[(To::Attestors, Question("{\"decided\""))]),
    relayer("decision_signed", &[(To::Attestors, Answer("{\"decided\""))]),
    attestors("attestors_decision_signed", &[(To::Attestors, Answer("{\"decided\""))]),
    once_held(relayer("settled_nowhere", &[(POLYGON, Question(SEND_EVM)), (ETHEREUM, Question(SEND_EVM))])),
    once_held(relayer("settled_on_one_chain", &[(POLYGON, Answer(SEND_EVM)), (ETHEREUM, Question(SEND_EVM))])),
    relayer("end_signed", &[(To::Attestors, Answer("{\"settled\""))]),
    attestors("attestors_end_signed", &[(To::Attestors, Answer("{\"settled\""))]),
    once_committed(relayer("record_handed_over", &[(HOME, Question(SEND_HOME))])),
    once_committed(relayer("record_answer_lost", &[(HOME, Answer(SEND_HOME))])),
];

impl Step {
    pub fn arm(&self, fleet: &Fleet) {
        for (to, stop) in self.stops {
            links(fleet, *to).for_each(|link| link.stop_at(*stop));
        }
    }

    /// Kills who is to be killed once all the step's messages stand still, and starts it again. `None`: nobody came there.
    pub async fn strike(&self, fleet: &Fleet) -> Result<Option<Struck>> {
        let all = self.stops.iter().flat_map(|(to, _)| links(fleet, *to)).map(Link::stopped);
        let reached = tokio::time::timeout(PATIENCE, join_all(all)).await.is_ok();
        let mut first_action = None;
        if reached {
            match self.killed {
                Who::Relayer => first_action = fleet.relayer.kill().await?,
                Who::Attestors => {
                    for attestor in &fleet.attestors {
                        attestor.kill().await?;
                    }
                }
            }
        }
        for (to, _) in self.stops {
            links(fleet, *to).for_each(Link::go_on);
        }
        fleet.keep_running().await?;
        Ok(reached.then_some(Struck { first_action }))
    }
}

pub struct Struck {
    /// of the relayer that was killed: microseconds from its start to its first intent
    pub first_action: Option<u64>,
}

fn links(fleet: &Fleet, to: To) -> impl Iterator<Item = &Link> {
    let wanted = move |name: &str| match to {
        To::Chain(chain) => name == chain,
        To::Attestors => name.starts_with("attestor"),
    };
    fleet.relayer.links.iter().filter(move |(name, _)| wanted(name)).map(|(_, link)| link)
}
