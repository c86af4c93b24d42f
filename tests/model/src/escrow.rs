//! The escrows' rules: contracts/escrow/src/execute and contracts/evm/src/AesEscrow.sol. `None` is a refusal, or a repeat
//! that changes nothing.

use aes_protocol::Function;

use crate::guard::Guard;
use crate::scenario::{Scenario, RESERVE};
use crate::world::{Decision, Hold, Ledger, Status};

/// Counters of a world without guards stop here, so that it stays finite.
const FAR: i8 = 4;

fn add(counter: &mut i8, amount: i8) {
    *counter = counter.saturating_add(amount).clamp(-FAR, FAR);
}

/// Where the ALZ of an ended hold goes.
enum To {
    Recipient,
    Depositor,
    Vault,
    Nobody,
    Thief,
}

fn pay(ledger: &mut Ledger, leg: usize, amount: i8, to: To) {
    add(&mut ledger.held, -amount);
    match to {
        To::Recipient => add(&mut ledger.holds[leg].to, amount),
        To::Depositor => add(&mut ledger.holds[leg].from, amount),
        To::Vault => add(&mut ledger.vault, amount),
        To::Nobody => add(&mut ledger.issued, -amount),
        To::Thief => add(&mut ledger.thief, amount),
    }
}

fn destination(function: Function, decision: Decision) -> To {
    match (decision, function) {
        (Decision::Commit, Function::Transfer | Function::Unlock | Function::Mint) => To::Recipient,
        (Decision::Commit, Function::Lock) | (Decision::Abort, Function::Unlock) => To::Vault,
        (Decision::Commit, Function::Burn) | (Decision::Abort, Function::Mint) => To::Nobody,
        (Decision::Abort, Function::Transfer | Function::Lock | Function::Burn) => To::Depositor,
    }
}

/// What every prepare checks of a hold that may be there, and of the clock. `Some(true)`: the very hold is there.
fn check_new(scenario: &Scenario, ledger: &Ledger, leg: usize, other_deadline: bool) -> Option<bool> {
    let hold = &ledger.holds[leg];
    match hold.status {
        Status::None => {}
        Status::Held => return (hold.other_deadline == other_deadline).then_some(true),
        Status::Released if hold.is_tombstone() && !scenario.with(Guard::PrepareNotOnTombstone) => {}
        Status::Finalized | Status::Released | Status::Escaped if hold.was_held => {
            if scenario.with(Guard::PrepareNotOnEnded) {
                return None;
            }
        }
        Status::Finalized | Status::Released | Status::Escaped => return None,
    }
    let in_time = !ledger.late || !scenario.with(Guard::PrepareBeforeDeadline);
    in_time.then_some(false)
}

fn hold(ledger: &mut Ledger, leg: usize, other_deadline: bool) {
    let before = ledger.holds[leg];
    ledger.holds[leg] = Hold { status: Status::Held, was_held: true, other_deadline, ..before };
}

/// The depositor's own ALZ.
pub fn deposit(scenario: &Scenario, ledger: &Ledger, leg: usize, other_deadline: bool) -> Option<Ledger> {
    let is_repeated = check_new(scenario, ledger, leg, other_deadline)?;
    if is_repeated && scenario.with(Guard::RepeatedPrepareMovesNothing) {
        return None;
    }
    let (mut next, amount) = (*ledger, scenario.amount(leg));
    hold(&mut next, leg, other_deadline);
    add(&mut next.holds[leg].from, -amount);
    add(&mut next.held, amount);
    Some(next)
}

/// The reserve's, or new supply; the caller has looked at the `Opened` certificate.
pub fn prepare_reserve(scenario: &Scenario, ledger: &Ledger, leg: usize) -> Option<Ledger> {
    if check_new(scenario, ledger, leg, false)? {
        return None;
    }
    let mut next = *ledger;
    take_reserve(scenario, &mut next, scenario.function(leg), scenario.amount(leg))?;
    hold(&mut next, leg, false);
    Some(next)
}

fn take_reserve(scenario: &Scenario, ledger: &mut Ledger, function: Function, amount: i8) -> Option<()> {
    if function == Function::Mint {
        (ledger.issued + amount <= RESERVE).then_some(())?;
        add(&mut ledger.issued, amount);
    } else {
        (amount <= ledger.vault).then_some(())?;
        if !scenario.with(Guard::ReserveShrinksAtPrepare) {
            return Some(());
        }
        add(&mut ledger.vault, -amount);
    }
    add(&mut ledger.held, amount);
    Some(())
}

/// Another execution's prepare, which takes what is there. It pays out later or sooner; here at once.
pub fn other_execution(scenario: &Scenario, ledger: &Ledger, leg: usize) -> Option<Ledger> {
    let mut next = *ledger;
    if ledger.others > 0 {
        return None;
    }
    if scenario.function(leg) == Function::Mint {
        (ledger.issued < RESERVE).then_some(())?;
        add(&mut next.issued, 1);
    } else {
        (ledger.vault > 0).then_some(())?;
        add(&mut next.vault, -1);
    }
    add(&mut next.others, 1);
    Some(next)
}

/// A leg that the execution does not have, or has on another chain. The `Opened` certificate's tree covers the second
/// alone, and this escrow is named by the first alone.
pub fn prepare_bogus(scenario: &Scenario, ledger: &Ledger, of_other_chain: bool) -> Option<Ledger> {
    let in_manifest = of_other_chain || !scenario.with(Guard::LegInManifest);
    let is_ours = !of_other_chain || !scenario.with(Guard::LegOfThisEscrow);
    (in_manifest && is_ours).then_some(())?;
    let mut next = *ledger;
    (ledger.bogus == Status::None && !ledger.late && ledger.issued < RESERVE).then_some(())?;
    next.bogus = Status::Held;
    add(&mut next.issued, 1);
    add(&mut next.held, 1);
    Some(next)
}

/// And its end: the decision names an execution, not a leg.
pub fn finalize_bogus(ledger: &Ledger) -> Option<Ledger> {
    let mut next = *ledger;
    (ledger.bogus == Status::Held).then_some(())?;
    next.bogus = Status::Finalized;
    add(&mut next.held, -1);
    add(&mut next.thief, 1);
    Some(next)
}

/// A depositor's allowance, used by somebody for a leg of their own, which the depositor has neither sent nor signed.
pub fn steal_allowance(scenario: &Scenario, ledger: &Ledger, leg: usize) -> Option<Ledger> {
    (!scenario.with(Guard::DepositorsWord)).then_some(())?;
    let mut next = *ledger;
    (ledger.thief == 0 && ledger.holds[leg].status == Status::None).then_some(())?;
    add(&mut next.holds[leg].from, -scenario.amount(leg));
    add(&mut next.thief, scenario.amount(leg));
    Some(next)
}

pub struct Settlement<'a> {
    pub decision: Decision,
    pub legs: &'a [usize],
    /// the relayer writes a payee of its own into the leg
    pub to_thief: bool,
}

/// A batch: one leg that contradicts what is there refuses it whole, one that cannot be paid stays held.
pub fn settle(scenario: &Scenario, ledger: &Ledger, settlement: &Settlement, paused: bool) -> Option<Ledger> {
    if paused && !scenario.with(Guard::PauseSparesSettlement) {
        return None;
    }
    let mut next = *ledger;
    for leg in settlement.legs {
        settle_leg(scenario, &mut next, *leg, settlement)?;
    }
    (next != *ledger).then_some(next)
}

fn settle_leg(scenario: &Scenario, ledger: &mut Ledger, leg: usize, settlement: &Settlement) -> Option<()> {
    let (function, amount) = (scenario.function(leg), scenario.amount(leg));
    let outcome = match settlement.decision {
        Decision::Commit => Status::Finalized,
        Decision::Abort => Status::Released,
    };
    // the key of a hold covers who is paid: of a leg with another payee nothing is held
    let is_other_leg = settlement.to_thief && scenario.with(Guard::PayeeFixed);
    let hold = if is_other_leg { Hold::default() } else { ledger.holds[leg] };
    match hold.status {
        Status::None => {
            (settlement.decision == Decision::Abort).then_some(())?;
            if !is_other_leg {
                ledger.holds[leg].status = Status::Released;
            }
            return Some(());
        }
        Status::Held => {}
        status if status == outcome => {
            if scenario.with(Guard::RepeatedSettleMovesNothing) || hold.is_tombstone() {
                return Some(());
            }
        }
        Status::Escaped if settlement.decision == Decision::Abort => return Some(()),
        Status::Finalized | Status::Released | Status::Escaped => {
            (!scenario.with(Guard::OppositeEndRefused) && hold.was_held).then_some(())?;
        }
    }
    if scenario.unpayable == Some(leg) && settlement.decision == Decision::Commit {
        return scenario.with(Guard::LegsSettleAlone).then_some(());
    }
    if !scenario.with(Guard::ReserveShrinksAtPrepare) && function == Function::Unlock {
        pay_from_vault(ledger, leg, amount, settlement.decision)?;
    } else {
        let to = if settlement.to_thief { To::Thief } else { destination(function, settlement.decision) };
        pay(ledger, leg, amount, to);
    }
    ledger.holds[leg].status = outcome;
    Some(())
}

/// Without the reserve set aside at prepare: whoever comes first is paid.
fn pay_from_vault(ledger: &mut Ledger, leg: usize, amount: i8, decision: Decision) -> Option<()> {
    if decision == Decision::Commit {
        (amount <= ledger.vault).then_some(())?;
        add(&mut ledger.vault, -amount);
        add(&mut ledger.holds[leg].to, amount);
    }
    Some(())
}

/// `open` says that deadline + escape_delay has passed; a hold with an earlier deadline opens earlier.
pub fn escape(scenario: &Scenario, ledger: &Ledger, leg: usize, open: bool, by_stranger: bool) -> Option<Ledger> {
    let hold = ledger.holds[leg];
    let is_open = open || (hold.other_deadline && ledger.late) || !scenario.with(Guard::EscapeAfterDelay);
    let is_held =
        hold.status == Status::Held || (hold.status == Status::Finalized && !scenario.with(Guard::EscapeOfHeldOnly));
    let by_right = !by_stranger || !scenario.with(Guard::EscapeByDepositor);
    (is_open && is_held && by_right && scenario.is_account_sourced(leg)).then_some(())?;
    let mut next = *ledger;
    pay(&mut next, leg, scenario.amount(leg), To::Depositor);
    next.holds[leg].status = Status::Escaped;
    next.escaped_by_stranger |= by_stranger;
    Some(next)
}
