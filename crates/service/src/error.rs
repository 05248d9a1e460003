//! An error together with its causes, on one line.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources as `outer: cause: cause`.
///
/// Errors never repeat their source in their own message, so that this is the one place where chains are written.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        out.write_str(&last)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some libraries forward the text of their source: saying it twice helps nobody.
            if !last.ends_with(&text) {
                write!(out, ": {text}")?;
            }
            last = text;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the file")]
    struct Outer(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("no such thing")]
    struct Forwarding(#[source] std::io::Error);

    #[test]
    fn every_cause_is_written_once_and_in_order() {
        let error = Outer(std::io::Error::other(Forwarding(std::io::Error::other("no such thing"))));
        assert_eq!(Chain(&error).to_string(), "cannot read the file: no such thing");
    }
}
