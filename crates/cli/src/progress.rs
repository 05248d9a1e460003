//! The progress of long work, on stderr, and only where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` steps of `what`, such as "sending".
pub(crate) fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta} left");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
