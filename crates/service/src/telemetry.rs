//! Log lines on stderr.

use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The variable that says what is logged; it goes before `RUST_LOG`.
const VARIABLES: [&str; 2] = ["ROOMWIRE_LOG", "RUST_LOG"];

/// Beside Roomwire's own words, of the NATS client only what is wrong, because connection events are logged by
/// [`crate::nats`]. What the engine says of a guest's HTTP is as frequent as the guest likes, and is in the attempt's record.
const OTHERS: &str = "async_nats=warn,wasmtime_wasi_http=error";

/// What is logged of Roomwire when neither variable is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Also what happens in the course of things, as of a service.
    All,
    /// Only what is wrong, as of a command that says itself what it does.
    Warnings,
}

impl Words {
    fn filter(self) -> EnvFilter {
        let level = match self {
            Self::All => "info",
            Self::Warnings => "warn",
        };
        EnvFilter::new(format!("{level},{OTHERS}"))
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is not a log format; write `text` or `json`")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter in the environment is wrong.
    #[error("{variable} is not a log filter; write something like `info` or `info,runner=debug`")]
    Filter {
        /// The variable that holds it.
        variable: &'static str,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Somebody was first.
    #[error("logging is set up already")]
    Twice(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends log lines to stderr, filtered by `ROOMWIRE_LOG`, else `RUST_LOG`, else as `words` says.
///
/// # Errors
///
/// When the filter does not parse or logging was set up before.
pub fn init(format: Format, words: Words) -> Result<(), InitError> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(&|name| std::env::var(name).ok(), words)?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        Format::Text => subscriber.try_init(),
        Format::Json => subscriber.json().flatten_event(true).try_init(),
    }
    .map_err(InitError::Twice)
}

fn filter(env: &dyn Fn(&str) -> Option<String>, words: Words) -> Result<EnvFilter, InitError> {
    for variable in VARIABLES {
        if let Some(text) = env(variable).filter(|text| !text.is_empty()) {
            return EnvFilter::try_new(text).map_err(|source| InitError::Filter { variable, source });
        }
    }
    Ok(words.filter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roomwires_own_variable_goes_first_and_an_empty_one_is_no_filter() {
        let both =
            filter(&|name| Some(if name == "ROOMWIRE_LOG" { "debug" } else { "error" }.into()), Words::All).unwrap();
        assert_eq!(both.to_string(), "debug");
        let empty = |words| filter(&|_| Some(String::new()), words).unwrap().to_string();
        assert!(empty(Words::All).contains("info") && !empty(Words::Warnings).contains("info"));
    }

    #[test]
    fn a_filter_that_does_not_parse_names_its_variable() {
        let error = filter(&|name| (name == "RUST_LOG").then(|| "runner=loud".into()), Words::All).unwrap_err();
        assert_eq!(
            error.to_string(),
            "RUST_LOG is not a log filter; write something like `info` or `info,runner=debug`"
        );
    }
}
