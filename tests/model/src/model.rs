//! Who can do what at every moment, for the checker.

use stateright::{Model, Property};

use crate::attestor::sign;
use crate::escrow;
use crate::guard::Guard;
use crate::message::{anybodys, deliver, Message};
use crate::property::properties;
use crate::relayer;
use crate::scenario::Scenario;
use crate::world::{AtHome, Ledger, Record, Statement, Status, Trouble, TroubleKind, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    // users
    Open,
    Deposit { leg: usize, other_deadline: bool },
    Cancel,
    Escape { leg: usize, by_stranger: bool },
    StealAllowance { leg: usize },
    // attestors
    Sign { attestor: usize, statement: Statement },
    // relayers: anybody's message arrives; a planner sends one, has it arrive, loses it
    Deliver(Message),
    Send { relayer: usize, message: Message },
    Land { relayer: usize, message: Message },
    Lose { relayer: usize, message: Message },
    TroubleBegins { kind: TroubleKind, chain: usize },
    TroubleEnds,
    // chains
    HomeClock,
    Clock { chain: usize },
    EscapeOpens,
    Final { chain: usize },
    Reorg { chain: usize },
    OtherExecution { leg: usize },
    HomeForks,
    // admins and operators
    Pause,
    RotateHome,
    Rotate { chain: usize },
    OldSetExpires,
    RotateToLiars,
}

impl Scenario {
    fn users(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend([Step::Open, Step::Cancel]);
        for leg in (0..self.legs.len()).filter(|leg| self.is_account_sourced(*leg)) {
            steps.extend([false, true].map(|other_deadline| Step::Deposit { leg, other_deadline }));
            steps.extend([false, true].map(|by_stranger| Step::Escape { leg, by_stranger }));
            steps.push(Step::StealAllowance { leg });
        }
        for attestor in 0..self.honest {
            // equal journals sign alike: one of them is enough
            if attestor == 0 || world.signed[attestor] != world.signed[attestor - 1] {
                steps.extend(Statement::ALL.map(|statement| Step::Sign { attestor, statement }));
            }
        }
    }

    fn relayers(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend(anybodys(self).into_iter().map(Step::Deliver));
        for relayer in 0..self.relayers {
            let planned = relayer::planned(self, world, relayer);
            steps.extend(planned.into_iter().map(|message| Step::Send { relayer, message }));
            for message in relayer::flying(self, &world.relayers[relayer]) {
                steps.push(Step::Land { relayer, message });
                if world.faults < self.faults {
                    steps.push(Step::Lose { relayer, message });
                }
            }
        }
        match world.trouble {
            Trouble::Off if world.faults < self.faults => {
                for kind in [TroubleKind::NoAnswer, TroubleKind::NoGas] {
                    steps.extend((0..self.chains).map(|chain| Step::TroubleBegins { kind, chain }));
                }
            }
            Trouble::On(..) => steps.push(Step::TroubleEnds),
            Trouble::Off => {}
        }
    }

    fn chains(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend([Step::HomeClock, Step::EscapeOpens]);
        for chain in 0..self.chains {
            steps.extend([Step::Clock { chain }, Step::Final { chain }]);
            if world.faults < self.faults {
                steps.push(Step::Reorg { chain });
            }
        }
        if world.faults < self.faults {
            let reserve = (0..self.legs.len()).filter(|leg| !self.is_account_sourced(*leg));
            steps.extend(reserve.map(|leg| Step::OtherExecution { leg }));
            steps.push(Step::Pause);
        }
        if self.home_forks {
            steps.push(Step::HomeForks);
        }
        if self.rotation {
            steps.extend([Step::RotateHome, Step::OldSetExpires, Step::RotateToLiars]);
            steps.extend((0..self.chains).map(|chain| Step::Rotate { chain }));
        }
    }

    fn on_chain(&self, world: &World, leg: usize, change: impl Fn(&Ledger) -> Option<Ledger>) -> Option<World> {
        let mut next = *world;
        let chain = &mut next.chains[self.chain_of[leg]];
        chain.soft = change(&chain.soft)?;
        Some(next)
    }

    /// What the step makes of the world; `None` where it is refused, impossible or changes nothing.
    pub(crate) fn after(&self, world: &World, step: Step) -> Option<World> {
        let mut next = *world;
        match step {
            Step::Open => {
                let opens = world.home.record == Record::Unopened && !world.home.late && !world.paused;
                opens.then_some(())?;
                next.home.record = Record::Open;
            }
            Step::Deposit { leg, other_deadline } => {
                (!world.paused).then_some(())?;
                return self.on_chain(world, leg, |ledger| escrow::deposit(self, ledger, leg, other_deadline));
            }
            Step::Cancel => {
                let cancel = Message::AtHome(AtHome::Rollback { by_right: true });
                return deliver(self, world, cancel, true);
            }
            Step::Escape { leg, by_stranger } => {
                let open = world.escape_open;
                next = self.on_chain(world, leg, |ledger| escrow::escape(self, ledger, leg, open, by_stranger))?;
                let counts = world.soft(self, leg).is_held();
                next.home.escaped_undecided |= counts && world.home.record == Record::Open;
            }
            Step::StealAllowance { leg } => {
                return self.on_chain(world, leg, |ledger| escrow::steal_allowance(self, ledger, leg));
            }
            Step::Sign { attestor, statement } => return sign(self, world, attestor, statement),
            Step::Deliver(message) => return deliver(self, world, message, true),
            Step::Send { relayer, message } => return relayer::send(self, world, relayer, message, true),
            Step::Land { relayer, message } => return relayer::land(self, world, relayer, message),
            Step::Lose { relayer, message } => return Some(relayer::lose(world, relayer, message)),
            Step::TroubleBegins { kind, chain } => {
                next.trouble = Trouble::On(kind, chain);
                next.faults += 1;
            }
            Step::TroubleEnds => next.trouble = Trouble::Off,
            Step::HomeClock => next.home.late = true,
            Step::Clock { chain } => next.chains[chain].soft.late = true,
            Step::EscapeOpens => next.escape_open = world.all_late(self),
            Step::Final { chain } => next.chains[chain].last = next.chains[chain].soft,
            Step::Reorg { chain } => {
                let chain = &mut next.chains[chain];
                (chain.soft != chain.last).then_some(())?;
                chain.soft = chain.last;
                // no block goes back by the whole escape delay
                chain.soft.late |= world.escape_open;
                next.faults += 1;
                next.reorganized = true;
            }
            Step::OtherExecution { leg } => {
                next = self.on_chain(world, leg, |ledger| escrow::other_execution(self, ledger, leg))?;
                next.faults += 1;
            }
            Step::HomeForks => {
                let decided = matches!(world.home.record, Record::Committed | Record::Aborted);
                (!world.forked && decided).then_some(())?;
                next.home.record = Record::Open;
                next.forked = true;
            }
            Step::Pause => {
                (!world.paused).then_some(())?;
                next.paused = true;
                next.faults += 1;
            }
            Step::RotateHome => next.home_rotated = true,
            Step::Rotate { chain } => next.chains[chain].rotated = world.home_rotated,
            Step::OldSetExpires => {
                // as long as an execution opened under it can last, and the grace
                let everywhere = world.chains[..self.chains].iter().all(|chain| chain.rotated);
                (everywhere && world.all_late(self)).then_some(())?;
                next.expired = true;
            }
            Step::RotateToLiars => {
                // what no operator approved is signed by the liars alone, and they are too few
                let signers = if self.with(Guard::ApprovedSetsOnly) { self.liars } else { self.liars + self.honest };
                (signers >= self.threshold).then_some(())?;
                next.hostile_set = true;
            }
        }
        Some(next)
    }

    /// The steps that the honest take sooner or later, whatever the others do: one planning relayer, the honest
    /// attestors without any liar's help, the clocks up to the deadline, finality.
    pub(crate) fn is_something_left_to_do(&self, world: &World) -> bool {
        let chains = &world.chains[..self.chains];
        if !world.all_late(self) || chains.iter().any(|chain| chain.last != chain.soft) {
            return true;
        }
        if world.home_rotated && chains.iter().any(|chain| !chain.rotated) {
            return true;
        }
        let is_held = |chain: usize| self.legs_on(chain).any(|leg| world.soft(self, leg).status == Status::Held);
        let trouble_passes = match world.trouble {
            Trouble::On(TroubleKind::NoAnswer, _) => true,
            // nobody need ever pay for gas where nothing is held
            Trouble::On(TroubleKind::NoGas, chain) => is_held(chain),
            Trouble::Off => false,
        };
        let signs = |attestor| Statement::ALL.iter().any(|statement| sign(self, world, attestor, *statement).is_some());
        if trouble_passes || (0..self.honest).any(signs) {
            return true;
        }
        let last = self.relayers - 1;
        !relayer::flying(self, &world.relayers[last]).is_empty()
            || relayer::planned(self, world, last)
                .into_iter()
                .any(|message| relayer::send(self, world, last, message, false).is_some())
    }
}

impl Model for Scenario {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::first(self, false), World::first(self, true)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.users(world, steps);
        self.relayers(world, steps);
        self.chains(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = self.after(world, step)?;
        relayer::end_what_is_moot(self, &mut next);
        if next == *world {
            return None;
        }
        assert!(
            self.without.is_some() || next.rank() > world.rank(),
            "a step that brings nothing on, so that a run may have no end: {step:?} from {world:?}"
        );
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}
