//! What a long command says while it runs: lines, and a dot for each second in which there is nothing to say.

use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{interval, Instant};

const DOT: Duration = Duration::from_secs(1);

pub struct Screen(RefCell<State>);

struct State {
    out: Box<dyn Write>,
    spoke: Instant,
    /// the line that the cursor is on has dots
    dots: bool,
}

impl Screen {
    pub fn on(out: impl Write + 'static) -> Self {
        Self(RefCell::new(State { out: Box::new(out), spoke: Instant::now(), dots: false }))
    }

    pub fn say(&self, line: impl Display) {
        let mut state = self.0.borrow_mut();
        let end = if std::mem::take(&mut state.dots) { "\n" } else { "" };
        state.write(format_args!("{end}{line}\n"));
    }

    /// Until `work` is done.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let (mut work, mut seconds) = (pin!(work), interval(DOT));
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = seconds.tick() => self.dot(),
            }
        }
    }

    fn dot(&self) {
        let mut state = self.0.borrow_mut();
        if state.spoke.elapsed() >= DOT {
            let start = if std::mem::replace(&mut state.dots, true) { "" } else { "   " };
            state.write(format_args!("{start}."));
        }
    }
}

impl State {
    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // a terminal that was closed stops nothing
        let _ = self.out.write_fmt(text).and_then(|()| self.out.flush());
        self.spoke = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Rc<RefCell<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_dotted_and_a_line_begins_on_its_own() {
        let paper = Paper::default();
        let screen = Screen::on(paper.clone());
        screen
            .during(async {
                screen.say("begun");
                tokio::time::sleep(DOT * 3 + DOT / 2).await;
                screen.say("done");
            })
            .await;
        assert_eq!(String::from_utf8_lossy(&paper.0.borrow()), "begun\n   ...\ndone\n");
    }
}
