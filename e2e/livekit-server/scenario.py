#!/usr/bin/env python3
"""Plays a scenario on a livekit-server and holds what Roomwire stored against it. `make e2e-livekit` calls this."""

import argparse
import asyncio
import collections
import pathlib
import sys
import tempfile

from livekit_api import RoomService, drop_in
from processes import LivekitServer, Roomwire, wait

IDLE, EMPTY, ABORTED, MEETING, OTHER = "idle", "empty", "aborted", "meeting \"1\"", "meeting 2"
PEOPLE = ["anna", "ben", "carla"]
TALK_S = 2


def without_media(server):
    """Rooms that nobody gets into."""
    rooms = RoomService(server.url)
    rooms.create(IDLE, empty_timeout=1)
    rooms.create(EMPTY)
    rooms.delete(EMPTY)
    drop_in(server.url, ABORTED, "nobody")
    whole = {"room_started": 1, "room_finished": 1}
    return {IDLE: whole, EMPTY: whole, ABORTED: {"room_started": 1, "participant_connection_aborted": 1}}


async def with_media(server):
    """Two meetings at the same time: of three people one leaves, one is removed, and the last one's room is deleted."""
    import participants

    rooms = RoomService(server.url)
    inside = {}
    for room in (MEETING, OTHER):
        await asyncio.to_thread(rooms.create, room)
    for identity in PEOPLE:
        for room in (MEETING, OTHER):
            inside[room, identity] = await participants.enter(server.url, room, identity)
    # A track is published when its first packets are there.
    await asyncio.sleep(TALK_S)
    for room in (MEETING, OTHER):
        await participants.leave(inside.pop((room, "anna")))
        await asyncio.to_thread(rooms.remove, room, "ben")
        await asyncio.to_thread(rooms.delete, room)
    for participant in inside.values():
        await participants.leave(participant)
    once_each = ["participant_joined", "track_published", "track_unpublished", "participant_left"]
    meeting = {"room_started": 1, "room_finished": 1, **{kind: len(PEOPLE) for kind in once_each}}
    return {MEETING: meeting, OTHER: meeting}


def problems(expected, stored, sent, lost):
    """What is not as it must be, one line each. `expected` says how many events of which type a room must have."""
    found = []
    kinds = collections.defaultdict(list)
    for event in stored:
        kinds[event.get("room") or event["key"]].append(event["type"])
    for room, wanted in expected.items():
        have = collections.Counter(kinds[room])
        for kind, count in wanted.items():
            if have[kind] != count:
                found.append(f"room {room!r}: {have[kind]} times {kind} in place of {count}: {kinds[room]}")
        if kinds[room][:1] != ["room_started"]:
            found.append(f"room {room!r} does not begin with room_started: {kinds[room]}")
    ids = [event["id"] for event in stored]
    found += [f"{id} is stored {count} times" for id, count in collections.Counter(ids).items() if count > 1]
    found += [f"livekit-server sent {id}, and it is not stored" for id in sent if id not in set(ids)]
    found += [f"livekit-server could not send {id}" for id in lost]
    found += [f"{id} is stored, and livekit-server does not say that it sent it" for id in ids if id not in set(sent)]
    # The log is written when the answer is there, before the next event of the room is sent.
    rooms = {event["id"]: event["key"] for event in stored}
    for key in set(rooms.values()):
        in_log, in_stream = ([id for id in order if rooms.get(id) == key] for order in (sent, ids))
        if in_log != in_stream:
            found.append(f"the events of {key!r} were sent as {in_log} and stored as {in_stream}")
    return found


def play(arguments, folder):
    roomwire = Roomwire(arguments.roomwire, arguments.nats_server, folder)
    server = None
    try:
        server = LivekitServer(arguments.server, roomwire.ready["webhook"], folder)
        print(f"==> rooms without participants on {server.url}", file=sys.stderr)
        expected = without_media(server)
        if not arguments.without_media:
            print("==> two meetings with three participants each", file=sys.stderr)
            expected |= asyncio.run(with_media(server))

        def settled():
            server.check()
            roomwire.check()
            left = problems(expected, roomwire.events(), *server.webhooks())
            return left == [] or None

        try:
            wait("everything to be sent and stored", settled, arguments.patience)
        except RuntimeError:
            pass
        events = roomwire.events()
        left = problems(expected, events, *server.webhooks())
    finally:
        if server:
            server.stop()
        roomwire.stop()
    for event in events:
        print(f"{event['id']}  {event['type']:32} {event['key']}")
    for line in left:
        print(f"error: {line}", file=sys.stderr)
    print(f"{len(events)} events, " + (f"{len(left)} problems" if left else "all sent, stored once and in order"))
    return 1 if left else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, type=pathlib.Path, help="the livekit-server")
    parser.add_argument("--roomwire", required=True, type=pathlib.Path, help="the built roomwire")
    parser.add_argument("--nats-server", required=True, type=pathlib.Path, help="the nats-server that it starts")
    parser.add_argument("--without-media", action="store_true", help="leave out what needs WebRTC")
    parser.add_argument("--patience", type=float, default=45, metavar="SECONDS", help="how long to wait for the last event")
    arguments = parser.parse_args()
    for name in ("server", "roomwire", "nats_server"):
        path = getattr(arguments, name).resolve()
        if not path.is_file():
            parser.error(f"{path} is not a file")
        setattr(arguments, name, path)
    with tempfile.TemporaryDirectory(prefix="rw-livekit-") as folder:
        try:
            return play(arguments, folder)
        except Exception as error:
            for log in sorted(pathlib.Path(folder).glob("*.log")):
                print(f"--- the end of {log.name}:\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
            print(f"error: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
