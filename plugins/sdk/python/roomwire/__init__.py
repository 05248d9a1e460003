"""Handlers for LiveKit events, in Python. See README.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from componentize_py_types import Err
from wit_world.imports import effects, event_types, wasi_config_store

from . import livekit, logs
from .failures import MEANINGS, Failed, Permanent, Retry
from .keyvalue import Bucket
from .messages import *  # noqa: F403  the messages are part of the interface
from .messages import Webhook
from .secrets import secret
from .webhook import WrongBody, parse

__all__ = ["Bucket", "Event", "Handler", "Permanent", "Retry", "Skipped", "Webhook", "config", "livekit", "publish", "require",
           "secret", "send"]

logs.install()


@dataclass(frozen=True)
class Skipped:
    """What `on_event` returns for an event that is settled as done and counted apart."""

    why: str


@dataclass(frozen=True)
class Event:
    """One event: the fields of the plugin contract, and the webhook's body."""

    id: str
    kind: str
    project: str
    room: str | None
    participant: str | None
    created_at: str
    attempt: int
    deadline_ms: int
    json: str
    attributes: dict[str, str] = field(default_factory=dict)

    @cached_property
    def webhook(self) -> Webhook:
        """The body, typed. What is newer than this package passes: unknown names stay text, unknown fields are in
        `json`. A field of another type than LiveKit documents is a permanent failure."""
        return parse(self.json)

    @property
    def final_attempt(self) -> bool:
        """Whether the event is a dead letter if this attempt fails."""
        return self.attributes.get("final-attempt") == "true"


class Handler:
    """The export of a component: a module needs a class `Handler` that inherits from this one."""

    def on_event(self, event: Event) -> Skipped | None:
        """One event, in a fresh instance. Raise `Retry` or `Permanent` for a failure; those of `http` and `livekit` that
        nobody caught are one or the other, also the `HTTPError` of a status, and any other exception is a crash, whose
        traceback is on stderr."""
        raise NotImplementedError("define `on_event` in your class `Handler`")

    def on_check(self) -> None:
        """Called once at deploy, with the config and no grants: an exception refuses the deploy."""

    def handle(self, raw: event_types.Event) -> event_types.Outcome:
        """The export: calls `on_event`."""
        try:
            outcome = self.on_event(Event(**{**vars(raw), "attributes": dict(raw.attributes)}))
        except (Retry, Permanent, Failed, WrongBody, *MEANINGS) as failure:
            raise Err(failure_of(failure)) from None
        return event_types.Outcome_Skipped(outcome.why) if outcome else event_types.Outcome_Done()

    def check(self) -> None:
        """The export: calls `on_check`."""
        try:
            self.on_check()
        except (Permanent, Retry, Failed) as failure:
            raise Err(str(failure)) from None


def failure_of(raised: Exception) -> event_types.Failure:
    """The failure of the contract that an exception stands for."""
    meaning = next((MEANINGS[kind] for kind in MEANINGS if isinstance(raised, kind)), lambda end: end)
    end = raised.failure() if isinstance(raised, Failed) else meaning(raised)
    if isinstance(end, Retry):
        return event_types.Failure_Retry(event_types.RetryHint(str(end), end.after_ms))
    return event_types.Failure_Permanent(str(end))


def config(key: str) -> str | None:
    """The value of a key of the handler's `config` in roomwire.yaml, if it is there."""
    return wasi_config_store.get(key)


def require(key: str) -> str:
    """The value of a key that must be there: a permanent failure, or the reason of a refused deploy."""
    value = config(key)
    if value is None:
        raise Permanent(f"set `config.{key}`")
    return value


def publish(subject: str, data: str | bytes, headers: dict[str, str] | None = None) -> None:
    """Publishes a message to a NATS subject that `allow.publish` grants, once, after the end of the event is committed; of
    a call that fails nothing leaves. What is denied, too large or too many is a permanent failure."""
    body = data.encode() if isinstance(data, str) else data
    try:
        effects.publish(effects.Message(subject, body, list((headers or {}).items())))
    except Err as error:
        raise failed(error.value) from None


def send(url: str, data: str | bytes = b"", headers: dict[str, str] | None = None, method: str = "POST") -> None:
    """Has the host send a request to a URL that `allow.http` grants, after the end of the event is committed: with the same
    bytes and the same `Idempotency-Key` until it is answered 2xx. Of a call that fails nothing leaves. For an answer, use
    `roomwire.http`. What is denied, too large or too many is a permanent failure."""
    body = data.encode() if isinstance(data, str) else data
    try:
        effects.send(effects.Request(method, url, list((headers or {}).items()), body))
    except Err as error:
        raise failed(error.value) from None


def failed(error: effects.Error) -> Exception:
    """What is not granted, too large or too many will be so the next time, too; the rest may pass."""
    if isinstance(error, effects.Error_Denied):
        return Permanent(error.value)
    if isinstance(error, effects.Error_TooLarge):
        return Permanent("the message or request is larger than the host takes")
    if isinstance(error, effects.Error_QuotaExceeded):
        return Permanent("too many effects in one call")
    return Retry(error.value)
