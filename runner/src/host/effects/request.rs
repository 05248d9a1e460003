//! The form of a request that leaves after the commit: what a guest may ask for, and what the host adds.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use store::Destination;

use crate::bindings::roomwire::plugin::effects::{self, Error};
use crate::host::http::{BODY, FIELDS, IDEMPOTENCY_KEY, Malformed, TRACEPARENT, is_forbidden, target};
use crate::plugin::Grants;

/// Characters of an `Idempotency-Key` that a guest gives.
const KEY: usize = 255;

/// Where a request goes, and its headers as they are kept.
pub(super) fn accept(
    request: &effects::Request,
    grants: &Grants,
    traceparent: Option<&str>,
) -> Result<(Destination, Vec<(String, String)>), Error> {
    let headers = headers(request, grants)?;
    let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if request.body.len() > BODY || size > FIELDS {
        return Err(Error::TooLarge);
    }
    let destination = destination(request, grants)?;
    let mut kept: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    if let Some(value) = traceparent.filter(|_| !headers.contains_key(TRACEPARENT)) {
        kept.push((TRACEPARENT.as_str().to_owned(), value.to_owned()));
    }
    Ok((destination, kept))
}

fn destination(request: &effects::Request, grants: &Grants) -> Result<Destination, Error> {
    let denied = |text: String| Error::Denied(text);
    let method: Method = request.method.parse().map_err(|_| {
        denied(format!("`{}` is not a method", request.method.chars().take(32).collect::<String>().escape_debug()))
    })?;
    let uri: Uri = request.url.parse().map_err(|_| {
        denied(format!("`{}` is not a URL", request.url.chars().take(200).collect::<String>().escape_debug()))
    })?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut judged = Request::new(());
    (*judged.method_mut(), *judged.uri_mut()) = (method, uri);
    let target = target(&judged).map_err(|refused| match refused {
        Malformed::TooLong(_) => Error::TooLarge,
        refused => denied(refused.to_string()),
    })?;
    if !grants.http.may(&target) {
        return Err(denied(format!("{target} is not granted; add it to the handler's `allow.http`")));
    }
    Ok(Destination::Endpoint { origin: target.to_string(), method: judged.method().to_string(), path })
}

fn headers(request: &effects::Request, grants: &Grants) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        let shown: String = name.chars().take(64).collect();
        let refused = || Error::Denied(format!("header `{}` is not allowed", shown.escape_debug()));
        let name: HeaderName = name.parse().map_err(|_| refused())?;
        // Kept as text, and sent with the same bytes on each try.
        let value = HeaderValue::from_str(value).ok().filter(|value| value.to_str().is_ok()).ok_or_else(refused)?;
        if is_forbidden(&name) || name == CONTENT_LENGTH {
            return Err(refused());
        }
        if name == AUTHORIZATION && grants.sign.is_some() {
            return Err(Error::Denied("header `authorization` is the host's: `send.sign` is set".to_owned()));
        }
        if name == IDEMPOTENCY_KEY && (value.is_empty() || value.len() > KEY) {
            return Err(Error::Denied(format!("header `idempotency-key` has not 1 to {KEY} characters")));
        }
        headers.try_append(name, value).map_err(|_| Error::TooLarge)?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use service::config::Origin;

    use super::*;
    use crate::host::{Client, Tls};

    fn grants(signs: bool) -> Grants {
        let origins = vec![Origin::parse("https://api.example.com").unwrap()];
        let mut grants =
            Grants { http: Arc::new(Client::granted(origins, Vec::new(), Tls::default())), ..Grants::default() };
        grants.sign = signs.then(|| {
            Arc::new(("key".to_owned(), livekit::token::Secret::new("secret-of-thirty-two-characters!").unwrap()))
        });
        grants
    }

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> effects::Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        effects::Request { method: method.to_owned(), url: url.to_owned(), headers, body: b"{}".to_vec() }
    }

    #[test]
    fn a_granted_request_is_kept_with_its_place_in_the_trace() {
        let asked = request("POST", "https://API.example.com:443/v1?a=b#part", &[("X-A", "1"), ("x-a", "2")]);
        let (to, headers) = accept(&asked, &grants(false), Some("00-trace")).unwrap();
        let origin = "https://api.example.com".to_owned();
        assert_eq!(to, Destination::Endpoint { origin, method: "POST".to_owned(), path: "/v1?a=b".to_owned() });
        let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("x-a", "1"), ("x-a", "2"), ("traceparent", "00-trace")]);
        let own = request("PUT", "https://api.example.com", &[("traceparent", "mine")]);
        let (to, headers) = accept(&own, &grants(false), Some("00-trace")).unwrap();
        assert!(matches!(to, Destination::Endpoint { path, .. } if path == "/"));
        assert_eq!(headers, [("traceparent".to_owned(), "mine".to_owned())]);
    }

    #[test]
    fn what_is_not_granted_or_not_the_guests_to_say_is_denied_in_words() {
        let url = "https://api.example.com/";
        for (asked, words) in [
            (
                request("POST", "https://other.example/", &[]),
                "https://other.example is not granted; add it to the handler's",
            ),
            (request("CONNECT", url, &[]), "the method CONNECT is not allowed"),
            (request("PO ST", url, &[]), "`PO ST` is not a method"),
            (request("POST", "https://a b/", &[]), "`https://a b/` is not a URL"),
            (request("POST", "https://me:pw@api.example.com/", &[]), "the URL holds a user or a password"),
            (request("POST", url, &[("Host", "other")]), "header `Host` is not allowed"),
            (request("POST", url, &[("content-length", "9")]), "header `content-length` is not allowed"),
            (request("POST", url, &[("x", "a\r\nb: c")]), "header `x` is not allowed"),
            (request("POST", url, &[("idempotency-key", "")]), "header `idempotency-key` has not 1 to 255 characters"),
        ] {
            let error = accept(&asked, &grants(false), None).unwrap_err();
            assert!(matches!(&error, Error::Denied(text) if text.starts_with(words)), "{asked:?}: {error:?}");
        }
        let own = request("POST", url, &[("authorization", "Bearer x")]);
        assert!(accept(&own, &grants(false), None).is_ok());
        assert!(matches!(accept(&own, &grants(true), None), Err(Error::Denied(text)) if text.contains("send.sign")));
        let large = effects::Request { body: vec![0; BODY + 1], ..request("POST", url, &[]) };
        assert!(matches!(accept(&large, &grants(false), None), Err(Error::TooLarge)));
        let long = request("POST", &format!("{url}{}", "x".repeat(9 << 10)), &[]);
        assert!(matches!(accept(&long, &grants(false), None), Err(Error::TooLarge)));
    }
}
