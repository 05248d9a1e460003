//! The progress of long work, on stderr; bars only where that is a terminal.

use std::io::Write as _;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` steps of `what`, such as "sending".
pub(crate) fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta} left");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

/// A line about what happened.
pub(crate) fn note(text: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}
