"""A host for tests: the modules that componentize-py makes from the WIT, as far as the package uses them."""

import enum
import json
import sys
import types
from dataclasses import dataclass

import upstream

CONFIG: dict[str, str] = {}
PUBLISHED: list = []
LOGGED: list[tuple[str, str, str]] = []
ANSWER: list = []


class Err(Exception):
    def __init__(self, value):
        self.value = value


@dataclass
class Ok:
    value: object


def module(name: str, **members) -> None:
    made = types.ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made


def record(name: str, *fields: str) -> type:
    return dataclass(type(name, (), {"__annotations__": dict.fromkeys(fields, object)}))


def publish(message) -> None:
    if ANSWER:
        raise Err(ANSWER.pop())
    PUBLISHED.append(message)


class Level(enum.Enum):
    TRACE, DEBUG, INFO, WARN, ERROR, CRITICAL = range(6)


class Store:
    """A bucket of the host; its pages have one key."""

    def __init__(self, keys: dict[str, bytes]):
        self.keys = keys
        self.get = keys.get
        self.set = keys.__setitem__
        self.exists = keys.__contains__

    def delete(self, key: str) -> None:
        self.keys.pop(key, None)

    def list_keys(self, cursor: str | None):
        after = sorted(key for key in self.keys if key > (cursor or ""))
        return types.SimpleNamespace(keys=after[:1], cursor=after[0] if len(after) > 1 else None)


BUCKETS: dict[str, dict[str, bytes]] = {}
AccessDenied = record("Error_AccessDenied")
OtherError = record("Error_Other", "value")


def open_bucket(name: str) -> Store:
    if name not in BUCKETS:
        raise Err(AccessDenied())
    return Store(BUCKETS[name])


def increment(bucket: Store, key: str, delta: int) -> int:
    text = bucket.keys.get(key, b"0").decode()
    if not text.lstrip("-").isdigit():
        raise Err(OtherError("no number"))
    bucket.keys[key] = str(int(text) + delta).encode()
    return int(text) + delta


SENT: list = []


def livekit_call(service: str, method: str, request: str) -> str:
    if ANSWER:
        raise Err(ANSWER.pop())
    return json.dumps({"called": f"{service}/{method}", "request": json.loads(request)})


SecretDenied = record("Error_Denied")


def get_secret(name: str) -> str:
    if name != "TOKEN":
        raise Err(SecretDenied())
    return "s3cret"


def install() -> None:
    module("componentize_py_types", Err=Err, Ok=Ok)
    module("wit_world")
    module("wit_world.imports")
    made = {
        **upstream.modules(Ok, Err, record),
        "effects": {
            "publish": publish,
            "send": SENT.append,
            "Request": record("Request", "method", "url", "headers", "body"),
            "Message": record("Message", "subject", "data", "headers"),
            "Error_Denied": record("Error_Denied", "value"),
            "Error_TooLarge": record("Error_TooLarge"),
            "Error_QuotaExceeded": record("Error_QuotaExceeded"),
            "Error_Other": record("Error_Other", "value"),
        },
        "event_types": {
            "Event": record("Event", "id", "kind", "project", "room", "participant", "created_at", "attempt",
                            "deadline_ms", "json", "attributes"),
            "RetryHint": record("RetryHint", "reason", "after_ms"),
            "Failure_Retry": record("Failure_Retry", "value"),
            "Failure_Permanent": record("Failure_Permanent", "value"),
            "Outcome_Done": record("Outcome_Done"),
            "Outcome_Skipped": record("Outcome_Skipped", "value"),
        },
        "wasi_config_store": {"get": CONFIG.get},
        "wasi_keyvalue_store": {
            "open": open_bucket,
            "Error_NoSuchStore": record("Error_NoSuchStore"),
            "Error_AccessDenied": AccessDenied,
            "Error_Other": OtherError,
            "Error": object,
        },
        "livekit": {
            "call": livekit_call,
            **{f"Error_{name}": record(f"Error_{name}", "value") for name in ("Denied", "Twirp", "Unavailable", "Other")},
        },
        "secrets": {"get": get_secret, "Error_Denied": SecretDenied, "Error_NotFound": record("Error_NotFound"),
                    "Error_Other": OtherError},
        "atomics": {"increment": increment},
        "logging": {"Level": Level, "log": lambda level, context, text: LOGGED.append((level.name, context, text))},
    }
    for name, members in made.items():
        module(f"wit_world.imports.{name}", **members)
        setattr(sys.modules["wit_world.imports"], name, sys.modules[f"wit_world.imports.{name}"])
