//! The relayers: the real loop on a real database, killed at any step and started again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aes_config::{HttpConfig, RelayConfig};
use aes_relay::{Relay, RelayError};
use aes_store::{Store, StoreError};
use tokio::task::JoinError;
use tokio::time::sleep;

use crate::attestors::{Asking, Attesting};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::links;
use crate::wire::{Life, Seat};
use crate::world::{say, with};

const WRITTEN: [&str; 4] = ["outbox", "outbox_covers", "executions", "timings"];

pub fn name_of(relayer: usize) -> String {
    format!("relayer {relayer}")
}

pub struct Relaying {
    number: usize,
    disk: Mutex<Disk>,
    attestors: Vec<Arc<Attesting>>,
    dice: Mutex<Dice>,
}

impl Relaying {
    pub fn new(number: usize, disk: Disk, attestors: Vec<Arc<Attesting>>, dice: Dice) -> Arc<Self> {
        Arc::new(Self { number, disk: Mutex::new(disk), attestors, dice: Mutex::new(dice) })
    }

    fn with_dice<T>(&self, act: impl FnOnce(&mut Dice) -> T) -> T {
        act(&mut self.dice.lock().expect("no panic"))
    }

    fn with_disk<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self.disk.lock().expect("no panic"))
    }

    /// Whatever its database says: a damaged one is refused, and its operator takes it away, for it holds history only.
    fn open_store(&self, who: &str) -> Store {
        match Store::open(&self.with_disk(|disk| disk.file())) {
            Ok(store) => store,
            Err(error) => {
                say(who, format!("its database is refused: {}", words(&error)));
                self.with_disk(Disk::lose);
                Store::open(&self.with_disk(|disk| disk.file())).expect("a new database")
            }
        }
    }

    pub async fn supervise(self: Arc<Self>) {
        let who = name_of(self.number);
        loop {
            let dies_at = with(|world| {
                let strength = world.odds.of(Fault::Crash);
                self.with_dice(|dice| (!world.calm && dice.chance(strength)).then(|| dice.number(1..5_000)))
            });
            let life = Life::until(dies_at.unwrap_or(u64::MAX));
            let seat = Seat::Relayer(self.number);
            let account = with(|world| world.home.address(&who).to_string());
            let config = RelayConfig {
                database: "unused".into(),
                attestors: Vec::new(),
                bump_after: 20,
                stalled_after: BTreeMap::new(),
                listen: None,
                http: HttpConfig::default(),
            };
            let relay = Relay::new(
                links::home(seat, &life, &who),
                account,
                links::chains(seat, &life, &who),
                self.attestors.iter().map(|attestor| Asking::client(attestor, &life)).collect(),
                self.open_store(&who),
                &config,
            );
            let running = tokio::spawn(relay.run(std::future::pending()));
            let ended = running.abort_handle();
            tokio::select! {
                biased;
                () = life.died.notified() => {
                    with(|world| world.fired.count(Fault::Crash));
                    say(&who, "crashes");
                }
                result = running => self.ended(&who, result),
                () = self.disk_fills(&who) => {}
            }
            ended.abort();
            life.end();
            self.restart(&who).await;
        }
    }

    /// A database that answers with an error, though there is room, is taken away. A panic is a violation already.
    fn ended(&self, who: &str, result: Result<Result<(), RelayError>, JoinError>) {
        let cause = match result {
            Ok(Ok(())) => "without a cause".into(),
            Ok(Err(error)) => end_of(&error),
            Err(error) => error.to_string(),
        };
        say(who, format!("ended: {cause}"));
        if !cause.contains("full") {
            self.with_disk(Disk::lose);
        }
    }

    async fn disk_fills(&self, who: &str) {
        loop {
            sleep(Duration::from_secs(10)).await;
            if with(|world| world.strikes(Fault::DiskFull, 0.1)) {
                say(who, "has a full disk");
                self.with_disk(|disk| disk.fill(&WRITTEN));
                let seconds = with(|world| world.dice.number(5..60));
                sleep(Duration::from_secs(seconds)).await;
                self.with_disk(Disk::empty);
            }
        }
    }

    async fn restart(&self, who: &str) {
        // whoever starts it again makes room first
        self.with_disk(Disk::empty);
        let seconds = if with(|world| world.calm) { 1 } else { self.with_dice(|dice| dice.number(1..60)) };
        sleep(Duration::from_secs(seconds)).await;
        let (lost, torn) = with(|world| (world.strikes(Fault::DiskLost, 0.5), world.strikes(Fault::TornWrite, 0.5)));
        if lost {
            say(who, "starts on an empty disk");
            self.with_disk(Disk::lose);
        } else if torn {
            say(who, "starts on a database that was not written whole");
            self.with_dice(|dice| self.with_disk(|disk| disk.tear(dice)));
        } else {
            say(who, "starts again");
            self.with_disk(Disk::reboot);
        }
    }
}

fn end_of(error: &RelayError) -> String {
    match error {
        RelayError::Store(error) => words(error),
        RelayError::Panicked(error) => error.to_string(),
    }
}

/// Without the path, which is another one each time.
fn words(error: &StoreError) -> String {
    match error {
        StoreError::Open { cause, .. } | StoreError::Sqlite(cause) => cause.to_string(),
        StoreError::Damaged { cause, .. } => cause.clone(),
        StoreError::OtherVersion { found, .. } => format!("schema {found}"),
    }
}
