"""Uses each capability of the host once, by the event's type: what must come of it is in e2e/conformance/roll-call.json."""

import json
import logging
from urllib.error import HTTPError
from urllib.parse import quote

import roomwire
from roomwire import Bucket, Event, Permanent, Retry, Skipped, livekit, publish, require, secret, send
from roomwire.http import Request, urlopen

log = logging.getLogger("roll-call")


class Handler(roomwire.Handler):
    """Its method is what Roomwire calls."""

    def on_event(self, event: Event) -> Skipped | None:
        """One event."""
        match event.kind:
            case "participant_joined":
                joined(event)
            case "participant_left":
                left(event)
            case "room_started":
                ask(event)
            case "room_finished":
                send(f"{require('endpoint')}/finished", event.json, {"x-room": event.room or ""})
            case "track_published":
                post_with_secret(event)
            case "track_unpublished":
                urlopen("http://not-granted.invalid/")
            case "egress_started":
                rooms = livekit.call("RoomService", "ListRooms")["rooms"]
                tell({"rooms": [room["name"] for room in rooms]})
            case "egress_ended":
                one(event)
            case "ingress_ended":
                Bucket("not-granted").get("last")
            case _:
                return Skipped("not on the roll")
        return None


def joined(event: Event) -> None:
    """Counts and remembers who joined."""
    identity = event.participant or ""
    log.info("%s joined", identity)
    bucket = Bucket(require("bucket"))
    count = bucket.add("joined", 1)
    bucket.set("last", identity)
    tell({"room": event.room, "identity": identity, "joined": count})


def left(event: Event) -> None:
    """Tells who joined last, and which keys there are."""
    bucket = Bucket(require("bucket"))
    last = bucket.get("last")
    bucket.delete("last")
    tell({"room": event.room, "last": last and last.decode(), "keys": sorted(bucket)})


def ask(event: Event) -> None:
    """Asks upstream about the room."""
    url = f"{require('endpoint')}/rooms/{quote(event.room or '', safe='')}"
    try:
        with urlopen(Request(url, headers={"x-event-id": event.id})) as answer:
            publish(require("subject"), answer.read())
    except HTTPError as error:
        if error.code == 404:
            raise Permanent(f"upstream does not know {event.room}") from None
        raise Retry(f"upstream answered {error.code}") from None


def post_with_secret(event: Event) -> None:
    """Tells upstream about a track."""
    track = event.webhook.track
    body = json.dumps({"sid": track and track.sid}, separators=(",", ":")).encode()
    headers = {"authorization": f"Bearer {secret('TOKEN')}", "content-type": "application/json"}
    urlopen(Request(f"{require('endpoint')}/tracks", body, headers)).close()


def one(event: Event) -> None:
    """Crashes two calls deeper."""
    two(event)


def two(event: Event) -> None:
    """Crashes one call deeper."""
    three(event)


def three(event: Event) -> None:
    """Crashes."""
    raise ValueError(f"three calls deep in {event.kind}")


def tell(what: dict) -> None:
    """Publishes it as JSON."""
    publish(require("subject"), json.dumps(what, ensure_ascii=False, separators=(",", ":")))
