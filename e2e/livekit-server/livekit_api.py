"""What a livekit-server is asked for without WebRTC: tokens, RoomService, a signalling connection."""

import base64
import hashlib
import hmac
import json
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

KEY = "devkey"
SECRET = "secretsecretsecretsecretsecretsecret"


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims):
    """A token of now, valid for five minutes."""
    now = int(time.time())
    claims = {"iss": KEY, "nbf": now, "exp": now + 300, **claims}
    head = _part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    text = f"{head}.{_part(json.dumps(claims).encode())}"
    return f"{text}.{_part(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())}"


def join_token(room, identity):
    """Lets somebody into a room."""
    return sign({"sub": identity, "name": identity, "video": {"room": room, "roomJoin": True}})


class RoomService:
    """LiveKit's RoomService over Twirp with JSON."""

    def __init__(self, url):
        self.url = url

    def call(self, method, room, fields):
        grants = {"roomCreate": True, "roomList": True, "roomAdmin": True, "room": room}
        request = urllib.request.Request(
            f"{self.url}/twirp/livekit.RoomService/{method}",
            data=json.dumps(fields).encode(),
            headers={"Authorization": f"Bearer {sign({'video': grants})}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} was answered {error.code}: {error.read().decode()}") from error

    def create(self, room, empty_timeout=60):
        return self.call("CreateRoom", room, {"name": room, "emptyTimeout": empty_timeout, "departureTimeout": 3})

    def delete(self, room):
        return self.call("DeleteRoom", room, {"room": room})

    def remove(self, room, identity):
        return self.call("RemoveParticipant", room, {"room": room, "identity": identity})


def drop_in(url, room, identity):
    """Opens a signalling connection as a client does, and goes away without ever having had a media connection."""
    place = urllib.parse.urlsplit(url)
    query = urllib.parse.urlencode(
        {"access_token": join_token(room, identity), "auto_subscribe": "1", "sdk": "python", "protocol": "15"}
    )
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(
            f"GET /rtc?{query} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
        )
        answer = b""
        # The first message after the head says that the participant is known.
        while b"\r\n\r\n" not in answer or answer.endswith(b"\r\n\r\n"):
            piece = connection.recv(4096)
            if not piece:
                raise RuntimeError(f"the signalling connection was closed: {answer[:200]!r}")
            answer += piece
            if len(answer) > 12 and not answer.startswith(b"HTTP/1.1 101"):
                raise RuntimeError(f"no signalling connection: {answer[:200]!r}")
