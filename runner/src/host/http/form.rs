//! The form of a request: what a guest may say, and what the host adds.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, Uri};
use http_body_util::Full;
use service::config::Host;
use wasmtime_wasi_http::Error;

use super::super::Occasion;
use super::super::client::Target;
use super::key;

/// Characters of a request's path and query.
const PATH: usize = 8 << 10;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(in crate::host) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request was refused for its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::host) enum Malformed {
    /// Its method would make a tunnel, or send back what it was sent with.
    #[error("the method {0} is not allowed")]
    Method(Method),
    /// Its URL has no scheme that is known, or no host that is one.
    #[error("`{0}` is not the host of a request")]
    Host(String),
    /// User or password stand in it.
    #[error("the URL holds a user or a password; set the header `authorization` instead")]
    UserInfo,
    /// It is too long.
    #[error("the URL has {0} characters; at most {PATH} are allowed")]
    TooLong(usize),
}

impl Malformed {
    pub(in crate::host) fn into_wasi(self) -> Error {
        match self {
            Self::Method(_) => Error::HttpRequestMethodInvalid,
            Self::Host(_) | Self::UserInfo => Error::HttpRequestUriInvalid,
            Self::TooLong(_) => Error::HttpRequestUriTooLong,
        }
    }
}

/// Where a request goes.
///
/// # Errors
/// If its form is not allowed. Nothing of it has been granted yet.
pub(in crate::host) fn target<B>(request: &Request<B>) -> Result<Target, Malformed> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Malformed::Method(request.method().clone()));
    }
    let uri = request.uri();
    let authority = uri.authority().ok_or_else(|| Malformed::Host(String::new()))?;
    if authority.as_str().contains('@') {
        return Err(Malformed::UserInfo);
    }
    let length = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > PATH {
        return Err(Malformed::TooLong(length));
    }
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(Malformed::Host(authority.to_string())),
    };
    let host = Host::parse(authority.host()).ok_or_else(|| Malformed::Host(authority.host().to_owned()))?;
    // A port that is no number is not there for the library: `host:` and `host:99999` are refused here.
    let port = match authority.as_str().get(authority.host().len()..) {
        None | Some("") => {
            if secure {
                443
            } else {
                80
            }
        }
        Some(_) => {
            authority.port_u16().filter(|port| *port != 0).ok_or_else(|| Malformed::Host(authority.to_string()))?
        }
    };
    Ok(Target { secure, host, port })
}

/// The request as it is sent: path and query alone, and what the guest did not say itself of the event it is for.
pub(super) fn finish(request: Request<Bytes>, target: &Target, occasion: &Occasion) -> Request<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned();
    let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !parts.headers.contains_key(IDEMPOTENCY_KEY) {
        let url = format!("{target}{}", path.as_ref().map_or("/", |path| path.as_str()));
        let key = key::of(&occasion.identity, &parts.method, &url, &body);
        if let Ok(key) = HeaderValue::from_str(&key) {
            parts.headers.insert(IDEMPOTENCY_KEY, key);
        }
    }
    if let Some(value) = occasion.traceparent.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
        parts.headers.entry(TRACEPARENT).or_insert(value);
    }
    parts.uri = path.map(Uri::from).unwrap_or_default();
    Request::from_parts(parts, Full::new(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, uri: &str) -> Result<String, Malformed> {
        target(&Request::builder().method(method).uri(uri).body(()).unwrap()).map(|target| target.to_string())
    }

    #[test]
    fn a_request_goes_where_its_url_says() {
        for (uri, goes) in [
            ("https://api.example.com/v1?x=1", "https://api.example.com"),
            ("https://API.example.com./", "https://api.example.com"),
            ("http://api.example.com:8080/", "http://api.example.com:8080"),
            ("http://api.example.com:80/", "http://api.example.com"),
            ("http://[::1]:9000/", "http://[::1]:9000"),
            ("http://[::1]/", "http://[::1]"),
        ] {
            assert_eq!(of("GET", uri).as_deref(), Ok(goes), "{uri}");
        }
    }

    #[test]
    fn what_could_mean_another_host_is_refused() {
        for (method, uri, refused) in [
            ("GET", "http://api.example.com@evil.net/", Malformed::UserInfo),
            ("GET", "http://user:pass@api.example.com/", Malformed::UserInfo),
            ("GET", "ftp://api.example.com/", Malformed::Host("api.example.com".into())),
            ("GET", "http://127.1/", Malformed::Host("127.1".into())),
            ("GET", "http://2130706433/", Malformed::Host("2130706433".into())),
            ("GET", "http://api.example.com:0/", Malformed::Host("api.example.com:0".into())),
            ("GET", "/only/a/path", Malformed::Host(String::new())),
            ("CONNECT", "http://api.example.com/", Malformed::Method(Method::CONNECT)),
            ("TRACE", "http://api.example.com/", Malformed::Method(Method::TRACE)),
        ] {
            assert_eq!(of(method, uri), Err(refused), "{method} {uri}");
        }
        let long = format!("http://api.example.com/{}", "x".repeat(PATH));
        assert_eq!(of("GET", &long), Err(Malformed::TooLong(PATH + 1)));
    }

    fn finished(method: &str, key: Option<&str>, body: &'static str) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri("https://api.example.com/v1?x=1");
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
        let target = target(&request).unwrap();
        let occasion = Occasion {
            identity: "default/meter/EV_1".to_owned(),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        };
        finish(request, &target, &occasion)
    }

    #[test]
    fn a_request_says_which_event_it_is_for_and_a_guests_own_word_stands() {
        let key = |request: &Request<Full<Bytes>>| {
            request.headers().get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap().to_owned())
        };
        let first = finished("POST", None, "a");
        assert_eq!(first.uri(), "/v1?x=1");
        assert!(first.headers()["traceparent"].to_str().unwrap().starts_with("00-0af7"));
        assert_eq!(key(&first), key(&finished("POST", None, "a")));
        assert_eq!(key(&first).map(|key| key.len()), Some(64));
        assert_ne!(key(&first), key(&finished("PUT", None, "a")));
        assert_ne!(key(&first), key(&finished("POST", None, "b")));
        assert_eq!(key(&finished("POST", Some("mine"), "a")).as_deref(), Some("mine"));
        assert_eq!(key(&finished("GET", None, "")), None);
    }
}
