//! The line: one JSON object with the fields that an event has, in a fixed order.

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// What the line is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// The event's id.
    pub id: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// The name of the LiveKit project.
    pub project: &'a str,
    /// Its room, if it has one.
    pub room: Option<&'a str>,
    /// Its participant, if it has one.
    pub participant: Option<&'a str>,
    /// When LiveKit made it, RFC 3339.
    pub created_at: &'a str,
    /// Which attempt this is.
    pub attempt: u32,
}

/// The line of an event.
#[must_use]
pub fn line(seen: &Seen<'_>) -> String {
    let texts = [
        ("id", Some(seen.id)),
        ("kind", Some(seen.kind)),
        ("room", seen.room),
        ("participant", seen.participant),
        // One project is the rule; its name would be noise in every line.
        ("project", Some(seen.project).filter(|project| *project != "default")),
        ("created_at", Some(seen.created_at).filter(|time| !time.is_empty())),
    ];
    // Written as it goes: to allocate is most of what this handler does.
    let mut line = String::with_capacity(256);
    line.push('{');
    for (name, text) in texts {
        if let Some(text) = text {
            line.push_str(if line.len() > 1 { ",\"" } else { "\"" });
            line.push_str(name);
            line.push_str("\":");
            // A text can always be written.
            line.push_str(&serde_json::to_string(text).unwrap_or_default());
        }
    }
    if seen.attempt > 1 {
        let _ = write!(line, ",\"attempt\":{}", seen.attempt);
    }
    line.push('}');
    line
}

/// How serious the lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// `trace`
    Trace,
    /// `debug`
    Debug,
    /// `info`, where the config does not say
    #[default]
    Info,
    /// `warn`
    Warn,
    /// `error`
    Error,
}

/// A text that names no level.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownLevel(String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config.level: {:?} is not one of trace, debug, info, warn, error", self.0)
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "trace" => Ok(Self::Trace),
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            other => Err(UnknownLevel(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOINED: Seen<'_> = Seen {
        id: "EV_1",
        kind: "participant_joined",
        project: "default",
        room: Some("stand-up"),
        participant: Some("ada"),
        created_at: "2026-11-20T10:00:00Z",
        attempt: 1,
    };

    #[test]
    fn the_line_has_what_the_event_has() {
        assert_eq!(
            line(&JOINED),
            r#"{"id":"EV_1","kind":"participant_joined","room":"stand-up","participant":"ada","created_at":"2026-11-20T10:00:00Z"}"#
        );
        let bare = Seen { room: None, participant: None, created_at: "", ..JOINED };
        assert_eq!(line(&bare), r#"{"id":"EV_1","kind":"participant_joined"}"#);
    }

    #[test]
    fn project_and_attempt_are_said_where_they_tell_something() {
        let again = Seen { project: "eu", attempt: 2, room: None, participant: None, created_at: "", ..JOINED };
        assert_eq!(line(&again), r#"{"id":"EV_1","kind":"participant_joined","project":"eu","attempt":2}"#);
    }

    #[test]
    fn names_that_users_choose_cannot_break_the_line() {
        let odd = Seen { room: Some("a\"b\\c\nd\u{1b}[2J"), ..JOINED };
        let line = line(&odd);
        assert!(!line.contains('\n') && !line.contains('\u{1b}'), "{line}");
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["room"], "a\"b\\c\nd\u{1b}[2J");
    }

    #[test]
    fn a_level_is_one_of_five_words() {
        assert_eq!("warn".parse(), Ok(Level::Warn));
        let error = "loud".parse::<Level>().unwrap_err().to_string();
        assert_eq!(error, "config.level: \"loud\" is not one of trace, debug, info, warn, error");
    }
}
