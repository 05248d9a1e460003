"""Roomwire and livekit-server as processes, and what each of them says was sent and stored."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

from livekit_api import KEY, SECRET


def wait(what, find, seconds=60):
    """Returns what `find` finds as soon as it is not None or False."""
    end = time.monotonic() + seconds
    while True:
        found = find()
        if found is not None and found is not False:
            return found
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A process whose output goes to a file."""

    def __init__(self, name, arguments, folder, environment=None):
        self.name, self.log = name, pathlib.Path(folder, f"{name}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    def check(self):
        if self.process.poll() is not None:
            end = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{end}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Roomwire(Process):
    """`roomwire up` with a nats-server of its own."""

    def __init__(self, binary, nats_server, folder):
        self.binary, self.folder = binary, folder
        self.config, ready = pathlib.Path(folder, "roomwire.yaml"), pathlib.Path(folder, "ready.json")
        self.config.write_text(json.dumps({"livekit": {"keys": {KEY: SECRET}}}))
        self.environment = {"ROOMWIRE_NATS_SERVER": str(nats_server)}
        self.common = ["--config", str(self.config), "--data", str(pathlib.Path(folder, "data"))]
        super().__init__(
            "roomwire",
            [binary, "up", *self.common, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", str(ready)],
            folder,
            self.environment,
        )

        def is_ready():
            self.check()
            return json.loads(ready.read_text()) if ready.exists() else None

        self.ready = wait("roomwire to be ready", is_ready)

    def events(self):
        """The stored events in order of arrival."""
        output = subprocess.run(
            [self.binary, "events", "list", "--limit", "100000", "--output", "json", *self.common],
            cwd=self.folder, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60,
        )
        if output.returncode != 0:
            raise RuntimeError(f"roomwire events list: {output.stderr}")
        return [json.loads(line) for line in output.stdout.splitlines()]


class LivekitServer(Process):
    """livekit-server on loopback, which sends webhooks to one address."""

    def __init__(self, binary, webhook, folder):
        port, config = free_port(), pathlib.Path(folder, "livekit.yaml")
        self.url = f"http://127.0.0.1:{port}"
        # JSON is YAML.
        config.write_text(json.dumps({
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "tcp_port": free_port(), "port_range_start": 50000, "port_range_end": 50200,
                "use_external_ip": False, "enable_loopback_candidate": True, "node_ip": "127.0.0.1",
            },
            "keys": {KEY: SECRET},
            "webhook": {"api_key": KEY, "urls": [webhook]},
            "logging": {"level": "debug", "json": True},
        }))
        super().__init__("livekit-server", [binary, "--config", str(config)], folder)

        def answers():
            self.check()
            try:
                with urllib.request.urlopen(self.url, timeout=2) as answer:
                    return answer.status == 200
            except OSError:
                return False

        wait("livekit-server to answer", answers)

    def webhooks(self):
        """The ids that it says it has sent, and those that it says it has not: `({id, …}, {id, …})`."""
        sent, lost = [], []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if not isinstance(entry, dict) or "id" not in entry:
                continue
            if entry.get("msg") == "sent webhook":
                sent.append(entry["id"])
            elif entry.get("msg") in ("dropped webhook", "failed to send webhook"):
                lost.append(entry["id"])
        return sent, lost
