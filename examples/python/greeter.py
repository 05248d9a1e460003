"""Greets everybody who joins a room, in their language, a moment after they came."""

import json
import logging

import roomwire
from roomwire import Event, Participant, Permanent, Retry, Skipped, config, publish, require

log = logging.getLogger("greeter")


class Handler(roomwire.Handler):
    """Its methods are what Roomwire calls."""

    def on_event(self, event: Event) -> Skipped | None:
        """Greets one participant."""
        if event.kind != "participant_joined":
            return Skipped("nobody joined")
        participant, room = event.webhook.participant, event.webhook.room
        if participant is None:
            raise Permanent("no participant in the event")
        if participant.kind != "STANDARD":
            log.debug("%s is no person", participant.identity)
            return Skipped(f"{participant.kind} is not greeted")
        if room is None:
            raise ValueError("participant_joined without a room")
        wait = delay()
        if event.attempt == 1 and wait is not None:
            raise Retry("the client needs a moment", wait)
        name = participant.name or participant.identity
        log.info("greeting %s in %s, attempt %d", name, room.name, event.attempt)
        headers = {"event-id": event.id, "identity": participant.identity, "joined-at": str(participant.joined_at)}
        publish(require("subject"), f"{greeting(participant)}, {name}", headers)
        return None

    def on_check(self) -> None:
        """Before the handler goes live: what is wrong in its config?"""
        require("subject")
        delay()


def greeting(participant: Participant) -> str:
    """`config.greeting_<language>`, where the participant's metadata names a language, else `config.greeting`."""
    language = None
    if participant.metadata:
        try:
            language = json.loads(participant.metadata).get("language")
        except ValueError:
            raise Permanent(f"the metadata of {participant.identity} is no JSON") from None
    own = config(f"greeting_{language}") if language else None
    return own or config("greeting") or "welcome"


def delay() -> int | None:
    """`config.delay_ms`: how long to wait before the greeting."""
    text = config("delay_ms")
    if text is None:
        return None
    if not text.isdecimal():
        raise Permanent(f'`config.delay_ms` is "{text}", which is no number of milliseconds')
    return int(text)
