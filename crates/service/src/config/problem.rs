//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A position in the configuration file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

/// One thing that is wrong with a configuration. Displays as `file:line:column: message`, with the hint on a line of
/// its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
    /// The column, in characters, counted from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// How to make it right.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(out, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}; name the file with `--config`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file was read and is wrong.
    #[error("{}", lines(problems))]
    Invalid {
        /// Everything that is wrong, in the order of the file; at least one.
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A value that is refused: the words without the place.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Refused {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// Collects problems, so that one run shows all of them.
#[derive(Debug)]
pub(crate) struct Problems {
    file: PathBuf,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Problems {
    pub(crate) fn of(file: &Path) -> Self {
        Self { file: file.to_owned(), errors: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn refuse(&mut self, place: Place, refused: Refused) {
        let problem = self.problem(place, refused);
        self.errors.push(problem);
    }

    pub(crate) fn warn(&mut self, place: Place, refused: Refused) {
        let problem = self.problem(place, refused);
        self.warnings.push(problem);
    }

    fn problem(&self, place: Place, refused: Refused) -> Problem {
        Problem {
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            message: refused.message,
            hint: refused.hint,
        }
    }

    /// The warnings, when nothing is wrong.
    pub(crate) fn finish(mut self) -> Result<Vec<Problem>, ConfigError> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        self.errors.sort_by_key(|problem| (problem.line, problem.column));
        Err(ConfigError::Invalid { problems: self.errors })
    }
}
