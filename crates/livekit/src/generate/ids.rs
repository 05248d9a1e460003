//! Ids as LiveKit makes them.

/// LiveKit's alphabet: no characters that look alike.
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A fresh id: the prefix (`EV_`, `RM_`, …) and 12 random characters.
#[must_use]
pub fn id(prefix: &str) -> String {
    let letters = std::iter::repeat_with(|| fastrand::choice(ALPHABET).copied().unwrap_or(b'2'));
    prefix.chars().chain(letters.take(12).map(char::from)).collect()
}
