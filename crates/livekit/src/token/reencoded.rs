//! Tells a body that something on the way parsed and wrote anew from one that is simply another body.

use sha2::{Digest as _, Sha256};

/// LiveKit writes no space at all, or one after every comma; outside of that it escapes only quotes, backslashes and
/// control characters. So other white space, `\/` or an escaped letter is somebody else's writing. Where the white space
/// alone was changed, the signed hash fits the body once it is written LiveKit's way, which proves it.
pub(super) fn seems(body: &[u8], signed: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return false;
    }
    let (compact, foreign) = normalised(text);
    foreign || [compact.replace('\0', ""), compact.replace('\0', " ")].iter().any(|guess| hash(guess) == signed)
}

fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// The JSON without white space, a NUL (which JSON text cannot hold) after every comma outside strings; and whether it
/// held what LiveKit never writes.
fn normalised(text: &str) -> (String, bool) {
    let (mut out, mut foreign, mut inside) = (String::with_capacity(text.len() + 64), false, false);
    let mut chars = text.chars();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            '"' => inside = !inside,
            '\\' if inside => {
                out.push(c);
                let escaped = chars.next().unwrap_or_default();
                foreign |= escaped == '/' || (escaped == 'u' && !chars.as_str().starts_with("00"));
                out.push(escaped);
                continue;
            }
            ' ' if !inside => {
                foreign |= before != ',';
                before = c;
                continue;
            }
            '\n' | '\r' | '\t' if !inside => {
                foreign = true;
                before = c;
                continue;
            }
            _ => {}
        }
        out.push(c);
        if c == ',' && !inside {
            out.push('\0');
        }
        before = c;
    }
    (out, foreign)
}
