//! Members of a JSON object by name, found in one pass over its text. Only what was asked for is kept, and as text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of these names, in their order; of a repeated one the last.
///
/// # Errors
/// When the text is no JSON object.
pub(super) fn members<'a, const N: usize>(
    json: &'a str,
    names: [&'static str; N],
) -> Result<[Option<&'a RawValue>; N], serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(json);
    let found = parser.deserialize_map(Names(names))?;
    parser.end()?;
    Ok(found)
}

/// The text that a value is; none when it is anything else.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) if !inside.contains('\\') => Some(Cow::Borrowed(inside)),
        Some(_) => serde_json::from_str(json).ok().map(Cow::Owned),
        None => None,
    }
}

#[derive(Clone, Copy)]
struct Names<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Names<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = [None; N];
        while let Some(place) = map.next_key_seed(Place(self))? {
            match place.and_then(|place| found.get_mut(place)) {
                Some(value) => *value = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// Where among the names a member's name is.
struct Place<const N: usize>(Names<N>);

impl<'de, const N: usize> DeserializeSeed<'de> for Place<N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Place<N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let Place(Names(names)) = self;
        Ok(names.iter().position(|known| *known == name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn found(json: &str) -> Option<[Option<String>; 2]> {
        let members = members(json, ["a", "b"]).ok()?;
        Some(members.map(|member| member.map(|value| value.get().to_owned())))
    }

    #[test]
    fn what_was_asked_for_is_found_and_the_last_one_counts() {
        let some = |text: &str| Some(text.to_owned());
        for (json, expected) in [
            ("{}", Some([None, None])),
            (r#" {"b": [1, {"a": 2}] , "x": {"a": 3}} "#, Some([None, some(r#"[1, {"a": 2}]"#)])),
            (r#"{"a":1,"b":2,"a":null}"#, Some([some("null"), some("2")])),
            (r#"{"\u0061":"\ud800"}"#, Some([some(r#""\ud800""#), None])),
            (r#"{"a":1}x"#, None),
            (r#"{"a":1"#, None),
            (r#"{"a":01}"#, None),
            (r#"{"\ud800":1}"#, None),
            ("[]", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(found(json), expected, "{json}");
        }
    }

    #[test]
    fn only_a_text_is_a_text() {
        for (json, expected) in [
            (r#""""#, Some("")),
            (r#""ü x""#, Some("ü x")),
            (r#""a\"\u00fc\n""#, Some("a\"ü\n")),
            (r#""\ud800""#, None),
            ("7", None),
            ("null", None),
            (r#"["a"]"#, None),
        ] {
            assert_eq!(text(serde_json::from_str(json).unwrap()).as_deref(), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_full_parser_finds(a in ".*", b in ".*", other in ".*") {
            let json = serde_json::json!({"a": a, "b": {"a": b}, "c": [other.as_str(), other.as_str()]}).to_string();
            let [found_a, found_b] = members(&json, ["a", "b"]).unwrap().map(Option::unwrap);
            prop_assert_eq!(text(found_a).unwrap(), a.as_str());
            let whole: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Value>(found_b.get()).unwrap(), &whole["b"]);
        }
    }
}
