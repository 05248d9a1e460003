"""From a body to its messages, tolerant of what is newer than this package."""

from __future__ import annotations

import json
from typing import Any

from . import messages


class WrongBody(Exception):
    """A body that is not what LiveKit documents."""


def parse(body: str) -> messages.Webhook:
    """Reads the body of a webhook."""
    try:
        return message("Webhook", json.loads(body))
    except ValueError as error:
        raise WrongBody(f"cannot read the webhook's body: {error}") from None


def message(kind: str, found: Any) -> Any:
    """The message that a JSON object stands for. Fields that are unknown are left out; null is as absent."""
    if not isinstance(found, dict):
        raise ValueError(f"{kind} is no object")
    values = {}
    for name, (attribute, type_name) in messages.FIELDS[kind].items():
        value = found.get(name)
        if value is not None:
            values[attribute] = field(name, type_name, value)
    return getattr(messages, kind)(**values)


def field(name: str, kind: str, value: Any) -> Any:
    """The value of a field: 64-bit integers may be text, values of enums may be numbers."""
    if kind.startswith("[]"):
        if not isinstance(value, list):
            raise ValueError(f"{name} is no list")
        return [message(kind[2:], item) for item in value]
    if kind == "enum" and type(value) in (str, int):
        return str(value)
    if kind in ("long", "nanos") and type(value) in (str, int):
        return int(value)
    types = {"text": str, "bool": bool, "int": int, "map": dict}
    if kind in types:
        if type(value) is types[kind]:
            return value
    elif kind not in ("enum", "long", "nanos"):
        return message(kind, value)
    raise ValueError(f"{name} is {json.dumps(value)}")
