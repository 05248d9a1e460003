//! The hash of a body as it was received, for where not all of that body is stored.

use std::fmt;

/// SHA-256 of a body. Headers carry it in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BodyHash(pub [u8; 32]);

impl BodyHash {
    /// Reads 64 digits of lower-case hex; none for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<BodyHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |so_far, digit| Some(so_far << 4 | value(*digit)?))?;
        }
        Some(BodyHash(hash))
    }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_64_digits_of_lower_case_hex() {
        let mut bytes = [0x0f; 32];
        bytes[0] = 0xa0;
        let text = format!("a0{}", "0f".repeat(31));
        assert_eq!(BodyHash(bytes).to_string(), text);
        assert_eq!(BodyHash::parse(&text), Some(BodyHash(bytes)));
        for wrong in ["", "a0", &text.to_uppercase(), &format!("{text}0"), &text.replace('f', "g"), &"ü".repeat(32)] {
            assert_eq!(BodyHash::parse(wrong), None, "{wrong}");
        }
    }
}
