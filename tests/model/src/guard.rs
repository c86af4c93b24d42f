//! The rules that keep the promises, one name each, so that each can be taken out: a model that does not notice that a
//! rule is gone proves nothing about it.

use crate::property::Promise;
use crate::scenario::Scenario;

macro_rules! guards {
    ($($guard:ident,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Guard { $($guard,)* }

        impl Guard {
            pub const ALL: &'static [Guard] = &[$(Guard::$guard,)*];
        }
    };
}

guards! {
// coordinator
    DecideOnce,
    CommitBeforeDeadline,
    RollbackByRight,
    CoordinatorThreshold,
    // attestor
    OpenedAfterDeposits,
    PreparedAtFinality,
    PreparedLooksAtEveryLeg,
    DeadlineOfTheHold,
    DecidedAfterDecision,
    OneDecisionJournaled,
    SettledAtFinality,
    AbsentAfterDeadline,
    ApprovedSetsOnly,
    // escrow: holds begin
    OpenedCertificateNeeded,
    LegInManifest,
    LegOfThisEscrow,
    DepositorsWord,
    PrepareBeforeDeadline,
    PrepareNotOnTombstone,
    PrepareNotOnEnded,
    RepeatedPrepareMovesNothing,
    ReserveShrinksAtPrepare,
    // escrow: holds end
    EscrowThreshold,
    SetExpires,
    RepeatedSettleMovesNothing,
    OppositeEndRefused,
    PayeeFixed,
    LegsSettleAlone,
    PauseSparesSettlement,
    EscapeAfterDelay,
    EscapeOfHeldOnly,
    EscapeByDepositor,
}

/// A guard, the smallest scenario in which its absence does harm, and the promises that harm may break first.
pub struct Case {
    pub guard: Guard,
    pub scenario: fn() -> Scenario,
    pub breaks: &'static [Promise],
}

const fn case(guard: Guard, scenario: fn() -> Scenario, breaks: &'static [Promise]) -> Case {
    Case { guard, scenario, breaks }
}

pub const CASES: &[Case] = {
    use Guard::*;
    use Promise::*;
    &[
        case(DecideOnce, Scenario::lock_and_mint, &[Atomicity]),
        case(CommitBeforeDeadline, Scenario::lock_and_mint, &[Atomicity, Escape]),
        case(RollbackByRight, Scenario::lock_and_mint, &[ExplicitRollback]),
        case(CoordinatorThreshold, Scenario::lock_and_mint, &[Atomicity]),
        case(OpenedAfterDeposits, Scenario::lock_and_mint, &[NoFreeReserve]),
        case(PreparedAtFinality, Scenario::lock_and_mint, &[Atomicity]),
        case(PreparedLooksAtEveryLeg, Scenario::lock_and_mint, &[Atomicity]),
        case(DeadlineOfTheHold, Scenario::lock_and_mint, &[Escape]),
        case(DecidedAfterDecision, Scenario::lock_and_mint, &[Atomicity, ExplicitRollback]),
        case(OneDecisionJournaled, Scenario::home_forks, &[Atomicity]),
        case(SettledAtFinality, Scenario::lock_and_mint, &[Traceability]),
        case(AbsentAfterDeadline, Scenario::lock_and_mint, &[Traceability]),
        case(ApprovedSetsOnly, Scenario::rotation, &[Atomicity, ExplicitRollback]),
        case(OpenedCertificateNeeded, Scenario::lock_and_mint, &[NoFreeReserve, Termination]),
        case(LegInManifest, Scenario::lock_and_mint, &[NoRedirection, Conservation]),
        case(LegOfThisEscrow, Scenario::lock_and_mint, &[NoRedirection, Conservation]),
        case(DepositorsWord, Scenario::lock_and_mint, &[NoRedirection]),
        case(PrepareBeforeDeadline, Scenario::lock_and_mint, &[Traceability, Termination]),
        case(PrepareNotOnTombstone, Scenario::lock_and_mint, &[Traceability, Termination]),
        case(PrepareNotOnEnded, Scenario::lock_and_mint, &[Atomicity, Conservation, Traceability]),
        case(RepeatedPrepareMovesNothing, Scenario::lock_and_mint, &[Idempotence, Conservation]),
        case(ReserveShrinksAtPrepare, Scenario::burn_and_unlock, &[Termination]),
        case(EscrowThreshold, Scenario::lock_and_mint, &[Atomicity, ExplicitRollback]),
        case(SetExpires, Scenario::rotation, &[Atomicity, ExplicitRollback]),
        case(RepeatedSettleMovesNothing, Scenario::lock_and_mint, &[Idempotence, Conservation]),
        case(OppositeEndRefused, Scenario::lock_and_mint, &[Conservation]),
        case(PayeeFixed, Scenario::lock_and_mint, &[NoRedirection]),
        case(LegsSettleAlone, Scenario::one_chain, &[Termination]),
        case(PauseSparesSettlement, Scenario::lock_and_mint, &[Termination]),
        case(EscapeAfterDelay, Scenario::lock_and_mint, &[Escape]),
        case(EscapeOfHeldOnly, Scenario::lock_and_mint, &[Conservation, Atomicity]),
        case(EscapeByDepositor, Scenario::lock_and_mint, &[Escape]),
    ]
};

/// A guard without a case, or with two, does not compile.
const _: () = {
    let mut guard = 0;
    while guard < Guard::ALL.len() {
        let (mut case, mut cases) = (0, 0);
        while case < CASES.len() {
            cases += (CASES[case].guard as usize == guard) as usize;
            case += 1;
        }
        assert!(cases == 1, "each guard has one case");
        guard += 1;
    }
};
