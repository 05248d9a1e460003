//! Removes fields from JSON by cutting them out of the text: what stays is byte for byte as it was.

use std::borrow::Cow;
use std::ops::Range;

/// The text is not JSON, so nobody can tell which fields it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON, so no field can be removed from it")]
pub struct NotJson;

/// The text without the members whose names are dropped, at any depth; none when it has no such member. JSON that is
/// written inside a text value is a value like another and is not looked into.
///
/// # Errors
/// When the text is not JSON.
pub fn drop_fields(json: &[u8], dropped: &dyn Fn(&str) -> bool) -> Result<Option<Vec<u8>>, NotJson> {
    // After this the text is known to be well formed, and what follows need not judge it again.
    let _: &serde_json::value::RawValue = serde_json::from_slice(json).map_err(|_| NotJson)?;
    let spans = Scan { json, at: 0, open: Vec::new(), spans: Vec::new() }.run(dropped)?;
    if spans.is_empty() {
        return Ok(None);
    }
    let mut left = Vec::with_capacity(json.len());
    let mut from = 0;
    for span in spans {
        left.extend_from_slice(json.get(from..span.start).unwrap_or_default());
        from = span.end;
    }
    left.extend_from_slice(json.get(from..).unwrap_or_default());
    Ok(Some(left))
}

/// An object or array that is not closed yet. The depth of a text is limited by its length only, so no recursion.
enum Open {
    Array,
    Object(Object),
}

#[derive(Default)]
struct Object {
    /// A member before the current place stays.
    keeps_one: bool,
    /// Where the comma before the current member is.
    comma: Option<usize>,
    /// Where a dropped member begins that had no kept one before it: it ends where the next one begins.
    gap: Option<usize>,
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
    open: Vec<Open>,
    spans: Vec<Range<usize>>,
}

impl Scan<'_> {
    fn run(mut self, dropped: &dyn Fn(&str) -> bool) -> Result<Vec<Range<usize>>, NotJson> {
        while let Some(byte) = self.peek() {
            match byte {
                b'{' => self.enter(Open::Object(Object::default())),
                b'[' => self.enter(Open::Array),
                b'}' | b']' => self.leave(),
                b',' => self.comma(),
                b'"' if self.expects_name() => self.member(dropped)?,
                _ => self.scalar(),
            }
        }
        Ok(self.spans)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while self.json.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b':')) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    fn enter(&mut self, open: Open) {
        self.open.push(open);
        self.at += 1;
    }

    fn leave(&mut self) {
        self.open.pop();
        self.at += 1;
    }

    fn comma(&mut self) {
        if let Some(Open::Object(object)) = self.open.last_mut() {
            object.comma = Some(self.at);
        }
        self.at += 1;
    }

    /// In an object a text is a name where a member begins: right after the brace, or after a comma. Values are passed
    /// together with their names, unless they are objects or arrays, which begin with another byte.
    fn expects_name(&self) -> bool {
        matches!(self.open.last(), Some(Open::Object(_)))
    }

    fn member(&mut self, dropped: &dyn Fn(&str) -> bool) -> Result<(), NotJson> {
        let begin = self.at;
        let name = self.string();
        let name: Cow<'_, str> = self.decode(name)?;
        let drops = dropped(&name);
        if let Some(Open::Object(object)) = self.open.last_mut()
            && let Some(gap) = object.gap.take()
        {
            self.spans.push(gap..begin);
        }
        if drops {
            self.skip_value();
            self.cut(begin);
            return Ok(());
        }
        if let Some(Open::Object(object)) = self.open.last_mut() {
            object.keeps_one = true;
        }
        // A scalar is passed here, so that a text value is not taken for a name.
        if !matches!(self.peek(), Some(b'{' | b'[')) {
            self.scalar();
        }
        Ok(())
    }

    /// A dropped member ends here. With a kept one before it, the comma between them goes too; otherwise the comma after
    /// it does.
    fn cut(&mut self, begin: usize) {
        let end = self.at;
        let another = self.peek() == Some(b',');
        let Some(Open::Object(object)) = self.open.last_mut() else { return };
        match (object.keeps_one, object.comma) {
            (true, Some(comma)) => self.spans.push(comma..end),
            _ if another => object.gap = Some(begin),
            _ => self.spans.push(begin..end),
        }
    }

    fn scalar(&mut self) {
        if self.json.get(self.at) == Some(&b'"') {
            self.string();
            return;
        }
        while self
            .json
            .get(self.at)
            .is_some_and(|byte| !matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
        {
            self.at += 1;
        }
    }

    /// Passes a string, quotes included.
    fn string(&mut self) -> Range<usize> {
        let begin = self.at;
        self.at += 1;
        while let Some(byte) = self.json.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        begin..self.at.min(self.json.len())
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' => self.at += 1,
                _ => self.scalar(),
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn decode(&self, name: Range<usize>) -> Result<Cow<'_, str>, NotJson> {
        let name = self.json.get(name).ok_or(NotJson)?;
        if name.contains(&b'\\') {
            return serde_json::from_slice::<String>(name).map(Cow::Owned).map_err(|_| NotJson);
        }
        let inside = name.get(1..name.len().saturating_sub(1)).ok_or(NotJson)?;
        std::str::from_utf8(inside).map(Cow::Borrowed).map_err(|_| NotJson)
    }
}

#[cfg(test)]
mod tests;
