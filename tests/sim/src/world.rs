//! Everything outside the processes: the chains, the time, the dice, and what is written down. One for each thread, since
//! cw-multi-test cannot leave its thread and the adapters must look as if they could.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aes_chains::bitcoin::NodeError;
use aes_chains::{Outcome, TxId};
use aes_protocol::{Bytes, ChainId, Domain};
use bitcoin::Transaction;
use cosmwasm_std::{Addr, WasmMsg};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::bitcoin::deploy::wallet;
use crate::bitcoin::ledger::{BitcoinLedger, Deployed};
use crate::cosmos::ledger::{self as home, CosmosLedger};
use crate::dice::Dice;
use crate::evm::deploy::account;
use crate::evm::ledger::{EvmLedger, Tx};
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

/// A message as somebody handed it to a node.
#[derive(Debug, Clone)]
pub enum Parcel {
    Home(home::Tx),
    Evm { chain: usize, tx: Tx },
    Bitcoin(Transaction),
}

pub struct World {
    /// of the processes' files
    pub folder: PathBuf,
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
    /// the last chain, in some runs
    pub bitcoin: Option<(BitcoinLedger, Deployed)>,
    /// seconds that each chain's clock is ahead
    pub skew: Vec<i64>,
    outages: BTreeMap<(Seat, usize), Instant>,
    broke: BTreeMap<(Seat, usize), Instant>,
    /// attestors whose nodes lie
    pub misled: Vec<usize>,
    /// to attestors and relayers the newest block is final (a broken variant)
    pub hasty: bool,
    /// what somebody else sends again, later
    pub repeats: mpsc::UnboundedSender<Parcel>,
    /// everything that everybody has sent
    pub sent: Vec<Parcel>,
}

impl World {
    pub fn new(
        folder: PathBuf,
        dice: Dice,
        odds: Odds,
        home: CosmosLedger,
        domain: Domain,
        repeats: mpsc::UnboundedSender<Parcel>,
    ) -> Self {
        Self {
            folder,
            dice,
            odds,
            fired: Fired::default(),
            calm: false,
            start: Instant::now(),
            lines: Vec::new(),
            domain,
            home,
            evms: Vec::new(),
            bitcoin: None,
            skew: Vec::new(),
            outages: BTreeMap::new(),
            broke: BTreeMap::new(),
            misled: Vec::new(),
            hasty: false,
            repeats,
            sent: Vec::new(),
        }
    }

    pub fn say(&mut self, who: &str, what: impl AsRef<str>) {
        let line = format!("{:>10.3}  {who:<12}  {}", self.start.elapsed().as_secs_f64(), what.as_ref());
        self.lines.push(line);
    }

    pub fn chains(&self) -> usize {
        1 + self.evms.len() + usize::from(self.bitcoin.is_some())
    }

    pub fn is_bitcoin(&self, chain: usize) -> bool {
        chain > self.evms.len()
    }

    pub fn chain_id(&self, chain: usize) -> ChainId {
        match chain {
            0 => self.home.id.clone(),
            _ if self.is_bitcoin(chain) => self.bitcoin().id.clone(),
            _ => self.evm(chain).id.clone(),
        }
    }

    pub fn evm(&self, chain: usize) -> &EvmLedger {
        &self.evms[chain - 1]
    }

    pub fn evm_mut(&mut self, chain: usize) -> &mut EvmLedger {
        &mut self.evms[chain - 1]
    }

    pub fn bitcoin(&self) -> &BitcoinLedger {
        &self.bitcoin.as_ref().expect("a Bitcoin chain").0
    }

    pub fn bitcoin_mut(&mut self) -> &mut BitcoinLedger {
        &mut self.bitcoin.as_mut().expect("a Bitcoin chain").0
    }

    pub fn deployed(&self) -> &Deployed {
        &self.bitcoin.as_ref().expect("a Bitcoin chain").1
    }

    pub fn escrow(&self, chain: usize) -> Bytes {
        match chain {
            0 => self.home.account(&self.home.escrow),
            _ if self.is_bitcoin(chain) => self.deployed().entry.escrow.clone(),
            _ => self.evm(chain).escrow.as_slice().into(),
        }
    }

    /// Somebody's there.
    pub fn account(&self, chain: usize, name: &str) -> Bytes {
        match chain {
            0 => self.home.account(&self.home.address(name)),
            _ if self.is_bitcoin(chain) => wallet(name).to_bytes().into(),
            _ => account(name).to_vec().into(),
        }
    }

    /// What this chain's clock says.
    pub fn time_at(&self, chain: usize) -> u64 {
        (EPOCH + self.start.elapsed().as_secs()).saturating_add_signed(self.skew[chain])
    }

    /// Whether to try it now; it is counted where it has done something. `base` is how often at its strongest.
    pub fn tempts(&mut self, fault: Fault, base: f64) -> bool {
        !self.calm && self.dice.chance(base * self.odds.of(fault))
    }

    pub fn strikes(&mut self, fault: Fault, base: f64) -> bool {
        let strikes = self.tempts(fault, base);
        if strikes {
            self.fired.count(fault);
        }
        strikes
    }

    pub fn is_out(&mut self, seat: Seat, chain: usize) -> bool {
        let is_over = |world: &Self| world.outages.get(&(seat, chain)).is_none_or(|until| *until <= Instant::now());
        if is_over(self) && self.strikes(Fault::Outage, 0.001) {
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
            _ if truth.is_vouched_for() => false,
            Seat::Relayer(_) => self.strikes(Fault::Lie, 0.005),
            Seat::Attestor(n) if self.misled.contains(&n) => self.strikes(Fault::AttestorLiedTo, 0.5),
            _ => false,
        };
        if lied {
            let mut dice = self.dice.fork();
            truth.twist(&mut dice);
        }
        truth
    }

    fn handed_over(&mut self, seat: Seat, parcel: Parcel) {
        if seat != Seat::User && self.tempts(Fault::Twice, 0.05) {
            // the receiver lives as long as the run
            let _ = self.repeats.send(parcel.clone());
        }
        self.sent.push(parcel);
    }

    /// A signed transaction given to the home chain's node.
    pub fn take_home(&mut self, seat: Seat, from: &Addr, call: WasmMsg) -> TxId {
        let tx = self.home.signed(from.clone(), call);
        self.handed_over(seat, Parcel::Home(tx.clone()));
        let id = tx.id.clone();
        if seat == Seat::User || !self.strikes(Fault::Dropped, 0.03) {
            self.home.take(tx);
        }
        id
    }

    /// A signed transaction given to an EVM chain's node; `Err` in the node's words.
    pub fn take_evm(&mut self, link: &Link, tx: Tx) -> Result<(), &'static str> {
        let chain = link.chain;
        let is_relayer = matches!(link.seat, Seat::Relayer(_));
        if is_relayer && self.strikes(Fault::Dropped, 0.05) {
            self.say(&link.who(), format!("chain {chain}: transaction with nonce {} is dropped", tx.nonce));
            return Ok(());
        }
        let (from, nonce) = (tx.from, tx.nonce);
        if self.evm_mut(chain).take(tx.clone())? && is_relayer {
            self.fired.count(Fault::Replaced);
        }
        self.handed_over(link.seat, Parcel::Evm { chain, tx });
        let earlier = |tx: &Tx| tx.from == from && tx.nonce < nonce;
        let gap = self.evm(chain).mempool.iter().position(earlier);
        if let Some(gap) = gap.filter(|_| is_relayer && self.strikes(Fault::NonceGap, 0.3)) {
            self.evm_mut(chain).mempool.remove(gap);
            self.say(&link.who(), format!("chain {chain}: a transaction before nonce {nonce} is dropped"));
        }
        Ok(())
    }

    /// A signed transaction given to the Bitcoin chain's node; `Err` in the node's words.
    pub fn take_bitcoin(&mut self, link: &Link, tx: Transaction) -> Result<(), NodeError> {
        let is_relayer = matches!(link.seat, Seat::Relayer(_));
        if is_relayer && self.strikes(Fault::Dropped, 0.05) {
            self.say(&link.who(), format!("chain {}: transaction {} is dropped", link.chain, tx.compute_txid()));
            return Ok(());
        }
        if self.bitcoin_mut().take(&tx)? && is_relayer {
            self.fired.count(Fault::Replaced);
        }
        self.handed_over(link.seat, Parcel::Bitcoin(tx));
        Ok(())
    }

    /// In a block, and not refused there.
    pub fn was_delivered(&self, parcel: &Parcel) -> bool {
        match parcel {
            Parcel::Home(tx) => matches!(self.home.outcome(&tx.id), Outcome::Included { .. }),
            Parcel::Evm { chain, tx } => {
                let in_block = self.evm(*chain).find(&tx.id, 0).and_then(|(_, in_block)| in_block);
                in_block.is_some_and(|(_, receipt)| receipt.failure.is_none())
            }
            Parcel::Bitcoin(tx) => self.bitcoin().was_mined(&tx.compute_txid()),
        }
    }

    /// The same message once more, from whoever sent it or from somebody else.
    pub fn deliver_again(&mut self, parcel: Parcel, by: Option<&str>) {
        match parcel {
            Parcel::Home(tx) => {
                let from = by.map_or(tx.sender.clone(), |name| self.home.address(name));
                let copy = self.home.copy(tx, from);
                self.home.take(copy);
            }
            Parcel::Evm { chain, tx } => {
                let (id, from) = (aes_protocol::Hash32(self.dice.bytes()), by.map_or(tx.from, account));
                let (nonce, fee) = (self.evm(chain).pending_nonce(from), self.evm(chain).base_fee);
                let copy = Tx { id, from, nonce, max_fee: u128::from(fee) * 2, ..tx };
                self.evm_mut(chain).take(copy).expect("the next nonce");
            }
            // the same bytes, whoever brings them
            Parcel::Bitcoin(tx) => _ = self.bitcoin_mut().take(&tx),
        }
    }
}
