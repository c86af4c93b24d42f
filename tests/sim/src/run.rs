//! One run: a world from a seed, days of trouble, then calm, then the promises.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aes_protocol::{AttestorSet, Bytes};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, Instant};

use crate::attestors::Attesting;
use crate::bitcoin;
use crate::chains::{intervals, produce};
use crate::check;
use crate::cosmos::ledger::{CosmosLedger, Times};
use crate::dice::Dice;
use crate::disk::{self, Disk};
use crate::evm::deploy::{account, chain, Terms};
use crate::fault::{Fault, Fired, Odds};
use crate::keys::{set_of, Key};
use crate::others::{admin, copycat, redeliver, rotation, thief};
use crate::panics;
use crate::relayers::{name_of, Relaying};
use crate::users::{all_ended, deal, Person, PEOPLE};
use crate::world::{enter, leave, say, with, Parcel, World, EPOCH};

const HOME: &str = "cosmos:home-1";
const EVMS: [&str; 3] = ["eip155:80002", "eip155:11155111", "eip155:31337"];
/// In calm everything must have ended within this: longer than any wait between two tries.
const PATIENCE: Duration = Duration::from_secs(4_000);

/// What is broken on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Broken {
    /// as many attestors lie as make a certificate
    Liars,
    /// attestors and relayers take the newest block for a final one
    Hasty,
    /// the nodes of all attestors lie
    Misled,
    /// no relayer is left
    NoRelayer,
    /// fewer attestors are left than make a certificate
    NoQuorum,
    /// somebody takes ALZ out of an escrow behind its back
    Robbed,
    /// a task of some process panics, and all else goes on
    Panics,
    /// a thief has as many attestors' Bitcoin keys as make a settlement
    BitcoinKeys,
}

impl Broken {
    pub const ALL: [Self; 8] = [
        Self::Liars,
        Self::Hasty,
        Self::Misled,
        Self::NoRelayer,
        Self::NoQuorum,
        Self::Robbed,
        Self::Panics,
        Self::BitcoinKeys,
    ];
}

pub struct Report {
    pub seed: u64,
    pub violations: Vec<String>,
    pub timeline: Vec<String>,
    pub fired: Fired,
    pub executions: usize,
}

/// How many there are of everybody.
struct Shape {
    relayers: usize,
    attestors: usize,
    threshold: u8,
    /// of these, some lie and the nodes of the others do
    faulty: usize,
    /// these lose what they have signed: with the faulty ones still fewer than make a certificate
    careless: usize,
    evms: usize,
    bitcoin: bool,
    deals: usize,
    escape_delay: u64,
    trouble: u64,
}

fn shape(dice: &mut Dice, broken: Option<Broken>) -> Shape {
    let (attestors, threshold) = *dice.pick(&[(3, 2), (4, 3), (5, 3), (1, 1)]);
    let spare = attestors - usize::from(threshold);
    let bearable = spare.min(usize::from(threshold) - 1);
    let faulty = dice.index(bearable + 1);
    let shape = Shape {
        relayers: dice.number(1..5) as usize,
        attestors,
        threshold,
        faulty,
        careless: bearable - faulty,
        evms: dice.number(1..4) as usize,
        bitcoin: dice.chance(0.2),
        deals: dice.number(1..5) as usize,
        escape_delay: dice.number(150..900),
        trouble: dice.number(120..500),
    };
    match broken {
        Some(Broken::Liars) => Shape { faulty: usize::from(threshold), careless: 0, ..shape },
        Some(Broken::Misled) => Shape { faulty: attestors, careless: 0, ..shape },
        Some(Broken::NoQuorum) => Shape { faulty: 0, ..shape },
        Some(Broken::NoRelayer) => Shape { relayers: 0, ..shape },
        Some(Broken::BitcoinKeys) => Shape { bitcoin: true, ..shape },
        _ => shape,
    }
}

/// The same seed is the same run, to the last line.
pub fn run(seed: u64, broken: Option<Broken>) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let folder = disk::folder().expect("a folder");
    panics::watch();
    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(seed, broken, folder.path()))));
    // what still runs goes before the world does
    drop(runtime);
    let mut violations: Vec<String> = panics::taken().into_iter().map(|panic| format!("panic: {panic}")).collect();
    let (mut world, mut executions) = (leave(), 0);
    if let Ok(broken) = played {
        violations.extend(broken);
        executions = check::deals(&world).len();
        world.lines.extend(check::digest(&world));
    }
    Report { seed, violations, timeline: world.lines, fired: world.fired, executions }
}

async fn play(seed: u64, broken: Option<Broken>, folder: &Path) -> Vec<String> {
    let mut dice = Dice::of(seed);
    let shape = shape(&mut dice, broken);
    let mut odds = Odds::roll(&mut dice);
    if broken.is_some() {
        odds.raise(&[Fault::Forgery, Fault::Reorg, Fault::AttestorLiedTo]);
    }
    let first = dice.number(0..1_000) as usize;
    // one more than the first set has: the next set has it in place of the last
    let keys: Vec<Key> = (0..=shape.attestors).map(|number| Key::of(first + number)).collect();
    let set = set_of(1, shape.threshold, &keys[..shape.attestors]);
    let next: Vec<Key> = keys[..shape.attestors - 1].iter().chain(keys.last()).cloned().collect();
    let next = set_of(2, shape.threshold, &next);

    let (copies, copied) = mpsc::unbounded_channel();
    let intervals = build(&shape, (&set, &next, &keys), odds, copies, folder, &mut dice);
    let liars = match broken {
        Some(Broken::Misled) => 0,
        Some(Broken::Liars) => shape.faulty,
        _ => dice.index(shape.faulty + 1),
    };
    with(|world| {
        world.misled = (liars..shape.faulty).collect();
        world.hasty = broken == Some(Broken::Hasty);
        let Shape { relayers, attestors, threshold, evms, deals, .. } = shape;
        let and_bitcoin = if shape.bitcoin { " and Bitcoin" } else { "" };
        world.say("world", format!(
            "{relayers} relayers; {threshold} of {attestors} attestors, {liars} lie, the nodes of {} do; {evms} EVM chains{and_bitcoin}; \
             {deals} executions; escape after {} s; trouble for {} s",
            shape.faulty - liars, shape.escape_delay, shape.trouble
        ));
    });

    let mut tasks = JoinSet::new();
    for (number, interval) in intervals.into_iter().enumerate() {
        tasks.spawn(produce(number, interval, dice.fork()));
    }
    let attestors: Vec<Arc<Attesting>> = (0..)
        .zip(&keys)
        .map(|(number, key)| {
            let disk = Disk::new(folder, format!("journal-{number}"));
            let careless = (shape.faulty..shape.faulty + shape.careless).contains(&number);
            Attesting::new(number, key.clone(), number < liars, careless, disk)
        })
        .collect();
    let up = if broken == Some(Broken::NoQuorum) { usize::from(shape.threshold) - 1 } else { attestors.len() };
    for attestor in attestors[..up].iter().filter(|attestor| !attestor.lies) {
        tasks.spawn(attestor.clone().supervise());
    }
    for number in 0..shape.relayers {
        let disk = Disk::new(folder, format!("relayer-{number}"));
        tasks.spawn(Relaying::new(number, disk, attestors.clone(), dice.fork()).supervise());
    }
    let people: Vec<Arc<Person>> = PEOPLE.into_iter().map(Person::new).collect();
    let stranger = Person::new("stranger");
    tasks.spawn(copycat(copied, dice.fork(), "stranger"));
    tasks.spawn(admin(dice.fork()));
    tasks.spawn(rotation(dice.fork(), next, attestors.clone(), stranger));
    let stolen = if broken == Some(Broken::BitcoinKeys) { usize::from(shape.threshold) } else { liars };
    tasks.spawn(thief(dice.fork(), keys[..liars].to_vec(), keys[..stolen].to_vec(), Person::new("thief")));
    let mut deals = JoinSet::new();
    for _ in 0..shape.deals {
        deals.spawn(deal(dice.fork(), people.clone(), shape.relayers, shape.escape_delay));
    }

    if broken == Some(Broken::Panics) {
        tasks.spawn(async { panic!("on purpose") });
    }
    sleep(Duration::from_secs(shape.trouble)).await;
    with(|world| world.calm = true);
    say("world", "calm");
    if broken == Some(Broken::Robbed) {
        with(crate::others::rob);
    }
    let calm = Instant::now();
    let users = async { while deals.join_next().await.is_some() {} };
    let ended = async {
        tokio::join!(users, async {
            while !all_ended() {
                sleep(Duration::from_secs(5)).await;
            }
        });
        // every chain has final blocks of the end
        sleep(Duration::from_secs(120)).await;
    };
    if tokio::time::timeout(PATIENCE, ended).await.is_err() {
        say("world", "patience ends");
    }
    say("world", format!("ended {} s after the calm began", calm.elapsed().as_secs()));

    let mut violations = with(|world| check::violations(world, shape.escape_delay));
    let before = with(|world| check::digest(world));
    redeliver().await;
    if with(|world| check::digest(world)) != before {
        violations.push("P5 idempotence: what was delivered again changed something".into());
    }
    violations.iter().for_each(|violation| say("VIOLATION", violation));
    violations
}

fn build(
    shape: &Shape,
    (set, next, keys): (&AttestorSet, &AttestorSet, &[Key]),
    odds: Odds,
    copies: mpsc::UnboundedSender<Parcel>,
    folder: &Path,
    dice: &mut Dice,
) -> Vec<u64> {
    let times = Times { max_horizon: 86_400, escape_delay: shape.escape_delay, set_grace: 86_400 };
    let mut home = CosmosLedger::new(HOME.parse().expect("a chain"), EPOCH, &PEOPLE, dice.chance(0.5));
    let domain = home.deploy(set, &times);
    let terms = Terms {
        domain: &domain,
        set,
        max_horizon: times.max_horizon,
        escape_delay: times.escape_delay,
        set_grace: times.set_grace,
    };
    let depositors = PEOPLE.map(account);
    let mut payers = vec!["stranger".to_string(), "thief".to_string()];
    payers.extend((0..shape.relayers).map(name_of));
    let bitcoin = shape.bitcoin.then(|| {
        let depth = dice.number(2..6);
        bitcoin::deploy::chain(depth, EPOCH, &PEOPLE, &payers, &terms, (keys, next), dice)
    });
    let payers: Vec<_> = payers.iter().map(|payer| account(payer)).collect();
    let evms: Vec<_> = EVMS[..shape.evms]
        .iter()
        .map(|id| chain(id.parse().expect("a chain"), dice.number(2..6), EPOCH, &payers, &depositors, &terms))
        .collect();
    let own = home.account(&home.escrow);
    home.register(&home.id.clone(), &own);
    for evm in &evms {
        home.register(&evm.id, &Bytes::from(evm.escrow.as_slice()));
    }
    if let Some((ledger, deployed)) = &bitcoin {
        home.register(&ledger.id, &deployed.entry.escrow);
    }
    home.seal();
    let mut world = World::new(folder.into(), dice.fork(), odds, home, domain, copies);
    (world.evms, world.bitcoin) = (evms, bitcoin);
    let most = (world.odds.of(Fault::Skew) * 60.0) as u64;
    world.skew = (0..world.chains()).map(|_| dice.number(0..2 * most + 1) as i64 - most as i64).collect();
    if world.skew.iter().any(|seconds| *seconds != 0) {
        world.fired.count(Fault::Skew);
        let skew = format!("the chains' clocks are ahead by {:?} s", world.skew);
        world.say("world", skew);
    }
    let intervals = intervals(dice, world.chains());
    enter(world);
    intervals
}
