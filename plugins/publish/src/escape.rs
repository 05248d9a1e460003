//! Bytes as `%` and two hexadecimal digits, where they cannot stand as they are.

/// The text with every byte escaped that does not `stay`.
pub(crate) fn escape(text: &str, stay: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stay(byte) && byte.is_ascii() {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(digit));
        }
    }
    escaped
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase()
}
