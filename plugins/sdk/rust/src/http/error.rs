//! Why there is no answer, in words.

use crate::bindings::wasi::http::types::ErrorCode;

/// A request that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    text: String,
    permanent: bool,
}

impl HttpError {
    /// One that another attempt does not mend.
    pub(super) fn permanent(to: &str, why: impl std::fmt::Display) -> Self {
        Self { text: format!("{to}: {why}"), permanent: true }
    }

    /// One that may be over soon.
    pub(super) fn passing(to: &str, why: impl std::fmt::Display) -> Self {
        Self { text: format!("{to}: {why}"), permanent: false }
    }

    /// What the host answered instead of the other side. `to` says what was asked of whom, `origin` whom alone.
    pub(super) fn of(to: &str, origin: &str, code: &ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied => {
                Self { text: format!("{origin} is not granted; add it to the handler's `allow.http`"), permanent: true }
            }
            ErrorCode::DestinationIpProhibited => Self::permanent(
                to,
                "its address is not granted; add the address to the handler's `allow.http`, or its network to `allow.networks`",
            ),
            ErrorCode::InternalError(Some(text)) => Self::permanent(to, text),
            ErrorCode::DnsError(payload) => {
                Self::passing(to, format_args!("no address: {}", payload.rcode.as_deref().unwrap_or("DNS error")))
            }
            ErrorCode::HttpRequestBodySize(_) => {
                Self::permanent(to, "the body is too large, or not as long as it says")
            }
            ErrorCode::HttpRequestMethodInvalid
            | ErrorCode::HttpRequestUriInvalid
            | ErrorCode::HttpRequestUriTooLong
            | ErrorCode::HttpResponseBodySize(_) => Self::permanent(to, words(code)),
            _ => Self::passing(to, words(code)),
        }
    }

    /// Whether another attempt would end in the same way.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

/// WASI's own name for it, spelled out: `ConnectionRefused` is "connection refused".
fn words(code: &ErrorCode) -> String {
    let name = format!("{code:?}");
    let name = name.rsplit("::").next().unwrap_or_default();
    let name = name.split(['(', ' ']).next().unwrap_or_default();
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::wasi::http::types::DnsErrorPayload;

    #[test]
    fn each_error_says_what_to_do_or_what_happened() {
        let rcode = Some("NXDOMAIN".to_owned());
        for (code, permanent, text) in [
            (ErrorCode::HttpRequestDenied, true, "http://a is not granted; add it to the handler's `allow.http`"),
            (
                ErrorCode::DestinationIpProhibited,
                true,
                "its address is not granted; add the address to the handler's `allow.http`, or its network to `allow.networks`",
            ),
            (ErrorCode::InternalError(Some("too many".to_owned())), true, "too many"),
            (ErrorCode::InternalError(None), false, "internal error"),
            (ErrorCode::ConnectionRefused, false, "connection refused"),
            (ErrorCode::DnsError(DnsErrorPayload { rcode, info_code: None }), false, "no address: NXDOMAIN"),
            (ErrorCode::HttpResponseBodySize(Some(1)), true, "http response body size"),
        ] {
            let error = HttpError::of("GET http://a", "http://a", &code);
            assert_eq!(error.to_string().trim_start_matches("GET http://a: "), text);
            assert_eq!(error.is_permanent(), permanent, "{error}");
        }
    }
}
