//! `wasi:logging`: a guest's log lines, bounded in number and size.

use crate::bindings::wasi::logging::logging;

use super::Host;

/// Lines that are kept for the attempt's record and written to the runner's log.
const LINES: usize = 200;

/// Bytes of one line.
const LINE_BYTES: usize = 8 << 10;

pub(crate) use logging::Level;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) level: Level,
    pub(crate) context: String,
    pub(crate) message: String,
}

/// What a guest logged in one call.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<LogLine>,
    /// Lines that were over the limit and are gone.
    pub(crate) dropped: u64,
}

impl logging::Host for Host {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        if self.logs.lines.len() >= LINES {
            self.logs.dropped += 1;
            return Ok(());
        }
        self.logs.lines.push(LogLine { level, context: cut(context), message: cut(message) });
        Ok(())
    }
}

fn cut(mut text: String) -> String {
    if text.len() > LINE_BYTES {
        let mut end = LINE_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
