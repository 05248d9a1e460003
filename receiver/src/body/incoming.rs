//! The body of a request on its way: it knows what the request costs, and tells its connection when it is complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{HeaderMap, Request, Version};

use crate::activity::InBody;
use crate::places::Places;

/// What a request costs besides its bytes: its task, its place in the connection, what is noted of it.
const REQUEST: usize = 6 << 10;
/// What a header field costs besides its bytes.
const FIELD: usize = 128;

/// The body of a request on its way.
#[derive(Debug)]
pub(crate) struct Incoming {
    body: hyper::body::Incoming,
    overhead: usize,
    http2: bool,
    in_body: InBody,
    places: Places,
}

impl Incoming {
    /// The request with its body watched.
    pub(crate) fn watch(
        request: Request<hyper::body::Incoming>,
        in_body: InBody,
        places: &Places,
    ) -> Request<Incoming> {
        let overhead = REQUEST + cost(request.headers());
        let http2 = request.version() == Version::HTTP_2;
        let places = places.clone();
        request.map(|body| Incoming { body, overhead, http2, in_body, places })
    }

    /// What the request costs besides its body.
    pub(crate) fn overhead(&self) -> usize {
        self.overhead
    }

    /// Whether a piece of it keeps nothing but its own connection's buffer. On HTTP/2 each of many bodies would keep one.
    pub(crate) fn owns_its_buffers(&self) -> bool {
        !self.http2
    }

    /// Who else is connected.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// What is left of the body, of which the connection is not told any more.
    pub(crate) fn unwatched(self) -> hyper::body::Incoming {
        drop(self.in_body);
        self.body
    }
}

fn cost(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| FIELD + name.as_str().len() + value.len()).sum()
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
