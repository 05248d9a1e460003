//! Requests to others while an event is handled, as far as `allow.http` grants them. What need not be answered at once is
//! better sent by [`effects`](crate::effects): once, after the commit.
//!
//! ```ignore
//! let answer = http::Request::get(format!("{base}/rooms/{id}")).header("accept", "application/json").send()?;
//! ```

mod error;
mod exchange;

pub use error::HttpError;

/// A request. The host adds an `Idempotency-Key` that is the same on each attempt to any that is no `GET`, `HEAD` or
/// `OPTIONS`, and ends the exchange when the handler's `timeout` is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers and body to an `http` or `https` URL.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url).body(body)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body, of at most 1 MiB.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, and reads the whole answer, whatever its status. Redirects are answers, too.
    ///
    /// # Errors
    /// If it is not granted or not valid, or no whole answer came. With `?` the first two become a permanent failure of the
    /// event, and the last another attempt.
    pub fn send(&self) -> Result<Response, HttpError> {
        exchange::exchange(self)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in lower case, if its value is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_looked_into() {
        let headers = vec![("a".to_owned(), b"1".to_vec()), ("b".to_owned(), vec![0xff])];
        let answer = Response { status: 204, headers, body: vec![b'x', 0xff] };
        assert_eq!((answer.header("a"), answer.header("b"), answer.header("c")), (Some("1"), None, None));
        assert_eq!(answer.text(), "x\u{fffd}");
        assert!(answer.is_success());
        assert!(!Response { status: 302, ..answer }.is_success());
    }
}
