//! The processes' own log, as lines of the timeline.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use crate::world::say;

pub struct Timeline;

impl io::Write for Timeline {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say("log", String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Timeline {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}
