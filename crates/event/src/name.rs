//! Checked names: an event's id, the project, the subject prefix, a handler, a plugin.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not valid: {rule}")]
pub struct NameError {
    /// What kind of name it was meant to be.
    pub what: &'static str,
    /// The text, cut after 80 characters.
    pub given: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl NameError {
    pub(crate) fn new(what: &'static str, given: &str, rule: &'static str) -> NameError {
        NameError { what, given: given.chars().take(80).collect(), rule }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $valid:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(Arc::from(text))) } else { Err(NameError::new($what, text, $rule)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::try_from(text.as_str())
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// The id that LiveKit gave to an event (`EV_…`). Any text of 1 to 512 bytes: headers carry it percent-encoded.
    EventId,
    "event id",
    |text| (1..=512).contains(&text.len()),
    "an id has 1 to 512 bytes"
);

name!(
    /// Whose events these are: one LiveKit project, or environment. Part of the shard hash and of `ce-source`.
    Project,
    "project",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')),
    "use 1 to 64 of a-z, 0-9, `_` and `-`"
);

name!(
    /// First token of every subject of one Roomwire installation, and, in upper case, of its stream names.
    Prefix,
    "prefix",
    |text| text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')),
    "start with a-z, then up to 31 of a-z, 0-9, `_` and `-`"
);

/// What a file, a key and a subject can be called by, and people can type.
fn is_word(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

name!(
    /// Name of a handler in the configuration.
    HandlerName,
    "handler name",
    is_word,
    "start with a-z or 0-9, then up to 63 of a-z, 0-9, `_` and `-`"
);

name!(
    /// Name of a plugin in the registry.
    PluginName,
    "plugin name",
    is_word,
    "start with a-z or 0-9, then up to 63 of a-z, 0-9, `_` and `-`"
);

impl Project {
    /// Whether this is the project that is meant where none is named.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == "default"
    }
}

impl Default for Project {
    fn default() -> Project {
        Project(Arc::from("default"))
    }
}

impl Prefix {
    /// The prefix as stream names carry it: upper case.
    #[must_use]
    pub fn stream(&self) -> String {
        self.0.to_ascii_uppercase()
    }
}

impl Default for Prefix {
    fn default() -> Prefix {
        Prefix(Arc::from("rw"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_accepts_and_refuses_by_its_rule() {
        let long = |n: usize| "a".repeat(n);
        for (text, id, project, prefix, handler) in [
            ("", false, false, false, false),
            ("a", true, true, true, true),
            ("EV_VGWsNSCZMepC", true, false, false, false),
            ("0x", true, true, false, true),
            ("-x", true, true, false, false),
            ("_x", true, true, false, false),
            ("a-b_c9", true, true, true, true),
            ("a.b", true, false, false, false),
            ("a b\r\n", true, false, false, false),
            ("ä", true, false, false, false),
            (&long(32), true, true, true, true),
            (&long(33), true, true, false, true),
            (&long(64), true, true, false, true),
            (&long(65), true, false, false, false),
            (&long(512), true, false, false, false),
            (&long(513), false, false, false, false),
        ] {
            assert_eq!(EventId::try_from(text).is_ok(), id, "event id {text:?}");
            assert_eq!(Project::try_from(text).is_ok(), project, "project {text:?}");
            assert_eq!(Prefix::try_from(text).is_ok(), prefix, "prefix {text:?}");
            assert_eq!(HandlerName::try_from(text).is_ok(), handler, "handler {text:?}");
            assert_eq!(PluginName::try_from(text).is_ok(), handler, "plugin {text:?}");
        }
    }

    #[test]
    fn a_refusal_says_which_rule_and_cuts_the_text() {
        let error = HandlerName::try_from("No Way".repeat(100).as_str()).unwrap_err();
        assert!(error.to_string().starts_with("handler name \"No WayNo Way"), "{error}");
        assert!(
            error.to_string().ends_with("start with a-z or 0-9, then up to 63 of a-z, 0-9, `_` and `-`"),
            "{error}"
        );
        assert_eq!(error.given.len(), 80);
    }

    #[test]
    fn the_defaults_are_rw_and_default() {
        assert_eq!((Prefix::default().as_str(), Prefix::default().stream().as_str()), ("rw", "RW"));
        assert!(Project::default().is_default());
    }

    #[test]
    fn names_survive_json_and_bad_ones_do_not_deserialize() {
        let name: HandlerName = serde_json::from_str("\"billing\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"billing\"");
        assert!(serde_json::from_str::<HandlerName>("\"Billing\"").is_err());
    }
}
