//! Names of the NATS headers of an event, and how values are written in them.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// JetStream's deduplication id: the event id, or `project/id` outside the default project.
pub const NATS_MSG_ID: &str = "Nats-Msg-Id";
/// `CloudEvents`: the event id.
pub const CE_ID: &str = "ce-id";
/// `CloudEvents`: the event's name exactly as LiveKit sent it.
pub const CE_TYPE: &str = "ce-type";
/// `CloudEvents`: `livekit/<project>`.
pub const CE_SOURCE: &str = "ce-source";
/// `CloudEvents`: `createdAt` as RFC 3339; absent when the event has none.
pub const CE_TIME: &str = "ce-time";
/// `CloudEvents`: the ordering key.
pub const CE_SUBJECT: &str = "ce-subject";
/// `CloudEvents`: always `1.0`.
pub const CE_SPECVERSION: &str = "ce-specversion";
/// W3C trace context of the request.
pub const TRACEPARENT: &str = "traceparent";
/// The project.
pub const RW_PROJECT: &str = "Rw-Project";
/// The ordering key.
pub const RW_KEY: &str = "Rw-Key";
/// When the receiver accepted the request: RFC 3339 with milliseconds.
pub const RW_RECEIVED_AT: &str = "Rw-Received-At";
/// Name (not secret) of the API key that signed the request.
pub const RW_API_KEY: &str = "Rw-Api-Key";
/// `Content-Type` of the request.
pub const RW_CONTENT_TYPE: &str = "Rw-Content-Type";
/// `User-Agent` of the request.
pub const RW_USER_AGENT: &str = "Rw-User-Agent";
/// `true` when the event waited in the receiver's spool; absent otherwise.
pub const RW_SPOOLED: &str = "Rw-Spooled";
/// SHA-256 of the body as it was received, in lower-case hex; only where the stored body lacks some of it
/// (`privacy.drop`).
pub const RW_BODY_SHA256: &str = "Rw-Body-Sha256";

/// What a server's `max_payload` must hold besides the largest body: no event's headers are larger.
pub const ROOM: usize = 32 * 1024;

/// Everything outside visible ASCII, and `%` itself so that decoding is the exact reverse.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
/// The same and `/`, which separates the project from the id in [`NATS_MSG_ID`].
const ESCAPED_ID: &AsciiSet = &ESCAPED.add(b'/');

/// A value as a header carries it: visible ASCII, all else percent-encoded. A header value can therefore never break a line.
#[must_use]
pub fn encode(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, ESCAPED).into()
}

/// An event id as part of [`NATS_MSG_ID`], where `/` is encoded too: no id can look like one of another project.
pub(crate) fn encode_id(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, ESCAPED_ID).into()
}

/// The text behind an encoded value; none when it is not UTF-8.
#[must_use]
pub fn decode(value: &str) -> Option<Cow<'_, str>> {
    if value.contains('%') { percent_decode_str(value).decode_utf8().ok() } else { Some(Cow::Borrowed(value)) }
}

/// The beginning of a text, of at most so many bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_visible_ascii_is_encoded() {
        for (plain, encoded) in [
            ("EV_VGWsNSCZMepC", "EV_VGWsNSCZMepC"),
            ("a b", "a%20b"),
            ("100%", "100%25"),
            ("%20", "%2520"),
            ("ü", "%C3%BC"),
            ("\r\nEvil: 1", "%0D%0AEvil:%201"),
            ("\u{7f}\0", "%7F%00"),
            ("a/b\"c\\d~", "a/b\"c\\d~"),
            ("", ""),
        ] {
            assert_eq!(encode(plain), encoded, "{plain:?}");
            assert_eq!(decode(encoded).unwrap(), plain, "{encoded:?}");
        }
    }

    #[test]
    fn a_value_that_is_not_utf8_behind_its_encoding_is_none() {
        assert_eq!(decode("%ff"), None);
    }

    proptest! {
        #[test]
        fn every_text_survives_and_travels_as_visible_ascii(text in "\\PC*|(?s).*") {
            for encoded in [encode(&text), encode_id(&text)] {
                prop_assert!(encoded.bytes().all(|b| (0x21..=0x7e).contains(&b)));
                prop_assert_eq!(decode(&encoded).unwrap(), text.as_str());
            }
        }
    }
}
