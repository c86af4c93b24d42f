//! A way to a node or to an attestor that can be made bad: slow, broken off, cut short, false, gone. Or it stands still at
//! one message, so that the process behind it can be killed exactly there: no code of the product is changed for it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::seq::SliceRandom;
use rand::Rng;
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A question fits in one piece, but for long transactions, whose method comes first.
const PIECE: usize = 64 * 1024;

/// What happens to each answer on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fair,
    Late(Duration),
    /// the connection is reset instead
    Reset,
    /// half of it comes, then the connection ends
    CutShort,
    /// one digit of it is another
    False,
}

/// A message that does not arrive: the question that contains the words, or the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Question(&'static str),
    Answer(&'static str),
}

/// Carries bytes until it is dropped; then every connection through it is gone and no new one comes.
pub struct Link {
    pub url: String,
    ends: Arc<Ends>,
    carrying: JoinHandle<()>,
}

struct Ends {
    node: String,
    weather: watch::Sender<Weather>,
    /// answers that the weather changed
    struck: AtomicU64,
    stop: watch::Sender<Option<Stop>>,
    /// messages that stand still
    standing: watch::Sender<usize>,
}

impl Link {
    pub async fn to(node: &str) -> Result<Self> {
        let mut url: Url = node.parse()?;
        let (host, port) = (url.host_str().context("a host")?, url.port().context("a port")?);
        let node = format!("{host}:{port}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        // user and password, where it has some, stay
        url.set_ip_host(listener.local_addr()?.ip()).ok().context("a URL with a host")?;
        url.set_port(Some(listener.local_addr()?.port())).ok().context("a URL with a port")?;
        let ends = Arc::new(Ends {
            node,
            weather: watch::Sender::new(Weather::Fair),
            struck: AtomicU64::new(0),
            stop: watch::Sender::new(None),
            standing: watch::Sender::new(0),
        });
        let carrying = tokio::spawn(accept(listener, ends.clone()));
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), ends, carrying })
    }

    pub fn weather(&self, weather: Weather) {
        self.ends.weather.send_replace(weather);
    }

    /// Answers that the weather changed so far.
    pub fn struck(&self) -> u64 {
        self.ends.struck.load(Relaxed)
    }

    pub fn stop_at(&self, stop: Stop) {
        self.ends.stop.send_replace(Some(stop));
    }

    /// Until a message stands still.
    pub async fn stopped(&self) {
        // the sender is ours: it does not end before us
        let _ = self.ends.standing.subscribe().wait_for(|standing| *standing > 0).await;
    }

    /// What stands still is lost, and what comes from now on passes.
    pub fn go_on(&self) {
        self.ends.stop.send_replace(None);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn accept(listener: TcpListener, ends: Arc<Ends>) {
    // dropped with this task, and the connections with it
    let mut connections = JoinSet::new();
    while let Ok((from, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let ends = ends.clone();
        connections.spawn(async move {
            // either side closes when it likes
            let _ = ends.carry(from).await;
        });
    }
}

impl Ends {
    async fn carry(&self, from: TcpStream) -> io::Result<()> {
        let to = TcpStream::connect(&self.node).await?;
        from.set_nodelay(true)?;
        to.set_nodelay(true)?;
        let ((questions, asker), (answers, node)) = (from.into_split(), to.into_split());
        // one question at a time on a connection, as HTTP/1.1 has it
        let answer_stops = AtomicBool::new(false);
        tokio::select! {
            ended = self.carry_questions(questions, node, &answer_stops) => ended,
            ended = self.carry_answers(answers, asker, &answer_stops) => ended,
        }
    }

    async fn carry_questions(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        answer_stops: &AtomicBool,
    ) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece).await?;
            let piece = &piece[..read];
            let has = |words: &str| piece.windows(words.len()).any(|window| window == words.as_bytes());
            let stop = *self.stop.borrow();
            match stop {
                _ if read == 0 => return Ok(()),
                Some(Stop::Question(words)) if has(words) => return self.stand_still().await,
                Some(Stop::Answer(words)) if has(words) => answer_stops.store(true, Relaxed),
                _ => {}
            }
            to.write_all(piece).await?;
        }
    }

    async fn carry_answers(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        answer_stops: &AtomicBool,
    ) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece).await?;
            if read == 0 {
                return Ok(());
            }
            if answer_stops.load(Relaxed) {
                return self.stand_still().await;
            }
            let piece = &mut piece[..read];
            let weather = *self.weather.borrow();
            if weather != Weather::Fair {
                self.struck.fetch_add(1, Relaxed);
            }
            match weather {
                Weather::Fair => {}
                Weather::Late(by) => tokio::time::sleep(by).await,
                Weather::Reset => return to.as_ref().set_zero_linger(),
                Weather::CutShort => return to.write_all(&piece[..read / 2]).await,
                Weather::False => falsify(piece),
            }
            to.write_all(piece).await?;
        }
    }

    async fn stand_still(&self) -> io::Result<()> {
        self.standing.send_modify(|standing| *standing += 1);
        let _ = self.stop.subscribe().wait_for(Option::is_none).await;
        self.standing.send_modify(|standing| *standing -= 1);
        Ok(())
    }
}

/// Another digit in the body, where it has one; the answer stays as long as it is.
fn falsify(answer: &mut [u8]) {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| end + 4);
    let digits: Vec<usize> = (head..answer.len()).filter(|at| answer[*at].is_ascii_digit()).collect();
    let mut dice = rand::thread_rng();
    if let Some(at) = digits.choose(&mut dice) {
        answer[*at] = b'0' + (answer[*at] - b'0' + dice.gen_range(1..10)) % 10;
    }
}
