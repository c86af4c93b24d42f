//! What the end-to-end tests share: the devnet with its balances, messages signed by hand, and an EVM account of
//! one's own. Every test here talks to real nodes; nothing is mocked.

pub mod bitcoin;
pub mod cw20;
pub mod depositor;
pub mod evm;
pub mod hand;
pub mod link;
pub mod net;
pub mod process;

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{bail, ensure, Context as _, Result};
use tokio::sync::watch;

/// How long any one thing may take to be seen on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Runs each scenario on the same deployment, tells each by name, and fails at the end with all that failed.
#[macro_export]
macro_rules! play {
    ($net:expr, $($scenario:path),+ $(,)?) => {{
        let mut failed: Vec<String> = Vec::new();
        $(
            let begun = std::time::Instant::now();
            match $scenario($net).await {
                Ok(()) => println!("ok      {} ({:.1} s)", stringify!($scenario), begun.elapsed().as_secs_f32()),
                Err(error) => {
                    println!("FAILED  {}: {error:?}", stringify!($scenario));
                    failed.push(format!("{}: {error:#}", stringify!($scenario)));
                }
            }
        )+
        failed
    }};
}

/// Looks again at every new block until there is an answer.
pub async fn until<T>(
    mut ticks: watch::Receiver<u64>,
    what: &str,
    look: impl AsyncFn() -> Result<Option<T>>,
) -> Result<T> {
    let looking = async {
        loop {
            if let Some(answer) = look().await? {
                return Ok(answer);
            }
            ticks.changed().await.context("the chain's block watcher stopped")?;
        }
    };
    let late = || format!("not seen in {} s: {what}", PATIENCE.as_secs());
    tokio::time::timeout(PATIENCE, looking).await.with_context(late)?
}

/// An error that says `cause`, and nothing else, is right.
pub fn refused<T: Debug>(answer: Result<T>, cause: &str) -> Result<()> {
    match answer {
        Ok(answer) => bail!("not refused, though '{cause}' was expected: {answer:?}"),
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains(cause), "refused with other words than '{cause}': {text}");
            Ok(())
        }
    }
}

pub fn same<T: PartialEq + Debug>(what: &str, left: &T, right: &T) -> Result<()> {
    ensure!(left == right, "{what} differ:\n  {left:?}\n  {right:?}");
    Ok(())
}
