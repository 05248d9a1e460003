//! `wasi:logging`: a guest's log lines, bounded in number and size for each call, and in rate for each handler.

mod rate;

use crate::bindings::wasi::logging::logging;

use super::Host;

pub(crate) use logging::Level;
pub(crate) use rate::Rate;

/// Lines of one call that are kept for the attempt's record and written to the runner's log.
const LINES: usize = 200;

/// Bytes of one line, and of all lines of one call.
const LINE_BYTES: usize = 8 << 10;
const ALL_BYTES: usize = 64 << 10;

/// What the lines of the host itself are said to be about.
const HOST_CONTEXT: &str = "host";

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) level: Level,
    pub(crate) context: String,
    pub(crate) message: String,
}

impl LogLine {
    /// A warning of the host about what the guest did.
    pub(crate) fn of_host(message: String) -> Self {
        Self { level: Level::Warn, context: HOST_CONTEXT.to_owned(), message }
    }
}

/// What a guest logged in one call.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<LogLine>,
    bytes: usize,
    /// Lines that were over the limit and are gone.
    pub(crate) dropped: u64,
}

impl Log {
    fn add(&mut self, line: LogLine) {
        let bytes = line.context.len() + line.message.len();
        if self.lines.len() >= LINES || self.bytes + bytes > ALL_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += bytes;
        self.lines.push(line);
    }
}

impl logging::Host for Host {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        // A line that is dropped anyway is not worth the search for secrets.
        if self.logs.lines.len() >= LINES || self.logs.bytes >= ALL_BYTES {
            self.logs.dropped += 1;
            return Ok(());
        }
        let mask = &self.grants.mask;
        let line = LogLine { level, context: cut(&mask.apply(&context)), message: cut(&mask.apply(&message)) };
        self.logs.add(line);
        Ok(())
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LINE_BYTES {
        return text.to_owned();
    }
    let end = (0..=LINE_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}
