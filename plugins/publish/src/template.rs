//! The subject: a template with placeholders, each of which becomes exactly one token.

use std::fmt;

use crate::escape::escape;

/// Longest token that a placeholder becomes; a longer one is cut and ends with a hash of the whole.
const MAX_TOKEN: usize = 128;

/// What placeholders stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// `{id}`
    pub id: &'a str,
    /// `{kind}`
    pub kind: &'a str,
    /// `{project}`
    pub project: &'a str,
    /// `{room}`
    pub room: Option<&'a str>,
    /// `{participant}`
    pub participant: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Id,
    Kind,
    Project,
    Room,
    Participant,
}

impl Placeholder {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "kind" => Self::Kind,
            "project" => Self::Project,
            "room" => Self::Room,
            "participant" => Self::Participant,
            _ => return None,
        })
    }

    fn of<'a>(self, facts: &Facts<'a>) -> &'a str {
        match self {
            Self::Id => facts.id,
            Self::Kind => facts.kind,
            Self::Project => facts.project,
            Self::Room => facts.room.unwrap_or_default(),
            Self::Participant => facts.participant.unwrap_or_default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Placeholder),
}

/// A checked template, e.g. `meetings.{room}.{kind}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// Why a template is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It names a placeholder that there is not.
    Unknown(String),
    /// A `{` without its `}`, or the other way round.
    Brace,
    /// An empty token: nothing at all, a dot at an end, or two dots in a row.
    EmptyToken,
    /// A character that cannot be in a subject to publish to.
    Character(char),
    /// It starts with `$`, which is the server's own.
    Reserved,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(
                    f,
                    "config.subject: no placeholder {{{name}}}; there are {{id}}, {{kind}}, {{project}}, {{room}} and {{participant}}"
                )
            }
            Self::Brace => f.write_str("config.subject: a brace without its partner"),
            Self::EmptyToken => f.write_str("config.subject: an empty token: remove the extra dot"),
            Self::Character(character) => {
                write!(f, "config.subject: {character:?} cannot be in a subject to publish to")
            }
            Self::Reserved => f.write_str("config.subject: subjects that start with `$` are the server's own"),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When a subject made from it could not be published to.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.starts_with('$') {
            return Err(TemplateError::Reserved);
        }
        if text.split('.').any(str::is_empty) {
            return Err(TemplateError::EmptyToken);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateError::Brace)?;
            let placeholder = Placeholder::named(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            parts.push(Part::Text(plain(before)?));
            parts.push(Part::Value(placeholder));
            rest = after;
        }
        parts.push(Part::Text(plain(rest)?));
        Ok(Self(parts))
    }

    /// The subject of an event. What the event does not have becomes `_`.
    #[must_use]
    pub fn subject(&self, facts: &Facts<'_>) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(placeholder) => token(placeholder.of(facts)),
        });
        parts.collect()
    }
}

fn plain(text: &str) -> Result<String, TemplateError> {
    match text.chars().find(|c| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>' | '}')) {
        Some('}') => Err(TemplateError::Brace),
        Some(character) => Err(TemplateError::Character(character)),
        None => Ok(text.to_owned()),
    }
}

/// A value as part of one token: letters, digits, `-` and `_` stay, every other byte becomes `%` and two hexadecimal
/// digits, so that different values stay different and none of them adds a token or a wildcard.
#[must_use]
pub fn token(value: &str) -> String {
    if value.is_empty() {
        return "_".to_owned();
    }
    let token = escape(value, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match token.get(..MAX_TOKEN - 17) {
        // Rooms whose long names start alike must not share a subject.
        Some(start) if token.len() > MAX_TOKEN => format!("{start}~{:016x}", fnv1a(value.as_bytes())),
        _ => token,
    }
}

/// 64-bit FNV-1a: short, and the same in every build.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> = Facts {
        id: "EV_1",
        kind: "participant_joined",
        project: "default",
        room: Some("stand-up"),
        participant: Some("ada@example.org"),
    };

    #[test]
    fn each_placeholder_becomes_one_token() {
        let subject = |template: &str| Template::parse(template).unwrap().subject(&FACTS);
        assert_eq!(subject("meetings.{room}.{kind}"), "meetings.stand-up.participant_joined");
        assert_eq!(subject("{project}.x-{id}"), "default.x-EV_1");
        assert_eq!(subject("p.{participant}"), "p.ada%40example%2Eorg");
        assert_eq!(subject("fixed"), "fixed");
    }

    #[test]
    fn what_the_event_does_not_have_is_an_underscore() {
        let bare = Facts { room: None, participant: Some(""), ..FACTS };
        assert_eq!(Template::parse("m.{room}.{participant}").unwrap().subject(&bare), "m._._");
    }

    #[test]
    fn a_room_cannot_choose_the_subject() {
        for room in ["a.b", "*", ">", "a b", "a\r\nPUB x", "$SYS", "ü", "\u{2028}", "{kind}"] {
            let token = token(room);
            assert!(
                token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'%')),
                "{room:?} became {token}"
            );
        }
    }

    #[test]
    fn different_values_stay_different() {
        assert_ne!(token("a b"), token("a_b"));
        assert_ne!(token("a%20b"), token("a b"));
        let (one, two) = (format!("{}1", "long".repeat(100)), format!("{}2", "long".repeat(100)));
        assert_ne!(token(&one), token(&two));
        assert_eq!(token(&one).len(), MAX_TOKEN);
        assert_eq!(token(&one), token(&one));
    }

    #[test]
    fn a_template_that_makes_no_subject_is_refused() {
        for (template, error) in [
            ("", TemplateError::EmptyToken),
            ("a..b", TemplateError::EmptyToken),
            (".a", TemplateError::EmptyToken),
            ("a.", TemplateError::EmptyToken),
            ("a.*", TemplateError::Character('*')),
            ("a.>", TemplateError::Character('>')),
            ("a b", TemplateError::Character(' ')),
            ("$JS.{id}", TemplateError::Reserved),
            ("a.{room", TemplateError::Brace),
            ("a.room}", TemplateError::Brace),
            ("a.{rom}", TemplateError::Unknown("rom".to_owned())),
        ] {
            assert_eq!(Template::parse(template), Err(error), "{template:?}");
        }
    }
}
