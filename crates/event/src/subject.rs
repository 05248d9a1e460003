//! Subjects: how they are made, matched and checked. Names that users choose never enter them, except a handler's.

use crate::{HandlerName, Prefix};

/// What stands in a subject for an event type that cannot be a token.
pub const OTHER: &str = "other";

/// Why a subject cannot be published to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Nothing at all.
    #[error("the subject is empty: name one, such as `orders.created`")]
    Empty,
    /// Two dots in a row, or a dot at an end.
    #[error("the subject {subject:?} has an empty token: remove the extra dot")]
    EmptyToken {
        /// The subject, cut after 80 characters.
        subject: String,
    },
    /// A wildcard as a token.
    #[error("the subject {subject:?} has a wildcard: publish to one literal subject")]
    Wildcard {
        /// The subject, cut after 80 characters.
        subject: String,
    },
    /// White space or a control character.
    #[error("the subject {subject:?} has a space or control character: replace or encode it")]
    Character {
        /// The subject, cut after 80 characters.
        subject: String,
    },
    /// A subject of the server's own interfaces.
    #[error("the subject {subject:?} starts with `$`, which belongs to the server: choose another")]
    Reserved {
        /// The subject, cut after 80 characters.
        subject: String,
    },
    /// Longer than a protocol line should be.
    #[error("the subject has {bytes} bytes: use at most {MAX_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Longest subject that [`validate_publish`] accepts; a server's whole protocol line has 4,096 bytes by default.
pub const MAX_BYTES: usize = 1024;

/// The token of an event type: the type itself when it is `[a-z0-9_]{1,64}`, else [`OTHER`].
#[must_use]
pub fn token_of(kind: &str) -> &str {
    let plain = (1..=64).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain { kind } else { OTHER }
}

/// Every event of one shard: `rw.ev.0.>`.
#[must_use]
pub fn events_of_shard(prefix: &Prefix, shard: u16) -> String {
    format!("{prefix}.ev.{shard}.>")
}

/// Events of one type in one shard: `rw.ev.0.room_started`.
#[must_use]
pub fn of_type(prefix: &Prefix, shard: u16, kind: &str) -> String {
    format!("{prefix}.ev.{shard}.{}", token_of(kind))
}

/// The feed of dead letters of one handler and type: `rw.dead.billing.room_started`.
#[must_use]
pub fn dead(prefix: &Prefix, handler: &HandlerName, kind: &str) -> String {
    format!("{prefix}.dead.{handler}.{}", token_of(kind))
}

/// Every dead letter: `rw.dead.>`.
#[must_use]
pub fn all_dead(prefix: &Prefix) -> String {
    format!("{prefix}.dead.>")
}

/// Whether a subject belongs to this installation itself: no guest may publish there.
#[must_use]
pub fn is_own(prefix: &Prefix, subject: &str) -> bool {
    subject.split('.').next() == Some(prefix.as_str())
}

/// Whether a subject falls under a pattern with NATS wildcards: `*` is one token, a last `>` is one or more.
#[must_use]
pub fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    let mut patterns = pattern.split('.').peekable();
    while let Some(wanted) = patterns.next() {
        if wanted == ">" && patterns.peek().is_none() {
            return tokens.next().is_some();
        }
        match tokens.next() {
            Some(token) if wanted == "*" || wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// Whether a message can be published to this subject: literal, well formed and not the server's.
///
/// # Errors
/// Says what is wrong with it and what to do.
pub fn validate_publish(subject: &str) -> Result<(), SubjectError> {
    let cut = || subject.chars().take(80).collect::<String>();
    if subject.is_empty() {
        return Err(SubjectError::Empty);
    }
    if subject.len() > MAX_BYTES {
        return Err(SubjectError::TooLong { bytes: subject.len() });
    }
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(SubjectError::Character { subject: cut() });
    }
    if subject.starts_with('$') {
        return Err(SubjectError::Reserved { subject: cut() });
    }
    for token in subject.split('.') {
        match token {
            "" => return Err(SubjectError::EmptyToken { subject: cut() }),
            "*" | ">" => return Err(SubjectError::Wildcard { subject: cut() }),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_type_that_cannot_be_a_token_becomes_other() {
        for (kind, token) in [
            ("room_started", "room_started"),
            ("a", "a"),
            ("x9_", "x9_"),
            ("", OTHER),
            ("Room", OTHER),
            ("a.b", OTHER),
            ("a b", OTHER),
            ("*", OTHER),
            (">", OTHER),
            ("ü", OTHER),
            (&"a".repeat(64), &"a".repeat(64)),
            (&"a".repeat(65), OTHER),
        ] {
            assert_eq!(token_of(kind), token, "{kind:?}");
        }
    }

    #[test]
    fn subjects_are_built_from_prefix_shard_type_and_handler() {
        let (prefix, handler) = (Prefix::default(), HandlerName::try_from("billing").unwrap());
        assert_eq!(events_of_shard(&prefix, 3), "rw.ev.3.>");
        assert_eq!(of_type(&prefix, 0, "room_started"), "rw.ev.0.room_started");
        assert_eq!(of_type(&prefix, 0, "New Type"), "rw.ev.0.other");
        assert_eq!(dead(&prefix, &handler, "room_started"), "rw.dead.billing.room_started");
        assert_eq!(all_dead(&prefix), "rw.dead.>");
    }

    #[test]
    fn everything_under_the_prefix_is_own() {
        let prefix = Prefix::default();
        for (subject, own) in [
            ("rw", true),
            ("rw.ev.0.x", true),
            ("rw.anything", true),
            ("rwx.ev", false),
            ("x.rw.ev", false),
            ("", false),
        ] {
            assert_eq!(is_own(&prefix, subject), own, "{subject}");
        }
    }

    #[test]
    fn patterns_match_as_in_nats() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.b", "a.b.c", false),
            ("a.b", "a", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("*.b", "a.b", true),
            ("a.>", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            (">", "a.b", true),
            ("a.*.>", "a.b.c.d", true),
            ("a.*.>", "a.b", false),
            ("a*", "ab", false),
            ("a.>.c", "a.b.c", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} {subject}");
        }
    }

    #[test]
    fn only_a_literal_well_formed_subject_outside_the_servers_can_be_published_to() {
        let long = "a".repeat(MAX_BYTES + 1);
        for (subject, refusal) in [
            ("orders", ""),
            ("orders.créé.a*b", ""),
            ("", "the subject is empty"),
            (".a", "empty token"),
            ("a.", "empty token"),
            ("a..b", "empty token"),
            ("a.*", "wildcard"),
            ("a.>", "wildcard"),
            ("a b", "space or control"),
            ("a\r\nPUB x", "space or control"),
            ("a\u{2028}b", "space or control"),
            ("$JS.API.STREAM.DELETE.X", "belongs to the server"),
            (&long, "has 1025 bytes"),
        ] {
            match validate_publish(subject) {
                Ok(()) => assert_eq!(refusal, "", "{subject:?} was accepted"),
                Err(error) => {
                    assert!(!refusal.is_empty() && error.to_string().contains(refusal), "{subject:?}: {error}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_type_is_the_subject_is_literal_and_in_its_shard(kind in "(?s).*", shard: u16) {
            let subject = of_type(&Prefix::default(), shard, &kind);
            prop_assert_eq!(validate_publish(&subject), Ok(()));
            prop_assert!(matches(&events_of_shard(&Prefix::default(), shard), &subject));
        }
    }
}
