//! Everything outside the processes: the chains, the time, the dice, and what is written down. One for each thread, since
//! cw-multi-test cannot leave its thread and the adapters must look as if they could.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use aes_chains::{Depth, EscrowMessage};
use aes_protocol::{Bytes, ChainId, Domain};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cosmos::ledger::CosmosLedger;
use crate::dice::Dice;
use crate::evm::ledger::{EvmLedger, Rejected, Tx};
use crate::fault::{Fault, Fired, Odds};
use crate::lie::Lie;
use crate::wire::{Link, Seat};

/// Unix seconds at the start of every run.
pub const EPOCH: u64 = 1_800_000_000;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Not to be nested; and never over an await, which the closure forbids.
pub fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| act(world.as_mut().expect("a run in this thread")))
}

pub fn enter(world: World) {
    WORLD.with_borrow_mut(|place| *place = Some(world));
}

pub fn leave() -> World {
    WORLD.with_borrow_mut(Option::take).expect("a run in this thread")
}

pub fn say(who: &str, what: impl AsRef<str>) {
    with(|world| world.say(who, what));
}

pub struct World {
    pub dice: Dice,
    pub odds: Odds,
    pub fired: Fired,
    /// no more faults: everything must end now
    pub calm: bool,
    start: Instant,
    pub lines: Vec<String>,
    pub domain: Domain,
    pub home: CosmosLedger,
    pub evms: Vec<EvmLedger>,
    /// seconds that each chain's clock is ahead
    pub skew: Vec<i64>,
    outages: BTreeMap<(Seat, usize), Instant>,
    broke: BTreeMap<(Seat, usize), Instant>,
    /// attestors whose nodes lie
    pub misled: Vec<usize>,
    /// to attestors and relayers the newest block is final (a broken variant)
    pub hasty: bool,
    /// what somebody else sends again, later
    pub repeats: mpsc::UnboundedSender<(usize, EscrowMessage)>,
    /// what relayers have sent to escrows
    pub delivered: Vec<(usize, EscrowMessage)>,
}

impl World {
    pub fn new(
        dice: Dice,
        odds: Odds,
        home: CosmosLedger,
        domain: Domain,
        repeats: mpsc::UnboundedSender<(usize, EscrowMessage)>,
    ) -> Self {
        Self {
            dice,
            odds,
            fired: Fired::default(),
            calm: false,
            start: Instant::now(),
            lines: Vec::new(),
            domain,
            home,
            evms: Vec::new(),
            skew: Vec::new(),
            outages: BTreeMap::new(),
            broke: BTreeMap::new(),
            misled: Vec::new(),
            hasty: false,
            repeats,
            delivered: Vec::new(),
        }
    }

    pub fn say(&mut self, who: &str, what: impl AsRef<str>) {
        let line = format!("{:>10.3}  {who:<12}  {}", self.start.elapsed().as_secs_f64(), what.as_ref());
        self.lines.push(line);
    }

    pub fn chains(&self) -> usize {
        1 + self.evms.len()
    }

    pub fn chain_id(&self, chain: usize) -> ChainId {
        match chain {
            0 => self.home.id.clone(),
            _ => self.evm(chain).id.clone(),
        }
    }

    pub fn evm(&self, chain: usize) -> &EvmLedger {
        &self.evms[chain - 1]
    }

    pub fn evm_mut(&mut self, chain: usize) -> &mut EvmLedger {
        &mut self.evms[chain - 1]
    }

    pub fn escrow(&self, chain: usize) -> Bytes {
        match chain {
            0 => self.home.account(&self.home.escrow),
            _ => self.evm(chain).escrow.as_slice().into(),
        }
    }

    /// What this chain's clock says.
    pub fn time_at(&self, chain: usize) -> u64 {
        (EPOCH + self.start.elapsed().as_secs()).saturating_add_signed(self.skew[chain])
    }

    /// Whether it happens now; `base` is how often where the fault is at its strongest.
    pub fn strikes(&mut self, fault: Fault, base: f64) -> bool {
        if self.calm {
            return false;
        }
        let strikes = self.dice.chance(base * self.odds.of(fault));
        if strikes {
            self.fired.count(fault);
        }
        strikes
    }

    pub fn is_out(&mut self, seat: Seat, chain: usize) -> bool {
        let is_over = |world: &Self| world.outages.get(&(seat, chain)).is_none_or(|until| *until <= Instant::now());
        if is_over(self) && self.strikes(Fault::Outage, 0.003) {
            let seconds = self.dice.number(2..60);
            self.outages.insert((seat, chain), Instant::now() + Duration::from_secs(seconds));
            self.say(&format!("{seat:?}"), format!("chain {chain} does not answer for {seconds} s"));
        }
        !self.calm && !is_over(self)
    }

    pub fn is_broke(&mut self, seat: Seat, chain: usize) -> bool {
        if !matches!(seat, Seat::Relayer(_)) {
            return false;
        }
        let is_over = |world: &Self| world.broke.get(&(seat, chain)).is_none_or(|until| *until <= Instant::now());
        if is_over(self) && self.strikes(Fault::NoGas, 0.05) {
            let seconds = self.dice.number(10..120);
            self.broke.insert((seat, chain), Instant::now() + Duration::from_secs(seconds));
            self.say(&format!("{seat:?}"), format!("chain {chain}: no gas money for {seconds} s"));
        }
        !self.calm && !is_over(self)
    }

    /// What the node says, which may be a lie to a relayer, and to the few attestors whose nodes lie.
    pub fn told<T: Lie>(&mut self, link: &Link, mut truth: T) -> T {
        let lied = match link.seat {
            Seat::Relayer(_) => self.strikes(Fault::Lie, 0.01),
            Seat::Attestor(n) if self.misled.contains(&n) => self.strikes(Fault::AttestorLiedTo, 0.5),
            _ => false,
        };
        if lied {
            let mut dice = self.dice.fork();
            truth.twist(&mut dice);
        }
        truth
    }

    pub fn is_final(&self, seat: Seat, depth: Depth) -> bool {
        depth == Depth::Final && !(self.hasty && seat != Seat::User)
    }

    pub fn repeat_later(&mut self, chain: usize, message: EscrowMessage) {
        // the receiver lives as long as the run
        let _ = self.repeats.send((chain, message));
    }

    /// A signed transaction given to an EVM chain's node.
    pub fn hand_over(&mut self, link: &Link, tx: Tx) -> Result<(), Rejected> {
        let is_relayer = matches!(link.seat, Seat::Relayer(_));
        if is_relayer && self.strikes(Fault::Dropped, 0.05) {
            self.say(&link.who(), format!("chain {}: transaction with nonce {} is dropped", link.chain, tx.nonce));
            return Ok(());
        }
        let (from, nonce) = (tx.from, tx.nonce);
        self.evm_mut(link.chain).take(tx)?;
        let earlier = |tx: &Tx| tx.from == from && tx.nonce < nonce;
        let gap = self.evm(link.chain).mempool.iter().position(earlier);
        if let Some(gap) =
            gap.filter(|_| is_relayer && !self.calm && self.dice.chance(0.3 * self.odds.of(Fault::NonceGap)))
        {
            self.evm_mut(link.chain).mempool.remove(gap);
            self.fired.count(Fault::NonceGap);
            self.say(&link.who(), format!("chain {}: a transaction before nonce {nonce} is dropped", link.chain));
        }
        Ok(())
    }
}
