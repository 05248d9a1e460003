//! JSON as LiveKit's encoder writes it: fields in their order, empty values left out, one space or none after commas.

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A text, number or boolean, already encoded; empty where the value is empty.
    Leaf(String),
    Object(Vec<(&'static str, Node)>),
    List(Vec<Node>),
}

pub(super) fn text(value: &str) -> Node {
    Node::Leaf(if value.is_empty() { String::new() } else { quoted(value) })
}

/// A 64-bit number, which is written as a text.
pub(super) fn long(value: u64) -> Node {
    Node::Leaf(if value == 0 { String::new() } else { format!("\"{value}\"") })
}

pub(super) fn int(value: u32) -> Node {
    Node::Leaf(if value == 0 { String::new() } else { value.to_string() })
}

pub(super) fn yes() -> Node {
    Node::Leaf("true".to_owned())
}

pub(super) fn object(fields: Vec<(&'static str, Node)>) -> Node {
    Node::Object(fields)
}

pub(super) fn list<const N: usize>(items: [Node; N]) -> Node {
    Node::List(items.into())
}

impl Node {
    pub(super) fn to_json(&self, spaced: bool) -> String {
        let mut out = String::with_capacity(1024);
        self.write(&mut out, if spaced { ", " } else { "," });
        out
    }

    fn write(&self, out: &mut String, comma: &str) {
        match self {
            Node::Leaf(json) => out.push_str(json),
            Node::Object(fields) => {
                out.push('{');
                let present = fields.iter().filter(|(_, value)| !matches!(value, Node::Leaf(json) if json.is_empty()));
                for (n, (name, value)) in present.enumerate() {
                    out.push_str(if n == 0 { "" } else { comma });
                    out.push_str(&quoted(name));
                    out.push(':');
                    value.write(out, comma);
                }
                out.push('}');
            }
            Node::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { comma });
                    item.write(out, comma);
                }
                out.push(']');
            }
        }
    }
}

/// Like LiveKit's encoder, this escapes quotes, backslashes and control characters only.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
