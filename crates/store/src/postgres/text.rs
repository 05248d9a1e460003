//! Texts as PostgreSQL can hold them: it knows no NUL character, but names of rooms may have one.

use std::borrow::Cow;

/// Stands before what it escapes; as rare in texts as NUL, so that nearly every text is stored as it is.
const ESCAPE: char = '\u{1}';

/// The text as it is stored. No two texts are stored alike.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len().saturating_add(8));
    for char in text.chars() {
        match char {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            char => stored.push(char),
        }
    }
    Cow::Owned(stored)
}

/// The text that was stored so.
pub(crate) fn read(stored: String) -> String {
    if !stored.contains(ESCAPE) {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut chars = stored.chars();
    while let Some(char) = chars.next() {
        match char {
            ESCAPE if chars.next() == Some('0') => text.push('\0'),
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_and_is_stored_without_nul() {
        for text in ["", "plain", "\0", "\u{1}", "\u{1}0", "\0\u{1}1\0", "a\0b\u{1}c", "ümläut 🦀"] {
            let kept = stored(text).into_owned();
            assert!(!kept.contains('\0'), "{kept:?}");
            assert_eq!(read(kept), text);
        }
        assert_ne!(stored("\0"), stored("\u{1}0"));
    }
}
