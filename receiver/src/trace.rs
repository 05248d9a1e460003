//! W3C trace context: a valid one of the request is passed on, else a new one begins.

/// The `traceparent` of an event.
pub(crate) fn traceparent(incoming: Option<&str>) -> String {
    match incoming {
        Some(text) if is_valid(text) => text.to_owned(),
        _ => format!("00-{:032x}-{:016x}-01", fastrand::u128(1..), fastrand::u64(1..)),
    }
}

/// Version, trace id, parent id and flags in lower-case hex; ids of zeros mean none, version ff is forbidden. Versions after
/// 00 may have more at the end.
fn is_valid(text: &str) -> bool {
    let mut parts = text.splitn(5, '-');
    let mut part = |length: usize| {
        parts.next().filter(|part| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    };
    let (version, trace, parent, flags) = (part(2), part(32), part(16), part(2));
    let (Some(version), Some(trace), Some(parent), Some(_)) = (version, trace, parent, flags) else { return false };
    let some = |id: &str| id.bytes().any(|b| b != b'0');
    version != "ff" && some(trace) && some(parent) && (parts.next().is_none() || version != "00") && text.len() <= 256
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn only_what_the_standard_allows_is_passed_on() {
        for (text, valid) in [
            (VALID, true),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("", false),
        ] {
            assert_eq!(is_valid(text), valid, "{text}");
            assert_eq!(traceparent(Some(text)) == text, valid, "{text}");
        }
    }

    #[test]
    fn a_new_one_is_valid_and_its_own() {
        assert!(is_valid(&traceparent(None)));
        assert_ne!(traceparent(None), traceparent(None));
    }
}
