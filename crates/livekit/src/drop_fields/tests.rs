//! What is cut out, and that nothing else is.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn drops(name: &str) -> bool {
    matches!(name, "x" | "secret")
}

fn left(json: &str) -> String {
    match drop_fields(json.as_bytes(), &drops) {
        Ok(Some(left)) => String::from_utf8(left).unwrap(),
        Ok(None) => "unchanged".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_member_goes_with_the_comma_that_it_needed() {
    for (json, expected) in [
        (r#"{"x":1}"#, "{}"),
        (r#"{ "x" : 1 }"#, "{  }"),
        (r#"{"x":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":2,"x":1}"#, r#"{"a":2}"#),
        (r#"{"a":2, "x":1, "b":3}"#, r#"{"a":2, "b":3}"#),
        (r#"{"x":1, "secret":2, "a":3}"#, r#"{"a":3}"#),
        (r#"{"a":3, "x":1, "secret":2}"#, r#"{"a":3}"#),
        (r#"{"x":1, "secret":2}"#, "{}"),
        (r#"{"x":1,"a":2,"x":3,"b":4,"x":5}"#, r#"{"a":2,"b":4}"#),
        ("{\n  \"x\": 1,\n  \"a\": 2\n}", "{\n  \"a\": 2\n}"),
    ] {
        assert_eq!(left(json), expected, "{json}");
    }
}

#[test]
fn at_any_depth_and_whatever_the_value_is() {
    for (json, expected) in [
        (r#"{"a":{"x":"1,}","b":[{"x":[1,{"y":2}]},{"c":1,"x":{}}]}}"#, r#"{"a":{"b":[{},{"c":1}]}}"#),
        (r#"[{"x":null},"x",{"a":"x"}]"#, r#"[{},"x",{"a":"x"}]"#),
        (r#"{"a":"\"x\":1","secret":"a\\","b":"\\\""}"#, r#"{"a":"\"x\":1","b":"\\\""}"#),
        (r#"{"\u0078":1,"a":1.50e+3}"#, r#"{"a":1.50e+3}"#),
        (r#"{"a":{"X":1,"xx":2," x":3}}"#, "unchanged"),
        (r#"{"a":"{\"x\":1}"}"#, "unchanged"),
        ("7", "unchanged"),
        (r#"{"x":1"#, "the body is not JSON, so no field can be removed from it"),
        ("", "the body is not JSON, so no field can be removed from it"),
        (r#"{"x":1}{"x":1}"#, "the body is not JSON, so no field can be removed from it"),
    ] {
        assert_eq!(left(json), expected, "{json}");
    }
    assert_eq!(drop_fields(b"{\"a\":\"\xff\"}", &drops), Err(NotJson));
}

#[test]
fn a_text_of_any_depth_is_walked_without_recursion() {
    let deep = 200_000;
    let json = format!("{}{{\"x\":1}}{}", "[".repeat(deep), "]".repeat(deep));
    assert_eq!(left(&json), json.replace("\"x\":1", ""));
}

/// JSON as it was written: every token with its own spelling.
#[derive(Debug, Clone)]
enum Written {
    Scalar(String),
    Array(Vec<Written>),
    Object(Vec<(String, Written)>),
}

impl Written {
    /// The same without the fields, by the plain definition.
    fn without(&self) -> Written {
        match self {
            Written::Scalar(text) => Written::Scalar(text.clone()),
            Written::Array(items) => Written::Array(items.iter().map(Written::without).collect()),
            Written::Object(members) => Written::Object(
                members
                    .iter()
                    .filter(|(name, _)| !drops(&serde_json::from_str::<String>(name).unwrap()))
                    .map(|(name, value)| (name.clone(), value.without()))
                    .collect(),
            ),
        }
    }

    fn tokens(&self, out: &mut Vec<String>) {
        let mut token = |text: &str| out.push(text.to_owned());
        match self {
            Written::Scalar(text) => token(text),
            Written::Array(items) => {
                token("[");
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(",".to_owned());
                    }
                    item.tokens(out);
                }
                out.push("]".to_owned());
            }
            Written::Object(members) => {
                token("{");
                for (n, (name, value)) in members.iter().enumerate() {
                    if n > 0 {
                        out.push(",".to_owned());
                    }
                    out.extend([name.clone(), ":".to_owned()]);
                    value.tokens(out);
                }
                out.push("}".to_owned());
            }
        }
    }

    /// Written with white space between tokens, taken from `spaces` in turn.
    fn text(&self, spaces: &[&str]) -> String {
        let mut tokens = Vec::new();
        self.tokens(&mut tokens);
        let turns = spaces.iter().cycle();
        tokens.iter().zip(turns).flat_map(|(token, space)| [token.as_str(), *space]).collect()
    }
}

/// The text without white space outside strings.
fn squeezed(json: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for c in json.chars() {
        if inside || !c.is_ascii_whitespace() {
            out.push(c);
        }
        inside ^= c == '"' && !escaped;
        escaped = inside && c == '\\' && !escaped;
    }
    out
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#""x""#.to_owned()),
        Just(r#""secret""#.to_owned()),
        Just(r#""\u0078""#.to_owned()),
        Just(r#""a""#.to_owned()),
        Just(r#""x\"""#.to_owned()),
        "\\PC{0,6}".prop_map(|name| serde_json::to_string(&name).unwrap()),
    ]
}

fn any_scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        any_name(),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1.50E+3".to_owned()),
        Just(r#""}],{\\""#.to_owned()),
        "(?s).{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

fn any_json() -> impl Strategy<Value = Written> {
    any_scalar().prop_map(Written::Scalar).prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Written::Array),
            proptest::collection::vec((any_name(), inner), 0..6).prop_map(Written::Object),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_left_is_the_same_json_without_the_fields_and_otherwise_the_same_bytes(
        json in any_json(), spaces in proptest::collection::vec(prop_oneof!["", " ", "\n\t", "\r\n  "], 1..9),
    ) {
        let spaces: Vec<&str> = spaces.iter().map(String::as_str).collect();
        let text = json.text(&spaces);
        let dropped = drop_fields(text.as_bytes(), &drops).unwrap();
        let left = String::from_utf8(dropped.clone().unwrap_or_else(|| text.clone().into_bytes())).unwrap();
        let expected = json.without().text(&[""]);

        // Valid, and equal to the original without those fields; the spelling of each token is that of the original.
        prop_assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), serde_json::from_str::<Value>(&expected).unwrap());
        prop_assert_eq!(&squeezed(&left), &expected);
        // Nothing to drop is nothing changed; and what is left is the original with pieces missing.
        prop_assert_eq!(dropped.is_none(), squeezed(&text) == expected);
        let mut rest = text.bytes();
        prop_assert!(left.bytes().all(|byte| rest.any(|other| other == byte)));
        // Once is enough.
        prop_assert_eq!(drop_fields(left.as_bytes(), &drops), Ok(None));
    }
}
