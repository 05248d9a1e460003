#!/usr/bin/env python3
"""Stands in for livekit-server where there is none, to test the scenario: rooms and signalling, no media.

STAND_IN_LOSES=event_type makes it say that it has sent webhooks of that type which it has not.
"""

import base64
import hashlib
import http.server
import json
import os
import queue
import secrets
import sys
import threading
import time
import urllib.parse
import urllib.request

from livekit_api import sign


class Webhooks:
    """Sends events one after the other and logs them as livekit-server does."""

    def __init__(self, url):
        self.url, self.waiting, self.loses = url, queue.Queue(), os.environ.get("STAND_IN_LOSES")
        threading.Thread(target=self.send, daemon=True).start()

    def put(self, event, room, **more):
        body = {"event": event, "room": room, **more, "id": f"EV_{secrets.token_hex(6)}", "createdAt": str(int(time.time()))}
        self.waiting.put(body)

    def send(self):
        while True:
            event = self.waiting.get()
            body = json.dumps(event).encode()
            token = sign({"sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()})
            headers = {"Authorization": token, "Content-Type": "application/webhook+json", "User-Agent": "LiveKit"}
            if event["event"] != self.loses:
                urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=10).close()
            print(json.dumps({"level": "info", "msg": "sent webhook", "id": event["id"], "event": event["event"]}), flush=True)


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rooms = {}

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"OK"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if not self.path.startswith("/rtc?"):
            return self.answer(200)
        token = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["access_token"][0]
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        room = {"sid": f"RM_{secrets.token_hex(6)}", "name": claims["video"]["room"]}
        self.webhooks.put("room_started", room)
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x82\x01x")
        self.rfile.read(1)
        self.webhooks.put("participant_connection_aborted", room, participant={"sid": "PA_1", "identity": claims["sub"]})
        self.close_connection = True

    def do_POST(self):
        method = self.path.rpartition("/")[2]
        if not self.headers["Authorization"].startswith("Bearer "):
            return self.answer(401, b'{"code":"unauthenticated","msg":"no permission"}')
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if method == "CreateRoom":
            room = {"sid": f"RM_{secrets.token_hex(6)}", "name": request["name"]}
            self.rooms[room["name"]] = room
            self.webhooks.put("room_started", room)
            if request["emptyTimeout"] == 1:
                threading.Timer(1, self.webhooks.put, ["room_finished", room]).start()
            return self.answer(200, json.dumps(room).encode())
        if method == "DeleteRoom" and request["room"] in self.rooms:
            self.webhooks.put("room_finished", self.rooms.pop(request["room"]))
            return self.answer(200, b"{}")
        return self.answer(404, b'{"code":"not_found","msg":"requested room does not exist"}')


def main():
    with open(sys.argv[sys.argv.index("--config") + 1]) as file:
        config = json.load(file)
    Server.webhooks = Webhooks(config["webhook"]["urls"][0])
    http.server.ThreadingHTTPServer((config["bind_addresses"][0], config["port"]), Server).serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
