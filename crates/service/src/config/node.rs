//! The YAML document as a tree in which every key and value knows its place.
//!
//! Sections are decoded from this tree by hand, because a derived decoder stops at the first mistake and cannot tell
//! which key was meant.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::problem::{Place, Problems, Refused};

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What stands at a place.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number, as it is written: `1.10` stays `1.10`.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// Reads a document; `None` and a problem when it is not YAML.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<Node> {
    let options = serde_saphyr::options! {
        // `yes` and `on` are words here, `0755` and `1_000` are text: nothing is to change between file and program.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options) {
        Ok(Some(raw)) => Some(Node::of(raw, text)),
        // An empty file, or one that holds only comments.
        Ok(None) => Some(Node { place: Place { line: 1, column: 1 }, value: Value::Null }),
        Err(error) => {
            let place = error.location().map_or(Place { line: 1, column: 1 }, place_of);
            problems.refuse(place, Refused { message: words(&error), hint: None });
            None
        }
    }
}

/// The parser's own words without the place that it adds at their end.
fn words(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        // The parser's words are for programmers.
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
            return key.as_ref().map_or("a key stands here a second time".to_owned(), |key| {
                format!("`{key}` stands here a second time; keep one of the two")
            });
        }
        serde_saphyr::Error::MultipleDocuments { .. } => {
            return "a second document begins here; write one document a file".to_owned();
        }
        _ => {}
    }
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let end = error.location().and_then(|at| text.find(&format!(" at line {}, column {}", at.line(), at.column())));
    let text = end.and_then(|end| text.get(..end)).unwrap_or(text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !letters.as_str().starts_with(char::is_uppercase) => {
            format!("{}{}", first.to_lowercase(), letters.as_str())
        }
        _ => text.to_owned(),
    }
}

impl Node {
    fn of(spanned: Spanned<Raw>, text: &str) -> Self {
        let place = place_of(spanned.referenced);
        let value = match spanned.value {
            Raw::Null => Value::Null,
            Raw::Bool(value) => Value::Bool(value),
            Raw::Number(number) => Value::Number(written(text, spanned.defined).unwrap_or(number)),
            Raw::Text(text) => Value::Text(text),
            Raw::List(items) => Value::List(items.into_iter().map(|item| Self::of(item, text)).collect()),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        place: place_of(key.referenced),
                        key: key.value,
                        node: Self::of(value, text),
                    })
                    .collect(),
            ),
        };
        Self { place, value }
    }

    /// The scalar as text, however YAML understood it.
    pub(crate) fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(text) | Value::Text(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What the value is, in the words of error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// The value on one line, as YAML would have it in its flow style.
impl fmt::Display for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Null => out.write_str("~"),
            Value::Bool(value) => value.fmt(out),
            Value::Number(text) => out.write_str(text),
            Value::Text(text) if is_plain(text) => out.write_str(text),
            Value::Text(text) => write!(out, "{text:?}"),
            Value::List(items) => {
                out.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                out.write_str("]")
            }
            Value::Map(entries) => {
                out.write_str("{")?;
                for (index, entry) in entries.iter().enumerate() {
                    write!(out, "{} {}: {}", if index == 0 { "" } else { "," }, entry.key, entry.node)?;
                }
                out.write_str(if entries.is_empty() { "}" } else { " }" })
            }
        }
    }
}

/// Text that needs no quotes among the marks of a flow style.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || "_-./@*:%+".contains(letter))
}

fn place_of(location: Location) -> Place {
    Place { line: location.line(), column: location.column() }
}

/// The characters of a plain scalar as the file has them.
fn written(text: &str, location: Location) -> Option<String> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    let raw = text.get(start..start.checked_add(length)?)?.trim();
    (!raw.is_empty() && raw.parse::<f64>().is_ok()).then(|| raw.to_owned())
}

/// What the parser hands over.
enum Raw {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
