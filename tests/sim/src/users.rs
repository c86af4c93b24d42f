//! Users: they open, deposit, and take back what nobody decided on. Some come late, twice, never, or think again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aes_chains::{Chain, Depth, EscrowMessage, HoldStatus, Home};
use aes_coordinator::msg::{ExecuteMsg, RollbackReason, State};
use aes_protocol::{manifest_root, Bytes, ChainId, Execution, Function, Hash32, Leg};
use tokio::time::sleep;

use crate::bitcoin::ledger::BitcoinLedger;
use crate::chains::short;
use crate::check;
use crate::dice::Dice;
use crate::fault::Fault;
use crate::links;
use crate::relayers::name_of;
use crate::wire::{Life, Seat};
use crate::world::{say, with, World};

pub const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// Has the form of an account on Bitcoin, and nobody can be paid there.
const OP_RETURN: &[u8] = &[0x6a, 0x02, 0, 0];

pub struct Person {
    pub name: &'static str,
    pub home: Arc<dyn Home>,
}

impl Person {
    pub fn new(name: &'static str) -> Arc<Self> {
        let life = Life::long();
        let home = links::home(Seat::User, &life, name);
        Arc::new(Self { name, home })
    }

    /// Anew for each command, which knows nothing of the one before.
    pub fn chains(&self) -> BTreeMap<ChainId, Arc<dyn Chain>> {
        links::chains(Seat::User, &Life::long(), self.name)
    }

    fn chain(&self, number: usize) -> Arc<dyn Chain> {
        links::chain(Seat::User, &Life::long(), number, self.name)
    }
}

/// An execution's legs: deposits and reserves that add up, and now and then a transfer beside them.
pub fn legs(dice: &mut Dice) -> Vec<(usize, &'static str, Function, u128)> {
    let mut legs = Vec::new();
    let somebody = |dice: &mut Dice| *dice.pick(&PEOPLE);
    if dice.chance(0.8) {
        let parts = dice.number(1..3) as u128;
        let amount = u128::from(dice.number(1..2_000));
        let chain = somewhere(dice);
        let is_burnt = is_minted(chain) || with(|world| world.is_bitcoin(chain));
        let out = if is_burnt && dice.chance(0.4) { Function::Burn } else { Function::Lock };
        legs.push((chain, somebody(dice), out, amount * parts));
        for _ in 0..parts {
            let chain = somewhere(dice);
            let into = if is_minted(chain) && dice.chance(0.5) { Function::Mint } else { Function::Unlock };
            legs.push((chain, somebody(dice), into, amount));
        }
    }
    while legs.is_empty() || dice.chance(0.3) {
        let chain = somewhere(dice);
        legs.push((chain, somebody(dice), Function::Transfer, u128::from(dice.number(1..2_000))));
    }
    dice.shuffle(&mut legs);
    legs
}

/// On any chain; where there is Bitcoin, often there.
fn somewhere(dice: &mut Dice) -> usize {
    let (chains, has_bitcoin) = with(|world| (world.chains(), world.bitcoin.is_some()));
    if has_bitcoin && dice.chance(0.4) {
        chains - 1
    } else {
        dice.index(chains)
    }
}

fn is_minted(chain: usize) -> bool {
    with(|world| if chain == 0 { world.home.alz.can_be_minted() } else { !world.is_bitcoin(chain) })
}

pub fn account_on(chain: usize, name: &str) -> Bytes {
    with(|world| world.account(chain, name))
}

struct Trade {
    opener: Arc<Person>,
    people: Vec<Arc<Person>>,
    legs: Vec<Leg>,
    id: Hash32,
    deadline: u64,
    escape_delay: u64,
    open: ExecuteMsg,
}

fn trade(dice: &mut Dice, people: Vec<Arc<Person>>, relayers: usize, escape_delay: u64) -> Trade {
    let opener = people[dice.index(people.len())].clone();
    let others: Vec<&'static str> = PEOPLE.into_iter().collect();
    let wanted = legs(dice);
    let leg = |(index, (chain, name, function, amount)): (u8, &(usize, &'static str, Function, u128))| {
        let is_bitcoin = with(|world| world.is_bitcoin(*chain));
        // there a deposit's signatures are attached, which is the opener's to do
        let name = if is_bitcoin && function.is_account_sourced() { &opener.name } else { name };
        let other = others.iter().find(|other| **other != *name).copied().unwrap_or(name);
        let account = |is_there: bool, who: &str| if is_there { account_on(*chain, who) } else { Bytes::default() };
        let (id, escrow) = with(|world| (world.chain_id(*chain), world.escrow(*chain)));
        let to = if function.is_account_sourced() { other } else { name };
        let is_paid_out = is_bitcoin && function.has_recipient();
        let cannot_be_paid = is_paid_out && with(|world| world.strikes(Fault::UserPayee, 0.1));
        Leg {
            index,
            chain: id,
            escrow,
            function: *function,
            from: account(function.is_account_sourced(), name),
            to: if cannot_be_paid { OP_RETURN.into() } else { account(function.has_recipient(), to) },
            amount: (*amount).into(),
        }
    };
    let legs: Vec<Leg> = (0u8..).zip(&wanted).map(leg).collect();
    let deadline = with(|world| world.time_at(0)) + dice.number(40..300);
    let relayer = dice.chance(0.6).then(|| name_of(dice.index(relayers)));
    let salt = Hash32(dice.bytes());
    let (domain, relayer_address) =
        with(|world| (world.domain.clone(), relayer.as_ref().map(|name| world.home.address(name))));
    let execution = Execution {
        home_chain: domain.home_chain,
        coordinator: domain.coordinator,
        opener: account_on(0, opener.name),
        salt,
        manifest_root: manifest_root(&legs).expect("some legs"),
        deadline,
        relayer: relayer.map(|name| account_on(0, &name)).unwrap_or_default(),
    };
    let relayer = relayer_address.map(Into::into);
    let open = ExecuteMsg::Open { legs: legs.clone(), salt, deadline, relayer };
    Trade { opener, people, id: execution.execution_id(), legs, deadline, escape_delay, open }
}

/// One execution from its opening to the end of its holds, as its people see it.
pub async fn deal(mut dice: Dice, people: Vec<Arc<Person>>, relayers: usize, escape_delay: u64) {
    sleep(Duration::from_secs(dice.number(0..90))).await;
    let trade = Arc::new(trade(&mut dice, people, relayers, escape_delay));
    let words: Vec<String> =
        trade.legs.iter().map(|leg| format!("{} {} on {}", leg.function.name(), leg.amount, leg.chain)).collect();
    say(
        trade.opener.name,
        format!(
            "opens {}: {}; deadline in {} s",
            short(&trade.id),
            words.join(", "),
            trade.deadline.saturating_sub(with(|world| world.time_at(0)))
        ),
    );
    if let Err(error) = trade.opener.home.send(&trade.open).await {
        say(trade.opener.name, format!("cannot open {}: {error}", short(&trade.id)));
        return;
    }
    if with(|world| world.strikes(Fault::UserTwice, 0.5)) {
        // the same thing is the same execution
        let _ = trade.opener.home.send(&trade.open).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for leg in trade.legs.iter().filter(|leg| leg.function.is_account_sourced()) {
        tasks.spawn(deposit(trade.clone(), leg.clone(), dice.fork()));
    }
    if with(|world| world.strikes(Fault::UserCancels, 0.3)) {
        sleep(Duration::from_secs(dice.number(1..120))).await;
        say(trade.opener.name, format!("cancels {}", short(&trade.id)));
        let cancel = ExecuteMsg::Rollback { execution_id: trade.id, reason: RollbackReason::Cancelled {} };
        if let Err(error) = trade.opener.home.send(&cancel).await {
            say(trade.opener.name, format!("too late: {}", brief(&error)));
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn deposit(trade: Arc<Trade>, leg: Leg, mut dice: Dice) {
    let number = with(|world| (0..world.chains()).find(|chain| world.chain_id(*chain) == leg.chain));
    let number = number.expect("a chain of ours");
    let depositor = trade.people.iter().find(|person| account_on(number, person.name) == leg.from);
    let depositor = depositor.cloned().expect("one of the people");
    if with(|world| world.strikes(Fault::UserNever, 0.2)) {
        return say(depositor.name, format!("never comes for {} leg {}", short(&trade.id), leg.index));
    }
    if with(|world| world.strikes(Fault::UserLate, 0.3)) {
        let left = trade.deadline.saturating_sub(with(|world| world.time_at(0)));
        sleep(Duration::from_secs(left.saturating_sub(10) + dice.number(0..20))).await;
    } else {
        sleep(Duration::from_secs(dice.number(1..20))).await;
    }
    // a hold with another deadline is not the execution's, and comes back with the rollback
    let later = if with(|world| world.strikes(Fault::UserDeadline, 0.1)) { dice.number(1..100) } else { 0 };
    let deadline = trade.deadline + later;
    let prepare = EscrowMessage::Prepare { execution_id: trade.id, deadline, leg: leg.clone() };
    loop {
        let chain = depositor.chain(number);
        let hold = chain.hold(&trade.id, &leg, Depth::Soft).await;
        let head = chain.head(Depth::Soft).await;
        let (Ok(hold), Ok(head)) = (hold, head) else { continue };
        match hold {
            None if head.time >= trade.deadline => return,
            None => match chain.submit(&prepare).await {
                Ok(_) => {
                    if with(|world| world.strikes(Fault::UserTwice, 0.3)) {
                        let _ = chain.submit(&prepare).await;
                    }
                }
                Err(error) => say(depositor.name, format!("cannot prepare {}: {}", short(&trade.id), brief(&error))),
            },
            Some(hold) if hold.status == HoldStatus::Held => {
                let early = with(|world| world.strikes(Fault::UserEscapes, 0.05));
                if early || head.time >= deadline + trade.escape_delay {
                    let escape = EscrowMessage::Escape { execution_id: trade.id, leg: leg.clone() };
                    let said = match chain.submit(&escape).await {
                        Ok(tx) => format!("sent {}", tx.0.chars().take(10).collect::<String>()),
                        Err(error) => brief(&error),
                    };
                    say(depositor.name, format!("escapes with leg {} of {}: {said}", leg.index, short(&trade.id)));
                }
            }
            Some(_) => {
                // a reorg may bring it back
                let last = chain.hold(&trade.id, &leg, Depth::Final).await;
                if matches!(last, Ok(Some(hold)) if hold.status != HoldStatus::Held) {
                    return;
                }
            }
        }
        sleep(Duration::from_secs(dice.number(8..25))).await;
    }
}

pub fn brief(error: &impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect()
}

/// Whether everything that was opened has ended, on the home chain and on every other.
pub fn all_ended() -> bool {
    with(|world| {
        let open = [State::Open, State::Committed, State::Aborted];
        open.iter().all(|state| world.home.executions(*state).is_empty()) && nothing_is_late(world)
    })
}

/// On Bitcoin a deposit may come after its execution has ended, and is given back then.
fn nothing_is_late(world: &World) -> bool {
    let is_held = |end: &check::End| end.status == Some(aes_escrow::msg::HoldStatus::Held);
    let is_quiet = |ledger: &BitcoinLedger| {
        ledger.is_quiet() && !check::deals(world).iter().any(|deal| deal.ends.iter().any(is_held))
    };
    world.bitcoin.as_ref().is_none_or(|(ledger, _)| is_quiet(ledger))
}
