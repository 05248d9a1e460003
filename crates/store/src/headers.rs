//! The NATS headers of an event, as they are kept with it: in memory as one text, in the database as JSON.

use std::fmt;

use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Map, Value};
use tracing::warn;

/// Headers by name and value; a name may stand several times. Names are compared letter by letter.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// All names and values, one after the other: every event has about fifteen, and few are ever looked at.
    text: Box<str>,
    /// Where each name and its value end.
    ends: Box<[(usize, usize)]>,
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        let (mut text, mut ends) = (String::with_capacity(1_024), Vec::with_capacity(16));
        for (name, value) in fields {
            text.push_str(name);
            let name = text.len();
            text.push_str(value);
            ends.push((name, text.len()));
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

impl Headers {
    /// Reads a JSON object of names and values, or lists of values. What is none is nothing: an event is worth more than
    /// its headers.
    #[must_use]
    pub fn from_json(json: &str) -> Self {
        let map: Map<String, Value> = serde_json::from_str(json).unwrap_or_else(|error| {
            warn!(%error, "the headers of an event are not a JSON object: it goes on without them");
            Map::new()
        });
        let fields = map.into_iter().flat_map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            values.into_iter().map(move |value| match value {
                Value::String(text) => (name.clone(), text),
                value => (name.clone(), value.to_string()),
            })
        });
        let fields: Vec<(String, String)> = fields.collect();
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// A JSON object of names and values, by name; of a name that stands several times a list of values.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut fields: Vec<_> = self.iter().collect();
        fields.sort_by_key(|(name, _)| *name);
        let mut json = Vec::with_capacity(self.text.len() + 16 * fields.len());
        let mut to = serde_json::Serializer::new(&mut json);
        // Texts can always be written to memory.
        let _ = to.serialize_map(None).and_then(|mut map| {
            for same in fields.chunk_by(|one, other| one.0 == other.0) {
                match same {
                    [(name, value)] => map.serialize_entry(name, value)?,
                    [(name, _), ..] => {
                        map.serialize_entry(name, &same.iter().map(|(_, value)| *value).collect::<Vec<_>>())?;
                    }
                    [] => {}
                }
            }
            map.end()
        });
        String::from_utf8(json).unwrap_or_default()
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut begin = 0;
        self.ends.iter().filter_map(move |&(name, value)| {
            let field = (self.text.get(begin..name)?, self.text.get(name..value)?);
            begin = value;
            Some(field)
        })
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        // Names differ in length, most of them: that is compared first, as each event is asked for some twenty.
        let mut begin = 0;
        self.ends.iter().find_map(|&(end, value)| {
            let is_it = begin + name.len() == end && self.text.get(begin..end) == Some(name);
            begin = value;
            if is_it { self.text.get(end..value) } else { None }
        })
    }

    /// Bytes of all names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_from_their_json_in_the_order_of_their_names() {
        let headers: Headers =
            [("b", "2"), ("a", ""), ("many", "1"), ("b-c", "\"ü\n"), ("many", "0")].into_iter().collect();
        let json = headers.to_json();
        assert_eq!(json, r#"{"a":"","b":"2","b-c":"\"ü\n","many":["1","0"]}"#);
        let read = Headers::from_json(&json);
        let told: Vec<_> = read.iter().collect();
        assert_eq!(told, [("a", ""), ("b", "2"), ("b-c", "\"ü\n"), ("many", "1"), ("many", "0")]);
        assert_eq!((read.get("many"), read.get("b"), read.get("B")), (Some("1"), Some("2"), None));
        assert_eq!(read.to_json(), json);
    }

    #[test]
    fn what_is_no_object_of_texts_is_taken_for_what_it_can_be() {
        assert_eq!(Headers::from_json("not json"), Headers::default());
        assert_eq!(Headers::from_json("[]"), Headers::default());
        assert_eq!(Headers::default().to_json(), "{}");
        assert_eq!(Headers::from_json(r#"{"n":3,"none":[]}"#).iter().collect::<Vec<_>>(), [("n", "3")]);
    }
}
