"""Requests that are answered while an event is handled, where `allow.http` grants them: `urlopen`, over the host.

To import it directs `urllib.request.urlopen` to the host, too; there are no sockets here. It is a module of its own because
urllib makes each instance larger."""

from __future__ import annotations

import email.message
import io
import urllib.request
import urllib.response
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, streams, types

from .failures import MEANINGS, Failed, Permanent, Retry

__all__ = ["Request", "RequestFailed", "urlopen"]

#: Bytes of one write to a body: what `blocking-write-and-flush` takes.
WRITE = 4096
#: Bytes of one read of a body.
READ = 65536
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
#: Of these another attempt would end in the same way.
PERMANENT = ("HttpRequestMethodInvalid", "HttpRequestUriInvalid", "HttpRequestUriTooLong", "HttpResponseBodySize")
#: Statuses of 4xx that may be others soon.
PASSING = (408, 425, 429)


class RequestFailed(Failed, URLError):
    """A request that was not answered. Where nobody catches it, it is a failure of the event: another attempt, if that may
    mend it."""

    def __init__(self, to: str, why: str, permanent: bool = False):
        Failed.__init__(self, f"{to}: {why}", permanent)
        self.reason = why

    def __str__(self) -> str:
        return self.text


class HostHandler(urllib.request.BaseHandler):
    """What urllib opens `http` and `https` with."""

    def http_open(self, request: Request) -> urllib.response.addinfourl:
        """Sends a request, and reads the whole answer."""
        url = urlsplit(request.full_url)
        # Without the path, in which there may be what nobody else should read.
        origin = f"{url.scheme}://{request.host}"
        to = f"{request.get_method()} {origin}"
        if "@" in request.host:
            raise RequestFailed(f"{request.get_method()} {url.scheme}", "the URL has a user or a password; set the header `authorization`", True)
        with begin(request, to, origin) as future:
            with future.subscribe() as pollable:
                pollable.block()
            found = future.get()
        if not isinstance(found, Ok):
            raise RequestFailed(to, "no answer")
        if isinstance(found.value, Err):
            raise failed(to, origin, found.value.value)
        status, headers, body = read(found.value.value, to, origin)
        answer = urllib.response.addinfourl(io.BytesIO(body), headers, request.full_url, status)
        answer.msg = answer.reason = ""
        return answer

    https_open = http_open


def begin(request: Request, to: str, origin: str) -> types.FutureIncomingResponse:
    """Hands a request to the host, with its body."""
    body = content(request)
    fields = types.Fields()
    for name, value in request.header_items():
        refused(to, f"header `{name}`", lambda: fields.append(name, value.encode("latin-1")))
    outgoing = types.OutgoingRequest(fields)
    method, name = request.get_method(), request.get_method().capitalize()
    known = getattr(types, f"Method_{name}")() if method in METHODS else types.Method_Other(method)
    scheme = types.Scheme_Https() if request.type == "https" else types.Scheme_Http()
    refused(to, "the method", lambda: outgoing.set_method(known))
    refused(to, "the scheme", lambda: outgoing.set_scheme(scheme))
    refused(to, "the host", lambda: outgoing.set_authority(request.host))
    refused(to, "the path", lambda: outgoing.set_path_with_query(request.selector))
    outgoing_body = outgoing.body()
    try:
        future = outgoing_handler.handle(outgoing, options(request))
    except Err as error:
        raise failed(to, origin, error.value) from None
    write(outgoing_body, body)
    return future


def content(request: Request) -> bytes:
    """The body; as always with urllib, it is a form unless a header says otherwise."""
    if request.data is None:
        return b""
    if not request.has_header("Content-type"):
        request.add_unredirected_header("Content-type", "application/x-www-form-urlencoded")
    if isinstance(request.data, str):
        raise TypeError("the data of a request must be bytes, not str; encode it")
    data = request.data.read() if hasattr(request.data, "read") else request.data
    return bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else b"".join(data)


def refused(to: str, what: str, put) -> None:
    """Where the host takes no such thing, another attempt does not mend it."""
    try:
        put()
    except Err:
        raise RequestFailed(to, f"{what} is not allowed", True) from None


def options(request: Request) -> types.RequestOptions | None:
    """The `timeout` of `urlopen`, for each part of the exchange."""
    if not isinstance(request.timeout, (int, float)):
        return None
    nanoseconds = int(request.timeout * 1e9)
    made = types.RequestOptions()
    made.set_connect_timeout(nanoseconds)
    made.set_first_byte_timeout(nanoseconds)
    made.set_between_bytes_timeout(nanoseconds)
    return made


def write(outgoing: types.OutgoingBody, body: bytes) -> None:
    """Writes a body. What is wrong with it is said by the answer."""
    try:
        with outgoing.write() as stream:
            for at in range(0, len(body), WRITE):
                stream.blocking_write_and_flush(body[at : at + WRITE])
        types.OutgoingBody.finish(outgoing, None)
    except Err:
        outgoing.__exit__(None, None, None)


def read(response: types.IncomingResponse, to: str, origin: str) -> tuple[int, email.message.Message, bytes]:
    """Status, headers and the whole body of an answer."""
    headers = email.message.Message()
    with response:
        with response.headers() as fields:
            for name, value in fields.entries():
                headers[name] = value.decode("latin-1")
        with response.consume() as incoming, incoming.stream() as stream:
            body = b"".join(chunks(stream, to, origin))
        return response.status(), headers, body


def chunks(stream: streams.InputStream, to: str, origin: str):
    """A body in pieces."""
    while True:
        try:
            yield stream.blocking_read(READ)
        except Err as error:
            if isinstance(error.value, streams.StreamError_Closed):
                return
            with error.value.value as cause:
                code = types.http_error_code(cause)
            raise (failed(to, origin, code) if code else RequestFailed(to, "the answer ended early")) from None


def failed(to: str, origin: str, code: types.ErrorCode) -> RequestFailed:
    """What the host answered instead of the other side."""
    name = type(code).__name__.removeprefix("ErrorCode_")
    value = getattr(code, "value", None)
    if name == "HttpRequestDenied":
        return RequestFailed(to, f"{origin} is not granted; add it to the handler's `allow.http`", True)
    if name == "DestinationIpProhibited":
        why = "its address is not granted; add the address to the handler's `allow.http`, or its network to `allow.networks`"
        return RequestFailed(to, why, True)
    if name == "InternalError" and value:
        return RequestFailed(to, value, True)
    if name == "DnsError":
        return RequestFailed(to, f"no address: {value.rcode or 'DNS error'}")
    if name == "HttpRequestBodySize":
        return RequestFailed(to, "the body is too large", True)
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return RequestFailed(to, words, name in PERMANENT)


def meaning(error: URLError) -> Retry | Permanent:
    """What becomes of the event where nobody catches urllib's own exception: a status of 5xx may be another one soon, after the
    seconds that `Retry-After` names, and that of 4xx will not be, but for `PASSING`. What else urllib refuses is no URL for it."""
    if not isinstance(error, HTTPError):
        return Permanent(str(error.reason))
    url = urlsplit(error.filename)
    # Without user and path, in which there may be what nobody else should read.
    text = f"{url.scheme}://{url.netloc.rpartition('@')[2]} answered {error.code}"
    if error.code < 500 and error.code not in PASSING:
        return Permanent(text)
    after = (error.headers or {}).get("retry-after", "")
    return Retry(text, int(after) * 1000 if after.isdecimal() and len(after) < 7 else None)


def install() -> None:
    """Directs urllib to the host. Of its own handlers those stay that need no network; there are no proxies."""
    opener = urllib.request.OpenerDirector()
    own = urllib.request
    for handler in (HostHandler, own.UnknownHandler, own.HTTPDefaultErrorHandler, own.HTTPRedirectHandler, own.HTTPErrorProcessor):
        opener.add_handler(handler())
    urllib.request.install_opener(opener)
    MEANINGS[URLError] = meaning


install()
