//! What makes two errors the same one: their text without what differs from event to event.

use sha2::{Digest as _, Sha256};

/// Letters of an error that count.
const LENGTH: usize = 300;

/// Eight hexadecimal digits of the cause and the first line of the error, numbers, ids and quoted parts left out.
pub(super) fn fingerprint(cause: &str, error: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(cause.as_bytes());
    hash.update([0]);
    hash.update(shape(error).as_bytes());
    let first = hash.finalize().iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    format!("{first:08x}")
}

/// The first line, with `#` for each word that has a digit in it, and `…` for what stands in quotes.
pub(super) fn shape(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let mut shape = String::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut letters = line.chars().take(LENGTH).peekable();
    while let Some(letter) = letters.next() {
        if let Some(open) = quote {
            if letter == open {
                quote = None;
            }
            continue;
        }
        // The point of 5.2 s, and those of an address.
        let point = letter == '.' && letters.peek().is_some_and(char::is_ascii_digit);
        if letter.is_alphanumeric() || matches!(letter, '_' | '-') || (point && !word.is_empty()) {
            word.push(letter);
            continue;
        }
        put(&mut shape, &mut word);
        // An apostrophe inside a word quotes nothing.
        let apostrophe = letter == '\'' && shape.chars().last().is_some_and(char::is_alphabetic);
        if matches!(letter, '"' | '`' | '\'') && !apostrophe {
            quote = Some(letter);
            shape.push('…');
        } else {
            shape.push(letter);
        }
    }
    put(&mut shape, &mut word);
    shape
}

fn put(shape: &mut String, word: &mut String) {
    if word.chars().any(|letter| letter.is_ascii_digit()) {
        shape.push('#');
    } else {
        shape.push_str(word);
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_event_to_event_does_not_count() {
        for (error, other) in [
            ("status 503 of http://10.0.0.7:80/x", "status 502 of http://10.0.1.9:8080/x"),
            ("no room `blue`", "no room `green 2`"),
            ("user \"ann\" has no plan", "user \"bob\" has no plan"),
            ("EV_8f3ac1: timed out after 5.2s", "EV_00ab9: timed out after 17s"),
            ("id 7d1f6a2c-1111-4222-8333-abcdefabcdef", "id 00000000-0000-4000-8000-000000000000"),
            ("first line\nsecond 1", "first line\nanother"),
        ] {
            assert_eq!(shape(error), shape(other));
            assert_eq!(fingerprint("retries_exhausted", error), fingerprint("retries_exhausted", other));
        }
    }

    #[test]
    fn other_words_or_another_cause_are_another_error() {
        assert_ne!(fingerprint("permanent", "no room `blue`"), fingerprint("permanent", "no user `blue`"));
        assert_ne!(fingerprint("permanent", "no room `blue`"), fingerprint("trap", "no room `blue`"));
        assert_eq!(shape("it's gone, isn't it 42"), "it's gone, isn't it #");
        assert_eq!(fingerprint("trap", "").len(), 8);
    }
}
