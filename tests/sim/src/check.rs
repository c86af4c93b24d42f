//! The promises, after a run, by what the chains themselves say.

use std::collections::BTreeMap;

use aes_authority::SetResponse;
use aes_bitcoin::Supply;
use aes_chains::Head;
use aes_coordinator::msg::{ExecutionResponse, LegResponse, LegResult, State};
use aes_escrow::msg::{BalancesResponse, HoldStatus, QueryMsg};
use aes_protocol::{keccak, Bytes, Decision, Evidence, Function, Hash32, Leg, LegStatus};
use ethers_core::abi::{AbiDecode, AbiEncode};
use ethers_core::types::{Log, H256};
use revm::primitives::Address;

use crate::bitcoin::ends::Audit;
use crate::chains::short;
use crate::cosmos::hold_key;
use crate::evm::abi::{escrow, to_ethers, token};
use crate::evm::deploy::{RICH, VAULT};
use crate::evm::ledger::EvmLedger;
use crate::links::record;
use crate::users::PEOPLE;
use crate::world::World;

/// A leg on its chain, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub status: Option<HoldStatus>,
    pub was_held: bool,
    /// Unix seconds
    pub settled_at: Option<u64>,
}

pub struct Deal {
    pub record: ExecutionResponse,
    pub ends: Vec<End>,
}

const STATES: [State; 5] = [State::Open, State::Committed, State::Aborted, State::Finalized, State::RolledBack];

pub fn deals(world: &World) -> Vec<Deal> {
    deals_by(world, Audit::of(world).as_ref())
}

fn deals_by(world: &World, audit: Option<&Audit>) -> Vec<Deal> {
    let ids = STATES.iter().flat_map(|state| world.home.executions(*state));
    let deal = |record: ExecutionResponse| {
        let end = |entry: &LegResponse| match audit {
            Some(audit) if entry.leg.chain == world.bitcoin().id => audit.end(&record, entry),
            _ => end(world, &record, &entry.leg),
        };
        Deal { ends: record.legs.iter().map(end).collect(), record }
    };
    ids.filter_map(|id| record(world, &id)).map(deal).collect()
}

fn end(world: &World, record: &ExecutionResponse, leg: &Leg) -> End {
    let chain = (0..world.chains()).find(|chain| world.chain_id(*chain) == leg.chain).expect("a chain of ours");
    if chain == 0 {
        let key = hold_key(&record.execution_id, leg);
        let hold: Option<aes_escrow::msg::Hold> =
            world.home.stored(0, &world.home.escrow, key).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        return End {
            status: hold.as_ref().map(|hold| hold.status),
            was_held: hold.as_ref().is_some_and(|hold| hold.held_at.is_some()),
            settled_at: hold.and_then(|hold| hold.settled_at).map(|moment| moment.time),
        };
    }
    let ledger = world.evm(chain);
    let call = escrow::HoldOfCall { execution_id: record.execution_id.0, hash: leg.hash().0 };
    let answer = ledger.view(ledger.newest(), ledger.escrow, call.encode()).expect("the escrow answers");
    let (status, _, held_at, settled_at): (u8, u64, u64, u64) = AbiDecode::decode(&answer).expect("a hold");
    let status = match status {
        0 => None,
        1 => Some(HoldStatus::Held),
        2 => Some(HoldStatus::Finalized),
        3 => Some(HoldStatus::Released),
        _ => Some(HoldStatus::Escaped),
    };
    let time =
        |height: u64| (height > 0).then(|| ledger.blocks.get(height as usize).map(|block| block.head.time)).flatten();
    End { status, was_held: held_at > 0, settled_at: time(settled_at) }
}

/// Everything that is broken, in words.
pub fn violations(world: &World, escape_delay: u64) -> Vec<String> {
    let audit = Audit::of(world);
    let deals = deals_by(world, audit.as_ref());
    let mut broken = Vec::new();
    for deal in &deals {
        let name = short(&deal.record.execution_id);
        for (promise, is_kept) in [
            ("P1 atomicity", atomic(deal)),
            ("P2 termination", ended(deal)),
            ("P4 explicit rollback", as_decided(deal)),
            ("P6 escape", escaped_late(deal, escape_delay)),
            ("P7 traceability", traceable(world, audit.as_ref(), deal)),
        ] {
            if !is_kept {
                broken.push(format!("{promise}: {name} is {} with {:?}", deal.record.state, deal.ends));
            }
        }
    }
    broken.extend(books(world, audit.as_ref(), &deals));
    broken
}

/// One leg finalized: none released, none missing. What was escaped with is P6's.
fn atomic(deal: &Deal) -> bool {
    let is = |status| deal.ends.iter().any(|end| end.status == Some(status));
    let is_missing = deal.ends.iter().any(|end| end.status.is_none());
    !is(HoldStatus::Finalized) || !(is(HoldStatus::Released) || is_missing)
}

fn ended(deal: &Deal) -> bool {
    let is_recorded = matches!(deal.record.state, State::Finalized | State::RolledBack);
    is_recorded && deal.ends.iter().all(|end| end.status != Some(HoldStatus::Held))
}

fn as_decided(deal: &Deal) -> bool {
    deal.ends.iter().all(|end| match end.status {
        Some(HoldStatus::Finalized) => deal.record.decision == Some(Decision::Commit),
        Some(HoldStatus::Released) => deal.record.decision == Some(Decision::Abort),
        Some(HoldStatus::Held | HoldStatus::Escaped) | None => true,
    })
}

fn escaped_late(deal: &Deal, escape_delay: u64) -> bool {
    let opens_at = deal.record.deadline + escape_delay;
    let mut ends = deal.ends.iter().zip(&deal.record.legs);
    ends.all(|(end, entry)| {
        end.status != Some(HoldStatus::Escaped)
            || (entry.leg.function.is_account_sourced() && end.settled_at.is_some_and(|at| at >= opens_at))
    })
}

/// What the home chain has on record is what each chain has, in a block that is there.
fn traceable(world: &World, audit: Option<&Audit>, deal: &Deal) -> bool {
    if !matches!(deal.record.state, State::Finalized | State::RolledBack) {
        return true;
    }
    deal.ends.iter().zip(&deal.record.legs).all(|(end, entry)| {
        let expected = match (end.status, end.was_held) {
            (Some(HoldStatus::Finalized), _) => (LegStatus::Finalized, LegResult::Finalized),
            (Some(HoldStatus::Released), true) => (LegStatus::Released, LegResult::Reverted),
            (Some(HoldStatus::Escaped), _) => (LegStatus::Escaped, LegResult::Escaped),
            (Some(HoldStatus::Released), false) | (None, _) => (LegStatus::Absent, LegResult::NotPrepared),
            (Some(HoldStatus::Held), _) => return false,
        };
        let is_there = |evidence: &Evidence| in_chain(world, audit, &deal.record.execution_id, entry, evidence);
        let held_is_there = entry.held.as_ref().is_none_or(is_there);
        entry.settled.as_ref().is_some_and(|settled| settled.status == expected.0 && is_there(settled))
            && entry.result == expected.1
            && held_is_there
    })
}

/// The block, the transaction in it, and the event or the stored hold whose hash the evidence has.
fn in_chain(
    world: &World,
    audit: Option<&Audit>,
    execution_id: &Hash32,
    entry: &LegResponse,
    evidence: &Evidence,
) -> bool {
    let chain = (0..world.chains()).find(|chain| world.chain_id(*chain) == evidence.chain);
    let is_block = |head: Head| head.hash == evidence.block_hash && head.time == evidence.time;
    // never prepared, and never released: there is nothing to show but the first block after the deadline
    let is_nothing = evidence.status == LegStatus::Absent && evidence.tx_id == Hash32::default();
    match chain {
        Some(0) => {
            let block = world.home.block(evidence.height).is_some_and(is_block);
            block && (is_nothing || in_hold(world, execution_id, &entry.leg, evidence))
        }
        Some(chain) if world.is_bitcoin(chain) => {
            audit.is_some_and(|audit| audit.shows(execution_id, entry, evidence, is_nothing))
        }
        Some(chain) => {
            let Some(block) = world.evm(chain).blocks.get(evidence.height as usize) else { return false };
            let hash_of = |log: &Log| {
                let topics: Vec<u8> = log.topics.iter().flat_map(|topic| topic.0).collect();
                keccak(&[log.address.as_bytes(), &topics, &log.data].concat())
            };
            let is_it =
                |log: Log| log.transaction_hash == Some(H256(evidence.tx_id.0)) && hash_of(&log) == evidence.event_hash;
            is_block(block.head) && (is_nothing || block.logs().any(is_it))
        }
        None => false,
    }
}

fn in_hold(world: &World, execution_id: &Hash32, leg: &Leg, evidence: &Evidence) -> bool {
    let Some(bytes) = world.home.stored(0, &world.home.escrow, hold_key(execution_id, leg)) else { return false };
    let Ok(now) = serde_json::from_slice::<aes_escrow::msg::Hold>(&bytes) else { return false };
    let (moment, hold) = match evidence.status {
        // as it was before it ended
        LegStatus::Held => {
            (now.held_at, aes_escrow::msg::Hold { status: HoldStatus::Held, settled_at: None, failure: None, ..now })
        }
        _ => (now.settled_at, now),
    };
    let hash = serde_json::to_vec(&hold).map(|bytes| keccak(&bytes));
    moment.is_some_and(|moment| moment.tx_hash == evidence.tx_id) && hash.ok() == Some(evidence.event_hash)
}

/// What one chain's people and escrow must have, by the ends of all legs.
struct Due {
    people: BTreeMap<Bytes, i128>,
    vault: i128,
    held: i128,
    issued: i128,
}

fn due(world: &World, chain: usize, deals: &[Deal]) -> Due {
    let id = world.chain_id(chain);
    let people = PEOPLE.iter().map(|name| (world.account(chain, name), RICH as i128)).collect();
    let mut due = Due { people, vault: VAULT as i128, held: 0, issued: 0 };
    let legs = deals.iter().flat_map(|deal| deal.record.legs.iter().zip(&deal.ends));
    for (leg, end) in legs.map(|(entry, end)| (&entry.leg, end)).filter(|(leg, _)| leg.chain == id) {
        let amount = leg.amount.u128() as i128;
        let mut people = |account: &Bytes, amount: i128| *due.people.entry(account.clone()).or_default() += amount;
        match (end.status, leg.function) {
            (Some(HoldStatus::Finalized), function) => {
                if function.is_account_sourced() {
                    people(&leg.from, -amount);
                }
                if function.has_recipient() {
                    people(&leg.to, amount);
                }
                match function {
                    Function::Lock => due.vault += amount,
                    Function::Unlock => due.vault -= amount,
                    Function::Mint => due.issued += amount,
                    Function::Burn => due.issued -= amount,
                    Function::Transfer => {}
                }
            }
            (Some(HoldStatus::Held), function) => {
                due.held += amount;
                match function {
                    Function::Unlock => due.vault -= amount,
                    Function::Mint => due.issued += amount,
                    _ => people(&leg.from, -amount),
                }
            }
            (Some(HoldStatus::Released | HoldStatus::Escaped) | None, _) => {}
        }
    }
    due
}

/// P3 and P8: everybody has exactly what the ends of the legs say, to the base unit, and so has every escrow.
fn books(world: &World, audit: Option<&Audit>, deals: &[Deal]) -> Vec<String> {
    let mut broken = Vec::new();
    let supply = audit.map(|audit| supply(audit, deals));
    for chain in 0..world.chains() {
        let due = due(world, chain, deals);
        let (vault, held, issued) = sums(world, supply.as_ref(), chain);
        for (name, is, must) in [
            ("vault", vault, due.vault),
            ("held", held, due.held),
            ("issued", issued, due.issued),
            ("the escrow's ALZ", in_escrow(world, supply.as_ref(), chain), due.vault + due.held),
        ] {
            if is != must {
                broken.push(format!("P8 conservation: chain {chain}: {name} is {is}, not {must}"));
            }
        }
        for (account, must) in &due.people {
            let is = balance(world, audit, chain, account);
            if is != *must {
                broken.push(format!("P3 no redirection: chain {chain}: {account} has {is}, not {must}"));
            }
        }
    }
    if audit.zip(supply).is_some_and(|(audit, supply)| !audit.is_conserved(&supply)) {
        broken.push("P8 conservation: on Bitcoin some ALZ or some sats are nowhere".into());
    }
    broken
}

fn supply(audit: &Audit, deals: &[Deal]) -> Supply {
    audit.supply(deals.iter().flat_map(|deal| deal.record.legs.iter().map(|entry| (&deal.record.execution_id, entry))))
}

fn in_escrow(world: &World, bitcoin: Option<&Supply>, chain: usize) -> i128 {
    match bitcoin.filter(|_| world.is_bitcoin(chain)) {
        Some(supply) => (supply.vault + supply.held) as i128,
        None => balance(world, None, chain, &world.escrow(chain)),
    }
}

fn sums(world: &World, bitcoin: Option<&Supply>, chain: usize) -> (i128, i128, i128) {
    if let Some(supply) = bitcoin.filter(|_| world.is_bitcoin(chain)) {
        return (supply.vault as i128, supply.held as i128, -(supply.burned as i128));
    }
    if chain == 0 {
        let sums: BalancesResponse =
            world.home.query(0, &world.home.escrow, &QueryMsg::Balances {}).expect("the escrow answers");
        let issued = sums.issued.to_string().parse().expect("a small number");
        return (sums.vault.u128() as i128, sums.held.u128() as i128, issued);
    }
    let ledger = world.evm(chain);
    let read = |call: Vec<u8>| ledger.view(ledger.newest(), ledger.escrow, call).expect("the escrow answers");
    let vault = ethers_core::types::U256::decode(read(escrow::VaultCall {}.encode())).expect("a number");
    let held = ethers_core::types::U256::decode(read(escrow::HeldCall {}.encode())).expect("a number");
    let issued = ethers_core::types::I256::decode(read(escrow::IssuedCall {}.encode())).expect("a number");
    (vault.as_u128() as i128, held.as_u128() as i128, issued.as_i128())
}

fn balance(world: &World, audit: Option<&Audit>, chain: usize, account: &Bytes) -> i128 {
    if let Some(audit) = audit.filter(|_| world.is_bitcoin(chain)) {
        return audit.alz_of(account.as_slice()) as i128;
    }
    if chain == 0 {
        return world.home.balance(&world.home.humanized(account)) as i128;
    }
    alz_of(world.evm(chain), Address::from_slice(account.as_slice()))
}

fn alz_of(ledger: &EvmLedger, account: Address) -> i128 {
    let call = token::BalanceOfCall { account: to_ethers(account) }.encode();
    let answer = ledger.view(ledger.newest(), ledger.token, call).expect("the token answers");
    u128::decode(answer).expect("an amount") as i128
}

/// What two runs of one seed must have in common, beside the timeline; and what a message delivered again must not change.
pub fn digest(world: &World) -> Vec<String> {
    let audit = Audit::of(world);
    let deals = deals_by(world, audit.as_ref());
    let supply = audit.as_ref().map(|audit| supply(audit, &deals));
    let mut lines = Vec::new();
    for Deal { record, ends } in &deals {
        lines.push(format!("{} {}", record.execution_id, record.state));
        let legs = record.legs.iter().map(|entry| &entry.leg).zip(ends);
        lines.extend(legs.map(|(leg, end)| format!("{} on {}: {end:?}", leg.function.name(), leg.chain)));
    }
    for chain in 0..world.chains() {
        let people = PEOPLE.map(|name| balance(world, audit.as_ref(), chain, &world.account(chain, name)));
        let sums = sums(world, supply.as_ref(), chain);
        lines.push(format!("chain {chain}: {sums:?}, people have {people:?}"));
    }
    let set: Result<SetResponse, String> =
        world.home.query(0, &world.home.coordinator, &aes_coordinator::msg::QueryMsg::AttestorSet { id: None });
    lines.push(format!("set {:?}", set.map(|answer| answer.set.id)));
    lines
}
