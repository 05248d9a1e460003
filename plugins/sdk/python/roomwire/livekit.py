"""LiveKit's server API, as far as `allow.livekit` grants it. The host signs: the API secret never enters a handler."""

from __future__ import annotations

import json
from typing import Any

from componentize_py_types import Err
from wit_world.imports import livekit as host

from .failures import Failed

#: The refusals that may be over soon.
PASSING = ("unavailable", "deadline_exceeded", "resource_exhausted", "aborted", "internal", "unknown")


class LiveKitError(Failed):
    """A call that came to nothing. Where nobody catches it, it is a failure of the event: another attempt, if that may mend
    it. `code` is Twirp's word for why LiveKit refused it, such as `not_found`, if LiveKit did."""

    def __init__(self, text: str, permanent: bool, code: str | None = None):
        super().__init__(text, permanent)
        self.code = code


def call(service: str, method: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """Calls a method, such as `call("RoomService", "RemoveParticipant", {"room": room, "identity": identity})`, and gives the
    answer. Both are JSON in protobuf's mapping."""
    name = f"{service}/{method}"
    try:
        answer = host.call(service, method, json.dumps(request or {}))
    except Err as error:
        raise failed(name, error.value) from None
    try:
        return json.loads(answer)
    except ValueError as error:
        raise LiveKitError(f"{name}: cannot read the answer: {error}", True) from None


def failed(name: str, error: host.Error) -> LiveKitError:
    """The host's error in words."""
    if isinstance(error, host.Error_Denied):
        return LiveKitError(error.value, True)
    if isinstance(error, host.Error_Twirp):
        code, message = error.value
        return LiveKitError(f"{name}: {message} ({code})", code not in PASSING, code)
    return LiveKitError(f"{name}: {error.value}", not isinstance(error, host.Error_Unavailable))
