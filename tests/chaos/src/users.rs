//! The users: each opens what they wish for and deposits, again and again while nodes fail them, until it has ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aes_cli::commands::open::Open;
use aes_cli::commands::prepare::Prepare;
use aes_cli::commands::rollback::Rollback;
use aes_cli::context::Context;
use aes_coordinator::msg::State;
use aes_e2e::net::typed;
use aes_protocol::Hash32;
use anyhow::Result;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout, Instant};

use crate::wish::{Habit, Wish};

/// A command that takes longer is given up, and its wallet is opened anew.
const TRY: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(1);
/// Whoever's execution has not ended by then goes home: the tally finds it.
const PATIENCE: Duration = Duration::from_secs(400);

/// One key, as many commands at once as there are users.
pub struct Users {
    config: PathBuf,
    relayer: String,
    wallet: Mutex<Arc<Context>>,
}

impl Users {
    pub async fn new(config: &Path, relayer: String) -> Result<Self> {
        let wallet = Mutex::new(Arc::new(Context::open(config).await?));
        Ok(Self { config: config.into(), relayer, wallet })
    }

    pub async fn live(&self, wish: Wish) {
        // an execution that was opened and not heard of is found by the tally
        let _ = timeout(PATIENCE, async {
            let Some(id) = self.open(&wish).await else { return };
            while !self.try_it(async |wallet| go_on(wallet, &id, &wish).await).await.unwrap_or(false) {
                sleep(REST).await;
            }
        })
        .await;
    }

    /// The same execution however often it is tried; `None` once its deadline has passed.
    async fn open(&self, wish: &Wish) -> Option<Hash32> {
        let salt = Hash32(rand::random()).to_string();
        let end = Instant::now() + Duration::from_secs(wish.deadline);
        let mut deadline_at = None;
        while Instant::now() < end {
            let opened = self.try_it(async |wallet| {
                let at = match deadline_at {
                    Some(at) => at,
                    None => *deadline_at.insert(wallet.home.time().await? + wish.deadline),
                };
                let at = at.to_string();
                let mut words = vec!["--deadline-at", &at, "--salt", &salt, "--relayer", &self.relayer];
                wish.legs.iter().for_each(|leg| words.extend(["--leg", leg]));
                Ok(typed::<Open>(&words)?.run(wallet).await?.execution_id)
            });
            match opened.await {
                Some(id) => return Some(id),
                None => sleep(REST).await,
            }
        }
        None
    }

    /// `None`: it failed, and whoever tries next has a new wallet, which asks the nodes where they are.
    async fn try_it<T>(&self, command: impl AsyncFnOnce(&Context) -> Result<T>) -> Option<T> {
        let used = self.wallet.lock().await.clone();
        if let Ok(Ok(done)) = timeout(TRY, command(&used)).await {
            return Some(done);
        }
        let mut wallet = self.wallet.lock().await;
        if Arc::ptr_eq(&wallet, &used) {
            if let Ok(new) = Context::open(&self.config).await {
                *wallet = Arc::new(new);
            }
        }
        None
    }
}

/// Does what is the user's to do now; `true` once the execution has ended.
async fn go_on(wallet: &Context, id: &Hash32, wish: &Wish) -> Result<bool> {
    let execution = wallet.execution(id).await?;
    if execution.state != State::Open || wallet.home.time().await? >= execution.deadline {
        return Ok(matches!(execution.state, State::Finalized | State::RolledBack));
    }
    for leg in execution.legs.iter().map(|entry| &entry.leg).filter(|leg| leg.function.is_account_sourced()) {
        if wish.habit != Habit::Withholds || leg.index > 0 {
            Prepare::new(*id, leg.index).run(wallet).await?;
        }
    }
    if wish.habit == Habit::Cancels {
        typed::<Rollback>(&[&id.to_string()])?.run(wallet).await?;
    }
    Ok(false)
}
