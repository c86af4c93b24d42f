//! What a node that lies says instead of the truth: of the right form, and wrong.

use aes_authority::SetResponse;
use aes_chains::{Head, Hold, HoldStatus, Outcome};
use aes_coordinator::msg::{ExecutionResponse, ExecutionSummary, State};
use aes_coordinator::state::Record;
use aes_protocol::{Evidence, Hash32, LegStatus};
use ethers_contract::EthCall;
use ethers_core::abi::{AbiDecode, AbiEncode};
use ethers_core::types::{Address, Bytes, Log, H256, U256};
use serde_json::{json, Value};

use crate::bitcoin::node as bitcoin;
use crate::dice::Dice;
use crate::evm::abi::escrow::HoldOfCall;
use crate::evm::node::Said;

pub trait Lie {
    /// Whoever says it does not lie.
    fn is_vouched_for(&self) -> bool {
        false
    }

    fn twist(&mut self, dice: &mut Dice);
}

const HOLDS: [HoldStatus; 4] = [HoldStatus::Held, HoldStatus::Finalized, HoldStatus::Released, HoldStatus::Escaped];
const STATES: [State; 5] = [State::Open, State::Committed, State::Aborted, State::Finalized, State::RolledBack];
const ENDS: [LegStatus; 5] =
    [LegStatus::Held, LegStatus::Finalized, LegStatus::Released, LegStatus::Absent, LegStatus::Escaped];

impl Lie for u64 {
    fn twist(&mut self, dice: &mut Dice) {
        *self = if dice.chance(0.5) { *self + 100_000 } else { self.saturating_sub(1_000) };
    }
}

impl Lie for u128 {
    fn twist(&mut self, _: &mut Dice) {
        *self = self.wrapping_add(1);
    }
}

impl Lie for Head {
    fn twist(&mut self, dice: &mut Dice) {
        self.time.twist(dice);
        self.hash = Hash32(dice.bytes());
    }
}

impl Lie for Option<Hold> {
    fn twist(&mut self, dice: &mut Dice) {
        let status = *dice.pick(&HOLDS);
        *self = match *self {
            Some(_) if dice.chance(0.3) => None,
            Some(hold) if dice.chance(0.2) => Some(Hold { deadline: hold.deadline + 1, ..hold }),
            Some(hold) => Some(Hold { status, settled_at: Some(1), ..hold }),
            None => Some(Hold { status, deadline: dice.number(0..u64::MAX), held_at: Some(1), settled_at: Some(1) }),
        };
    }
}

impl Lie for Option<Evidence> {
    fn twist(&mut self, dice: &mut Dice) {
        if dice.chance(0.3) {
            *self = None;
        } else if let Some(evidence) = self {
            evidence.status = *dice.pick(&ENDS);
            evidence.height += dice.number(0..2);
        }
    }
}

impl Lie for Option<ExecutionResponse> {
    fn twist(&mut self, dice: &mut Dice) {
        if dice.chance(0.3) {
            *self = None;
        } else if let Some(record) = self {
            match dice.number(0..3) {
                0 => record.state = *dice.pick(&STATES),
                1 => record.deadline += 1_000,
                _ => record.legs.iter_mut().for_each(|leg| leg.leg.amount += leg.leg.amount),
            }
        }
    }
}

impl Lie for Option<Record> {
    fn twist(&mut self, dice: &mut Dice) {
        if dice.chance(0.3) {
            *self = None;
        } else if let Some(record) = self {
            record.state = *dice.pick(&STATES);
        }
    }
}

impl Lie for Vec<ExecutionSummary> {
    fn twist(&mut self, dice: &mut Dice) {
        let keep = dice.index(self.len() + 1);
        self.truncate(keep);
        if let Some(last) = self.last_mut().filter(|_| dice.chance(0.3)) {
            last.execution_id = Hash32(dice.bytes());
        }
    }
}

/// A set that is not the coordinator's only makes certificates that nobody takes.
impl Lie for SetResponse {
    fn twist(&mut self, dice: &mut Dice) {
        self.set.id += dice.number(0..2);
        self.set.threshold = 1;
    }
}

impl Lie for Outcome {
    fn twist(&mut self, dice: &mut Dice) {
        *self = match dice.number(0..4) {
            0 => Self::Unknown,
            1 => Self::Pending,
            2 => Self::Failed { height: 1, cause: "made up".into() },
            _ => Self::Included { height: 1, time: 1, unpaid: Vec::new() },
        };
    }
}

/// An EVM node's answer. The hold it makes up, the block and the log may well fit together.
impl Lie for Said {
    fn twist(&mut self, dice: &mut Dice) {
        let Ok(answer) = &mut self.answer else { return };
        if self.method == "eth_getLogs" {
            return logs(answer, &self.params[0], dice);
        }
        let asks_for_hold = self.params[0]["data"].as_str().is_some_and(|data| {
            let selector = format!("0x{}", hex::encode(HoldOfCall::selector()));
            self.method == "eth_call" && data.starts_with(&selector)
        });
        match answer {
            answer if dice.chance(0.1) => *answer = Value::Null,
            Value::String(text) if asks_for_hold => *text = hold(text, dice),
            Value::String(text) => *text = word(text, dice),
            Value::Object(fields) => {
                let name = *dice.pick(&["timestamp", "hash", "number", "status", "blockNumber", "gasUsed"]);
                if let Some(Value::String(text)) = fields.get_mut(name) {
                    *text = word(text, dice);
                }
            }
            _ => {}
        }
    }
}

fn hold(text: &str, dice: &mut Dice) -> String {
    let decoded: Option<(u8, u64, u64, u64)> = text.parse().ok().and_then(|bytes: Bytes| AbiDecode::decode(bytes).ok());
    let Some((was, deadline, held_at, settled_at)) = decoded else { return text.into() };
    let hold = match was {
        0 => (dice.number(0..6) as u8, dice.number(0..u64::MAX), 1, 1),
        _ => (dice.number(0..6) as u8, deadline + dice.number(0..2), held_at, settled_at.max(held_at)),
    };
    Bytes::from(hold.encode()).to_string()
}

/// A quantity becomes another one; of other bytes one is changed.
fn word(text: &str, dice: &mut Dice) -> String {
    if let Some(number) = Some(text).filter(|text| text.len() < 20).and_then(|text| text.parse::<U256>().ok()) {
        let more = number + U256::from(100_000);
        return format!("{:#x}", if dice.chance(0.5) { more } else { number.saturating_sub(1_000.into()) });
    }
    let mut bytes = text.parse::<Bytes>().unwrap_or_default().to_vec();
    let at = dice.index(bytes.len());
    bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.number(0..8));
    Bytes::from(bytes).to_string()
}

/// None where there are some, else one that is just what was asked for.
fn logs(answer: &mut Value, filter: &Value, dice: &mut Dice) {
    let is_empty = answer.as_array().is_none_or(Vec::is_empty);
    let asked = |name: &str| serde_json::from_value(filter[name].clone()).ok();
    let made_up = Log {
        address: serde_json::from_value::<Address>(filter["address"].clone()).unwrap_or_default(),
        topics: serde_json::from_value(filter["topics"].clone()).unwrap_or_default(),
        block_hash: asked("blockHash"),
        transaction_hash: Some(H256(dice.bytes())),
        ..Log::default()
    };
    *answer = if is_empty { json!([made_up]) } else { json!([]) };
}

/// A Bitcoin node's answer: of a chain that is not there it shows what its work and its hashes give away, the rest is its word.
impl Lie for bitcoin::Said {
    fn is_vouched_for(&self) -> bool {
        self.is_vouched_for
    }

    fn twist(&mut self, dice: &mut Dice) {
        let Ok(answer) = &mut self.answer else { return };
        *answer = match (self.method.as_str(), answer.take()) {
            ("gettxout", Value::Null) => json!({ "value": 0.00001, "scriptPubKey": { "hex": "51" } }),
            ("gettxout", _) => Value::Null,
            ("getmempoolinfo", _) => json!({ "mempoolminfee": 0.001 }),
            ("estimatesmartfee", _) => json!({ "feerate": 0.01 }),
            (_, Value::Number(height)) => {
                let mut height = height.as_u64().unwrap_or_default();
                height.twist(dice);
                json!(height)
            }
            (_, Value::String(text)) => json!(digit(text, dice)),
            (_, other) => other,
        };
    }
}

fn digit(mut text: String, dice: &mut Dice) -> String {
    let at = dice.index(text.len());
    let other = if text.get(at..=at) == Some("0") { "1" } else { "0" };
    text.replace_range(at..=at, other);
    text
}
