//! Where a secret comes from: text with `${NAME}`, or a file. What it is never shows in debug output.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::node::{Node, Value};
use super::problem::{Problems, Refused};
use super::section::{Keys, Section};
use super::template::{TemplateError, expand, uses_variables};
use super::value;

const KEYS: Keys = Keys { of: "a secret", known: &["file"], later: &[] };

/// A secret that is read when it is needed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// Text, with `${NAME}` still in it.
    Text(String),
    File(PathBuf),
}

/// How messages speak of a secret.
#[derive(Debug, Clone)]
pub(crate) struct Wording {
    /// As in "the secret of key `APIabc`".
    pub(crate) of: String,
    /// A variable, for hints.
    pub(crate) variable: &'static str,
    /// A file, for hints.
    pub(crate) file: &'static str,
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => out.write_str("Text(redacted)"),
            Self::File(path) => out.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Wording {
    fn template(&self) -> String {
        format!("write `${{{}}}`", self.variable)
    }
}

impl SecretSource {
    /// Decodes `${NAME}` or `{ file: … }`. Text that needs no variable is there already, and goes through `check`.
    /// `Err(None)` when the problem has been noted already.
    pub(crate) fn decode(
        node: &Node,
        words: &Wording,
        problems: &mut Problems,
        check: impl FnOnce(&str) -> Result<(), Refused>,
    ) -> Result<Self, Option<Refused>> {
        if matches!(node.value, Value::Map(_)) {
            let file = problems.file().to_owned();
            let section = Section::open(node, KEYS, problems);
            let path = section.require("file", words.file, problems, |node| value::path(node, &file));
            return path.map(Self::File).ok_or(None);
        }
        let Some(text) = node.scalar() else {
            return Err(Some(Refused::new(
                format!("{} is {}", words.of, node.kind()),
                format!("{}, or `{{ file: {} }}`", words.template(), words.file),
            )));
        };
        match uses_variables(&text) {
            Ok(true) => Ok(Self::Text(text)),
            Ok(false) => check(&text).map(|()| Self::Text(text)).map_err(Some),
            Err(error) => Err(Some(Refused::new(format!("{}: {error}", words.of), words.template()))),
        }
    }

    /// Whether the secret itself stands in the configuration.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(self, Self::Text(text) if !uses_variables(text).unwrap_or(false))
    }

    /// Reads the secret, from the environment or its file.
    pub(crate) fn resolve(&self, words: &Wording, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Refused> {
        match self {
            Self::Text(text) => expand(text, env).map_err(|error| match error {
                TemplateError::Undefined { name } => Refused::new(
                    format!("{} needs the environment variable {name}, which is not set", words.of),
                    format!("set {name}, or write `{{ file: {} }}` instead", words.file),
                ),
                TemplateError::Malformed => Refused::new(format!("{}: {error}", words.of), words.template()),
            }),
            Self::File(path) => match fs::read_to_string(path) {
                // Files written by hand or by secret managers end in a line feed that is not part of the secret.
                Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => Err(Refused::new(
                    format!("{} cannot be read from {}: {error}", words.of, path.display()),
                    "the file must exist and be readable by this process",
                )),
            },
        }
    }
}
