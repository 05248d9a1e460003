//! `on`: the types of events that a handler takes.

use std::fmt;

use crate::config::node::Node;
use crate::config::problem::{Problems, Refused};
use crate::config::section::nearest;
use crate::config::value;

/// The type under which a handler takes the dead letters of other handlers.
pub const DEAD_LETTER: &str = "roomwire.dead_letter";

/// The types that LiveKit is known to send. Others are taken too; these are here to notice a slip of the pen.
const KNOWN: [&str; 15] = [
    "room_started",
    "room_finished",
    "participant_joined",
    "participant_left",
    "participant_connection_aborted",
    "track_published",
    "track_unpublished",
    "egress_started",
    "egress_updated",
    "egress_ended",
    "ingress_started",
    "ingress_ended",
    "agent_job_pending",
    "agent_job_started",
    "agent_job_ended",
];

/// Types of events. Displays as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Every event of LiveKit.
    All,
    /// The dead letters of other handlers.
    DeadLetter,
    /// One type.
    Type(String),
    /// The types that fit, where `*` stands for any characters.
    Glob(String),
}

impl Pattern {
    /// Whether an event of this type is meant. Dead letters are meant only when they are named.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        match self {
            Self::DeadLetter => kind == DEAD_LETTER,
            Self::All => kind != DEAD_LETTER,
            Self::Type(name) => kind == name,
            Self::Glob(glob) => kind != DEAD_LETTER && fits(glob, kind),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::All => "*",
            Self::DeadLetter => DEAD_LETTER,
            Self::Type(text) | Self::Glob(text) => text,
        })
    }
}

/// Whether `text` fits `glob`. The pieces between the stars must appear one after another; taking the first place for
/// each is enough.
fn fits(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').map_or((None, rest), |(middle, tail)| (Some(middle), tail));
    for piece in middle.into_iter().flat_map(|middle| middle.split('*')) {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(tail)
}

pub(super) fn decode(node: &Node) -> Result<Vec<Pattern>, Refused> {
    let patterns = value::items(node)?.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    if patterns.is_empty() {
        return Err(Refused::new("names no event", "write `[participant_joined]`, `[participant_*]`, or `\"*\"`"));
    }
    Ok(patterns)
}

fn one(node: &Node) -> Result<Pattern, Refused> {
    let text = value::filled(node)?;
    if text == "*" {
        return Ok(Pattern::All);
    }
    if text == DEAD_LETTER {
        return Ok(Pattern::DeadLetter);
    }
    if text.starts_with("roomwire.") {
        return Err(Refused::new(
            format!("is `{text}`"),
            format!("`{DEAD_LETTER}` is the only event that Roomwire itself makes"),
        ));
    }
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control() || letter == ',') {
        return Err(Refused::new(format!("is `{text}`"), "write a list: `[participant_joined, participant_left]`"));
    }
    Ok(if text.contains('*') { Pattern::Glob(text) } else { Pattern::Type(text) })
}

/// Notes types that LiveKit is not known to send. That is no error, because its list grows every few months.
pub(super) fn warn_unknown(node: &Node, patterns: &[Pattern], problems: &mut Problems) {
    let nodes = value::items(node).unwrap_or_default();
    for (node, pattern) in nodes.iter().zip(patterns) {
        let known = match pattern {
            Pattern::All | Pattern::DeadLetter => true,
            Pattern::Type(name) => KNOWN.contains(&name.as_str()),
            Pattern::Glob(glob) => KNOWN.iter().any(|name| fits(glob, name)),
        };
        if !known {
            let hint = nearest(&pattern.to_string(), &KNOWN).map(|name| format!("did you mean `{name}`?"));
            problems.warn(
                node.place,
                Refused { message: format!("`{pattern}` is no event that LiveKit is known to send"), hint },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let fitting = [
            ("participant_*", "participant_left"),
            ("*_started", "egress_started"),
            ("*a*b*", "xxaxxbxx"),
            ("a*a", "aa"),
        ];
        for (glob, kind) in fitting {
            assert!(Pattern::Glob(glob.into()).matches(kind), "{glob} {kind}");
        }
        let others = [("participant_*", "room_started"), ("*_started", "started"), ("a*a", "a"), ("*b*a*", "ab")];
        for (glob, kind) in others {
            assert!(!Pattern::Glob(glob.into()).matches(kind), "{glob} {kind}");
        }
    }

    #[test]
    fn dead_letters_are_taken_only_by_name() {
        assert!(!Pattern::All.matches(DEAD_LETTER));
        assert!(!Pattern::Glob("room*".into()).matches(DEAD_LETTER));
        assert!(Pattern::DeadLetter.matches(DEAD_LETTER));
    }
}
