//! A recorded call, as people read it in a file: without secrets, text where it is text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, SET_COOKIE};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmtime_wasi_http::Error;

use crate::bindings::roomwire::plugin::livekit;
use crate::host::Mask;
use crate::host::http::TRACEPARENT;

/// What stands in the place of a value that is as good as a secret.
const KEPT_BACK: &str = "[not recorded]";

type Word = (&'static str, fn() -> Error);

/// Each failure of `wasi:http` that a recording has a word for. The others are told by their text alone.
const FAILURES: [Word; 6] = [
    ("connection-refused", || Error::ConnectionRefused),
    ("connection-terminated", || Error::ConnectionTerminated),
    ("connection-timeout", || Error::ConnectionTimeout),
    ("destination-unavailable", || Error::DestinationUnavailable),
    ("response-timeout", || Error::HttpResponseTimeout),
    ("response-incomplete", || Error::HttpResponseIncomplete),
];

/// One call of the host that went outside, with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Call {
    /// A request over `wasi:http`.
    Http {
        /// What was asked.
        http: Request,
        /// What came of it.
        #[serde(flatten)]
        end: HttpEnd,
    },
    /// A call of LiveKit's API.
    Api {
        /// What was asked.
        livekit: ApiRequest,
        /// What came of it.
        #[serde(flatten)]
        end: ApiEnd,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpEnd {
    /// It was answered.
    Answer(Answer),
    /// It was not.
    Failed(Failure),
}

/// What came of a call of LiveKit's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiEnd {
    /// It was answered with this JSON.
    Answer(Value),
    /// It was not, or with an error.
    Failed(Failure),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    method: String,
    url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    body: Content,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The status.
    pub(crate) status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub(crate) body: Content,
}

/// A call of LiveKit's API. Its token is the host's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiRequest {
    service: String,
    method: String,
    request: Value,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In the word of the interface.
    pub(crate) error: String,
    /// In words.
    pub(crate) text: String,
}

/// Text, or bytes that are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    /// Text.
    Text(String),
    /// Bytes.
    Bytes {
        /// In base64.
        base64: String,
    },
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Content {
    fn new(mask: &Mask, bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(mask.apply(text).into_owned()),
            Err(_) => Self::Bytes { base64: STANDARD.encode(bytes) },
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// The bytes; none if somebody wrote into the file what is no base64.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes { base64 } => STANDARD.decode(base64).unwrap_or_default(),
        }
    }
}

impl Call {
    /// What was asked, in one line.
    pub(super) fn asked(&self) -> String {
        match self {
            Self::Http { http, .. } => http.asked(),
            Self::Api { livekit, .. } => livekit.asked(),
        }
    }
}

impl Request {
    pub(super) fn new(mask: &Mask, url: &str, request: &http::Request<impl Sized>, body: &[u8]) -> Self {
        Self {
            method: request.method().to_string(),
            url: mask.apply(url).into_owned(),
            headers: headers(mask, request.headers()),
            body: Content::new(mask, body),
        }
    }

    pub(super) fn asked(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Answer {
    pub(super) fn new(mask: &Mask, head: &http::response::Parts, body: &[u8]) -> Self {
        Self { status: head.status.as_u16(), headers: headers(mask, &head.headers), body: Content::new(mask, body) }
    }
}

impl ApiRequest {
    pub(super) fn new(mask: &Mask, service: &str, method: &str, json: &str) -> Self {
        let text = mask.apply(json);
        let request = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()));
        Self { service: service.to_owned(), method: method.to_owned(), request }
    }

    pub(super) fn asked(&self) -> String {
        format!("{}/{} {}", self.service, self.method, self.request)
    }
}

impl Failure {
    /// Of a request over `wasi:http`.
    pub(crate) fn of_http(error: &Error, text: String) -> Self {
        let same = |known: &Error| std::mem::discriminant(known) == std::mem::discriminant(error);
        let word = FAILURES.iter().find(|(_, known)| same(&known())).map_or("other", |(word, _)| word);
        Self { error: word.to_owned(), text }
    }

    /// What the guest sees.
    pub(crate) fn into_http(self) -> Error {
        let known = FAILURES.iter().find(|(word, _)| *word == self.error);
        known.map_or(Error::InternalError(Some(self.text)), |(_, error)| error())
    }

    pub(super) fn of_api(error: &livekit::Error) -> Self {
        let (error, text) = match error {
            livekit::Error::Denied(text) => ("denied".to_owned(), text),
            livekit::Error::Twirp((code, message)) => (format!("twirp {code}"), message),
            livekit::Error::Unavailable(text) => ("unavailable".to_owned(), text),
            livekit::Error::Other(text) => ("other".to_owned(), text),
        };
        Self { error, text: text.clone() }
    }

    pub(super) fn into_api(self) -> livekit::Error {
        let Self { error, text } = self;
        match error.strip_prefix("twirp ") {
            Some(code) => livekit::Error::Twirp((code.to_owned(), text)),
            None if error == "unavailable" => livekit::Error::Unavailable(text),
            None if error == "denied" => livekit::Error::Denied(text),
            None => livekit::Error::Other(text),
        }
    }
}

/// The headers but those of traces, which are of no test's concern.
fn headers(mask: &Mask, headers: &HeaderMap) -> Vec<(String, String)> {
    let told = headers.iter().filter(|(name, _)| **name != TRACEPARENT);
    told.map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let masked = mask.apply(&text);
        // A secret of no handler's, or one in base64, is known by its place alone.
        let secret = [AUTHORIZATION, COOKIE, SET_COOKIE].contains(name) && masked == text;
        (name.to_string(), if secret { KEPT_BACK.to_owned() } else { masked.into_owned() })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use service::config::SecretText;

    use super::*;

    #[test]
    fn a_call_is_written_without_secrets_and_read_as_it_was() {
        let secrets = [("TOKEN".to_owned(), SecretText::from("hunter22"))].into();
        let mask = Mask::of(&secrets);
        let request = http::Request::post("/x")
            .header("authorization", "Bearer hunter22")
            .header("cookie", "session=1")
            .header("traceparent", "00-1-1-01")
            .body(())
            .unwrap();
        let http = Request::new(&mask, "http://a/x?t=hunter22", &request, b"\xff");
        let (head, ()) = http::Response::builder().status(404).body(()).unwrap().into_parts();
        let end = HttpEnd::Answer(Answer::new(&mask, &head, b"no hunter22 here"));
        let call = Call::Http { http, end };
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(
            text,
            r#"{"http":{"method":"POST","url":"http://a/x?t=[secret TOKEN]","headers":[["authorization","Bearer [secret TOKEN]"],["cookie","[not recorded]"]],"body":{"base64":"/w=="}},"answer":{"status":404,"body":"no [secret TOKEN] here"}}"#
        );
        assert_eq!(serde_json::from_str::<Call>(&text).unwrap(), call);
    }

    #[test]
    fn failures_come_again_as_what_they_were() {
        let failure = Failure::of_http(&Error::ConnectionRefused, "nobody there".to_owned());
        assert_eq!(failure.error, "connection-refused");
        assert!(matches!(failure.into_http(), Error::ConnectionRefused));
        let twirp = livekit::Error::Twirp(("not_found".to_owned(), "no room".to_owned()));
        let livekit = ApiRequest::new(&Mask::default(), "RoomService", "DeleteRoom", r#"{"room": "r"}"#);
        let call = Call::Api { livekit, end: ApiEnd::Failed(Failure::of_api(&twirp)) };
        let text = serde_json::to_string(&call).unwrap();
        let Call::Api { end: ApiEnd::Failed(failure), .. } = serde_json::from_str(&text).unwrap() else {
            panic!("{text}");
        };
        assert!(matches!(failure.into_api(), livekit::Error::Twirp((code, _)) if code == "not_found"));
    }
}
