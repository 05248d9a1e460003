"""A service that takes LiveKit's webhooks with LiveKit's SDK, as its documentation shows. Refuses the first request with 503.

On stdout: a line with its port, then one JSON object for each webhook that the SDK accepts.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from livekit import api

receiver = api.WebhookReceiver(
    api.TokenVerifier(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
)
requests = 0


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global requests
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        requests += 1
        if requests == 1:
            return self.answer(503)
        try:
            event = receiver.receive(body, self.headers["authorization"])
        except Exception as error:
            print(repr(error), file=sys.stderr, flush=True)
            return self.answer(401)
        print(json.dumps({"id": event.id, "event": event.event, "room": event.room.name}), flush=True)
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Endpoint)
print(server.server_address[1], flush=True)
server.serve_forever()
