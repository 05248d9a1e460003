"""wasi:http for tests: an upstream that says what it was asked, a piece at a time, and refuses what is not its own."""

import contextlib
import types

#: What cannot be dropped twice is not looked at.
drop = contextlib.nullcontext


def modules(ok, err, record) -> dict[str, dict]:
    """The modules of wasi:http, as far as the package uses them."""

    class Fields(contextlib.nullcontext):
        def __init__(self):
            super().__init__(self)
            self.all = []

        def append(self, name, value):
            if name == "Te":
                raise err("forbidden")
            self.all.append((name, value))

        def entries(self):
            return self.all

    class OutgoingRequest:
        def __init__(self, fields):
            self.fields, self.written = fields, b""

        def set_method(self, method):
            self.method = type(method).__name__

        def set_scheme(self, scheme):
            self.scheme = type(scheme).__name__

        def set_authority(self, authority):
            self.authority = authority

        def set_path_with_query(self, path):
            self.path = path

        def body(self):
            return types.SimpleNamespace(write=lambda: drop(types.SimpleNamespace(blocking_write_and_flush=self.write)))

        def write(self, chunk):
            assert len(chunk) <= 4096, "more than the host takes at once"
            self.written += chunk

    closed = record("StreamError_Closed")
    broken = record("StreamError_LastOperationFailed", "value")
    denied, refused = record("ErrorCode_HttpRequestDenied"), record("ErrorCode_ConnectionRefused")
    incomplete = record("ErrorCode_HttpResponseIncomplete")

    class Body:
        def __init__(self, request):
            said = f"{request.method} {request.scheme} {sorted(name for name, _ in request.fields.all)} {len(request.written)}"
            self.pieces, self.authority = [said.encode(), b" \xc3\xbc"], request.authority

        def blocking_read(self, _):
            if self.pieces:
                return self.pieces.pop(0)
            raise err(broken(drop("cut"))) if self.authority == "short" else err(closed())

    class Response(contextlib.nullcontext):
        def __init__(self, request):
            super().__init__(self)
            self.request = request

        def status(self):
            return {"/lost": 404, "/slow": 429, "/busy": 503, "/late": 503, "/round": 302}.get(self.request.path, 200)

        def headers(self):
            fields = Fields()
            fields.append("x-asked", self.request.path.encode())
            if self.request.path == "/late":
                fields.append("retry-after", b"2")
            if self.request.path == "/round":
                fields.append("location", b"/round")
            return fields

        def consume(self):
            return drop(types.SimpleNamespace(stream=lambda: drop(Body(self.request))))

    def handle(request, options):
        assert options is None or options.set == {"connect", "first_byte", "between_bytes"}
        found = {"denied": err(denied()), "gone": err(refused())}.get(request.authority, ok(Response(request)))
        pollable = types.SimpleNamespace(block=lambda: None)
        return drop(types.SimpleNamespace(subscribe=lambda: drop(pollable), get=lambda: ok(found)))

    class RequestOptions:
        def __init__(self):
            self.set = set()
            self.set_connect_timeout = lambda _: self.set.add("connect")
            self.set_first_byte_timeout = lambda _: self.set.add("first_byte")
            self.set_between_bytes_timeout = lambda _: self.set.add("between_bytes")

    names = ("Get", "Head", "Post", "Put", "Delete", "Options", "Patch")
    return {
        "types": {
            "Fields": Fields, "OutgoingRequest": OutgoingRequest, "RequestOptions": RequestOptions,
            "OutgoingBody": types.SimpleNamespace(finish=lambda body, trailers: None),
            "FutureIncomingResponse": object, "IncomingResponse": object, "ErrorCode": object,
            "http_error_code": lambda _: incomplete(),
            "Scheme_Http": record("Scheme_Http"), "Scheme_Https": record("Scheme_Https"),
            "Method_Other": record("Method_Other", "value"),
            **{f"Method_{name}": record(f"Method_{name}") for name in names},
        },
        "streams": {"StreamError_Closed": closed, "InputStream": object},
        "outgoing_handler": {"handle": handle},
    }
