//! One call of LiveKit's API: token, request, and what the answer means.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use livekit::api::{self, TwirpError};
use livekit::token::Secret;
use service::config::{ApiPattern, HostPattern, Origin};
use service::error::Chain;

use crate::bindings::roomwire::plugin::livekit::Error;
use crate::host::calls::Open;
use crate::host::client::{Client, Limits, SendError, Target, Tls};
use crate::invoke::unix_ms;

/// Bytes of a request, and of an answer.
const REQUEST: usize = 1 << 20;
const ANSWER: usize = 4 << 20;

/// LiveKit's API as one handler may use it.
#[derive(Debug)]
pub(crate) struct Api {
    target: Target,
    key: String,
    secret: Secret,
    allowed: Vec<ApiPattern>,
    client: Client,
}

impl Api {
    /// The API at a URL, with the key that signs. `None` if the URL is none.
    pub(crate) fn new(url: &str, key: (String, Secret), allowed: Vec<ApiPattern>, tls: Tls) -> Option<Self> {
        let Origin { secure, host: HostPattern::One(host), port } = Origin::parse(url)? else { return None };
        let (key, secret) = key;
        Some(Self { target: Target { secure, host, port }, key, secret, allowed, client: Client::anywhere(tls) })
    }

    /// Whether the handler may call the method.
    pub(super) fn may(&self, service: &str, method: &str) -> bool {
        self.allowed.iter().any(|pattern| pattern.matches(service, method))
    }

    pub(super) async fn call(&self, service: &str, method: &str, json: String, open: Open) -> Result<String, Error> {
        if json.len() > REQUEST {
            return Err(Error::Other(format!("the request has more than {} KiB", REQUEST >> 10)));
        }
        let request = self.request(service, method, json)?;
        let calls = open.calls().clone();
        let response = self.client.send(&self.target, request, Limits::until(calls.until()), open).await;
        let response = response.map_err(|error| {
            calls.failed(&error);
            unavailable(&error)
        })?;
        let status = response.status();
        let body = match Limited::new(response.into_body(), ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(Error::Other(format!("the answer has more than {} MiB", ANSWER >> 20)));
            }
            Err(error) => return Err(Error::Unavailable(error.to_string())),
        };
        if status.is_success() {
            return String::from_utf8(body.into()).map_err(|_| Error::Other("the answer is no text".to_owned()));
        }
        Err(match TwirpError::parse(&body) {
            Some(TwirpError { code, message }) => Error::Twirp((code, message)),
            // Not LiveKit's own words: something in between, or LiveKit in no state to answer.
            None if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS => {
                let text = format!("{} answered {status}", self.target);
                calls.unavailable(text.clone());
                Error::Unavailable(text)
            }
            None => Error::Other(format!("{} answered {status}, which is no answer of LiveKit", self.target)),
        })
    }

    fn request(&self, service: &str, method: &str, json: String) -> Result<Request<Full<Bytes>>, Error> {
        let other = |text: String| Error::Other(text);
        let value: serde_json::Value =
            serde_json::from_str(&json).map_err(|error| other(format!("the request is no JSON: {error}")))?;
        if !value.is_object() {
            return Err(other("the request is no JSON object; write `{}` where there is nothing to say".to_owned()));
        }
        let token = api::token(&self.key, &self.secret, service, method, &value, unix_ms() / 1_000);
        let token = token.ok_or_else(|| other(format!("LiveKit has no method {service}/{method}")))?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| other("the token cannot stand in a header".to_owned()))?;
        authorization.set_sensitive(true);
        let path: Uri = api::path(service, method).parse().map_err(|_| other("the path is not valid".to_owned()))?;
        let mut request = Request::new(Full::new(Bytes::from(json)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    }
}

fn unavailable(error: &SendError) -> Error {
    Error::Unavailable(Chain(error).to_string())
}
