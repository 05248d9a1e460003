//! From a request to its answer, over `wasi:http`.

use crate::bindings::wasi::http::outgoing_handler::handle;
use crate::bindings::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::bindings::wasi::io::streams::StreamError;

use super::{HttpError, Request, Response};

/// Bytes of one write to a body: what `blocking-write-and-flush` takes.
const WRITE: usize = 4 << 10;

/// Bytes of one read of a body.
const READ: u64 = 64 << 10;

/// An URL, taken apart.
struct Url<'a> {
    scheme: Scheme,
    origin: &'a str,
    authority: &'a str,
    path: String,
}

pub(super) fn exchange(request: &Request) -> Result<Response, HttpError> {
    let Some(url) = take_apart(&request.url) else {
        return Err(HttpError::permanent(&request.method, "the URL does not start with `http://` or `https://`"));
    };
    // Without the path, in which there may be what nobody else should read.
    let to = format!("{} {}", request.method, url.origin);
    let future = begin(request, &url, &to)?;
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => read(response, url.origin, &to),
        Some(Ok(Err(code))) => Err(HttpError::of(&to, url.origin, &code)),
        Some(Err(())) | None => Err(HttpError::passing(&to, "no answer")),
    }
}

fn take_apart(url: &str) -> Option<Url<'_>> {
    let url = url.split('#').next()?;
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let (authority, path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let origin = url.get(..url.len() - (rest.len() - authority.len()))?;
    Some(Url { scheme, origin, authority, path })
}

fn begin(request: &Request, url: &Url<'_>, to: &str) -> Result<FutureIncomingResponse, HttpError> {
    let fields = Fields::new();
    for (name, value) in &request.headers {
        let added = fields.append(name, value);
        added.map_err(|_| HttpError::permanent(to, format_args!("header `{name}` is not allowed")))?;
    }
    let refused = |what: &'static str| move |()| HttpError::permanent(to, format_args!("the {what} is not valid"));
    let outgoing = OutgoingRequest::new(fields);
    outgoing.set_method(&method(&request.method)).map_err(refused("method"))?;
    outgoing.set_scheme(Some(&url.scheme)).map_err(refused("scheme"))?;
    outgoing.set_authority(Some(url.authority)).map_err(refused("host"))?;
    outgoing.set_path_with_query(Some(&url.path)).map_err(refused("path"))?;
    let body = outgoing.body().map_err(refused("body"))?;
    let future = handle(outgoing, None).map_err(|code| HttpError::of(to, url.origin, &code))?;
    write(body, &request.body);
    Ok(future)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// What is wrong with the body is said by the answer.
fn write(outgoing: OutgoingBody, body: &[u8]) {
    let Ok(stream) = outgoing.write() else { return };
    let written = body.chunks(WRITE).all(|chunk| stream.blocking_write_and_flush(chunk).is_ok());
    drop(stream);
    if written {
        let _said_by_the_answer = OutgoingBody::finish(outgoing, None);
    }
}

fn read(response: IncomingResponse, origin: &str, to: &str) -> Result<Response, HttpError> {
    let status = response.status();
    let headers = response.headers().entries();
    let no_body = |()| HttpError::passing(to, "an answer without a body");
    let incoming = response.consume().map_err(no_body)?;
    drop(response);
    let body = read_body(&incoming, origin, to)?;
    Ok(Response { status, headers, body })
}

fn read_body(incoming: &IncomingBody, origin: &str, to: &str) -> Result<Vec<u8>, HttpError> {
    let stream = incoming.stream().map_err(|()| HttpError::passing(to, "an answer without a body"))?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(chunk) => body.extend(chunk),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = crate::bindings::wasi::http::types::http_error_code(&error);
                return Err(match code {
                    Some(code) => HttpError::of(to, origin, &code),
                    None => HttpError::passing(to, "the answer ended early"),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_is_taken_apart() {
        for (url, origin, authority, path) in [
            ("http://a", "http://a", "a", "/"),
            ("https://a:8443/b/c?d=/e#f", "https://a:8443", "a:8443", "/b/c?d=/e"),
            ("http://[::1]:80?x=1", "http://[::1]:80", "[::1]:80", "/?x=1"),
        ] {
            let found = take_apart(url).unwrap();
            assert_eq!((found.origin, found.authority, found.path.as_str()), (origin, authority, path));
        }
        for url in ["", "a/b", "ftp://a", "HTTP//a"] {
            assert!(take_apart(url).is_none(), "{url}");
        }
    }
}
